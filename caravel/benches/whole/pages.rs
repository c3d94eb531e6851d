//! What the dashboard asks for, page by page, over a large fleet; and how soon a browser shows something.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use api::ApiState;
use reqwest::{
    Client,
    header::{COOKIE, SET_COOKIE},
};
use serde_json::{Value, json};
use shared::{
    clock::SystemClock,
    config::{ApiConfig, Source},
    domain::SessionScope,
    repositories::dashboard_session::LoginLink,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    fixture::{Fixture, RELAY_DOMAIN, SECRETS_KEY},
    stats::{Percentiles, median},
};

const RELAYS: &str = "100000";
const ATTEMPTS: &str = "1000000";
/// How often each request is made; the first finds caches cold.
const ROUNDS: usize = 15;
/// Where the browser's tests are, and what measures the first paint.
const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dashboard");

pub async fn run() {
    let fixture = Fixture::new().await;
    let began = Instant::now();
    seed(&fixture);
    println!(
        "caravel seed: {RELAYS} relays and {ATTEMPTS} attempts in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    let stop = CancellationToken::new();
    let server = Server::start(&fixture, stop.clone()).await;
    let (mut medians, mut slowest) = (Vec::new(), Vec::new());
    for (page, requests) in server.pages().await {
        for request in requests {
            let took = server.measure(&request).await;
            println!(
                "{page:9} p50 {:6.2} ms, max {:6.2} ms  {request}",
                took.at(50),
                took.max()
            );
            medians.push(took.at(50));
            slowest.push(took.max());
        }
    }
    println!(
        "{} requests of the dashboard over HTTP: the slowest median {:.1} ms, the slowest of all {:.1} ms (wanted: under 50)",
        medians.len(),
        medians.into_iter().fold(0.0, f64::max),
        slowest.into_iter().fold(0.0, f64::max)
    );
    match server.visits().await {
        Some(visits) => {
            let (paints, answers): (Vec<f64>, Vec<f64>) = visits.into_iter().unzip();
            println!(
                "the overview in headless Chromium, {} visits: first paint p50 {:.0} ms, max {:.0} ms (wanted: under 200); the answer p50 {:.0} ms",
                paints.len(),
                median(paints.clone()),
                paints.into_iter().fold(0.0, f64::max),
                median(answers)
            );
        }
        None => println!("first paint: not measured, for want of node, npm or Chromium"),
    }
    stop.cancel();
}

/// Fills the fixture's database as an operator would.
fn seed(fixture: &Fixture) {
    let status = Command::new(env!("CARGO_BIN_EXE_caravel"))
        .args(["seed", "--relays", RELAYS, "--attempts", ATTEMPTS])
        .env("DATABASE_URL", database_url(fixture))
        .env("CARAVEL_SECRETS_KEY", secrets_key())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn database_url(fixture: &Fixture) -> String {
    format!("sqlite://{}", fixture.database().display())
}

fn secrets_key() -> String {
    hex::encode(SECRETS_KEY)
}

/// The API in this process, and an admin who is signed in at its dashboard.
struct Server<'a> {
    fixture: &'a Fixture,
    http: Client,
    url: String,
    cookie: String,
}

impl<'a> Server<'a> {
    async fn start(fixture: &'a Fixture, stop: CancellationToken) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let variables = [
            ("DATABASE_URL", database_url(fixture)),
            ("CARAVEL_SECRETS_KEY", secrets_key()),
            ("SERVER_URL", url.clone()),
            ("SERVER_ADMIN_PUBKEYS", fixture.owner.to_string()),
            ("RELAY_DOMAIN", RELAY_DOMAIN.to_owned()),
        ];
        let config = ApiConfig::load(&variables.into_iter().collect::<Source>()).unwrap();
        let state = ApiState::new(&config, fixture.db.clone(), Arc::new(SystemClock)).unwrap();
        tokio::spawn(api::serve(listener, state, stop));
        let http = Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .unwrap();
        let mut server = Self {
            fixture,
            http,
            url,
            cookie: String::new(),
        };
        server.cookie = server.sign_in().await;
        server
    }

    async fn token(&self) -> String {
        let link = LoginLink {
            pubkey: self.fixture.owner.clone(),
            scope: SessionScope::Configured,
        };
        let token = self.fixture.command.create_login_link(link).await.unwrap();
        token.expose().to_owned()
    }

    async fn sign_in(&self) -> String {
        let answer = self
            .http
            .post(format!("{}/dashboard/session/link", self.url))
            .header("content-type", "application/json")
            .body(json!({ "token": self.token().await }).to_string())
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        let set = answer.headers()[SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    async fn get(&self, request: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}{request}", self.url))
            .header(COOKIE, &self.cookie)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        body["data"].clone()
    }

    async fn measure(&self, request: &str) -> Percentiles {
        let mut took = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let began = Instant::now();
            self.get(request).await;
            took.push(began.elapsed());
        }
        Percentiles::of(took)
    }

    /// Every request that a page makes, with what people choose there.
    async fn pages(&self) -> Vec<(&'static str, Vec<String>)> {
        let relay = self.get("/operator/syncs?state=failed").await["items"][0].clone();
        let groups = self.get("/operator/groups").await;
        let busiest: String = sqlx::query_scalar(
            "SELECT relay_id FROM relay_sync ORDER BY attempt_count DESC LIMIT 1",
        )
        .fetch_one(self.fixture.db.readers())
        .await
        .unwrap();
        let known = Known {
            id: text(&relay["relay_id"]).to_owned(),
            host: text(&relay["host"]).to_owned(),
            tenant: text(&relay["tenant_pubkey"]).to_owned(),
            since: relay["last_attempt"]["started_at"].as_i64().unwrap() - 3_600_000,
            group: groups["items"][0]["id"].to_string(),
            busiest,
        };
        let (mut syncs, mut attempts) = (known.syncs(), known.attempts());
        for list in ["/operator/syncs?", "/operator/syncs?state=synced&"] {
            syncs.push(self.second_page(list).await);
        }
        let of_busiest = format!("/operator/attempts?relay={}&limit=20&", known.busiest);
        for list in ["/operator/attempts?", &of_busiest] {
            attempts.push(self.second_page(list).await);
        }
        vec![
            ("overview", overview()),
            ("syncs", syncs),
            (
                "relay",
                [&known.id, &known.busiest]
                    .map(|id| format!("/operator/relays/{id}"))
                    .to_vec(),
            ),
            ("attempts", attempts),
            (
                "targets",
                vec!["/operator/targets".into(), "/operator/workers".into()],
            ),
            (
                "audit",
                vec![
                    "/operator/audit".into(),
                    "/operator/audit?action=pause".into(),
                    format!(
                        "/operator/audit?resource_type=relay&resource_id={}",
                        known.id
                    ),
                ],
            ),
        ]
    }

    /// The request for what follows the first page of `list`.
    async fn second_page(&self, list: &str) -> String {
        let first = self.get(list).await;
        format!("{list}cursor={}", text(&first["next"]))
    }

    /// How long a browser takes to show something of the overview, and then the answer, in milliseconds; `None` without a
    /// browser.
    async fn visits(&self) -> Option<Vec<(f64, f64)>> {
        let installed = tokio::process::Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(BROWSER)
            .output()
            .await
            .ok()?;
        let output = tokio::process::Command::new("node")
            .arg("first-paint.mjs")
            .arg(format!(
                "{}/dashboard/login#token={}",
                self.url,
                self.token().await
            ))
            .current_dir(BROWSER)
            .output()
            .await
            .ok()?;
        let measured = installed.status.success() && output.status.success();
        measured.then(|| serde_json::from_slice(&output.stdout).unwrap())
    }
}

