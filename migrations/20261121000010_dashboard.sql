-- Who is signed in at the dashboard. Tokens are kept as keyed hashes: whoever reads this table can use none of them.
-- Times are milliseconds.

CREATE TABLE dashboard_session (
    -- Keyed hash of the token in the browser's cookie.
    token_hash TEXT NOT NULL PRIMARY KEY,
    -- Whose it is. What the key may do is configured, and looked up at each use.
    pubkey TEXT NOT NULL,
    -- configured: what the key may do. readonly: reading alone, whatever the key may do.
    scope TEXT NOT NULL CHECK (scope IN ('configured', 'readonly')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL CHECK (expires_at > created_at)
) STRICT;

-- Those that are over are removed at the next sign-in.
CREATE INDEX dashboard_session_by_end ON dashboard_session (expires_at);

-- Links that sign in once, made on the server. Signing in with one removes it.
CREATE TABLE login_link (
    -- Keyed hash of the token in the link.
    token_hash TEXT NOT NULL PRIMARY KEY,
    -- Who they sign in.
    pubkey TEXT NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('configured', 'readonly')),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX login_link_by_end ON login_link (expires_at);
