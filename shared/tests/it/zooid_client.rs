//! The client against a zooid that does what zooid does, and fails as it fails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::DateTime;
use nostr::key::Keys;
use nostr::nips::nip19::ToBech32 as _;
use serde_json::Value;
use shared::clock::{ManualClock, SharedClock, SystemClock};
use shared::config::{Source, WorkerConfig};
use shared::domain::{
    ABSENT, DesiredRelay, FailureKind, Generation, InZooid, PlanId, RelayId, RelaySettings,
    RelayStatus, Schema, Subdomain, SyncFailure, SyncReport, Taken, Verb,
};
use shared::zooid::{Renderer, ZooidClient};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::format::FmtSpan;
use zeroize::Zeroizing;
use zooid_sim::{Effect, Fault, Phase, SimConfig, ZooidSim};

const FIRST_SECRET: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const S3_KEY: &str = "s3/secret+key";
const SERVICES: [(&str, &str); 7] = [
    ("BLOSSOM_S3_REGION", "eu"),
    ("BLOSSOM_S3_BUCKET", "media"),
    ("BLOSSOM_S3_ACCESS_KEY", "AKIA-access"),
    ("BLOSSOM_S3_SECRET_KEY", S3_KEY),
    ("LIVEKIT_URL", "wss://rooms.example.com"),
    ("LIVEKIT_API_KEY", "lk-key"),
    ("LIVEKIT_API_SECRET", "lk-secret"),
];

/// How long a zooid that hangs does not answer: longer than any test lasts.
const HANG_MS: u64 = 300_000;
const HANG: Effect = Effect::Hang {
    cap_ms: HANG_MS,
    phase: Phase::Before,
};

/// A zooid, and a client that it lets in.
struct Fixture {
    sim: ZooidSim,
    keys: Keys,
    client: ZooidClient,
    renderer: Renderer,
    _dir: TempDir,
}

impl Fixture {
    async fn start() -> Self {
        Self::with(Duration::from_secs(5), Arc::new(SystemClock)).await
    }

    async fn with(timeout: Duration, clock: SharedClock) -> Self {
        let keys = Keys::generate();
        let dir = tempfile::tempdir().unwrap();
        let whitelist = vec![keys.public_key().to_hex()];
        let sim = ZooidSim::start(SimConfig {
            whitelist,
            ..SimConfig::new(dir.path())
        })
        .await
        .unwrap();
        let config = config(&sim.api_url(), &keys, timeout, &SERVICES);
        let redactor = config.redactor();
        Self {
            client: ZooidClient::new(config.targets[0].zooid.clone(), redactor, clock).unwrap(),
            renderer: Renderer::new(
                &config.targets[0].zooid.api_url,
                config.storage,
                config.livekit,
                config.sealer,
            ),
            sim,
            keys,
            _dir: dir,
        }
    }

    async fn sync(&self, relay: &DesiredRelay) -> SyncReport {
        let secret = || Ok::<_, Infallible>(Zeroizing::new(FIRST_SECRET.as_bytes().to_vec()));
        self.client.sync(&self.renderer, relay, secret).await
    }

    /// A relay that zooid has, with its calls forgotten.
    async fn created(&self) -> DesiredRelay {
        let relay = relay("mine", 'a');
        self.sync(&relay).await.result.unwrap();
        self.sim.forget_calls();
        DesiredRelay {
            in_zooid: InZooid::Accepted,
            ..relay
        }
    }

    fn verbs(&self, relay: &DesiredRelay) -> Vec<zooid_sim::Verb> {
        self.sim
            .calls(relay.id.as_str())
            .iter()
            .map(|call| call.verb)
            .collect()
    }

    fn stored_secret(&self, relay: &DesiredRelay) -> String {
        self.sim.config(relay.id.as_str()).unwrap().secret
    }
}

fn config(
    api_url: &str,
    keys: &Keys,
    timeout: Duration,
    services: &[(&str, &str)],
) -> WorkerConfig {
    let timeout = timeout.as_millis().to_string();
    let secret = keys.secret_key().to_secret_hex();
    let required = [
        ("CARAVEL_SECRETS_KEY", FIRST_SECRET),
        ("RELAY_DOMAIN", "relays.example.com"),
        ("ZOOID_API_URL", api_url),
        ("ZOOID_API_SECRET", &secret),
        ("ZOOID_TIMEOUT_MS", &timeout),
        ("WORKER_LEASE_SECONDS", "60"),
    ];
    WorkerConfig::load(&required.iter().chain(services).copied().collect::<Source>()).unwrap()
}

