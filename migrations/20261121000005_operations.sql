-- What operators see and do: the state of every relay as a column, what failed grouped by cause, counters and minute
-- rollups that follow every write by themselves, and the record of operators' actions.
-- Columns ending in _at are unix seconds unless the comment says milliseconds.

-- What failed, grouped by cause: the same kind, status and message, but for the names and numbers in it.
CREATE TABLE failure_group (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Keyed by what makes two failures the same: hex of the first 8 bytes of SHA-256 over target, kind, status and pattern.
    fingerprint TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    http_status INTEGER,
    -- The message with its names and numbers as placeholders, and the newest message as it was: redacted both.
    pattern TEXT NOT NULL,
    message TEXT NOT NULL,
    -- Attempts that ever failed like this; pruning does not lower it.
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Relays whose shown failure is of this group now. Kept by a trigger.
    relays INTEGER NOT NULL DEFAULT 0 CHECK (relays >= 0),
    -- Milliseconds.
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) STRICT;

-- The groups that relays are in now.
CREATE INDEX failure_group_current ON failure_group (relays, id) WHERE relays > 0;

-- relay_sync is rebuilt rather than altered: a generation can now be given up before any attempt carried it (cancelled).
DROP TRIGGER relay_sync_for_relay;
DROP TRIGGER relay_generation_mirror;
DROP TRIGGER sync_attempt_counted;
ALTER TABLE relay_sync RENAME TO relay_sync_before;
DROP INDEX relay_sync_out_of_step;

CREATE TABLE relay_sync (
    relay_id TEXT NOT NULL PRIMARY KEY REFERENCES relay (id),
    -- relay.zooid_domain, which never changes: the target that serves it.
    target TEXT NOT NULL,
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
    -- sync_attempt.id of the newest one; 0 before the first. Lists show the latest news first by it.
    last_attempt_id INTEGER NOT NULL DEFAULT 0,
    -- Where the relay stands, what its target and the queue as a whole do left aside: see the view relay_state, which
    -- triggers copy here.
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('synced', 'pending', 'running', 'retrying', 'failed', 'held', 'paused', 'quarantined')),
    -- Since when zooid has not had the newest generation (milliseconds): the first commit it does not know of. NULL in step.
    dirty_since INTEGER,
    -- The generation that ended in a final failure; reconcile leaves it alone until an edit or an operator changes it.
    failed_generation INTEGER,
    -- The kind of the failure shown in sync_error; NULL when there is none.
    failure_kind TEXT
        CHECK (failure_kind IN ('unreachable', 'outcome_unknown', 'throttled', 'credentials_refused', 'key_not_allowed',
                                'blocked', 'conflict', 'invalid', 'target_disk', 'server_error', 'our_fault',
                                'worker_lost', 'cancelled')),
    -- The group of that failure; NULL when there is none.
    failure_group_id INTEGER REFERENCES failure_group (id),
    -- The sentence a tenant reads; '' when there is nothing to say.
    sync_error TEXT NOT NULL DEFAULT '',
    -- Failed attempts since the last accepted one or the last edit: how far the pauses have grown, whether or not the
    -- attempts counted.
    failure_streak INTEGER NOT NULL DEFAULT 0 CHECK (failure_streak >= 0),
    -- Attempts in a row that failed by our own fault.
    faults INTEGER NOT NULL DEFAULT 0 CHECK (faults >= 0),
    -- Workers lost in a row while they held this relay.
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    -- Since when the relay is kept from the workers: it took WORKER_CRASH_BUDGET of them down, or failed three times by our
    -- own fault.
    quarantined_at INTEGER,
    -- Since when an operator holds this relay's syncs back.
    paused_at INTEGER,
    -- No attempt before this time, as zooid asked by Retry-After.
    not_before INTEGER,
    -- The relay of ours that has the host this one wants, and is about to leave it; NULL when none does.
    blocked_by TEXT REFERENCES relay (id),
    -- When an ambiguous call (an answer that never came, a lost worker) is old enough to be overruled by one more; NULL
    -- when there is nothing to settle.
    settle_at INTEGER,
    -- What zooid last accepted: canonical JSON, secrets as keyed hashes; NULL before the first.
    accepted TEXT CHECK (accepted IS NULL OR json_valid(accepted)),
    CHECK (synced_generation <= desired_generation),
    CHECK (attempted_generation <= desired_generation),
    CHECK (failed_generation IS NULL OR failed_generation <= desired_generation),
    CHECK ((synced_at IS NULL) = (synced_generation = 0)),
    CHECK ((accepted IS NULL) = (synced_generation = 0)),
    CHECK ((failure_kind IS NULL) = (sync_error = ''))
) STRICT;

