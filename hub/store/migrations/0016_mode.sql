-- Modes: what is armed, in test, sits an exam, and how alert the site is; each with a reason and mostly an end.

CREATE TABLE mode (
    site text NOT NULL REFERENCES site,
    mode bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('armed', 'test', 'exam', 'threat_level')),
    subject_kind text NOT NULL CHECK (subject_kind IN ('site', 'zone', 'device', 'edge')),
    subject text NOT NULL,
    state text NOT NULL CHECK (state IN ('set', 'ended', 'expired')),
    reason text NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    expires_at timestamptz,                    -- null: until somebody ends it
    level text,                                -- of a threat level
    exit_delay interval NOT NULL DEFAULT '0',
    entry_delay interval NOT NULL DEFAULT '0',
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',         -- empty where it ran out by itself
    end_reason text NOT NULL DEFAULT '',
    PRIMARY KEY (site, mode),
    CHECK ((kind = 'threat_level') = (level IS NOT NULL)),
    CHECK ((state = 'set') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX mode_open ON mode (site, kind, subject_kind, subject) WHERE state = 'set';
