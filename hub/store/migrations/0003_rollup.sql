-- Roll-ups of readings, what identifies this database, and where a pruned journal begins.

-- Natively partitioned on both layouts: by level, so that each has its own retention, then by time
-- (hub/store/partition.py; days never go and have one partition). Written by the chores alone.
CREATE TABLE rollup (
    site text NOT NULL,
    series int NOT NULL,
    bucket_s int NOT NULL,                     -- 60, 900, 3600, 86400
    at timestamptz NOT NULL,                   -- the bucket is [at, at + bucket_s); days are UTC days
    count bigint NOT NULL,                     -- all readings
    good bigint NOT NULL,                      -- those of quality good
    min double precision,                      -- min … last: over usable values (good or uncertain); null: none
    max double precision,
    mean double precision,
    last double precision,
    last_at timestamptz,
    usable bigint NOT NULL,                    -- the weight of `mean`
    PRIMARY KEY (site, series, bucket_s, at)
) PARTITION BY LIST (bucket_s);
CREATE TABLE rollup_60 PARTITION OF rollup FOR VALUES IN (60) PARTITION BY RANGE (at);
CREATE TABLE rollup_900 PARTITION OF rollup FOR VALUES IN (900) PARTITION BY RANGE (at);
CREATE TABLE rollup_3600 PARTITION OF rollup FOR VALUES IN (3600) PARTITION BY RANGE (at);
CREATE TABLE rollup_86400 PARTITION OF rollup FOR VALUES IN (86400);

-- Up to which recorded time a site's readings are in its roll-ups. A site has one writer, and its recorded
-- times rise from commit to commit: what is recorded up to here is in, whatever time it was observed.
CREATE TABLE rollup_mark (
    site text PRIMARY KEY,
    recorded_at timestamptz NOT NULL
);

-- What is new is found by the time of recording. Rows lie in that order, so that a summary of each 256 kB is
-- enough, and a COPY hardly feels it.
CREATE INDEX readings_recorded ON readings USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on);

-- This database, one row. An edge that is told another `store` than before tells its conditions anew.
CREATE TABLE store (
    store text PRIMARY KEY DEFAULT replace(gen_random_uuid()::text, '-', ''),
    made_at timestamptz NOT NULL DEFAULT now(),
    restored_at timestamptz,                   -- it was filled from a backup then,
    restored_from timestamptz,                 -- which was of this time
    backed_up_at timestamptz,
    backed_up_bytes bigint
);
CREATE UNIQUE INDEX store_once ON store ((true));
INSERT INTO store DEFAULT VALUES;

-- So often the hub has lost track of what an edge's conditions are (alarm items that can never come): with
-- `store` it makes up the number that the edge compares.
ALTER TABLE edge ADD COLUMN losses bigint NOT NULL DEFAULT 0;

-- The last row that retention took out of a site's journal: a check of the chain begins at its hash.
CREATE TABLE journal_anchor (
    site text PRIMARY KEY,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    hash bytea NOT NULL,
    pruned_at timestamptz NOT NULL
);