INSERT INTO relay_sync (relay_id, target, desired_generation, synced_generation, synced_at, attempted_generation, attempt_count,
                        last_attempt_id, dirty_since, failed_generation, failure_kind, sync_error, crashes, quarantined_at,
                        paused_at, not_before, accepted)
SELECT
    earlier.relay_id,
    relay.zooid_domain,
    earlier.desired_generation,
    earlier.synced_generation,
    earlier.synced_at,
    earlier.attempted_generation,
    earlier.attempt_count,
    coalesce((SELECT max(id) FROM sync_attempt WHERE sync_attempt.relay_id = earlier.relay_id), 0),
    CASE WHEN earlier.synced_generation < earlier.desired_generation THEN relay.updated_at * 1000 END,
    earlier.failed_generation,
    earlier.failure_kind,
    earlier.sync_error,
    earlier.crashes,
    earlier.quarantined_at,
    earlier.paused_at,
    earlier.not_before,
    earlier.accepted
FROM relay_sync_before AS earlier
INNER JOIN relay ON relay.id = earlier.relay_id;

DROP TABLE relay_sync_before;

-- Reconcile, and "how many relays are out of step".
CREATE INDEX relay_sync_out_of_step ON relay_sync (relay_id) WHERE synced_generation < desired_generation;
-- Lists by state, the latest news first; one target's alone, too.
CREATE INDEX relay_sync_by_state ON relay_sync (state, last_attempt_id, relay_id);
CREATE INDEX relay_sync_by_target ON relay_sync (target, state, last_attempt_id, relay_id);
-- The relays of a failure group, and those of a kind.
CREATE INDEX relay_sync_by_group ON relay_sync (failure_group_id, last_attempt_id, relay_id) WHERE failure_group_id IS NOT NULL;
CREATE INDEX relay_sync_by_kind ON relay_sync (failure_kind, last_attempt_id, relay_id) WHERE failure_kind IS NOT NULL;
-- "Since when is the oldest out of step?"
CREATE INDEX relay_sync_oldest ON relay_sync (target, dirty_since) WHERE dirty_since IS NOT NULL;
-- Who waits for a relay to leave its host.
CREATE INDEX relay_sync_blocked ON relay_sync (blocked_by) WHERE blocked_by IS NOT NULL;
-- Who has a host in zooid, as far as we know.
CREATE INDEX relay_sync_by_host ON relay_sync (json_extract(accepted, '$.host')) WHERE accepted IS NOT NULL;
-- Ambiguous calls that are old enough to be settled. Relays that are still out of step settle them by getting in step.
CREATE INDEX relay_sync_to_settle ON relay_sync (settle_at) WHERE settle_at IS NOT NULL AND state = 'synced';
-- Relays whose worker died: each worker takes one of them at a time.
CREATE INDEX relay_sync_suspects ON relay_sync (target, relay_id) WHERE crashes > 0;

-- One row a relay, from its first moment.
CREATE TRIGGER relay_sync_for_relay
AFTER INSERT ON relay
BEGIN
    INSERT INTO relay_sync (relay_id, target, desired_generation) VALUES (NEW.id, NEW.zooid_domain, NEW.generation);
END;

