-- The one-way street: places and devices, transport cursors, readings and events, alarms, hazards,
-- incidents, commands, the journal, people and accounts. Every table that grows has `site` first in its
-- key. `readings` and `events` get their time partitions in 0002 (native or TimescaleDB).

CREATE TABLE site (
    site text PRIMARY KEY,
    name jsonb NOT NULL,                       -- {"zh": …, "en": …}
    area text[] NOT NULL DEFAULT '{}',         -- city, county
    time_zone text NOT NULL DEFAULT 'Asia/Shanghai',
    escalation jsonb NOT NULL DEFAULT '{}',    -- seconds by priority, posts in order
    configuration_version bigint NOT NULL DEFAULT 0,
    configuration_hash text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE zone (
    site text NOT NULL REFERENCES site,
    zone text NOT NULL,
    parent text,
    name jsonb NOT NULL,
    class text NOT NULL DEFAULT 'general' CHECK (class IN ('sensitive', 'key', 'general')),
    kind text NOT NULL CHECK (kind IN ('building', 'floor', 'room', 'outdoor')),
    ordinal int NOT NULL DEFAULT 0,
    PRIMARY KEY (site, zone)
);

CREATE TABLE edge (
    site text NOT NULL REFERENCES site,
    edge text NOT NULL,
    name jsonb NOT NULL,
    root_secret bytea,                         -- null until enrolled
    key_number int NOT NULL DEFAULT 1,         -- numbers below this are refused
    enrolled_at timestamptz,
    settings_version bigint NOT NULL DEFAULT 0,
    settings jsonb,                            -- the document sent to the edge
    settings_applied bigint NOT NULL DEFAULT 0,
    settings_error text NOT NULL DEFAULT '',
    heard_at timestamptz,                      -- last heartbeat, hub's clock
    clock_offset_s double precision,
    status jsonb NOT NULL DEFAULT '{}',        -- spool bytes, dropped counts, software
    active boolean NOT NULL DEFAULT true,      -- false: no longer in the configuration; its keys work when it is back
    PRIMARY KEY (site, edge)
);

CREATE TABLE invite (
    site text NOT NULL,
    invite text NOT NULL,
    edge text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (site, invite),
    FOREIGN KEY (site, edge) REFERENCES edge
);

CREATE TABLE device (
    site text NOT NULL REFERENCES site,
    device text NOT NULL,
    name jsonb NOT NULL,
    family text NOT NULL,
    zone text NOT NULL,
    edge text NOT NULL,
    connection text NOT NULL,
    profile text NOT NULL,
    configuration jsonb NOT NULL DEFAULT '{}', -- address names and zones, parameters, writes allowed
    active boolean NOT NULL DEFAULT true,      -- false: no longer in the configuration; history stays
    PRIMARY KEY (site, device),
    FOREIGN KEY (site, zone) REFERENCES zone,
    FOREIGN KEY (site, edge) REFERENCES edge
);

CREATE TABLE cursor (
    site text NOT NULL,
    edge text NOT NULL,
    epoch bigint NOT NULL,
    lane smallint NOT NULL,
    position bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (site, edge, epoch, lane)
);

CREATE TABLE tombstone (
    site text NOT NULL,
    edge text NOT NULL,
    epoch bigint NOT NULL,
    lane smallint NOT NULL,
    first bigint NOT NULL,
    count bigint NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (site, edge, epoch, lane, first)
);

CREATE TABLE series (
    site text NOT NULL,
    series int NOT NULL,
    device text NOT NULL,
    address text NOT NULL,
    point text NOT NULL,
    PRIMARY KEY (site, series),
    UNIQUE (site, device, address, point)
);

CREATE TABLE latest (
    site text NOT NULL,
    series int NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    value double precision NOT NULL,
    quality smallint NOT NULL,
    PRIMARY KEY (site, series)
) WITH (fillfactor = 70);

-- What each condition is now; a change older than observed_at is history and changes nothing here.
CREATE TABLE condition (
    site text NOT NULL,
    device text NOT NULL,
    address text NOT NULL,
    kind text NOT NULL,
    active boolean NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    event text NOT NULL,
    PRIMARY KEY (site, device, address, kind)
);

CREATE TABLE quarantine (
    site text NOT NULL,
    quarantine bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL,
    edge text NOT NULL,
    epoch bigint,
    lane smallint,
    sequence bigint,
    ordinal int,                               -- index in the item; null where the whole item is held
    code text NOT NULL,                        -- the error's code
    reason text NOT NULL,
    late boolean,
    payload bytea NOT NULL,                    -- the item, whole (a bad MAC: first 4 KB)
    size_bytes bigint NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'retried')),
    retried_at timestamptz,
    PRIMARY KEY (site, quarantine)
);

