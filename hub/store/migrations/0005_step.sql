-- A running incident carries its plan's order with it: a plan that is edited meanwhile changes nothing in it.
ALTER TABLE incident_step ADD COLUMN due_s double precision NOT NULL DEFAULT 300;
ALTER TABLE incident_step ADD COLUMN after int[] NOT NULL DEFAULT '{}';
