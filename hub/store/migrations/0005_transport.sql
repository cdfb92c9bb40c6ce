-- Key rotation: the number that the edge is told to sign with. `key_number` follows once it does.
ALTER TABLE edge ADD COLUMN key_wanted int NOT NULL DEFAULT 1;
UPDATE edge SET key_wanted = key_number;
