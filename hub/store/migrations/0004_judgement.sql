-- What an act names beside the number, so that a list that moved answers "no longer so": it counts
-- changes of state, priority and verification, never an occurrence or a note.
ALTER TABLE alarm ADD COLUMN version int NOT NULL DEFAULT 1;
-- The panel's own start or two independent devices: automatic releases are allowed.
ALTER TABLE incident ADD COLUMN verified boolean NOT NULL DEFAULT false;
-- The newest closed alarm of a subject, to which late evidence is attached.
CREATE INDEX alarm_subject ON alarm (site, subject, condition, alarm);
CREATE INDEX alarm_incident ON alarm (site, incident) WHERE incident IS NOT NULL;
CREATE INDEX hazard_subject ON hazard (site, subject, condition, hazard);
CREATE INDEX incident_step_due ON incident_step (due_at) WHERE state IN ('notified', 'accepted');
CREATE INDEX command_device ON command (site, device, address, requested_at);