-- The mirror of relay.generation; a generation only grows.
CREATE TRIGGER relay_generation_mirror
AFTER UPDATE OF generation ON relay
WHEN NEW.generation <> OLD.generation
BEGIN
    SELECT RAISE(ABORT, 'relay.generation only grows') WHERE NEW.generation < OLD.generation;
    UPDATE relay_sync SET desired_generation = NEW.generation WHERE relay_id = NEW.id;
END;

-- Where a relay stands: the first that applies, from what only an operator can end to what ends by itself. Relays that
-- wait for their target or for the queue as a whole count as pending or retrying here; readers call them held.
CREATE VIEW relay_state AS
SELECT
    relay_sync.relay_id,
    CASE
        WHEN relay_sync.quarantined_at IS NOT NULL THEN 'quarantined'
        WHEN relay_sync.paused_at IS NOT NULL THEN 'paused'
        WHEN EXISTS (
            SELECT 1
            FROM Jobs
            WHERE Jobs.job_type = 'sync_relay'
              AND Jobs.idempotency_key = relay_sync.relay_id || ':running'
        ) THEN 'running'
        WHEN relay_sync.synced_generation = relay_sync.desired_generation THEN 'synced'
        WHEN relay_sync.failed_generation = relay_sync.desired_generation THEN 'failed'
        WHEN relay_sync.blocked_by IS NOT NULL THEN 'held'
        WHEN relay_sync.failure_streak > 0 OR relay_sync.crashes > 0 THEN 'retrying'
        ELSE 'pending'
    END AS state
FROM relay_sync;

-- Relays that were there before this column was.
UPDATE relay_sync
SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = relay_sync.relay_id);

-- Whoever waited for the relay to leave its host need not wait any more.
CREATE TRIGGER relay_unblocked
AFTER UPDATE OF synced_at ON relay_sync
WHEN NEW.synced_at IS NOT OLD.synced_at
BEGIN
    UPDATE Jobs
    SET run_at = min(run_at, NEW.synced_at / 1000)
    WHERE job_type = 'sync_relay'
      AND idempotency_key IN (SELECT relay_id FROM relay_sync WHERE blocked_by = NEW.relay_id);
    UPDATE relay_sync SET blocked_by = NULL WHERE blocked_by = NEW.relay_id;
END;

-- How many relays of a target are in a state. Kept by the triggers below.
CREATE TABLE relay_count (
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    relays INTEGER NOT NULL CHECK (relays >= 0),
    PRIMARY KEY (target, state)
) STRICT, WITHOUT ROWID;

INSERT INTO relay_count (target, state, relays)
SELECT target, state, count(*) FROM relay_sync GROUP BY target, state;

CREATE TRIGGER relay_counted
AFTER INSERT ON relay_sync
BEGIN
    INSERT INTO relay_count (target, state, relays) VALUES (NEW.target, NEW.state, 1)
    ON CONFLICT (target, state) DO UPDATE SET relays = relays + 1;
END;

CREATE TRIGGER relay_state_counted
AFTER UPDATE OF state ON relay_sync
WHEN NEW.state <> OLD.state
BEGIN
    UPDATE relay_count SET relays = relays - 1 WHERE target = OLD.target AND state = OLD.state;
    INSERT INTO relay_count (target, state, relays) VALUES (NEW.target, NEW.state, 1)
    ON CONFLICT (target, state) DO UPDATE SET relays = relays + 1;
    UPDATE relay_sync SET dirty_since = NULL WHERE relay_id = NEW.relay_id AND NEW.state = 'synced';
END;

-- The state follows whatever it is made of.
CREATE TRIGGER relay_state_follows_sync
AFTER UPDATE OF desired_generation, synced_generation, failed_generation, failure_streak, crashes, quarantined_at, paused_at,
                blocked_by ON relay_sync
BEGIN
    UPDATE relay_sync
    SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = NEW.relay_id)
    WHERE relay_id = NEW.relay_id;
END;

CREATE TRIGGER relay_state_follows_job
AFTER UPDATE OF status, idempotency_key ON Jobs
WHEN NEW.job_type = 'sync_relay' AND NEW.idempotency_key IS NOT OLD.idempotency_key
BEGIN
    UPDATE relay_sync
    SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = relay_sync.relay_id)
    WHERE relay_id = replace(coalesce(NEW.idempotency_key, OLD.idempotency_key), ':running', '');
