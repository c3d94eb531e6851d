-- What is remembered of requests so that a repeated one does nothing twice.

-- The first answer to a request that came with an Idempotency-Key, written in the transaction of what it did. Pruned by age.
CREATE TABLE idempotency_key (
    -- The public key that signed the request, as hex.
    signer TEXT NOT NULL,
    -- Verb and pattern of the route: the same key may be used on another.
    route TEXT NOT NULL,
    -- The header's value.
    key TEXT NOT NULL,
    -- SHA-256 of the body, as hex: another body is another request.
    body_hash TEXT NOT NULL,
    -- What was answered: JSON, without the envelope.
    answer TEXT NOT NULL CHECK (json_valid(answer)),
    -- Unix seconds.
    created_at INTEGER NOT NULL,
    PRIMARY KEY (signer, route, key)
) STRICT, WITHOUT ROWID;

-- Pruning.
CREATE INDEX idempotency_key_by_age ON idempotency_key (created_at);

-- The signed events that were used up where each may be used once (AUTH_MODE=strict). Pruned once they are too old to be accepted.
CREATE TABLE seen_event (
    -- The event's id, as hex.
    id TEXT NOT NULL PRIMARY KEY,
    -- From when on the event is too old anyway, in Unix seconds.
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Pruning.
CREATE INDEX seen_event_by_expiry ON seen_event (expires_at);
