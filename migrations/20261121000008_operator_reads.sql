-- Indexes of what operators read.

-- Relays in a state by creation; beside relay_sync_by_target, which has them by their latest news.
CREATE INDEX relay_sync_by_creation ON relay_sync (target, state, relay_id);
-- The attempts of a job, which may be pruned before them.
CREATE INDEX sync_attempt_by_job ON sync_attempt (job_id);
-- Workers that ought to be alive, and the last ones that were started.
CREATE INDEX worker_heartbeat_alive ON worker_heartbeat (started_at) WHERE stopped_at IS NULL AND dead_at IS NULL;
CREATE INDEX worker_heartbeat_by_start ON worker_heartbeat (started_at);
