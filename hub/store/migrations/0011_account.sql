-- Accounts: invitations, second factors, API tokens, guards' phones, browsers that are known. Tokens, codes and
-- invitations are kept as hashes; a TOTP secret is sealed with the hub's own key, which is a file and not here.

ALTER TABLE account ALTER COLUMN password_hash DROP NOT NULL;     -- null: invited, and no password was set yet

-- One link at a time for an account, good once: with it the invited sets the password.
CREATE TABLE account_invitation (
    account text PRIMARY KEY REFERENCES account,
    token_hash bytea NOT NULL UNIQUE,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

ALTER TABLE session ADD COLUMN address text NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN idle_s int NOT NULL DEFAULT 43200;  -- unused for so long, it has ended
ALTER TABLE session ADD COLUMN awaits boolean NOT NULL DEFAULT false;  -- the password was right, the second factor is to come
ALTER TABLE session ADD COLUMN proven_at timestamptz;             -- when the second factor was shown
ALTER TABLE session ADD COLUMN phone_site text;                   -- of a guard's phone, not a browser: at this site only
ALTER TABLE session ADD COLUMN phone text;
ALTER TABLE session ADD COLUMN challenge bytea;                   -- what a passkey is to sign, good once
ALTER TABLE session ADD COLUMN challenged_at timestamptz;
CREATE INDEX session_account ON session (account);

CREATE TABLE totp (
    account text PRIMARY KEY REFERENCES account,
    secret bytea NOT NULL,                     -- sealed (hub/accounts/seal.py)
    made_at timestamptz NOT NULL,
    confirmed_at timestamptz,                  -- null: shown, and no code was given yet
    last_step bigint NOT NULL DEFAULT 0        -- of the last code that was taken; it and older ones are refused
);
CREATE TABLE recovery_code (
    account text NOT NULL REFERENCES account,
    code_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (account, code_hash)
);
CREATE TABLE passkey (
    credential bytea PRIMARY KEY,
    account text NOT NULL REFERENCES account,
    name text NOT NULL,
    host text NOT NULL,                        -- the name under which the hub was open: WebAuthn's relying party
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    added_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkey_account ON passkey (account);

-- Integrations: what the maker may do now, within these permissions and sites.
CREATE TABLE api_token (
    token text PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE,
    account text NOT NULL REFERENCES account,
    name text NOT NULL,
    permissions text[] NOT NULL,
    sites text[] NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    revoked_by text
);
CREATE INDEX api_token_account ON api_token (account);

-- Guards' phones: enrolled once by a code, then a long session of that account at that site.
CREATE TABLE phone (
    site text NOT NULL,
    phone text NOT NULL UNIQUE,
    account text NOT NULL REFERENCES account,
    name text NOT NULL,
    code_hash bytea NOT NULL UNIQUE,
    code_expires_at timestamptz NOT NULL,
    invited_by text NOT NULL,
    invited_at timestamptz NOT NULL,
    enrolled_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    PRIMARY KEY (site, phone)
);

-- Browsers that logged in as an account before: strangers' failures do not delay them.
CREATE TABLE known_browser (
    account text NOT NULL REFERENCES account,
    browser_hash bytea NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (account, browser_hash)
);