fn no_secret() -> Result<Zeroizing<Vec<u8>>, &'static str> {
    Err("its key 0badc0de is not configured")
}

fn removed(relay: DesiredRelay) -> DesiredRelay {
    DesiredRelay {
        is_removed: true,
        ..relay
    }
}

fn relay(subdomain: &str, id: char) -> DesiredRelay {
    let id: RelayId = id.to_string().repeat(26).parse().unwrap();
    let subdomain: Subdomain = subdomain.parse().unwrap();
    DesiredRelay {
        schema: Schema::derive(&subdomain, &id),
        id,
        generation: Generation::FIRST,
        tenant_pubkey: "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
            .parse()
            .unwrap(),
        zooid_domain: "spaces.example.com".parse().unwrap(),
        is_removed: false,
        status: RelayStatus::Active,
        custom_domain_verified: false,
        settings: RelaySettings::defaults(subdomain, PlanId::Basic),
        in_zooid: InZooid::Nothing,
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    Fault::new(Effect::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        body: body.to_owned(),
        phase: Phase::Before,
    })
}

fn failure(report: SyncReport) -> SyncFailure {
    report.result.unwrap_err()
}

#[tokio::test]
async fn a_new_relay_is_created_with_its_secret() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Post), Some(201)));
    assert_eq!(
        report.result.unwrap(),
        zooid.renderer.accepted_record(&relay)
    );
    let stored = zooid.sim.config(relay.id.as_str()).unwrap();
    assert_eq!(stored.host, "mine.spaces.example.com");
    assert_eq!(stored.schema, relay.schema.as_str());
    assert_eq!(stored.secret, FIRST_SECRET);
    assert_eq!(stored.info.pubkey, relay.tenant_pubkey.as_hex());
    assert_eq!(stored.blossom.s3.key_prefix, relay.schema.as_str());
    assert_eq!(stored.livekit.api_key, "lk-key");
    assert!(stored.roles["member"].can_invite);
}

#[tokio::test]
async fn a_change_is_patched_without_opening_the_secret() {
    let zooid = Fixture::start().await;
    let mut relay = zooid.created().await;
    relay.settings.info_name = "new name".to_owned();
    relay.status = RelayStatus::Inactive;

    let report = zooid.client.sync(&zooid.renderer, &relay, no_secret).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Patch), Some(200)));
    assert!(report.result.is_ok());
    assert_eq!(zooid.verbs(&relay), [zooid_sim::Verb::Patch]);
    assert!(
        !zooid.sim.calls(relay.id.as_str())[0]
            .body
            .contains(FIRST_SECRET)
    );
    let stored = zooid.sim.config(relay.id.as_str()).unwrap();
    assert_eq!(
        (stored.info.name.as_str(), stored.inactive),
        ("new name", true)
    );
    assert_eq!(stored.secret, FIRST_SECRET);
}

#[tokio::test]
async fn a_patch_removes_services_that_are_off() {
    let zooid = Fixture::start().await;
    let mut relay = zooid.created().await;
    relay.settings.blossom_enabled = false;
    relay.settings.livekit_enabled = false;

    zooid.sync(&relay).await.result.unwrap();

    let stored = zooid.sim.config(relay.id.as_str()).unwrap();
    assert!(!stored.blossom.enabled);
    assert_eq!(stored.blossom.adapter, "local");
    assert_eq!(stored.blossom.s3.secret_key, "");
    assert_eq!(stored.livekit.api_key, "");
}

