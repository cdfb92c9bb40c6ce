-- TimescaleDB makes a chunk with the rights of its table and without its policy, in a schema that everybody may
-- enter. So the chunks stand in a schema of our own, which is the owner's alone: closed from the moment that they
-- are made. Reading and writing through the table does not ask for it. What was stored moves over.
DO $$
    BEGIN
        IF NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb') THEN
            RETURN;
        END IF;
        CREATE SCHEMA chunk;

        ALTER TABLE readings RENAME TO readings_before;
        CREATE TABLE readings (LIKE readings_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
        PERFORM create_hypertable('readings', 'observed_at', chunk_time_interval => interval '1 day',
            create_default_indexes => false, associated_schema_name => 'chunk');
        INSERT INTO readings SELECT * FROM readings_before;
        DROP TABLE readings_before;
        CREATE INDEX readings_series ON readings (site, series, observed_at DESC);
        CREATE INDEX readings_recorded ON readings USING brin (recorded_at)
            WITH (pages_per_range = 32, autosummarize = on);

        ALTER TABLE events RENAME TO events_before;
        CREATE TABLE events (LIKE events_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
        PERFORM create_hypertable('events', 'recorded_at', chunk_time_interval => interval '1 day',
            create_default_indexes => false, associated_schema_name => 'chunk');
        INSERT INTO events SELECT * FROM events_before;
        DROP TABLE events_before;
        CREATE INDEX events_recorded ON events (site, recorded_at);
        CREATE INDEX events_device ON events (site, device, recorded_at);
    END
$$;