END;

CREATE TRIGGER relay_state_follows_deleted_job
AFTER DELETE ON Jobs
WHEN OLD.job_type = 'sync_relay' AND OLD.idempotency_key IS NOT NULL
BEGIN
    UPDATE relay_sync
    SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = relay_sync.relay_id)
    WHERE relay_id = replace(OLD.idempotency_key, ':running', '');
END;

-- The relays of a group that are in it now.
CREATE TRIGGER failure_group_counted
AFTER UPDATE OF failure_group_id ON relay_sync
WHEN NEW.failure_group_id IS NOT OLD.failure_group_id
BEGIN
    UPDATE failure_group SET relays = relays - 1 WHERE id = OLD.failure_group_id;
    UPDATE failure_group SET relays = relays + 1 WHERE id = NEW.failure_group_id;
END;

-- relay_sync.target and the group, beside the attempt, so that history needs no join.
ALTER TABLE sync_attempt ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE sync_attempt ADD COLUMN failure_group_id INTEGER REFERENCES failure_group (id);
UPDATE sync_attempt
SET target = (SELECT relay_sync.target FROM relay_sync WHERE relay_sync.relay_id = sync_attempt.relay_id);

-- History, newest first: one target's, one kind's, one group's.
CREATE INDEX sync_attempt_by_target ON sync_attempt (target, id);
CREATE INDEX sync_attempt_by_kind ON sync_attempt (kind, id) WHERE kind IS NOT NULL;
CREATE INDEX sync_attempt_by_group ON sync_attempt (failure_group_id, id) WHERE failure_group_id IS NOT NULL;

-- What relay_sync says of its attempts follows from their rows.
CREATE TRIGGER sync_attempt_counted
AFTER INSERT ON sync_attempt
BEGIN
    UPDATE relay_sync
    SET attempt_count = NEW.number,
        last_attempt_id = NEW.id,
        attempted_generation = max(attempted_generation, NEW.generation)
    WHERE relay_id = NEW.relay_id;
END;

-- What ended in each minute. Kept by the trigger below; pruned by age.
CREATE TABLE sync_minute (
    -- Unix time in minutes.
    minute INTEGER NOT NULL,
    target TEXT NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, target)
) STRICT, WITHOUT ROWID;

-- The upper bounds of the lag histogram, in milliseconds: steps of a quarter to a half.
CREATE TABLE lag_bucket (
    upper_ms INTEGER NOT NULL PRIMARY KEY
) STRICT;

INSERT INTO lag_bucket (upper_ms)
VALUES (1), (2), (3), (4), (5), (7), (10), (13), (17), (22), (30), (40), (50), (70), (100), (130), (170), (220), (300), (400), (500),
       (700), (1000), (1300), (1700), (2200), (3000), (4000), (5000), (7000), (10000), (13000), (17000), (22000), (30000),
       (60000), (120000), (300000), (600000), (1800000), (3600000), (10800000), (43200000), (86400000), (9223372036854775807);

-- How long relays that came into step in a minute had been out of it: from the first commit zooid did not know of to the
-- acceptance. A histogram a minute.
CREATE TABLE sync_lag (
    minute INTEGER NOT NULL,
    target TEXT NOT NULL,
    upper_ms INTEGER NOT NULL,
    syncs INTEGER NOT NULL,
    PRIMARY KEY (minute, target, upper_ms)
) STRICT, WITHOUT ROWID;

