-- People: who stands where and when, who may, who answers for what, who handed over to whom; and what makes the
-- journal checkable offline. Names and contacts of persons are in `person`, `contact` and `qualification` only;
-- everything else says a person's id.

ALTER TABLE person ADD COLUMN account text;                        -- whose log-in it is, where he has one
ALTER TABLE person ADD COLUMN active boolean NOT NULL DEFAULT true;
ALTER TABLE person ADD COLUMN erased_at timestamptz;               -- the row is empty since then
CREATE UNIQUE INDEX person_account ON person (site, account) WHERE account IS NOT NULL;

CREATE TABLE contact (
    site text NOT NULL,
    person text NOT NULL,
    ordinal int NOT NULL,                      -- the order of use
    kind text NOT NULL,                        -- phone, mobile, sms, wechat …
    value text NOT NULL,
    PRIMARY KEY (site, person, ordinal),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE
);
INSERT INTO contact (site, person, ordinal, kind, value)
    SELECT p.site, p.person, c.ordinal, c.entry ->> 'kind', c.entry ->> 'value'
    FROM person p, jsonb_array_elements(CASE jsonb_typeof(p.contacts) WHEN 'array' THEN p.contacts ELSE '[]' END)
        WITH ORDINALITY AS c (entry, ordinal) WHERE c.entry ->> 'kind' IS NOT NULL AND c.entry ->> 'value' IS NOT NULL;
ALTER TABLE person DROP COLUMN contacts;

CREATE TABLE appointment (                     -- the posts that a person holds
    site text NOT NULL,
    person text NOT NULL,
    post text NOT NULL,
    PRIMARY KEY (site, person, post),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE,
    FOREIGN KEY (site, post) REFERENCES post ON DELETE CASCADE
);

CREATE TABLE qualification (
    site text NOT NULL,
    person text NOT NULL,
    kind text NOT NULL,                        -- guard_licence, fire_control_operator …
    number text NOT NULL DEFAULT '',           -- of the certificate
    issued_on date,
    expires_on date,                           -- the last day; null: does not expire
    PRIMARY KEY (site, person, kind),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE
);

CREATE TABLE credential (                      -- a card, by its pseudonym; its number is nowhere
    site text NOT NULL,
    holder text NOT NULL,
    person text NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (site, holder),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE
);
CREATE INDEX credential_person ON credential (site, person);

CREATE TABLE pseudonym_key (                   -- what card numbers are hashed with; intake and api only
    site text PRIMARY KEY REFERENCES site,
    secret bytea NOT NULL
);
INSERT INTO pseudonym_key (site, secret)       -- 256 random bits: two UUIDs have 244
    SELECT site, sha256(decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')) FROM site;

CREATE TABLE committee (
    site text NOT NULL REFERENCES site,
    committee text NOT NULL,
    name jsonb NOT NULL,
    PRIMARY KEY (site, committee)
);
CREATE TABLE committee_member (
    site text NOT NULL,
    committee text NOT NULL,
    person text NOT NULL,
    seat text NOT NULL CHECK (seat IN ('chair', 'deputy', 'secretary', 'member')),
    PRIMARY KEY (site, committee, person),
    FOREIGN KEY (site, committee) REFERENCES committee ON DELETE CASCADE,
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE
);

CREATE TABLE responsibility (                  -- 一岗双责: area × duty × person
    site text NOT NULL,
    responsibility int NOT NULL,
    zone text,                                 -- null: the whole site
    duty text NOT NULL,
    person text NOT NULL,
    rank text NOT NULL CHECK (rank IN ('first', 'deputy')),
    valid_from date,
    valid_to date,                             -- the last day
    PRIMARY KEY (site, responsibility),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE
);
CREATE INDEX responsibility_zone ON responsibility (site, zone, duty);

-- `days` stays: weekdays of a weekly shift. A rotation has `cycle_days`, of which it begins on `cycle_on` (0 is
-- the day of `cycle_from`).
ALTER TABLE shift ADD COLUMN zone text;
ALTER TABLE shift ADD COLUMN kinds text[] NOT NULL DEFAULT '{}';   -- kinds of day of the calendar; none: any
ALTER TABLE shift ADD COLUMN cycle_days int CHECK (cycle_days BETWEEN 1 AND 366);
ALTER TABLE shift ADD COLUMN cycle_on int[];
ALTER TABLE shift ADD COLUMN cycle_from date;
ALTER TABLE shift ADD COLUMN valid_from date;
ALTER TABLE shift ADD COLUMN valid_to date;                        -- the last day on which it begins
ALTER TABLE shift ADD CONSTRAINT shift_cycle CHECK
    ((cycle_days IS NULL) = (cycle_on IS NULL) AND (cycle_days IS NULL) = (cycle_from IS NULL));

CREATE TABLE absence (                         -- leave; why is nobody's business here
    site text NOT NULL,
    absence int NOT NULL,
    person text NOT NULL,
    begins timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    PRIMARY KEY (site, absence),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE,
    CHECK (begins < ends)
);
CREATE TABLE substitution (
    site text NOT NULL,
    substitution int NOT NULL,
    post text,                                 -- null: at every post
    person text NOT NULL,
    substitute text NOT NULL,
    begins timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    PRIMARY KEY (site, substitution),
    FOREIGN KEY (site, person) REFERENCES person ON DELETE CASCADE,
    FOREIGN KEY (site, substitute) REFERENCES person ON DELETE CASCADE,
    CHECK (begins < ends)
);

CREATE TABLE staffing (                        -- the school's figures, for the head-count check
    site text PRIMARY KEY REFERENCES site,
    pupils int NOT NULL CHECK (pupils BETWEEN 0 AND 100000),
    boarding boolean NOT NULL,
    guard_posts text[] NOT NULL,
    control_posts text[] NOT NULL,             -- the fire control room's
    rule jsonb NOT NULL DEFAULT '{}'           -- figures of the rule that differ from the shipped ones
);

CREATE TABLE handover (
    site text NOT NULL,
    handover bigint NOT NULL,
    post text NOT NULL,
    state text NOT NULL CHECK (state IN ('signed', 'acknowledged', 'refused', 'withdrawn')),
    list jsonb NOT NULL,                       -- numbers and ids: what is handed over
    digest text NOT NULL,                      -- SHA-256 of the list
    note text NOT NULL DEFAULT '',
    from_account text NOT NULL,
    from_person text,
    to_person text,                            -- whom the roster names next
    to_account text,                           -- who took it
    signed_at timestamptz NOT NULL,
    ended_at timestamptz,
    reason text NOT NULL DEFAULT '',
    PRIMARY KEY (site, handover)
);
CREATE UNIQUE INDEX handover_open_once ON handover (site, post) WHERE state = 'signed';

-- The anchor at which a check of the chain begins, signed by the hub that pruned.
ALTER TABLE journal_anchor ADD COLUMN signer text NOT NULL DEFAULT '';     -- the public key, base64
ALTER TABLE journal_anchor ADD COLUMN signature text NOT NULL DEFAULT '';  -- ed25519, base64
