-- Relays that an admin removed: what is wanted of them is that zooid has no file of theirs. The row stays for ever as a
-- tombstone, so that neither its id nor its schema is ever given to another relay.

-- Two texts may stand in these tables that could not before. Only CHECKs change and no row does, so the schema is edited as
-- SQLite describes it for that (lang_altertable.html, section 7): nothing is copied, and triggers and indexes stay.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(sql, '''complete_relay_sync''', '''complete_relay_sync'', ''remove_relay''')
WHERE type = 'table'
  AND name = 'activity';
UPDATE sqlite_schema
SET sql = replace(sql, '''PATCH''', '''PATCH'', ''DELETE''')
WHERE type = 'table'
  AND name = 'sync_attempt';
PRAGMA writable_schema = RESET;

-- Since when the relay is to be no more (unix seconds); NULL while it is wanted. Never taken back.
ALTER TABLE relay ADD COLUMN removed_at INTEGER;
-- Since when zooid has no file of it and no call that is still under way can bring one back (unix seconds): from then on its
-- names are free. NULL before.
ALTER TABLE relay ADD COLUMN gone_at INTEGER CHECK (gone_at IS NULL OR removed_at IS NOT NULL);

CREATE TRIGGER relay_removal_is_final
BEFORE UPDATE OF removed_at, gone_at ON relay
WHEN (OLD.removed_at IS NOT NULL AND NEW.removed_at IS NOT OLD.removed_at)
    OR (OLD.gone_at IS NOT NULL AND NEW.gone_at IS NOT OLD.gone_at)
BEGIN
    SELECT RAISE(ABORT, 'a removed relay stays removed');
END;

-- One relay a host name, and a custom host name, of those that are not gone. relay_schema has no such limit.
DROP INDEX relay_host;
CREATE UNIQUE INDEX relay_host ON relay (zooid_domain, subdomain) WHERE gone_at IS NULL;
DROP INDEX relay_custom_domain;
CREATE UNIQUE INDEX relay_custom_domain ON relay (custom_domain) WHERE custom_domain <> '' AND gone_at IS NULL;
-- The tombstones, which lists pass over.
CREATE INDEX relay_gone ON relay (id) WHERE gone_at IS NOT NULL;

-- How many tombstones a target has. Kept by the trigger below.
CREATE TABLE tombstone_count (
    target TEXT NOT NULL PRIMARY KEY,
    relays INTEGER NOT NULL CHECK (relays >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER relay_buried
AFTER UPDATE OF gone_at ON relay
WHEN OLD.gone_at IS NULL AND NEW.gone_at IS NOT NULL
BEGIN
    INSERT INTO tombstone_count (target, relays) VALUES (NEW.zooid_domain, 1)
    ON CONFLICT (target) DO UPDATE SET relays = relays + 1;
END;

-- relay_count as people are shown it: without tombstones, all of which are in step but for moments.
CREATE VIEW standing_count AS
SELECT
    relay_count.target,
    relay_count.state,
    CASE relay_count.state
        WHEN 'synced' THEN max(relay_count.relays - coalesce(tombstone_count.relays, 0), 0)
        ELSE relay_count.relays
    END AS relays
FROM relay_count
LEFT JOIN tombstone_count ON tombstone_count.target = relay_count.target;
