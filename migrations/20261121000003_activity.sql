-- What happened, for tenants and for the record. Rows are kept: this is the audit log.

CREATE TABLE activity (
    -- The cursor of every follower; AUTOINCREMENT, so that a number is never given twice.
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Lower-case ULID, the id clients see.
    id TEXT NOT NULL,
    -- The tenant it concerns, read from the resource.
    tenant_pubkey TEXT NOT NULL REFERENCES tenant (pubkey),
    -- Unix seconds.
    created_at INTEGER NOT NULL,
    activity_type TEXT NOT NULL
        CHECK (activity_type IN ('create_tenant', 'update_tenant', 'create_relay', 'update_relay', 'activate_relay',
                                 'deactivate_relay', 'fail_relay_sync', 'complete_relay_sync')),
    resource_type TEXT NOT NULL CHECK (resource_type IN ('tenant', 'relay')),
    -- The tenant's pubkey or the relay's id.
    resource_id TEXT NOT NULL
) STRICT;

-- list_activity_for_relay, newest first.
CREATE INDEX activity_by_resource ON activity (resource_type, resource_id, seq);
-- list_activity(since) and max_activity_at.
CREATE INDEX activity_by_time ON activity (created_at, seq);
