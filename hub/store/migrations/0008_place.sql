-- Places: zones that went, key locations, notes on devices, the school's calendar.

ALTER TABLE zone ADD COLUMN active boolean NOT NULL DEFAULT true;  -- false: no longer there; old alarms still name it
ALTER TABLE zone ADD COLUMN key_location text;                     -- one of GB/T 29315's, by our word for it
ALTER TABLE device ADD COLUMN notes text NOT NULL DEFAULT '';

CREATE TABLE calendar (                        -- a school without a row: no terms, no timetable, the state's holidays
    site text PRIMARY KEY REFERENCES site,
    version bigint NOT NULL,
    statutory text NOT NULL CHECK (statutory IN ('cn', 'none')),
    night_begins time NOT NULL,
    night_ends time NOT NULL,
    timetables jsonb NOT NULL DEFAULT '[]',    -- in order: weekdays, begins, ends, name, bells
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL
);
CREATE TABLE calendar_span (                   -- terms, vacations, exams; both days included
    site text NOT NULL REFERENCES calendar,
    span int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('term', 'vacation', 'exam')),
    begins date NOT NULL,
    ends date NOT NULL CHECK (ends >= begins),
    name jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (site, span)
);
CREATE TABLE calendar_day (                    -- what the school itself says of one date
    site text NOT NULL REFERENCES calendar,
    day date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('school', 'makeup', 'exam', 'weekend', 'holiday', 'vacation')),
    follows smallint CHECK (follows BETWEEN 1 AND 7),
    name jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (site, day)
);
