-- Pruning that never looks at the same row twice, and a lag histogram that only grows.

-- How far a periodic work has come in what it walks through: for 'prune', the last sync_attempt.id that it looked at.
ALTER TABLE maintenance ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

-- Pruning: groups that no relay is in, and workers that stopped or died, the oldest first.
CREATE INDEX failure_group_idle ON failure_group (last_seen_at) WHERE relays = 0;
CREATE INDEX worker_heartbeat_ended ON worker_heartbeat (coalesce(stopped_at, dead_at))
    WHERE coalesce(stopped_at, dead_at) IS NOT NULL;

-- The lags of sync_lag over all time. A monitoring system takes differences, so these never go down, whatever is pruned.
CREATE TABLE lag_count (
    target TEXT NOT NULL,
    upper_ms INTEGER NOT NULL,
    syncs INTEGER NOT NULL,
    -- All these lags together, in milliseconds.
    total_ms INTEGER NOT NULL,
    PRIMARY KEY (target, upper_ms)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sync_lag_counted
AFTER UPDATE OF finished_at ON sync_attempt
WHEN OLD.finished_at IS NULL AND NEW.outcome = 'accepted'
BEGIN
    INSERT INTO lag_count (target, upper_ms, syncs, total_ms)
    SELECT
        NEW.target,
        (SELECT min(upper_ms) FROM lag_bucket WHERE upper_ms >= NEW.finished_at - relay_sync.dirty_since),
        1,
        max(NEW.finished_at - relay_sync.dirty_since, 0)
    FROM relay_sync
    WHERE relay_sync.relay_id = NEW.relay_id
      AND relay_sync.desired_generation = NEW.generation
      AND relay_sync.dirty_since IS NOT NULL
    ON CONFLICT (target, upper_ms) DO UPDATE
    SET syncs = syncs + 1,
        total_ms = total_ms + excluded.total_ms;
END;