#[tokio::test]
async fn a_patch_removes_services_that_the_installation_no_longer_has() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    let config = config(
        &zooid.sim.api_url(),
        &zooid.keys,
        Duration::from_secs(5),
        &[],
    );
    let renderer = Renderer::new(
        &config.targets[0].zooid.api_url,
        config.storage,
        config.livekit,
        config.sealer,
    );

    zooid
        .client
        .sync(&renderer, &relay, no_secret)
        .await
        .result
        .unwrap();

    let stored = zooid.sim.config(relay.id.as_str()).unwrap();
    assert!(stored.blossom.enabled);
    assert_eq!(
        (
            stored.blossom.adapter.as_str(),
            stored.blossom.s3.bucket.as_str()
        ),
        ("local", "")
    );
    assert_eq!(stored.livekit.server_url, "");
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_finished_by_a_patch() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');
    zooid
        .sim
        .inject(
            Fault::new(Effect::Drop {
                phase: Phase::After,
            })
            .for_calls(1),
        )
        .unwrap();
    assert_eq!(
        failure(zooid.sync(&relay).await).kind,
        FailureKind::OutcomeUnknown
    );

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Patch), Some(200)));
    assert!(report.result.is_ok());
    assert_eq!(
        zooid.verbs(&relay),
        [
            zooid_sim::Verb::Post,
            zooid_sim::Verb::Post,
            zooid_sim::Verb::Patch
        ]
    );
    assert_eq!(zooid.stored_secret(&relay), FIRST_SECRET);
}

#[tokio::test]
async fn a_lost_file_is_created_again_with_the_same_secret() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    zooid.sim.remove_file(relay.id.as_str()).unwrap();

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Post), Some(201)));
    assert!(report.result.is_ok());
    assert_eq!(
        zooid.verbs(&relay),
        [zooid_sim::Verb::Patch, zooid_sim::Verb::Post]
    );
    assert_eq!(zooid.stored_secret(&relay), FIRST_SECRET);
}

#[tokio::test]
async fn a_relay_with_another_key_is_replaced_as_a_whole() {
    let zooid = Fixture::start().await;
    let relay = DesiredRelay {
        in_zooid: InZooid::OtherKey,
        ..zooid.created().await
    };
    let mut other = serde_json::Map::new();
    other.insert("secret".to_owned(), "7".repeat(64).into());
    zooid.sim.patch_file(relay.id.as_str(), other).unwrap();

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Put), Some(200)));
    assert_eq!(zooid.stored_secret(&relay), FIRST_SECRET);
}

#[tokio::test]
async fn a_removed_relay_is_deleted_without_its_secret_being_opened() {
    let zooid = Fixture::start().await;
    let relay = removed(zooid.created().await);

    for status in [200, 404] {
        let report = zooid.client.sync(&zooid.renderer, &relay, no_secret).await;

        assert_eq!(
            (report.verb, report.status),
            (Some(Verb::Delete), Some(status))
        );
        assert_eq!(report.result.unwrap(), ABSENT);
        assert!(zooid.sim.config(relay.id.as_str()).is_none());
    }
    let calls = zooid.sim.calls(relay.id.as_str());
    assert!(calls.iter().all(|call| call.body.is_empty()));
}

