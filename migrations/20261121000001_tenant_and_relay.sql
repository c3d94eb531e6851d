-- Who pays and what they asked for: the desired state that the API writes.
-- Times are unix seconds. Booleans are 0 or 1. '' means "none" only where the HTTP contract says so.

CREATE TABLE tenant (
    -- The tenant's Nostr public key: 64 lower-case hex digits. It is the identity; there is no other id.
    pubkey TEXT NOT NULL PRIMARY KEY
        CHECK (length(pubkey) = 64 AND pubkey NOT GLOB '*[^0-9a-f]*'),
    -- Where the billing pages send the tenant back to; NULL when the client gave none.
    return_url TEXT,
    -- The tenant's Nostr Wallet Connect URL (NIP-47), sealed (v1.<key id>.<base64url>); NULL when disconnected.
    nwc_url TEXT
        CHECK (nwc_url IS NULL OR nwc_url LIKE 'v1.%'),
    -- What the last wallet payment failed with, as billing wrote it; NULL when it did not.
    nwc_error TEXT,
    -- What the last card payment failed with, as billing wrote it; NULL when it did not.
    stripe_error TEXT,
    -- Ids in the external billing system; NULL until billing sets them.
    stripe_customer_id TEXT,
    stripe_payment_method_id TEXT,
    stripe_subscription_id TEXT,
    -- The instant billing periods are counted from; NULL before the first paid relay.
    billing_anchor INTEGER,
    -- Since when a payment is overdue; NULL when nothing is.
    past_due_at INTEGER,
    -- When the tenant left for good; NULL while they stay.
    churned_at INTEGER,
    -- When the tenant first signed in, and the last change of this row.
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- list_tenants: oldest first.
CREATE INDEX tenant_by_creation ON tenant (created_at, pubkey);

CREATE TABLE relay (
    -- Lower-case ULID: sortable by creation, and a file name zooid accepts.
    id TEXT NOT NULL PRIMARY KEY
        CHECK (length(id) = 26 AND id NOT GLOB '*[^0-9a-z]*'),
    -- The owner.
    tenant_pubkey TEXT NOT NULL REFERENCES tenant (pubkey),
    -- The relay's label below its zooid_domain.
    subdomain TEXT NOT NULL
        CHECK (length(subdomain) BETWEEN 1 AND 63 AND subdomain NOT GLOB '*[^0-9a-z-]*'),
    -- The served domain it lives under; fixed at creation. Also the name of its target.
    zooid_domain TEXT NOT NULL
        CHECK (zooid_domain <> ''),
    -- A host name of the tenant's own; '' when none.
    custom_domain TEXT NOT NULL DEFAULT '',
    -- Whether DNS has shown that custom_domain points at us.
    custom_domain_verified INTEGER NOT NULL DEFAULT 0
        CHECK (custom_domain_verified IN (0, 1) AND (custom_domain <> '' OR custom_domain_verified = 0)),
    -- zooid's name for the relay's tables: fixed at creation and never given to another relay (zooid.md, Hazards).
    schema TEXT NOT NULL
        CHECK (schema GLOB '[a-z_]*' AND schema NOT GLOB '*[^0-9a-z_]*'),
    -- The relay's own secret key, sealed (v1.<key id>.<base64url>, relay id as associated data): made at creation, never changed.
    secret TEXT NOT NULL
        CHECK (secret LIKE 'v1.%'),
    -- The plan's slug.
    plan_id TEXT NOT NULL
        CHECK (plan_id IN ('free', 'basic', 'growth')),
    -- The line item in the external billing system; NULL until billing sets it.
    stripe_subscription_item_id TEXT,
    -- active: served. inactive: switched off by its owner. delinquent: switched off for want of payment.
    status TEXT NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'inactive', 'delinquent')),
    -- What NIP-11 shows.
    info_name TEXT NOT NULL DEFAULT '',
    info_icon TEXT NOT NULL DEFAULT '',
    info_description TEXT NOT NULL DEFAULT '',
    -- Who may read, write and join without being a member; whether signatures are stripped from served events.
    policy_public_read INTEGER NOT NULL CHECK (policy_public_read IN (0, 1)),
    policy_public_write INTEGER NOT NULL CHECK (policy_public_write IN (0, 1)),
    policy_public_join INTEGER NOT NULL CHECK (policy_public_join IN (0, 1)),
    policy_strip_signatures INTEGER NOT NULL CHECK (policy_strip_signatures IN (0, 1)),
    -- Features, each a section of zooid's configuration.
    groups_enabled INTEGER NOT NULL CHECK (groups_enabled IN (0, 1)),
    management_enabled INTEGER NOT NULL CHECK (management_enabled IN (0, 1)),
    members_can_invite INTEGER NOT NULL CHECK (members_can_invite IN (0, 1)),
    push_enabled INTEGER NOT NULL CHECK (push_enabled IN (0, 1)),
    blossom_enabled INTEGER NOT NULL CHECK (blossom_enabled IN (0, 1)),
    livekit_enabled INTEGER NOT NULL CHECK (livekit_enabled IN (0, 1)),
    -- Grows by one with every write that zooid must learn of.
    generation INTEGER NOT NULL DEFAULT 1
        CHECK (generation >= 1),
    -- When the relay was created, and the last change of this row.
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- The free plan has neither media storage nor calls.
    CHECK (plan_id <> 'free' OR (blossom_enabled = 0 AND livekit_enabled = 0))
) STRICT;

-- One relay a host name; also find by host.
CREATE UNIQUE INDEX relay_host ON relay (zooid_domain, subdomain);
-- One relay a custom host name.
CREATE UNIQUE INDEX relay_custom_domain ON relay (custom_domain) WHERE custom_domain <> '';
-- A schema is given out once, for ever.
CREATE UNIQUE INDEX relay_schema ON relay (schema);
-- list_relays_for_tenant.
CREATE INDEX relay_by_tenant ON relay (tenant_pubkey, id);

CREATE TRIGGER relay_schema_is_fixed
BEFORE UPDATE OF schema ON relay
WHEN NEW.schema <> OLD.schema
BEGIN
    SELECT RAISE(ABORT, 'relay.schema never changes');
END;

CREATE TRIGGER relay_zooid_domain_is_fixed
BEFORE UPDATE OF zooid_domain ON relay
WHEN NEW.zooid_domain <> OLD.zooid_domain
BEGIN
    SELECT RAISE(ABORT, 'relay.zooid_domain never changes');
END;