-- Attempts ever, by how they ended.
CREATE TABLE attempt_count (
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    -- The failure kind; '' when there is none.
    kind TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    -- All their durations together, in milliseconds.
    total_ms INTEGER NOT NULL,
    PRIMARY KEY (target, outcome, kind)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sync_attempt_rolled_up
AFTER UPDATE OF finished_at ON sync_attempt
WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
BEGIN
    INSERT INTO sync_minute (minute, target, accepted, failed, lost)
    VALUES (NEW.finished_at / 60000, NEW.target, NEW.outcome = 'accepted', NEW.outcome = 'failed', NEW.outcome = 'lost')
    ON CONFLICT (minute, target) DO UPDATE
    SET accepted = accepted + excluded.accepted,
        failed = failed + excluded.failed,
        lost = lost + excluded.lost;
    INSERT INTO attempt_count (target, outcome, kind, attempts, total_ms)
    VALUES (NEW.target, NEW.outcome, coalesce(NEW.kind, ''), 1, max(NEW.finished_at - NEW.started_at, 0))
    ON CONFLICT (target, outcome, kind) DO UPDATE
    SET attempts = attempts + 1,
        total_ms = total_ms + excluded.total_ms;
    INSERT INTO sync_lag (minute, target, upper_ms, syncs)
    SELECT
        NEW.finished_at / 60000,
        NEW.target,
        (SELECT min(upper_ms) FROM lag_bucket WHERE upper_ms >= NEW.finished_at - relay_sync.dirty_since),
        1
    FROM relay_sync
    WHERE relay_sync.relay_id = NEW.relay_id
      AND NEW.outcome = 'accepted'
      AND relay_sync.desired_generation = NEW.generation
      AND relay_sync.dirty_since IS NOT NULL
    ON CONFLICT (minute, target, upper_ms) DO UPDATE SET syncs = syncs + 1;
    UPDATE failure_group
    SET attempts = attempts + 1,
        last_seen_at = NEW.finished_at
    WHERE id = NEW.failure_group_id;
END;

-- The circuit, precisely: failures in a row count only once two relays had them.
ALTER TABLE target ADD COLUMN several_relays INTEGER NOT NULL DEFAULT 0 CHECK (several_relays IN (0, 1));
-- Probes that failed since the last accepted sync: how far the pause between two has grown.
ALTER TABLE target ADD COLUMN probe_failures INTEGER NOT NULL DEFAULT 0 CHECK (probe_failures >= 0);
-- When an operator asked for a probe that has not been made yet (milliseconds).
ALTER TABLE target ADD COLUMN probe_requested_at INTEGER;
-- The last probe (milliseconds), and what it said: redacted; '' when all was well.
ALTER TABLE target ADD COLUMN probed_at INTEGER;
ALTER TABLE target ADD COLUMN probe_error TEXT NOT NULL DEFAULT '';

-- The queue as a whole: one row.
CREATE TABLE queue (
    name TEXT NOT NULL PRIMARY KEY CHECK (name = 'sync_relay'),
    -- Since when an operator holds every sync back.
    paused_at INTEGER
) STRICT;

INSERT INTO queue (name) VALUES ('sync_relay');

-- Who did what with an operator's hands. Kept, like activity.
CREATE TABLE operator_action (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Lower-case ULID.
    id TEXT NOT NULL UNIQUE,
    -- Milliseconds.
    acted_at INTEGER NOT NULL,
    -- The admin's public key, or 'shell' for the command line.
    actor TEXT NOT NULL,
    -- What was done: 'retry', 'sync_now', 'cancel', 'pause', 'resume', 'probe', 'release', 'reconcile', 'rotate_secrets'.
    action TEXT NOT NULL,
    -- What it was done to; resource_id is '' for the queue and for everything that matches a filter.
    resource_type TEXT NOT NULL CHECK (resource_type IN ('relay', 'target', 'queue', 'relays', 'secrets')),
    resource_id TEXT NOT NULL DEFAULT '',
    -- How many relays it touched.
    affected INTEGER NOT NULL CHECK (affected >= 0),
    -- What else there is to know: a JSON object, such as the filter.
    detail TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(detail))
) STRICT;

-- The actions on one thing, newest first.
CREATE INDEX operator_action_by_resource ON operator_action (resource_type, resource_id, seq);

-- Pruning: what ended longest ago first.
CREATE INDEX jobs_ended ON Jobs (done_at) WHERE status IN ('Done', 'Killed');