#[tokio::test]
async fn a_removed_relay_that_is_unknown_is_gone_for_versions_that_say_conflict() {
    let zooid = Fixture::start().await;
    let fault = answer(409, &[], r#"{"error":"relay not found"}"#);
    zooid.sim.inject(fault.for_calls(1)).unwrap();

    let report = zooid.sync(&removed(relay("mine", 'a'))).await;

    assert_eq!(report.result.unwrap(), ABSENT);
}

#[tokio::test]
async fn only_zooid_can_say_that_a_removed_relay_is_not_there() {
    for (status, body, kind) in [
        (404, "404 page not found", FailureKind::ServerError),
        (400, r#"{"error":"bad"}"#, FailureKind::ServerError),
        (502, "", FailureKind::Unreachable),
        (
            500,
            r#"{"error":"failed to delete config: no space"}"#,
            FailureKind::TargetDisk,
        ),
    ] {
        let zooid = Fixture::start().await;
        let relay = removed(zooid.created().await);
        zooid.sim.inject(answer(status, &[], body)).unwrap();

        let failure = failure(zooid.sync(&relay).await);

        assert_eq!(failure.kind, kind, "{status} {body}");
        assert_eq!(zooid.verbs(&relay), [zooid_sim::Verb::Delete]);
    }
}

#[tokio::test]
async fn an_unknown_relay_is_understood_from_versions_that_say_conflict() {
    let zooid = Fixture::start().await;
    let relay = DesiredRelay {
        in_zooid: InZooid::Accepted,
        ..relay("mine", 'a')
    };
    let fault = answer(409, &[], r#"{"error":"relay not found"}"#);
    zooid.sim.inject(fault.for_calls(1)).unwrap();

    assert_eq!(zooid.sync(&relay).await.verb, Some(Verb::Post));

    assert_eq!(zooid.stored_secret(&relay), FIRST_SECRET);
}

#[tokio::test]
async fn a_file_that_was_half_written_is_repaired_with_the_same_secret() {
    for kept_bytes in [0, 1, 30, 100] {
        for in_zooid in [InZooid::Accepted, InZooid::Nothing] {
            let zooid = Fixture::start().await;
            let relay = DesiredRelay {
                in_zooid,
                ..zooid.created().await
            };
            zooid.sim.break_file(relay.id.as_str(), kept_bytes).unwrap();

            let report = zooid.sync(&relay).await;

            assert_eq!(
                (report.verb, report.status),
                (Some(Verb::Put), Some(200)),
                "{kept_bytes}"
            );
            assert!(report.result.is_ok());
            assert_eq!(zooid.stored_secret(&relay), FIRST_SECRET);
            let calls = if in_zooid == InZooid::Accepted { 2 } else { 3 };
            assert_eq!(zooid.verbs(&relay).len(), calls);
        }
    }
}

#[tokio::test]
async fn a_crash_of_zooid_during_a_create_is_repaired_by_the_next_sync() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');
    zooid
        .sim
        .inject(Fault::new(Effect::Crash { kept_bytes: 60 }).for_calls(1))
        .unwrap();
    assert_eq!(
        failure(zooid.sync(&relay).await).kind,
        FailureKind::OutcomeUnknown
    );

    assert!(zooid.sync(&relay).await.result.is_ok());

    assert_eq!(zooid.stored_secret(&relay), FIRST_SECRET);
}

#[tokio::test]
async fn a_zooid_that_contradicts_itself_is_not_called_forever() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');
    for (verb, status, body) in [
        (
            zooid_sim::Verb::Post,
            409,
            r#"{"error":"relay with this id already exists"}"#,
        ),
        (
            zooid_sim::Verb::Patch,
            500,
            r#"{"error":"failed to read existing config: toml"}"#,
        ),
        (zooid_sim::Verb::Put, 404, r#"{"error":"relay not found"}"#),
    ] {
        zooid
            .sim
            .inject(answer(status, &[], body).on_verb(verb))
            .unwrap();
    }

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Put), Some(404)));
    assert_eq!(failure(report).kind, FailureKind::ServerError);
    assert_eq!(
        zooid.verbs(&relay),
        [
            zooid_sim::Verb::Post,
            zooid_sim::Verb::Patch,
            zooid_sim::Verb::Put
        ]
    );
}

#[tokio::test]
async fn a_refused_configuration_is_invalid_and_the_secret_it_quotes_is_hidden() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    let body = format!(r#"{{"error":"invalid secret key: {FIRST_SECRET} {S3_KEY}"}}"#);
    zooid.sim.inject(answer(400, &[], &body)).unwrap();

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Put), Some(400)));
    assert!(
        !format!("{report:?}").contains(FIRST_SECRET) && !format!("{report:?}").contains(S3_KEY)
    );
    assert_eq!(failure(report).kind, FailureKind::Invalid);
}

#[tokio::test]
async fn a_host_that_another_relay_has_is_a_conflict() {
    let zooid = Fixture::start().await;
    zooid.created().await;

    let failure = failure(zooid.sync(&relay("mine", 'b')).await);

    assert_eq!(
        (failure.kind, failure.status),
        (FailureKind::Conflict, Some(409))
    );
    assert!(failure.message.contains("mine.spaces.example.com"));
    assert_eq!(failure.taken, Some(Taken::Host));
}

