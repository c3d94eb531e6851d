-- The same states and counts for less. A trigger that updates opens every index it might touch, even where it then finds
-- nothing to write; so what is to be done is decided by WHEN, and a claim writes its relay's row once and not twice.

DROP TRIGGER relay_state_follows_sync;
DROP TRIGGER relay_state_follows_job;
DROP TRIGGER relay_state_follows_deleted_job;
DROP TRIGGER relay_state_counted;
DROP TRIGGER relay_unblocked;
DROP TRIGGER sync_attempt_counted;

-- The state follows whatever it is made of: here, the row itself.
CREATE TRIGGER relay_state_follows_sync
AFTER UPDATE OF desired_generation, synced_generation, failed_generation, failure_streak, crashes, quarantined_at, paused_at,
                blocked_by ON relay_sync
WHEN NEW.state <> (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = NEW.relay_id)
BEGIN
    UPDATE relay_sync
    SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = NEW.relay_id)
    WHERE relay_id = NEW.relay_id;
END;

-- A job that runs no more. One that begins to run has an attempt, which takes the state along: see sync_attempt_counted.
CREATE TRIGGER relay_state_follows_job
AFTER UPDATE OF idempotency_key ON Jobs
WHEN NEW.job_type = 'sync_relay'
 AND NEW.idempotency_key IS NOT OLD.idempotency_key
 AND OLD.idempotency_key GLOB '*:running'
BEGIN
    UPDATE relay_sync
    SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = relay_sync.relay_id)
    WHERE relay_id = substr(OLD.idempotency_key, 1, length(OLD.idempotency_key) - length(':running'));
END;

-- A running job that is taken away altogether.
CREATE TRIGGER relay_state_follows_deleted_job
AFTER DELETE ON Jobs
WHEN OLD.job_type = 'sync_relay'
 AND OLD.idempotency_key GLOB '*:running'
BEGIN
    UPDATE relay_sync
    SET state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = relay_sync.relay_id)
    WHERE relay_id = substr(OLD.idempotency_key, 1, length(OLD.idempotency_key) - length(':running'));
END;

-- What relay_sync says of its attempts follows from their rows; a new one is one that runs.
CREATE TRIGGER sync_attempt_counted
AFTER INSERT ON sync_attempt
BEGIN
    UPDATE relay_sync
    SET attempt_count = NEW.number,
        last_attempt_id = NEW.id,
        attempted_generation = max(attempted_generation, NEW.generation),
        state = (SELECT relay_state.state FROM relay_state WHERE relay_state.relay_id = NEW.relay_id)
    WHERE relay_id = NEW.relay_id;
END;

CREATE TRIGGER relay_state_counted
AFTER UPDATE OF state ON relay_sync
WHEN NEW.state <> OLD.state
BEGIN
    UPDATE relay_count SET relays = relays - 1 WHERE target = OLD.target AND state = OLD.state;
    INSERT INTO relay_count (target, state, relays) VALUES (NEW.target, NEW.state, 1)
    ON CONFLICT (target, state) DO UPDATE SET relays = relays + 1;
END;

-- Whoever is in step is not out of step since any time.
CREATE TRIGGER relay_in_step
AFTER UPDATE OF state ON relay_sync
WHEN NEW.state = 'synced' AND NEW.dirty_since IS NOT NULL
BEGIN
    UPDATE relay_sync SET dirty_since = NULL WHERE relay_id = NEW.relay_id;
END;

-- Whoever waited for the relay to leave its host need not wait any more.
CREATE TRIGGER relay_unblocked
AFTER UPDATE OF synced_at ON relay_sync
WHEN NEW.synced_at IS NOT OLD.synced_at
 AND EXISTS (SELECT 1 FROM relay_sync WHERE blocked_by = NEW.relay_id)
BEGIN
    UPDATE Jobs
    SET run_at = min(run_at, NEW.synced_at / 1000)
    WHERE job_type = 'sync_relay'
      AND idempotency_key IN (SELECT relay_id FROM relay_sync WHERE blocked_by = NEW.relay_id);
    UPDATE relay_sync SET blocked_by = NULL WHERE blocked_by = NEW.relay_id;
END;

-- apalis's indexes for statements of its own that nothing here runs: every change of a job rewrote all of them. What is
-- left is the unique one on idempotency_key and ours; a test of the query plans says whether that is enough.
DROP INDEX IF EXISTS idx_jobs_job_type_status_run_at;
DROP INDEX IF EXISTS idx_jobs_status_run_at;
DROP INDEX IF EXISTS idx_jobs_completed_done_at;
DROP INDEX IF EXISTS idx_jobs_running;
DROP INDEX IF EXISTS idx_jobs_pending;
DROP INDEX IF EXISTS idx_jobs_failed;
DROP INDEX IF EXISTS idx_jobs_claimable;
