//! Whole configurations, loaded as programs load them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::variable::ALL;
use super::*;

const SIGNING_KEY: &str = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
const SECRETS_KEY: &str = "3b8c5f0fd24f0fc1e3f9a0f3f4c2f9d7a5b1e6d8c7b6a5948372615049382716";

const ENV_EXAMPLE: &str = include_str!("../../../.env.example");

/// A complete configuration of the smallest kind, with `changes` made to it. An empty value removes a variable.
fn source(changes: &[(&'static str, &'static str)]) -> Source {
    let mut variables = BTreeMap::from([
        ("SERVER_URL", "https://api.example.com"),
        ("RELAY_DOMAIN", "relays.example.com"),
        ("CARAVEL_SECRETS_KEY", SECRETS_KEY),
        ("ZOOID_API_URL", "http://zooid:3334"),
        ("ZOOID_API_SECRET", SIGNING_KEY),
    ]);
    variables.extend(changes.iter().copied());
    variables.into_iter().collect()
}

/// What is wrong with the configuration of a whole process, one line each.
fn errors(changes: &[(&'static str, &'static str)]) -> Vec<String> {
    match ServeConfig::load(&source(changes)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_smallest_configuration_gets_the_documented_defaults() {
    let ServeConfig { api, worker } = ServeConfig::load(&source(&[])).unwrap();

    assert_eq!(api.database.path, Path::new("data/caravel.db"));
    assert_eq!(api.database.synchronous, Synchronous::Full);
    assert_eq!(api.server.url.as_str(), "https://api.example.com");
    assert_eq!(
        api.server.listen,
        SocketAddr::from((Ipv4Addr::LOCALHOST, 2892))
    );
    assert_eq!(api.server.admin_pubkeys, []);
    assert_eq!(api.server.readonly_pubkeys, []);
    assert_eq!(api.server.allow_origins, AllowOrigins::Only(Vec::new()));
    assert_eq!(api.server.auth.mode, AuthMode::Compatible);
    assert_eq!(api.server.auth.session, Duration::from_mins(15));
    assert_eq!(api.targets.len(), 1);
    assert_eq!(api.targets[0].domain.as_str(), "relays.example.com");
    assert_eq!(api.log.format, LogFormat::Pretty);
    assert_eq!(worker.targets.len(), 1);
    assert_eq!(worker.targets[0].domain.as_str(), "relays.example.com");
    assert_eq!(worker.targets[0].zooid.timeout, Duration::from_secs(5));
    assert_eq!(worker.storage, BlossomStorage::Local);
    assert_eq!(worker.livekit, None);
    assert_eq!(
        worker.queue,
        QueueConfig {
            concurrency: 16,
            lease: Duration::from_secs(10),
            crash_budget: 3,
            reconcile_every: Duration::from_secs(30),
            settle_after: Duration::from_mins(1),
        }
    );
    assert_eq!(
        worker.retry,
        RetryConfig {
            max_attempts: 25,
            backoff_base: Duration::from_secs(1),
            backoff_cap: Duration::from_mins(15),
        }
    );
    assert_eq!(
        worker.domains,
        DomainsConfig {
            resolvers: Vec::new(),
            check_every: Duration::from_mins(1),
        }
    );
    assert_eq!(worker.warnings, [""; 0]);
}

#[test]
fn all_that_is_missing_or_malformed_is_reported_at_once_by_name() {
    let errors = ServeConfig::load(&Source::from_iter([
        ("SERVER_PORT", "many"),
        ("WORKER_CONCURRENCY", "0"),
        ("SERVER_URL", " "),
        ("ZOOID_TIMEOUT_MS", "10000"),
    ]))
    .unwrap_err();

    let names: Vec<String> = errors
        .to_string()
        .lines()
        .skip(1)
        .map(|line| line.split(':').next().unwrap().trim().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "SERVER_URL is missing",
            "SERVER_PORT is malformed",
            "CARAVEL_SECRETS_KEY is missing",
            "RELAY_DOMAIN is missing",
            "ZOOID_API_URL is missing",
            "ZOOID_API_SECRET is missing",
            "WORKER_CONCURRENCY is malformed",
            "ZOOID_TIMEOUT_MS and WORKER_LEASE_SECONDS disagree",
        ]
    );
}

#[test]
fn an_error_says_what_was_expected() {
    assert_eq!(
        errors(&[("SERVER_PORT", "70000"), ("LOG_FORMAT", "xml")]),
        [
            "LOG_FORMAT is malformed: expected pretty or json",
            "SERVER_PORT is malformed: expected a whole number from 0 to 65535",
        ]
    );
}

#[test]
fn each_program_asks_only_for_what_it_needs() {
    let api = source(&[("ZOOID_API_URL", ""), ("ZOOID_API_SECRET", "")]);
    let worker = source(&[("SERVER_URL", "")]);

    let targets = ApiConfig::load(&api).unwrap().targets;
    assert!(targets[0].zooid.is_none());
    assert!(WorkerConfig::load(&worker).is_ok());
    assert!(WorkerConfig::load(&api).is_err());
    assert!(ApiConfig::load(&worker).is_err());
}

#[test]
fn an_api_with_half_of_zooid_is_refused() {
    let half = source(&[("ZOOID_API_SECRET", "")]);

    let errors = ApiConfig::load(&half).unwrap_err().to_string();

    assert!(errors.contains("ZOOID_API_SECRET is missing"), "{errors}");
}

/// A control character fits nowhere, so a variable that lets one pass is a variable that nobody reads.
#[test]
fn every_variable_is_read_and_none_is_quoted() {
    for variable in ALL {
        // LiveKit's are read together.
        let mut changes = vec![("LIVEKIT_URL", "wss://livekit.example.com")];
        changes.extend([("LIVEKIT_API_KEY", "key"), ("LIVEKIT_API_SECRET", "word")]);
        changes.push((variable.name, "sesame\u{7}"));
        if variable.name == "ZOOID_TARGETS" {
            changes.extend([("RELAY_DOMAIN", ""), ("ZOOID_API_URL", "")]);
        }

        let errors = errors(&changes);

        assert_eq!(errors.len(), 1, "{}", variable.name);
        assert!(errors[0].starts_with(&format!("{} is malformed", variable.name)));
        assert!(!errors[0].contains("sesame"));
    }
}

#[test]
fn only_a_database_file_is_accepted() {
    for (url, path) in [
        ("sqlite://data/caravel.db", "data/caravel.db"),
        ("sqlite:caravel.db", "caravel.db"),
        ("sqlite:///var/lib/caravel.db", "/var/lib/caravel.db"),
    ] {
        let config = ApiConfig::load(&source(&[("DATABASE_URL", url)])).unwrap();
        assert_eq!(config.database.path, Path::new(path));
    }
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite://",
        "sqlite://data/",
        "sqlite://data.db?mode=memory",
        "sqlite://file:data.db",
        "sqlite://data%2Fcaravel.db",
        "postgres://localhost/caravel",
        "data/caravel.db",
    ] {
        assert_eq!(errors(&[("DATABASE_URL", url)]).len(), 1, "{url}");
    }
}

