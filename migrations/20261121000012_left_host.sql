-- A relay that is refused for a host may have been refused just before the relay that had it left: then the host is free by
-- now, and the refusal is no reason to give up.

-- The host that this relay had in zooid before its present one, and when it was accepted at the present one (milliseconds).
ALTER TABLE relay_sync ADD COLUMN left_host TEXT;
ALTER TABLE relay_sync ADD COLUMN left_at INTEGER;

-- Who has left a host.
CREATE INDEX relay_sync_by_left_host ON relay_sync (left_host) WHERE left_host IS NOT NULL;