CREATE TABLE counter (                         -- numbers without a gap, drawn inside the site's turn
    site text NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (site, name)
);

CREATE TABLE alarm (
    site text NOT NULL,
    alarm bigint NOT NULL,
    subject text NOT NULL,                     -- "device:address", or a zone for what only a correlation sees
    condition text NOT NULL,                   -- the kind, or the rule's name for a correlation
    kind text NOT NULL,
    device text,
    address text,
    zone text,
    priority text NOT NULL CHECK (priority IN ('critical', 'high', 'medium', 'low')),
    state text NOT NULL CHECK (state IN ('unacknowledged', 'acknowledged', 'returned', 'latched', 'closed')),
    nature text NOT NULL CHECK (nature IN ('plain', 'latching', 'momentary', 'momentary_latching')),
    active boolean,                            -- is the condition active now? null: unknown or momentary
    silent boolean NOT NULL DEFAULT false,     -- no loudspeaker, nothing at the gatehouse
    late boolean NOT NULL DEFAULT false,
    unjudged boolean NOT NULL DEFAULT false,
    exercise boolean NOT NULL DEFAULT false,
    rule text NOT NULL,
    rule_version int NOT NULL,
    response jsonb NOT NULL DEFAULT '{}',      -- what to do: {"zh": …, "en": …}
    owner_post text NOT NULL,
    observed_at timestamptz NOT NULL,          -- when the first evidence happened
    raised_at timestamptz NOT NULL,            -- hub's clock
    last_raised_at timestamptz NOT NULL,
    occurrences int NOT NULL DEFAULT 1,
    acknowledged_at timestamptz,
    acknowledged_by text,
    returned_at timestamptz,
    closed_at timestamptz,
    verification text NOT NULL DEFAULT 'unverified'
        CHECK (verification IN ('unverified', 'verifying', 'real', 'false', 'test', 'drill')),
    verification_cause text NOT NULL DEFAULT '',
    verified_by text,
    verified_at timestamptz,
    escalation_level int NOT NULL DEFAULT 0,
    next_escalation_at timestamptz,            -- null: nothing more to escalate
    incident bigint,
    version int NOT NULL DEFAULT 1,            -- counts changes of state, priority, verification: what an act names
    PRIMARY KEY (site, alarm)
);
CREATE UNIQUE INDEX alarm_open_once ON alarm (site, subject, condition) WHERE state <> 'closed';
CREATE INDEX alarm_due ON alarm (next_escalation_at) WHERE next_escalation_at IS NOT NULL;
CREATE INDEX alarm_raised ON alarm (site, raised_at);
CREATE INDEX alarm_subject ON alarm (site, subject, condition, alarm);   -- the newest closed one takes late evidence
CREATE INDEX alarm_incident ON alarm (site, incident) WHERE incident IS NOT NULL;

-- Evidence is copied out of `events`, so that retention can drop the rest.
CREATE TABLE alarm_evidence (
    site text NOT NULL,
    alarm bigint NOT NULL,
    ordinal int NOT NULL,
    event text NOT NULL,
    recorded_at timestamptz NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (site, alarm, ordinal),
    FOREIGN KEY (site, alarm) REFERENCES alarm
);
CREATE INDEX alarm_evidence_event ON alarm_evidence (site, event);

