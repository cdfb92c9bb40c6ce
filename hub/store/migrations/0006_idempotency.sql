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
