//! The table of variables: their names, their defaults and what each must look like.
//!
//! `.env.example` tells the same to people; a test holds the two together.

use std::fmt;

/// One environment variable.
pub(super) struct Variable {
    pub name: &'static str,
    /// What holds when it is not set; without it, the reader decides whether it may be missing.
    pub default: Option<&'static str>,
    pub expected: Expected,
}

/// What the value of a variable must look like, in words that follow "expected".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A form, described.
    Form(&'static str),
    /// A whole number within these bounds, both included.
    Whole {
        /// The smallest.
        from: u64,
        /// The greatest.
        to: u64,
    },
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(form) => f.write_str(form),
            Self::Whole { from, to } => write!(f, "a whole number from {from} to {to}"),
        }
    }
}

/// A variable that is described in words.
const fn form(default: Option<&'static str>, expected: &'static str) -> Variable {
    Variable {
        name: "",
        default,
        expected: Expected::Form(expected),
    }
}

/// A variable that is a whole number.
const fn whole(default: &'static str, from: u64, to: u64) -> Variable {
    Variable {
        name: "",
        default: Some(default),
        expected: Expected::Whole { from, to },
    }
}

/// One constant for each variable, and [`ALL`] of them.
macro_rules! variables {
    ($($name:ident: $variable:expr;)*) => {
        $(pub(super) const $name: Variable = Variable { name: stringify!($name), ..$variable };)*

        /// Every variable there is.
        #[cfg(test)]
        pub(super) const ALL: &[Variable] = &[$($name),*];
    };
}

variables! {
    // Database.
    DATABASE_URL: form(
        Some("sqlite://data/caravel.db"),
        "sqlite://PATH, where PATH is a file and has none of ? # %",
    );
    DATABASE_SYNCHRONOUS: form(Some("full"), "full or normal");

    // API server.
    SERVER_URL: form(
        None,
        "the public http or https URL of the API, without user, query or fragment",
    );
    SERVER_HOST: form(Some("127.0.0.1"), "an IP address to listen on");
    SERVER_PORT: whole("2892", 0, 65_535);
    SERVER_ADMIN_PUBKEYS: form(None, "public keys as hex or npub, separated by commas");
    SERVER_READONLY_PUBKEYS: form(None, "public keys as hex or npub, separated by commas");
    SERVER_ALLOW_ORIGINS: form(
        None,
        "* or origins such as https://app.example.com, separated by commas",
    );
    AUTH_MODE: form(Some("compatible"), "compatible or strict");
    AUTH_SESSION_SECONDS: whole("900", 60, 86_400);
    DASHBOARD_SESSION_SECONDS: whole("43200", 60, 2_592_000);
    SERVER_TRUSTED_PROXIES: form(
        None,
        "addresses, or networks such as 10.0.0.0/8, separated by commas",
    );
    SERVER_MAX_REQUESTS: whole("512", 1, 65_536);
    RATE_LIMIT_KEY: whole("6000", 0, 1_000_000);
    RATE_LIMIT_ADDRESS: whole("6000", 0, 1_000_000);
    TENANT_MAX_RELAYS: whole("0", 0, 1_000_000);

    // Relays and their secrets.
    RELAY_DOMAIN: form(
        None,
        "the host name that relays are subdomains of, of at most 189 characters",
    );
    CARAVEL_SECRETS_KEY: form(None, "32 bytes as base64 or as 64 hexadecimal digits");
    CARAVEL_SECRETS_KEY_PREVIOUS: form(
        None,
        "former values of CARAVEL_SECRETS_KEY, separated by commas",
    );

    // zooid.
    ZOOID_TARGETS: form(
        None,
        "DOMAIN=URL for each zooid, separated by commas, a secret key and @ after the // of a URL where it has its own",
    );
    ZOOID_API_URL: form(
        None,
        "the http or https URL of zooid's management API, without user, path, query or fragment",
    );
    ZOOID_API_SECRET: form(None, "a secret key as hex or nsec");
    ZOOID_TIMEOUT_MS: whole("5000", 1, 600_000);

    // What relays are given.
    LIVEKIT_URL: form(
        None,
        "a ws, wss, http or https URL, set together with LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
    );
    LIVEKIT_API_KEY: form(
        None,
        "a key without blanks, set together with LIVEKIT_URL and LIVEKIT_API_SECRET",
    );
    LIVEKIT_API_SECRET: form(
        None,
        "a secret without blanks, set together with LIVEKIT_URL and LIVEKIT_API_KEY",
    );
    BLOSSOM_S3_ENDPOINT: form(None, "an endpoint without blanks");
    BLOSSOM_S3_REGION: form(None, "a region without blanks");
    BLOSSOM_S3_BUCKET: form(None, "a bucket name without blanks");
    BLOSSOM_S3_ACCESS_KEY: form(None, "an access key without blanks");
    BLOSSOM_S3_SECRET_KEY: form(None, "a secret key without blanks");

    // Queue and worker.
    WORKER_CONCURRENCY: whole("16", 1, 1024);
    WORKER_LEASE_SECONDS: whole("10", 1, 3600);
    WORKER_CRASH_BUDGET: whole("3", 1, 100);
    SYNC_MAX_ATTEMPTS: whole("25", 1, 1000);
    SYNC_BACKOFF_BASE_SECONDS: whole("1", 1, 3600);
    SYNC_BACKOFF_CAP_SECONDS: whole("900", 1, 86_400);
    SYNC_RECONCILE_SECONDS: whole("30", 1, 86_400);
    SYNC_SETTLE_SECONDS: whole("60", 1, 3600);

    // Custom domains.
    DNS_RESOLVER: form(
        None,
        "IP addresses of DNS servers, with a port where it is not 53, separated by commas",
    );
    DOMAIN_CHECK_SECONDS: whole("60", 1, 86_400);

    // Upkeep and watching.
    PRUNE_AFTER_DAYS: whole("14", 1, 3650);
    PRUNE_KEEP_ROWS: whole("1000000", 1000, 1_000_000_000);
    WORKER_HTTP_ADDR: form(None, "an IP address with a port to listen on, such as 127.0.0.1:9464");
    READY_MAX_DUE_SECONDS: whole("60", 1, 86_400);
    METRICS_TOKEN: form(None, "at least 16 characters without blanks");

    // Logs.
    LOG_FORMAT: form(Some("pretty"), "pretty or json");
    RUST_LOG: form(Some("info"), "filter directives such as info,shared::queue=debug");
}