CREATE TABLE hazard (
    site text NOT NULL,
    hazard bigint NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    zone text,
    device text,
    title jsonb NOT NULL,
    grade text NOT NULL CHECK (grade IN ('general', 'major')),
    state text NOT NULL CHECK (state IN
        ('reported', 'confirmed', 'assigned', 'rectifying', 'submitted', 'closed', 'dismissed', 'deferred')),
    checker text NOT NULL DEFAULT '',          -- who answers "is it still there?": kind or rule
    interim_measure text NOT NULL DEFAULT '',
    source text NOT NULL,                      -- rule or person
    owner_post text NOT NULL DEFAULT '',
    assignee text,
    rectified_by text,
    verified_by text,
    reason text NOT NULL DEFAULT '',
    evidence jsonb NOT NULL DEFAULT '[]',
    occurrences int NOT NULL DEFAULT 1,
    reported_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (site, hazard)
);
CREATE UNIQUE INDEX hazard_open_once ON hazard (site, subject, condition)
    WHERE state NOT IN ('closed', 'dismissed');
CREATE INDEX hazard_subject ON hazard (site, subject, condition, hazard);

CREATE TABLE incident (
    site text NOT NULL,
    incident bigint NOT NULL,
    plan text NOT NULL,
    plan_version int NOT NULL,
    title jsonb NOT NULL,
    level text NOT NULL CHECK (level IN ('I', 'II', 'III', 'IV')),
    state text NOT NULL CHECK (state IN
        ('proposed', 'triggered', 'responding', 'contained', 'closed', 'reviewed', 'dismissed', 'suspended')),
    exercise boolean NOT NULL DEFAULT false,
    zone text,
    commander_post text NOT NULL DEFAULT '',
    commander text,
    cause text NOT NULL DEFAULT '',
    triggered_at timestamptz NOT NULL,
    responding_at timestamptz,
    contained_at timestamptz,
    closed_at timestamptz,
    verified boolean NOT NULL DEFAULT false,   -- the panel's own start or two devices: automatic releases may go
    PRIMARY KEY (site, incident)
);
CREATE UNIQUE INDEX incident_running_once ON incident (site, plan, zone, exercise) NULLS NOT DISTINCT
    WHERE state IN ('proposed', 'triggered', 'responding');