/// What there is to ask for.
struct Known {
    /// A failed relay.
    id: String,
    host: String,
    tenant: String,
    /// An hour before its last attempt.
    since: i64,
    group: String,
    /// The relay that had the most attempts.
    busiest: String,
}

fn overview() -> Vec<String> {
    let mut requests: Vec<String> = [
        "/dashboard/session",
        "/operator/overview",
        "/operator/overview?target=relays.seed.example",
        "/operator/groups?limit=4",
        "/operator/workers",
    ]
    .map(str::to_owned)
    .to_vec();
    for (minutes, step) in [
        (60, 1),
        (180, 1),
        (720, 4),
        (1440, 8),
        (10_080, 56),
        (20_160, 112),
    ] {
        requests.push(format!("/operator/series?minutes={minutes}&step={step}"));
    }
    requests
}

impl Known {
    fn syncs(&self) -> Vec<String> {
        let Self {
            id,
            host,
            tenant,
            since,
            group,
            ..
        } = self;
        let mut requests: Vec<String> = [
            "",
            "state=failed",
            "state=failed,quarantined,retrying,held,pending,running,paused",
            "state=held",
            "state=quarantined",
            "state=synced",
            "state=failed&target=rooms.seed.example",
            "kind=conflict",
            "order=created",
            "q=amber",
            "q=amber-bakery-1",
            "q=already%20in%20use",
            "q=nothing%20like%20this",
        ]
        .map(str::to_owned)
        .to_vec();
        requests.extend([
            format!("group={group}"),
            format!("since={since}"),
            format!("q={host}"),
            format!("q={tenant}"),
            format!("q={id}"),
        ]);
        requests
            .into_iter()
            .map(|filter| format!("/operator/syncs?{filter}"))
            .chain(
                ["", "kind=conflict&"].map(|filter| format!("/operator/groups?{filter}limit=20")),
            )
            .collect()
    }

    fn attempts(&self) -> Vec<String> {
        let Self {
            busiest,
            since,
            group,
            ..
        } = self;
        let mut requests: Vec<String> = [
            "",
            "outcome=failed,lost",
            "outcome=lost",
            "kind=conflict",
            "target=north.seed.example",
            "worker=seed-worker-3",
        ]
        .map(str::to_owned)
        .to_vec();
        requests.extend([
            format!("relay={busiest}"),
            format!("group={group}"),
            format!("until={since}"),
        ]);
        requests
            .into_iter()
            .map(|filter| format!("/operator/attempts?{filter}"))
            .collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
