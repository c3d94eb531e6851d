-- How far zooid has followed: one row a relay, one row an attempt, one row a zooid.
-- Columns ending in _at are unix seconds here unless the comment says milliseconds.

CREATE TABLE relay_sync (
    relay_id TEXT NOT NULL PRIMARY KEY REFERENCES relay (id),
    -- relay.generation, mirrored by a trigger, so that "out of step" is an index and not a scan.
    desired_generation INTEGER NOT NULL CHECK (desired_generation >= 1),
    -- The newest generation zooid has accepted; 0 before the first. Never goes down.
    synced_generation INTEGER NOT NULL DEFAULT 0 CHECK (synced_generation >= 0),
    -- When zooid last accepted one (milliseconds); NULL before the first.
    synced_at INTEGER,
    -- The newest generation any attempt has carried; 0 before the first.
    attempted_generation INTEGER NOT NULL DEFAULT 0 CHECK (attempted_generation >= 0),
    -- How many attempts this relay ever had: the last sync_attempt.number given out.
    attempt_count INTEGER NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),
    -- The generation that ended in a final failure; reconcile leaves it alone until an edit or an operator changes it.
    failed_generation INTEGER,
    -- The kind of the failure shown in sync_error; NULL when there is none.
    failure_kind TEXT
        CHECK (failure_kind IN ('unreachable', 'outcome_unknown', 'throttled', 'credentials_refused', 'key_not_allowed',
                                'blocked', 'conflict', 'invalid', 'target_disk', 'server_error', 'our_fault',
                                'worker_lost', 'cancelled')),
    -- The sentence a tenant reads; '' when there is nothing to say.
    sync_error TEXT NOT NULL DEFAULT '',
    -- Workers lost in a row while they held this relay.
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    -- Since when the relay is kept from the workers because it took WORKER_CRASH_BUDGET of them down.
    quarantined_at INTEGER,
    -- Since when an operator holds this relay's syncs back.
    paused_at INTEGER,
    -- No attempt before this time, as zooid asked by Retry-After.
    not_before INTEGER,
    -- What zooid last accepted: canonical JSON, secrets as keyed hashes; NULL before the first.
    accepted TEXT CHECK (accepted IS NULL OR json_valid(accepted)),
    CHECK (synced_generation <= desired_generation),
    CHECK (attempted_generation <= desired_generation),
    CHECK (failed_generation IS NULL OR failed_generation <= attempted_generation),
    CHECK ((synced_at IS NULL) = (synced_generation = 0)),
    CHECK ((accepted IS NULL) = (synced_generation = 0)),
    CHECK ((failure_kind IS NULL) = (sync_error = ''))
) STRICT;

-- Reconcile, and "how many relays are out of step".
CREATE INDEX relay_sync_out_of_step ON relay_sync (relay_id) WHERE synced_generation < desired_generation;

-- One row a relay, from its first moment.
CREATE TRIGGER relay_sync_for_relay
AFTER INSERT ON relay
BEGIN
    INSERT INTO relay_sync (relay_id, desired_generation) VALUES (NEW.id, NEW.generation);
END;

-- The mirror of relay.generation; a generation only grows.
CREATE TRIGGER relay_generation_mirror
AFTER UPDATE OF generation ON relay
WHEN NEW.generation <> OLD.generation
BEGIN
    SELECT RAISE(ABORT, 'relay.generation only grows') WHERE NEW.generation < OLD.generation;
    UPDATE relay_sync SET desired_generation = NEW.generation WHERE relay_id = NEW.id;
END;

CREATE TABLE sync_attempt (
    -- The fence: an outcome counts only while this row is open.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    relay_id TEXT NOT NULL REFERENCES relay (id),
    -- 1, 2, 3 … for each relay; grows for ever, whatever happens to its jobs.
    number INTEGER NOT NULL CHECK (number >= 1),
    -- The Jobs row it was claimed for (which may be pruned before this one).
    job_id TEXT NOT NULL,
    -- The generation sent.
    generation INTEGER NOT NULL CHECK (generation >= 1),
    -- The worker process that made it.
    worker_id TEXT NOT NULL,
    -- The request id of the write that caused it; '' when none did.
    trace TEXT NOT NULL DEFAULT '',
    -- The verb of the last call made; NULL when none was.
    verb TEXT CHECK (verb IN ('POST', 'PUT', 'PATCH')),
    -- The status of the last answer; NULL when none came.
    http_status INTEGER CHECK (http_status BETWEEN 100 AND 999),
    -- accepted: zooid said yes. failed: it did not. lost: its worker died. released: claimed, never started. NULL while open.
    outcome TEXT CHECK (outcome IN ('accepted', 'failed', 'lost', 'released')),
    -- Why it failed; NULL unless failed or lost.
    kind TEXT
        CHECK (kind IN ('unreachable', 'outcome_unknown', 'throttled', 'credentials_refused', 'key_not_allowed',
                        'blocked', 'conflict', 'invalid', 'target_disk', 'server_error', 'our_fault',
                        'worker_lost', 'cancelled')),
    -- What an operator reads: redacted; '' when accepted.
    message TEXT NOT NULL DEFAULT '',
    -- The beginning of zooid's answer: redacted; NULL when there was none worth keeping.
    excerpt TEXT,
    -- When it was claimed and when it ended, in milliseconds; finished_at is NULL while open.
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    CHECK ((outcome IN ('failed', 'lost')) IS TRUE = (kind IS NOT NULL))
) STRICT;

-- What relay_sync says of its attempts follows from their rows.
CREATE TRIGGER sync_attempt_counted
AFTER INSERT ON sync_attempt
BEGIN
    UPDATE relay_sync
    SET attempt_count = NEW.number,
        attempted_generation = max(attempted_generation, NEW.generation)
    WHERE relay_id = NEW.relay_id;
END;

-- A relay's attempts, newest first.
CREATE UNIQUE INDEX sync_attempt_by_relay ON sync_attempt (relay_id, number);
-- The open attempt of a job: the fence, and the sweep of a lost worker.
CREATE UNIQUE INDEX sync_attempt_open ON sync_attempt (job_id) WHERE finished_at IS NULL;

CREATE TABLE target (
    -- The zooid_domain it serves.
    name TEXT NOT NULL PRIMARY KEY,
    -- Base URL of its management API; '' until a worker that knows it has started.
    url TEXT NOT NULL DEFAULT '',
    -- closed: calls go out. open: jobs are held until a probe succeeds.
    circuit_state TEXT NOT NULL DEFAULT 'closed' CHECK (circuit_state IN ('closed', 'open')),
    -- When the circuit last changed (milliseconds), and why, for an operator.
    circuit_since INTEGER NOT NULL,
    circuit_reason TEXT NOT NULL DEFAULT '',
    -- Target-level failures in a row, and the relay that had the first of them.
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    first_failed_relay TEXT,
    -- When the next probe is due (milliseconds); NULL while closed.
    next_probe_at INTEGER,
    -- Since when an operator holds this target back.
    paused_at INTEGER,
    -- No claim before this time: the target asked for it (Retry-After).
    not_before INTEGER,
    -- Keyed hash of the settings rendered into every configuration (S3, LiveKit, URL); '' until known.
    settings_hash TEXT NOT NULL DEFAULT '',
    CHECK ((circuit_state = 'open') = (next_probe_at IS NOT NULL))
) STRICT;
