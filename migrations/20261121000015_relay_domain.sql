-- A tenant's own host name counts once DNS leads it to the relay, and is looked up now and then for as long as it is set.

-- One row for each relay that has a custom_domain. Times are milliseconds.
CREATE TABLE relay_domain (
    relay_id TEXT NOT NULL PRIMARY KEY REFERENCES relay (id) ON DELETE CASCADE,
    -- When the tenant named it.
    set_at INTEGER NOT NULL,
    -- Since when it is known to lead to the relay; NULL while it is not. relay.custom_domain_verified follows in the same write.
    verified_at INTEGER,
    -- Since when every look-up of a verified one has failed; NULL while it does not.
    failing_since INTEGER,
    -- When it was last looked up; NULL before the first time.
    checked_at INTEGER,
    -- When it is looked up next; 0 for as soon as possible. While somebody does, until when it is theirs.
    next_check_at INTEGER NOT NULL DEFAULT 0,
    -- What its tenant has to know of the last look-up; '' when there is nothing to say.
    error TEXT NOT NULL DEFAULT '',
    CHECK (failing_since IS NULL OR verified_at IS NOT NULL),
    CHECK (checked_at IS NULL OR (error = '') = (verified_at IS NOT NULL AND failing_since IS NULL))
) STRICT;

-- What is due.
CREATE INDEX relay_domain_due ON relay_domain (next_check_at);

CREATE TRIGGER relay_domain_for_new_relay
AFTER INSERT ON relay
WHEN NEW.custom_domain <> ''
BEGIN
    INSERT INTO relay_domain (relay_id, set_at) VALUES (NEW.id, NEW.created_at * 1000);
END;

-- Another name starts over.
CREATE TRIGGER relay_domain_for_custom_domain
AFTER UPDATE OF custom_domain ON relay
WHEN NEW.custom_domain <> OLD.custom_domain
BEGIN
    DELETE FROM relay_domain WHERE relay_id = NEW.id;
    INSERT INTO relay_domain (relay_id, set_at) SELECT NEW.id, NEW.updated_at * 1000 WHERE NEW.custom_domain <> '';
END;

-- It must lead somewhere else now. A look-up that is under way was for the former place: its lease is taken away.
CREATE TRIGGER relay_domain_for_subdomain
AFTER UPDATE OF subdomain ON relay
WHEN NEW.subdomain <> OLD.subdomain
BEGIN
    UPDATE relay_domain SET next_check_at = 0 WHERE relay_id = NEW.id;
END;

INSERT INTO relay_domain (relay_id, set_at, verified_at)
SELECT id, updated_at * 1000, CASE WHEN custom_domain_verified THEN updated_at * 1000 END
FROM relay
WHERE custom_domain <> '';