#[tokio::test]
async fn a_secret_that_does_not_open_is_our_fault_and_nothing_is_sent() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');

    let unopened = zooid.client.sync(&zooid.renderer, &relay, no_secret).await;
    let garbled = || Ok::<_, Infallible>(Zeroizing::new(vec![0; 64]));
    let garbled = zooid.client.sync(&zooid.renderer, &relay, garbled).await;

    assert_eq!(failure(unopened).kind, FailureKind::OurFault);
    assert_eq!(failure(garbled).kind, FailureKind::OurFault);
    assert!(zooid.sim.calls(relay.id.as_str()).is_empty());
}

#[tokio::test]
async fn a_key_that_is_not_on_the_whitelist_is_named() {
    let zooid = Fixture::start().await;
    zooid.sim.whitelist(Vec::<String>::new());

    let failure = failure(zooid.sync(&relay("mine", 'a')).await);

    assert_eq!(
        (failure.kind, failure.status),
        (FailureKind::KeyNotAllowed, Some(403))
    );
    let npub = zooid.keys.public_key().to_bech32().unwrap();
    assert!(failure.message.contains(&npub), "{failure}");
}

#[tokio::test]
async fn a_url_that_zooid_sees_otherwise_shows_as_refused_credentials() {
    let zooid = Fixture::start().await;
    let body = r#"{"error":"event missing or invalid u tag"}"#;
    zooid.sim.inject(answer(401, &[], body)).unwrap();

    let failure = failure(zooid.sync(&relay("mine", 'a')).await);

    assert_eq!(failure.kind, FailureKind::CredentialsRefused);
    assert!(failure.message.contains("ZOOID_API_URL"), "{failure}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_shows_as_refused_credentials() {
    let clock = ManualClock::new(DateTime::from_timestamp(1_000_000_000, 0).unwrap());
    let zooid = Fixture::with(Duration::from_secs(5), Arc::new(clock)).await;

    let failure = failure(zooid.sync(&relay("mine", 'a')).await);

    assert_eq!(
        (failure.kind, failure.status),
        (FailureKind::CredentialsRefused, Some(401))
    );
    assert!(failure.message.contains("clock"), "{failure}");
}

#[tokio::test]
async fn a_zooid_that_is_down_was_sent_nothing() {
    let zooid = Fixture::start().await;
    zooid.sim.down().await;

    let report = zooid.sync(&relay("mine", 'a')).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Post), None));
    let failure = failure(report);
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(!failure.message.contains("http://"), "{}", failure.message);
}

#[tokio::test]
async fn a_host_without_address_or_without_tls_was_sent_nothing() {
    let zooid = Fixture::start().await;
    let untrusted = zooid.sim.api_url().replace("http://", "https://");
    for url in [untrusted.as_str(), "http://zooid.invalid"] {
        let config = config(url, &zooid.keys, Duration::from_secs(5), &[]);
        let redactor = config.redactor();
        let client = ZooidClient::new(
            config.targets[0].zooid.clone(),
            redactor,
            Arc::new(SystemClock),
        )
        .unwrap();
        let relay = DesiredRelay {
            in_zooid: InZooid::Accepted,
            ..relay("mine", 'a')
        };

        let failure = failure(client.sync(&zooid.renderer, &relay, no_secret).await);

        assert_eq!(
            (failure.kind, failure.status),
            (FailureKind::Unreachable, None),
            "{failure}"
        );
    }
    assert!(zooid.sim.records().is_empty());
}

#[tokio::test]
async fn a_gateway_without_zooid_is_unreachable_unless_it_names_a_pause() {
    let zooid = Fixture::start().await;
    for status in [502, 503, 504] {
        zooid
            .sim
            .inject(answer(status, &[], "<h1>Bad Gateway</h1>").for_calls(1))
            .unwrap();
        let failure = failure(zooid.sync(&relay("mine", 'a')).await);
        assert_eq!(
            (failure.kind, failure.status, failure.retry_after),
            (FailureKind::Unreachable, Some(status), None)
        );
    }
    zooid.sim.inject(Fault::retry_after(503, 9000)).unwrap();

    let failure = failure(zooid.sync(&relay("mine", 'a')).await);

    assert_eq!(failure.kind, FailureKind::Throttled);
    assert_eq!(failure.retry_after, Some(Duration::from_hours(1)));
}

