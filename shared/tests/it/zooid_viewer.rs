//! Looking at relays at their own hosts, in a zooid behind real HTTP.

use std::time::Duration;

use shared::{
    config::{Source, WorkerConfig},
    domain::{DesiredRelay, DriftField, ExpectedDocument, Relay},
    zooid::RelayViewer,
};
use tempfile::TempDir;
use zooid_sim::{Config, Fault, SimConfig, Verb, ZooidSim};

use crate::fixture::{DOMAIN, Fixture};

/// The relay's secret, and its public half.
const SECRET: &str = "0000000000000000000000000000000000000000000000000000000000000001";
const SELF: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

struct Shown {
    sim: ZooidSim,
    viewer: RelayViewer,
    relay: Relay,
    _folder: TempDir,
}

impl Shown {
    /// A zooid that serves `mine`, by a file that was there when it started.
    async fn start() -> Self {
        let (_fixture, relay) = Fixture::with_relay().await;
        let folder = tempfile::tempdir().unwrap();
        let file = format!(
            "host = \"mine.{DOMAIN}\"\nschema = \"mine\"\nsecret = \"{SECRET}\"\n[info]\nname = \"\"\npubkey = \"{}\"\n",
            relay.tenant_pubkey
        );
        std::fs::write(folder.path().join(format!("{}.toml", relay.id)), file).unwrap();
        let sim = ZooidSim::start(SimConfig::new(folder.path()))
            .await
            .unwrap();
        let variables = [
            ("CARAVEL_SECRETS_KEY", SECRET),
            ("RELAY_DOMAIN", DOMAIN),
            ("ZOOID_API_URL", &sim.api_url()),
            ("ZOOID_API_SECRET", SECRET),
        ];
        let config = WorkerConfig::load(&variables.into_iter().collect::<Source>()).unwrap();
        let viewer = RelayViewer::new(&config.targets[0].zooid, config.redactor()).unwrap();
        Self {
            sim,
            viewer,
            relay,
            _folder: folder,
        }
    }

    fn expected(&self) -> ExpectedDocument {
        ExpectedDocument::new(&DesiredRelay::from(&self.relay), SELF.parse().unwrap())
    }

    /// In what the relay differs, as far as anything was told.
    async fn drift(&self) -> Option<Vec<DriftField>> {
        let host = DesiredRelay::from(&self.relay).host();
        let seen = self.viewer.look(&host, &self.expected()).await;
        seen.ok().map(|seen| seen.drift)
    }

    fn config(&self) -> Config {
        self.sim.config(self.relay.id.as_str()).unwrap()
    }
}

#[tokio::test]
async fn a_relay_is_seen_by_its_host_where_the_management_api_is() {
    let shown = Shown::start().await;
    assert_eq!(shown.config().secret, SECRET);
    assert_eq!(shown.drift().await, Some(Vec::new()));

    let mut renamed = serde_json::Map::new();
    let name = format!("a secret {SECRET}");
    renamed.insert("info".to_owned(), serde_json::json!({ "name": name }));
    shown
        .sim
        .patch_file(shown.relay.id.as_str(), renamed)
        .unwrap();
    let host = DesiredRelay::from(&shown.relay).host();
    let seen = shown.viewer.look(&host, &shown.expected()).await.unwrap();

    assert_eq!(seen.drift, [DriftField::Name]);
    assert_eq!(seen.document.unwrap().name, "a secret [redacted]");
}

#[tokio::test]
async fn a_zooid_that_is_down_or_slow_tells_nothing_and_one_without_the_relay_does() {
    let shown = Shown::start().await;
    let on_documents = |fault: Fault| fault.on_verb(Verb::Nip11).for_calls(1);
    for status in [302, 429, 500, 503] {
        shown
            .sim
            .inject(on_documents(Fault::status(status)))
            .unwrap();
        assert_eq!(shown.drift().await, None, "{status}");
    }
    let huge = Fault::new(zooid_sim::Effect::HugeBody { bytes: 1_000_000 });
    shown.sim.inject(on_documents(huge)).unwrap();
    assert_eq!(shown.drift().await, None);
    let slow = Fault::new(zooid_sim::Effect::Delay {
        ms: 60_000,
        phase: zooid_sim::Phase::Before,
    });
    shown.sim.inject(on_documents(slow)).unwrap();
    let patience = Duration::from_secs(30);
    let drift = tokio::time::timeout(patience, shown.drift()).await;
    assert_eq!(drift.unwrap(), None);

    shown.sim.remove_file(shown.relay.id.as_str()).unwrap();
    assert_eq!(shown.drift().await, Some(vec![DriftField::Answers]));
    shown.sim.down().await;
    assert_eq!(shown.drift().await, None);
}
