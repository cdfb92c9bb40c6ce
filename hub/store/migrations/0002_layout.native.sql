-- Without TimescaleDB: native partitions by day; hub/store/partition.py makes them ahead of time.
-- (The two tables are declared partitioned by the migration runner, which reads /* layout:… */ in 0001.)
CREATE INDEX readings_series ON readings (site, series, observed_at DESC);
CREATE INDEX events_recorded ON events (site, recorded_at);
CREATE INDEX events_device ON events (site, device, recorded_at);
