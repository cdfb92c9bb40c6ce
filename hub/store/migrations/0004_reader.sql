-- The journal's readers towards the outside. Where each stands is in reader_cursor; here is how it fares.

CREATE TABLE reader_state (
    reader text NOT NULL,                      -- 'webhook:<name>'
    site text NOT NULL,
    attempts int NOT NULL DEFAULT 0,           -- at the row after the cursor, without success
    failing_since timestamptz,                 -- null: the last delivery went well
    next_at timestamptz,                       -- not before then
    parked_at timestamptz,                     -- it failed for so long that only a probe now and then is sent
    error text NOT NULL DEFAULT '',
    delivered bigint NOT NULL DEFAULT 0,
    delivered_at timestamptz,
    PRIMARY KEY (reader, site)
);

-- Rows that a reader's channel refused for themselves: passed over, kept here, never forgotten.
CREATE TABLE dead_letter (
    site text NOT NULL,
    reader text NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    attempts int NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (site, reader, seq)
);
