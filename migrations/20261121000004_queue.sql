-- Beside apalis's Jobs and Workers, which stay as its own migrations make them: our heartbeat in milliseconds, the
-- turn-taking of periodic work, and the indexes our statements need.

CREATE TABLE worker_heartbeat (
    -- The Workers row, new for every process start.
    worker_id TEXT NOT NULL PRIMARY KEY REFERENCES Workers (id),
    -- Grows with each beat. Observers compare it with their own last look; clocks of two processes are never compared.
    counter INTEGER NOT NULL DEFAULT 0 CHECK (counter >= 0),
    -- When it last beat, started, stopped, and was found dead, in milliseconds.
    beat_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER,
    dead_at INTEGER,
    -- For people: the process, how many syncs it may run at once, and how many it ran at the last beat.
    pid INTEGER NOT NULL,
    slots INTEGER NOT NULL CHECK (slots >= 1),
    running INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0)
) STRICT;

-- The workers an observer watches; one found dead is still watched while it holds a job, for it may have claimed once more.
CREATE INDEX worker_heartbeat_running ON worker_heartbeat (worker_id) WHERE stopped_at IS NULL;

CREATE TABLE maintenance (
    -- The periodic work: 'reconcile'.
    name TEXT NOT NULL PRIMARY KEY,
    -- When some worker last took it on, in milliseconds: whoever moves it forward does the work.
    last_run_at INTEGER NOT NULL
) STRICT;

-- apalis's full index on lock_by makes every acknowledgement walk a worker's whole history. The partial one holds only
-- what runs: it serves the sweep of a lost worker, and the foreign key when a Workers row is deleted.
DROP INDEX IF EXISTS LIdx;
CREATE INDEX jobs_locked ON Jobs (lock_by) WHERE lock_by IS NOT NULL;

-- Claims and "when is the next job due", per target: 50,000 held rows of one target cost the others nothing.
CREATE INDEX jobs_waiting ON Jobs (job_type, json_extract(metadata, '$.target'), priority DESC, run_at, id)
    WHERE status = 'Pending' AND lock_by IS NULL;
