-- What relays were seen to answer at their own hosts, where ZOOID_VERIFY=nip11. The table stays empty while that is off, and
-- nothing here is written by a sync: acceptances are found in the log of activities.
-- Times are Unix milliseconds.

CREATE TABLE relay_observation (
    relay_id TEXT NOT NULL PRIMARY KEY REFERENCES relay (id) ON DELETE CASCADE,
    -- relay.zooid_domain, which never changes: the target that serves it.
    target TEXT NOT NULL,
    -- When it is to be looked at next. Whoever takes it moves this ahead by a lease, and records only while it stands there.
    due_at INTEGER NOT NULL,
    -- The newest generation that was seen in effect, and since when; 0 and NULL before the first.
    live_generation INTEGER NOT NULL DEFAULT 0 CHECK (live_generation >= 0),
    live_at INTEGER,
    -- The last look that was answered: the generation that zooid had accepted, when, and what was shown as JSON: redacted; NULL
    -- for nothing, which is what a relay that is off should show.
    observed_generation INTEGER NOT NULL DEFAULT 0 CHECK (observed_generation >= 0),
    observed_at INTEGER,
    observed TEXT CHECK (observed IS NULL OR json_valid(observed)),
    -- Since when it has not answered as zooid accepted it, and in what it differs: a JSON array of names; NULL when it does.
    drift_since INTEGER,
    drift TEXT CHECK (drift IS NULL OR json_valid(drift)),
    -- When it was last sent again because it differed, and how often ever.
    healed_at INTEGER,
    heals INTEGER NOT NULL DEFAULT 0 CHECK (heals >= 0),
    CHECK ((live_at IS NULL) = (live_generation = 0)),
    CHECK ((observed_at IS NULL) = (observed_generation = 0)),
    CHECK ((drift_since IS NULL) = (drift IS NULL)),
    CHECK ((healed_at IS NULL) = (heals = 0))
) STRICT;

-- What is due at a target, the longest first.
CREATE INDEX relay_observation_due ON relay_observation (target, due_at);
-- How many relays of a target differ.
CREATE INDEX relay_observation_drifted ON relay_observation (target) WHERE drift_since IS NOT NULL;

-- A relay that was removed is not looked at any more: another one may answer at its host.
CREATE TRIGGER relay_observation_for_removed_relay
AFTER UPDATE OF removed_at ON relay
WHEN NEW.removed_at IS NOT NULL
BEGIN
    DELETE FROM relay_observation WHERE relay_id = NEW.id;
END;
