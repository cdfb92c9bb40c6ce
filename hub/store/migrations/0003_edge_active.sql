-- An edge that the configuration no longer names keeps its row: its keys work again when it comes back.
ALTER TABLE edge ADD COLUMN active boolean NOT NULL DEFAULT true;