#[test]
fn the_relay_domain_is_a_host_name_with_or_without_a_port() {
    for (text, domain) in [
        ("Relays.Example.com", "relays.example.com"),
        ("localhost:3334", "localhost:3334"),
        ("a-1.b2", "a-1.b2"),
    ] {
        let config = ApiConfig::load(&source(&[("RELAY_DOMAIN", text)])).unwrap();
        assert_eq!(config.targets[0].domain.as_str(), domain);
    }
    for text in [
        "https://relays.example.com",
        "relays.example.com/",
        "relays..example.com",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "a_b.example.com",
        "127.0.0.1:3334",
        "[::1]:3334",
        "localhost:",
        "localhost:0",
        "localhost:+80",
        "localhost:65536",
        "localhost:1:2",
        "*",
    ] {
        assert_eq!(errors(&[("RELAY_DOMAIN", text)]).len(), 1, "{text}");
    }
}

#[test]
fn the_zooid_api_is_at_the_root_of_its_host() {
    assert_eq!(errors(&[("ZOOID_API_URL", "http://zooid:3334/")]), [""; 0]);
    assert_eq!(errors(&[("ZOOID_API_URL", "http://zooid/api")]).len(), 1);
    assert_eq!(errors(&[("ZOOID_API_URL", "ws://zooid")]).len(), 1);
}