CREATE TABLE incident_step (
    site text NOT NULL,
    incident bigint NOT NULL,
    step int NOT NULL,
    title jsonb NOT NULL,
    post text NOT NULL,
    person text,                               -- who the roster named when it was notified
    state text NOT NULL CHECK (state IN ('pending', 'notified', 'accepted', 'done', 'skipped', 'expired')),
    due_at timestamptz,
    notified_at timestamptz,
    accepted_at timestamptz,
    done_at timestamptz,
    done_by text,
    reason text NOT NULL DEFAULT '',
    commands jsonb NOT NULL DEFAULT '[]',      -- commands this step sends when it is notified
    due_s double precision NOT NULL,           -- the plan's own, carried along: an edited plan changes nothing here
    after int[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (site, incident, step),
    FOREIGN KEY (site, incident) REFERENCES incident
);
CREATE INDEX incident_step_due ON incident_step (due_at) WHERE state IN ('notified', 'accepted');

CREATE TABLE command (
    site text NOT NULL,
    command text NOT NULL,                     -- derived from (rule, version, evidence), or random for a person's
    device text NOT NULL,
    address text NOT NULL DEFAULT '',
    kind text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    precedence int NOT NULL,                   -- 1 fire linkage … 6 schedule
    state text NOT NULL CHECK (state IN ('requested', 'sent', 'accepted', 'confirmed', 'unconfirmed',
        'failed', 'expired', 'refused', 'superseded', 'cancelled')),
    reason text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    source text NOT NULL,                      -- rule or person
    incident bigint,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    sent_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (site, command)
);
CREATE INDEX command_pending ON command (site, requested_at) WHERE state IN ('requested', 'sent', 'accepted');
CREATE INDEX command_device ON command (site, device, address, requested_at);

CREATE TABLE journal (
    site text NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,                       -- 'system:worker', 'system:chores', 'edge:…', or an account's id
    subject text NOT NULL,                     -- 'alarm:12', 'hazard:3', 'incident:1', 'device:…', 'edge:…'
    kind text NOT NULL,                        -- 'alarm.raised', 'alarm.acknowledged', …
    body jsonb NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (site, seq)
);
CREATE INDEX journal_subject ON journal (site, subject, seq);
CREATE TABLE journal_head (
    site text PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE reader_cursor (
    reader text NOT NULL,
    site text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (reader, site)
);

CREATE TABLE history (                         -- what the rules were fed, in that order
    site text NOT NULL,
    position bigint NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('alarm', 'telemetry', 'act', 'configuration', 'tick', 'listening')),
    ref jsonb NOT NULL,
    PRIMARY KEY (site, position)
);
CREATE TABLE checkpoint (
    site text NOT NULL,
    rule text NOT NULL,
    subject text NOT NULL,
    position bigint NOT NULL,
    state jsonb NOT NULL,
    PRIMARY KEY (site, rule, subject)
);

CREATE TABLE liveness (
    process text NOT NULL,                     -- 'worker', 'chores', 'api', 'screen:<station>'
    site text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (process, site)
);

CREATE TABLE person (
    site text NOT NULL REFERENCES site,
    person text NOT NULL,
    name text NOT NULL,
    contacts jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (site, person)
);
CREATE TABLE post (
    site text NOT NULL REFERENCES site,
    post text NOT NULL,
    name jsonb NOT NULL,
    ordinal int NOT NULL DEFAULT 0,            -- the order of the site's configuration
    PRIMARY KEY (site, post)
);
CREATE TABLE shift (
    site text NOT NULL,
    shift int NOT NULL,
    post text NOT NULL,
    person text NOT NULL,
    days int[] NOT NULL,                       -- ISO weekdays 1–7
    begins time NOT NULL,
    ends time NOT NULL,                        -- at or before `begins`: ends the next day
    PRIMARY KEY (site, shift),
    FOREIGN KEY (site, post) REFERENCES post,
    FOREIGN KEY (site, person) REFERENCES person
);

CREATE TABLE account (
    account text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    display_name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('administrator', 'operator')),
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE TABLE session (
    session_hash bytea PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    station text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE TABLE setup_token (
    token_hash bytea PRIMARY KEY,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE TABLE login_failure (
    key text PRIMARY KEY,                      -- 'account:…' or 'address:…'
    failures int NOT NULL,
    last_at timestamptz NOT NULL
);

-- Answers given under an Idempotency-Key: an act that a screen sends twice is done once.
CREATE TABLE idempotency (
    account text NOT NULL,
    key text NOT NULL,
    request text NOT NULL,                     -- what was asked: method, path and a hash of the body
    answer jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE readings (
    site text NOT NULL,
    series int NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    value double precision NOT NULL,
    quality smallint NOT NULL
) /* layout:readings */;

CREATE TABLE events (
    site text NOT NULL,
    event text NOT NULL,                       -- edge/epoch/lane/sequence/index
    recorded_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,          -- the time used: the device's word where it can be believed
    device_at timestamptz,                     -- the device's own word
    edge_at timestamptz NOT NULL,
    edge text NOT NULL,
    epoch bigint NOT NULL,
    lane smallint NOT NULL,
    sequence bigint NOT NULL,
    ordinal int NOT NULL,
    device text NOT NULL,
    address text NOT NULL,
    zone text,
    kind text NOT NULL,
    active boolean,
    late boolean NOT NULL,
    quality smallint NOT NULL,
    identity text NOT NULL,
    attributes jsonb NOT NULL,
    raw bytea NOT NULL
) /* layout:events */;