#[tokio::test]
async fn a_call_for_which_no_time_is_left_is_not_made() {
    // The last tenth of the time is too little for a call, and long enough for a busy machine to be late.
    let zooid = Fixture::with(Duration::from_secs(15), Arc::new(SystemClock)).await;
    let relay = DesiredRelay {
        in_zooid: InZooid::Nothing,
        ..zooid.created().await
    };
    let delay = Effect::Delay {
        ms: 13_550,
        phase: Phase::Before,
    };
    zooid.sim.inject(Fault::new(delay)).unwrap();

    let report = zooid.sync(&relay).await;

    assert_eq!((report.verb, report.status), (Some(Verb::Post), Some(409)));
    let failure = failure(report);
    assert_eq!(
        (failure.kind, failure.status),
        (FailureKind::OurFault, None)
    );
    assert!(failure.message.contains("PATCH"), "{failure}");
    assert_eq!(zooid.verbs(&relay), [zooid_sim::Verb::Post]);
}

#[tokio::test]
async fn a_zooid_that_hangs_leaves_the_outcome_unknown_before_the_deadline() {
    // Time enough for the call to arrive, on any machine.
    let zooid = Fixture::with(Duration::from_secs(3), Arc::new(SystemClock)).await;
    let relay = relay("mine", 'a');
    zooid.sim.inject(Fault::new(HANG)).unwrap();
    let started = Instant::now();

    let failure = failure(zooid.sync(&relay).await);

    assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
    assert_eq!(zooid.verbs(&relay), [zooid_sim::Verb::Post]);
    assert!(
        started.elapsed() < Duration::from_millis(HANG_MS),
        "it waited for zooid"
    );
}

#[tokio::test]
async fn the_calls_of_one_sync_share_its_deadline() {
    let zooid = Fixture::with(Duration::from_secs(8), Arc::new(SystemClock)).await;
    let relay = DesiredRelay {
        in_zooid: InZooid::Nothing,
        ..zooid.created().await
    };
    for verb in [zooid_sim::Verb::Post, zooid_sim::Verb::Patch] {
        let delay = Effect::Delay {
            ms: 4500,
            phase: Phase::Before,
        };
        zooid.sim.inject(Fault::new(delay).on_verb(verb)).unwrap();
    }

    let report = zooid.sync(&relay).await;

    // Each call alone would have been in time.
    assert_eq!(report.verb, Some(Verb::Patch));
    assert_eq!(failure(report).kind, FailureKind::OutcomeUnknown);
}

#[tokio::test]
async fn answers_that_are_huge_or_cut_short_leave_the_outcome_unknown() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    for effect in [
        Effect::HugeBody { bytes: 10_000_000 },
        Effect::MalformedBody,
    ] {
        zooid.sim.inject(Fault::new(effect).for_calls(1)).unwrap();

        let report = zooid.sync(&relay).await;

        assert_eq!(report.status, Some(200));
        let failure = failure(report);
        assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
        assert!(failure.excerpt.is_none_or(|excerpt| excerpt.len() <= 2048));
    }
    assert!(zooid.sync(&relay).await.result.is_ok());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
        let head = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\n";
        socket.write_all(head).await.unwrap();
        // Ends only when the client hangs up.
        while socket.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let config = config(&url, &Keys::generate(), Duration::from_secs(9), &[]);
    let redactor = config.redactor();
    let renderer = Renderer::new(
        &config.targets[0].zooid.api_url,
        config.storage,
        config.livekit,
        config.sealer,
    );
    let client = ZooidClient::new(
        config.targets[0].zooid.clone(),
        redactor,
        Arc::new(SystemClock),
    )
    .unwrap();
    let relay = DesiredRelay {
        in_zooid: InZooid::Accepted,
        ..relay("mine", 'a')
    };
    let started = Instant::now();

    let failure = failure(client.sync(&renderer, &relay, no_secret).await);

    assert_eq!(
        (failure.kind, failure.status),
        (FailureKind::ServerError, Some(500))
    );
    assert!(started.elapsed() < Duration::from_secs(8));
    server.await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');
    let elsewhere = format!("{}/relay/{}", zooid.sim.api_url(), "b".repeat(26));
    zooid
        .sim
        .inject(answer(307, &[("location", &elsewhere)], ""))
        .unwrap();

    let failure = failure(zooid.sync(&relay).await);

    assert_eq!(
        (failure.kind, failure.status),
        (FailureKind::ServerError, Some(307))
    );
    assert_eq!(zooid.sim.records().len(), 1);
}