/// Several zooids instead of one.
fn several(targets: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("ZOOID_TARGETS", targets),
        ("RELAY_DOMAIN", ""),
        ("ZOOID_API_URL", ""),
    ]
}

const TWO: &str = "eu.example.com=http://2222222222222222222222222222222222222222222222222222222222222222@zooid-eu:3334, \
                   US.example.com = https://zooid-us.example.com/ ,";
const KEY_OF_EU: &str = "2222222222222222222222222222222222222222222222222222222222222222";

#[test]
fn each_of_several_zooids_has_its_domain_its_url_and_its_key_or_that_of_all() {
    let ServeConfig { api, worker } = ServeConfig::load(&source(&several(TWO))).unwrap();

    let told: Vec<_> = worker
        .targets
        .iter()
        .map(|target| {
            let key = target.zooid.signing_key.keys().secret_key();
            (
                target.domain.as_str(),
                target.zooid.api_url.as_str(),
                key.to_secret_hex(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "eu.example.com",
                "http://zooid-eu:3334",
                KEY_OF_EU.to_owned()
            ),
            (
                "us.example.com",
                "https://zooid-us.example.com/",
                SIGNING_KEY.to_owned()
            ),
        ]
    );
    let served = api.targets.iter().map(|target| target.domain.as_str());
    assert!(served.eq(["eu.example.com", "us.example.com"]));
    assert!(api.targets.iter().all(|target| target.zooid.is_some()));
}

#[test]
fn a_target_without_any_key_is_refused_by_workers_and_not_called_by_the_api() {
    let mut changes = several(TWO).to_vec();
    changes.push(("ZOOID_API_SECRET", ""));

    let called = ApiConfig::load(&source(&changes)).unwrap().targets;
    let errors = WorkerConfig::load(&source(&changes)).unwrap_err();

    let is_called = called.iter().map(|target| target.zooid.is_some());
    assert!(is_called.eq([true, false]));
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "ZOOID_TARGETS is malformed in entry 2: expected a secret key before the @, or one for all in ZOOID_API_SECRET"
        ]
    );
}

#[test]
fn both_forms_at_once_are_refused() {
    let rule = "the one is for several zooids, the other for a single one";

    assert_eq!(
        errors(&[("ZOOID_TARGETS", TWO)]),
        [
            format!("ZOOID_TARGETS and RELAY_DOMAIN disagree: {rule}"),
            format!("ZOOID_TARGETS and ZOOID_API_URL disagree: {rule}"),
        ]
    );
}

