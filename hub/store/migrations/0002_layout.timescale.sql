-- With TimescaleDB: hypertables with one-day chunks.
SELECT create_hypertable('readings', 'observed_at', chunk_time_interval => interval '1 day', create_default_indexes => false);
SELECT create_hypertable('events', 'recorded_at', chunk_time_interval => interval '1 day', create_default_indexes => false);
CREATE INDEX readings_series ON readings (site, series, observed_at DESC);
CREATE INDEX events_recorded ON events (site, recorded_at);
CREATE INDEX events_device ON events (site, device, recorded_at);
