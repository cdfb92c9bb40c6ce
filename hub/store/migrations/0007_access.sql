-- Who may do what, where; second factors, invitations, API tokens, guards' phones, browsers that are known.
-- Secrets that one only shows again (sessions, tokens, invitations, recovery codes) are kept as SHA-256.

CREATE TABLE account_grant (
    account text NOT NULL REFERENCES account,
    role text NOT NULL CHECK (role IN ('operator', 'guard', 'safety_officer', 'principal', 'maintenance',
        'bureau', 'integrator', 'administrator', 'auditor')),
    site text,                                 -- null: over an area
    area text[] NOT NULL DEFAULT '{}',         -- with a site: nothing; else a prefix of site.area, empty: everywhere
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX account_grant_once ON account_grant (account, role, coalesce(site, ''), area);

INSERT INTO account_grant (account, role, granted_by, granted_at)
    SELECT account, role, 'system:hub', created_at FROM account;

ALTER TABLE account DROP COLUMN role;
ALTER TABLE account ALTER COLUMN password_hash DROP NOT NULL;      -- null: invited, or logs in otherwise
ALTER TABLE account ADD COLUMN site text;                          -- whose person it is
ALTER TABLE account ADD COLUMN person text;
ALTER TABLE account ADD COLUMN created_by text NOT NULL DEFAULT 'system:hub';
ALTER TABLE account ADD COLUMN password_at timestamptz;
ALTER TABLE account ADD CHECK ((site IS NULL) = (person IS NULL));
CREATE INDEX account_person ON account (site, person) WHERE person IS NOT NULL;

-- A link by which somebody chooses a password: new accounts, and those whose password was forgotten.
CREATE TABLE invitation (
    invitation_hash bytea PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE totp (
    account text PRIMARY KEY REFERENCES account,
    secret text NOT NULL,                      -- base32
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,                  -- null: shown, not yet proved
    last_step bigint NOT NULL DEFAULT 0        -- the 30 s step of the last code that was taken: none twice
);

CREATE TABLE recovery_code (
    account text NOT NULL REFERENCES account,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (account, code_hash)
);

CREATE TABLE passkey (
    credential bytea PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    name text NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkey_account ON passkey (account);

-- What a passkey is asked to sign: good once, for one session, for minutes.
CREATE TABLE challenge (
    challenge bytea PRIMARY KEY,
    session_hash bytea NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('register', 'prove')),
    expires_at timestamptz NOT NULL
);

CREATE TABLE api_token (
    token text PRIMARY KEY,                    -- its number, to name it by; not the secret
    token_hash bytea NOT NULL UNIQUE,
    account text NOT NULL REFERENCES account,  -- acts in this name, never with more than its grants
    name text NOT NULL,
    scope text[] NOT NULL,                     -- permissions
    site text,                                 -- null: wherever the account may
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_token_account ON api_token (account);

CREATE TABLE phone (
    phone text PRIMARY KEY,
    site text NOT NULL REFERENCES site,
    account text NOT NULL REFERENCES account,
    name text NOT NULL,
    invitation_hash bytea UNIQUE,              -- what the QR code holds; null once it was used
    invited_by text NOT NULL,
    invited_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,           -- of the invitation
    enrolled_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX phone_site ON phone (site);

ALTER TABLE session ADD COLUMN address text NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN phone text REFERENCES phone;        -- a phone's own session: its site, a guard's scope
ALTER TABLE session ADD COLUMN proved_at timestamptz;              -- when a second factor was last shown
CREATE INDEX session_account ON session (account) WHERE ended_at IS NULL;

-- A browser from which an account logged in before. It has attempts of its own, so that strangers who fail on
-- purpose cannot keep it out. The cookie opens nothing by itself.
CREATE TABLE known_browser (
    browser_hash bytea NOT NULL,
    account text NOT NULL REFERENCES account,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (browser_hash, account)
);

-- Whom another house's log-in (OIDC) stands for here.
CREATE TABLE identity (
    issuer text NOT NULL,
    subject text NOT NULL,
    account text NOT NULL REFERENCES account,
    linked_by text NOT NULL,
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE TABLE oidc_login (
    state_hash bytea PRIMARY KEY,
    nonce text NOT NULL,
    verifier text NOT NULL,
    station text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- What an account may do: {"grants": [[role, site, area], …], "places": {site: area}} with every site that a grant
-- covers. The API asks it before it knows an area, so it sees past row security; it says nothing else.
CREATE FUNCTION account_access(of_account text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
        SELECT jsonb_build_object(
            'grants', (
                SELECT coalesce(jsonb_agg(jsonb_build_array(g.role, g.site, g.area)), '[]')
                FROM account_grant g WHERE g.account = of_account
            ),
            'places', (
                SELECT coalesce(jsonb_object_agg(s.site, s.area), '{}') FROM site s WHERE EXISTS (
                    SELECT 1 FROM account_grant g WHERE g.account = of_account
                    AND (g.site = s.site OR (g.site IS NULL AND s.area[1:cardinality(g.area)] = g.area))
                )
            )
        )
    $$;
