-- An alarm's evidence is written in the transaction that writes the alarm, by one function (hub/store/alarm.py), and
-- dropped with it by one statement (hub/store/retention.py). The foreign key asked for each piece whether the alarm is
-- there, through every dead version that a flood of occurrences leaves in its index: ten times what the row costs.
ALTER TABLE alarm_evidence DROP CONSTRAINT alarm_evidence_site_alarm_fkey;