#[test]
fn a_malformed_target_is_named_by_its_place_and_not_quoted() {
    for (targets, places) in [
        (",", vec![" "]),
        ("eu.example.com", vec![" in entry 1: expected DOMAIN=URL"]),
        (
            "sesame@http://zooid",
            vec![" in entry 1: expected DOMAIN=URL"],
        ),
        (
            "https://zooid=sesame",
            vec![" in entry 1: expected the host name"],
        ),
        (
            "a.example=http://zooid,a.example=http://sesame",
            vec![" in entry 2: expected a domain that no earlier"],
        ),
        (
            "a.example=http://sesame@zooid",
            vec![" in entry 1: expected a secret key as hex"],
        ),
        (
            "a.example=http://zooid/sesame",
            vec![" in entry 1: expected an http or https URL"],
        ),
        (
            "a.example=sesame,b.example=http://zooid,=",
            vec![" in entry 1: ", " in entry 3: "],
        ),
    ] {
        let errors = errors(&several(targets));

        assert_eq!(errors.len(), places.len(), "{targets}: {errors:?}");
        for (error, place) in errors.iter().zip(places) {
            assert!(
                error.starts_with(
                    &format!("ZOOID_TARGETS is malformed{place}")
                        .trim_end()
                        .to_owned()
                ),
                "{error}"
            );
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}

/// A shell reads an assignment as it stands, and so does every tool that reads `.env`.
#[test]
fn targets_need_no_quotes_in_a_file() {
    let file = TWO.replace([' ', '\n'], "");

    let line = format!("ZOOID_TARGETS={file}\n");

    let values: Vec<_> = dotenvy::from_read_iter(line.as_bytes())
        .map(|entry| entry.unwrap().1)
        .collect();

    assert_eq!(values, [file.as_str()]);
    assert!(!file.contains([
        '$', '#', ';', '&', '|', '<', '>', '\'', '"', '`', '*', '?', '(', '{', '[', '~', '!'
    ]));
}

#[test]
fn the_redactor_knows_the_key_of_every_target() {
    let mut changes = several(TWO).to_vec();
    changes.push(("ZOOID_API_SECRET", SIGNING_KEY));

    let config = ServeConfig::load(&source(&changes)).unwrap();

    let shown = format!("{config:?}");
    for key in [KEY_OF_EU, SIGNING_KEY] {
        assert!(!shown.contains(key));
        let as_base64 = BASE64_STANDARD.encode(hex::decode(key).unwrap());
        assert_eq!(config.worker.redactor().redact(&as_base64), "[redacted]=");
    }
}

#[test]
fn livekit_is_set_wholly_or_not_at_all() {
    assert_eq!(
        errors(&[("LIVEKIT_URL", "wss://livekit.example.com")]),
        [
            "LIVEKIT_API_KEY is missing: expected a key without blanks, set together with LIVEKIT_URL and LIVEKIT_API_SECRET",
            "LIVEKIT_API_SECRET is missing: expected a secret without blanks, set together with LIVEKIT_URL and LIVEKIT_API_KEY",
        ]
    );
}

#[test]
fn s3_is_on_only_when_it_is_complete_and_half_of_it_is_warned_about() {
    let complete = [
        ("BLOSSOM_S3_REGION", "eu-1"),
        ("BLOSSOM_S3_BUCKET", "blobs"),
        ("BLOSSOM_S3_ACCESS_KEY", "access"),
        ("BLOSSOM_S3_SECRET_KEY", "word"),
    ];

    let on = WorkerConfig::load(&source(&complete)).unwrap();
    assert!(matches!(on.storage, BlossomStorage::S3(_)));
    assert_eq!(on.warnings, [""; 0]);

    for (name, _) in complete {
        let mut changes = complete.to_vec();
        changes.push((name, "  "));
        let off = WorkerConfig::load(&source(&changes)).unwrap();
        assert_eq!(off.storage, BlossomStorage::Local);
        assert_eq!(
            off.warnings,
            [format!(
                "blobs are stored on zooid's own disk: S3 also needs {name}"
            )]
        );
    }
}

#[test]
fn a_call_must_end_before_the_lease() {
    assert_eq!(
        errors(&[("ZOOID_TIMEOUT_MS", "5000"), ("WORKER_LEASE_SECONDS", "5")]),
        [
            "ZOOID_TIMEOUT_MS and WORKER_LEASE_SECONDS disagree: a call must end before the lease does"
        ]
    );
    assert_eq!(
        errors(&[("ZOOID_TIMEOUT_MS", "4999"), ("WORKER_LEASE_SECONDS", "5")]),
        [""; 0]
    );
}

#[test]
fn the_backoff_cap_is_not_below_its_base() {
    let base = ("SYNC_BACKOFF_BASE_SECONDS", "20");

    assert_eq!(errors(&[base, ("SYNC_BACKOFF_CAP_SECONDS", "20")]), [""; 0]);
    assert_eq!(
        errors(&[base, ("SYNC_BACKOFF_CAP_SECONDS", "19")]),
        [
            "SYNC_BACKOFF_CAP_SECONDS and SYNC_BACKOFF_BASE_SECONDS disagree: the cap must not be below the base"
        ]
    );
}

#[test]
fn former_secrets_keys_still_open() {
    let sealed = ApiConfig::load(&source(&[]))
        .unwrap()
        .sealer
        .seal(b"x", "a");

    let rotated = ApiConfig::load(&source(&[
        (
            "CARAVEL_SECRETS_KEY",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("CARAVEL_SECRETS_KEY_PREVIOUS", SECRETS_KEY),
    ]))
    .unwrap();

    assert_eq!(rotated.sealer.open(&sealed, "a").unwrap().as_slice(), b"x");
}

#[test]
fn an_operators_command_needs_nothing_but_the_database_and_no_key_before_it_is_used() {
    let nothing = Source::default();

    assert!(ShellConfig::load(&nothing).is_ok());
    assert_eq!(
        ActingConfig::load(&nothing).unwrap_err().to_string(),
        "the configuration cannot be used:\n  \
         CARAVEL_SECRETS_KEY is missing: expected 32 bytes as base64 or as 64 hexadecimal digits"
    );
}

#[test]
fn debug_shows_no_secret_and_the_redactor_knows_them_all() {
    let secrets = [
        ("LIVEKIT_API_KEY", "devkey-1"),
        ("LIVEKIT_API_SECRET", "swordfish"),
        ("BLOSSOM_S3_ACCESS_KEY", "AKIA1234"),
        ("BLOSSOM_S3_SECRET_KEY", "open/sesame"),
    ];
    let mut changes = secrets.to_vec();
    changes.extend([
        ("LIVEKIT_URL", "wss://livekit.example.com"),
        ("BLOSSOM_S3_REGION", "eu-1"),
        ("BLOSSOM_S3_BUCKET", "blobs"),
    ]);
    let source = source(&changes);

    let config = ServeConfig::load(&source).unwrap();

    let shown = format!("{config:?} {source:?}");
    let redactor = config.worker.redactor();
    for (_, secret) in secrets
        .into_iter()
        .chain([("", SIGNING_KEY), ("", SECRETS_KEY)])
    {
        assert!(!shown.contains(secret), "{secret}");
        assert_eq!(redactor.redact(secret), "[redacted]");
    }
}

/// A line of `.env.example`: whether it is commented out, the variable and the value.
fn example_line(line: &str) -> Option<(bool, &str, &str)> {
    let assignment = line.strip_prefix("# ");
    let (name, value) = assignment.unwrap_or(line).split_once('=')?;
    let is_name = name
        .bytes()
        .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    is_name.then_some((assignment.is_some(), name, value))
}

#[test]
fn the_example_file_names_the_variables_of_the_code_with_their_defaults() {
    let documented: BTreeMap<&str, &str> = ENV_EXAMPLE
        .lines()
        .filter_map(example_line)
        .filter(|(is_default, ..)| *is_default)
        .map(|(_, name, value)| (name, value))
        .collect();
    let named: BTreeSet<&str> = ENV_EXAMPLE
        .lines()
        .filter_map(example_line)
        .map(|(_, name, _)| name)
        .collect();

    assert_eq!(named, ALL.iter().map(|variable| variable.name).collect());
    for variable in ALL {
        let default = variable.default.unwrap_or_default();
        assert_eq!(
            documented.get(variable.name).copied().unwrap_or_default(),
            default,
            "{}",
            variable.name
        );
    }
}

#[test]
fn a_copy_of_the_example_file_lacks_nothing_but_the_keys() {
    let copied = dotenvy::from_read_iter(ENV_EXAMPLE.as_bytes()).map(Result::unwrap);

    let errors = ServeConfig::load(&copied.collect()).unwrap_err();

    let missing: Vec<_> = errors
        .iter()
        .map(|error| match error {
            ConfigError::Missing { name, .. } => *name,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(missing, ["CARAVEL_SECRETS_KEY", "ZOOID_API_SECRET"]);
}
