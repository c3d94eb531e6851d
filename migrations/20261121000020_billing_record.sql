-- What billing writes down in an admin's name stands in the record of operators' actions, and so a tenant can be what an
-- action was about. The table is rebuilt, for SQLite alters no CHECK; every line keeps its place.

ALTER TABLE operator_action RENAME TO operator_action_before;
DROP INDEX operator_action_by_resource;
DROP INDEX operator_action_by_token;

-- Who did what with an operator's hands. Kept, like activity.
CREATE TABLE operator_action (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Lower-case ULID.
    id TEXT NOT NULL UNIQUE,
    -- Milliseconds.
    acted_at INTEGER NOT NULL,
    -- The admin's public key, or 'shell' for the command line.
    actor TEXT NOT NULL,
    -- What was done, such as 'retry' or 'set_past_due'.
    action TEXT NOT NULL,
    -- What it was done to; resource_id is '' for the queue and for everything that matches a filter.
    resource_type TEXT NOT NULL CHECK (resource_type IN ('relay', 'tenant', 'target', 'queue', 'relays', 'secrets')),
    resource_id TEXT NOT NULL DEFAULT '',
    -- How many relays it touched; 1 for a tenant, a target or the queue.
    affected INTEGER NOT NULL CHECK (affected >= 0),
    -- What else there is to know: a JSON object, such as the filter.
    detail TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(detail))
) STRICT;

INSERT INTO operator_action (seq, id, acted_at, actor, action, resource_type, resource_id, affected, detail)
SELECT seq, id, acted_at, actor, action, resource_type, resource_id, affected, detail
FROM operator_action_before
ORDER BY seq;

DROP TABLE operator_action_before;

-- The actions on one thing, newest first.
CREATE INDEX operator_action_by_resource ON operator_action (resource_type, resource_id, seq);
-- What a token for an action on many relays was answered with: a repeated request gets the first answer.
CREATE UNIQUE INDEX operator_action_by_token ON operator_action (json_extract(detail, '$.token'))
    WHERE resource_type = 'relays';
