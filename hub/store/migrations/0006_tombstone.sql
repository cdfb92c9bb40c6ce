-- How many readings the dropped items held: what is missing can be counted against what was sent.
ALTER TABLE tombstone ADD COLUMN readings bigint NOT NULL DEFAULT 0;