#[tokio::test]
async fn a_throttled_call_says_how_long_to_wait() {
    let zooid = Fixture::start().await;
    zooid.sim.inject(Fault::retry_after(429, 30)).unwrap();

    let failure = failure(zooid.sync(&relay("mine", 'a')).await);

    assert_eq!(failure.kind, FailureKind::Throttled);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn relays_are_synced_side_by_side_with_one_client() {
    let zooid = Arc::new(Fixture::start().await);
    let tasks: Vec<_> = ('a'..='h')
        .map(|id| {
            let zooid = Arc::clone(&zooid);
            tokio::spawn(async move { zooid.sync(&relay(&format!("relay-{id}"), id)).await })
        })
        .collect();

    for task in tasks {
        assert!(task.await.unwrap().result.is_ok());
    }
    assert_eq!(zooid.sim.max_overlap(), 1);
}

#[tokio::test]
async fn each_call_is_traced_and_no_trace_shows_a_secret() {
    let zooid = Fixture::start().await;
    let relay = relay("mine", 'a');
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(Mutex::new(log.reopen().unwrap()))
        .finish();

    let sync = zooid.sync(&relay).with_subscriber(subscriber);
    sync.await.result.unwrap();

    let log = fs::read_to_string(log.path()).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let closed = lines
        .iter()
        .find(|line| line["fields"]["message"] == "close")
        .unwrap();
    assert_eq!(closed["span"]["name"], "zooid.request");
    assert_eq!(closed["span"]["relay.id"], relay.id.as_str());
    assert_eq!(closed["span"]["http.method"], "POST");
    assert_eq!(closed["span"]["http.status"], 201);
    assert!(closed["span"]["duration_ms"].is_number());
    let signing_key = zooid.keys.secret_key().to_secret_hex();
    for secret in [
        FIRST_SECRET,
        S3_KEY,
        "AKIA-access",
        "lk-key",
        "lk-secret",
        &signing_key,
    ] {
        assert!(!log.contains(secret));
    }
}

#[tokio::test]
async fn members_are_read_as_public_keys() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    let timeout = Duration::from_secs(5);
    assert!(
        zooid
            .client
            .members(&relay.id, timeout)
            .await
            .unwrap()
            .is_empty()
    );
    let many: Vec<String> = (0..2000)
        .map(|_| Keys::generate().public_key().to_hex())
        .collect();
    zooid.sim.set_members(relay.id.as_str(), many.clone());

    let members = zooid.client.members(&relay.id, timeout).await.unwrap();

    let mut expected = many;
    expected.sort_unstable();
    assert_eq!(
        members
            .iter()
            .map(|member| member.as_hex().to_owned())
            .collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn members_that_do_not_come_in_time_are_a_failure() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    zooid.sim.inject(Fault::new(HANG)).unwrap();

    let failure = zooid
        .client
        .members(&relay.id, Duration::from_secs(3))
        .await
        .unwrap_err();

    assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
}

#[tokio::test]
async fn a_probe_is_content_with_any_relay_but_not_with_a_refusal() {
    let zooid = Fixture::start().await;
    let unknown = relay("mine", 'a').id;
    let timeout = Duration::from_secs(5);

    zooid.client.probe(&unknown, timeout).await.unwrap();
    zooid.sim.whitelist(Vec::<String>::new());
    let refused = zooid.client.probe(&unknown, timeout).await.unwrap_err();
    zooid.sim.down().await;
    let down = zooid.client.probe(&unknown, timeout).await.unwrap_err();

    assert_eq!(refused.kind, FailureKind::KeyNotAllowed);
    assert_eq!(down.kind, FailureKind::Unreachable);
}

#[tokio::test]
async fn a_probe_is_content_with_a_relay_whose_file_was_half_written() {
    let zooid = Fixture::start().await;
    let relay = zooid.created().await;
    zooid.sim.break_file(relay.id.as_str(), 40).unwrap();

    let said = zooid.client.probe(&relay.id, Duration::from_secs(5)).await;

    said.unwrap();
}
