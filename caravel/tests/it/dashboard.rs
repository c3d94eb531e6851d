//! The dashboard in a browser: the tests of `caravel/tests/dashboard` run against the real server, whose scene they set
//! through a harness of a few calls, described in `scene.mjs`.

use axum::extract::{Path as PathParam, State};
use axum::routing::post;
use axum::{Json, Router};
use nostr::event::{EventBuilder, Kind, Tag};
use nostr::prelude::*;
use serde_json::{Value, json};
use shared::db::Db;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use zooid_sim::{Effect, Fault, Phase, Verb};

use crate::installation::{Installation, RELAY_DOMAIN, create_named};
use crate::npm::npm;
use crate::process::Process;
use crate::wait::until;

/// Where the browser's tests are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dashboard");

/// What tells the causes of one call for failures from those of the next: numbers would not.
const WORDS: [&str; 8] = [
    "amber", "cobalt", "ember", "indigo", "ochre", "saffron", "umber", "violet",
];

/// The server that the browser looks at, and what the harness does to it.
struct Scene {
    installation: Installation,
    db: Db,
    process: Option<Process>,
    /// How often failures were asked for.
    failures: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_finds_and_repairs_what_is_wrong_in_a_browser() {
    let port = free_port().await;
    let url = format!("http://127.0.0.1:{port}");
    let installation = Installation::new()
        .await
        .with("SERVER_URL", &url)
        .with("SERVER_PORT", &port.to_string());
    let mut scene = Scene::begin(installation).await;
    let (harness, mut calls) = listen().await;
    let variables = [("DASHBOARD_URL", &*url), ("DASHBOARD_CONTROL", &harness)];

    npm(FOLDER, &["ci", "--no-audit", "--no-fund"], &[]).await;
    let testing = npm(FOLDER, &["test"], &variables);
    let setting = async {
        while let Some(call) = calls.recv().await {
            let answer = scene.set(&call.name, &call.input).await;
            // A test that is over does not wait for the answer.
            let _ = call.reply.send(answer);
        }
        panic!("nobody sets the scene any more");
    };
    tokio::select! {
        () = testing => {}
        () = setting => {}
    }
}

#[tokio::test]
async fn a_link_is_made_for_nobody_who_has_no_role() {
    let installation = Installation::new().await;
    let stranger = installation.tenant.public_key().to_hex();

    let refused = installation.refused(&["login-link", &stranger]).await;

    assert!(
        refused.contains("neither in SERVER_ADMIN_PUBKEYS"),
        "{refused}"
    );
}

/// A call of the browser's tests.
struct Call {
    name: String,
    input: Value,
    reply: oneshot::Sender<Value>,
}

/// Listens for calls. Answers where, and with the calls.
async fn listen() -> (String, mpsc::Receiver<Call>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, calls) = mpsc::channel(1);
    let router = Router::new()
        .route("/{name}", post(take))
        .with_state(sender);
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, calls)
}

async fn take(
    State(calls): State<mpsc::Sender<Call>>,
    PathParam(name): PathParam<String>,
    body: String,
) -> Json<Value> {
    let (reply, answer) = oneshot::channel();
    let call = Call {
        name,
        input: serde_json::from_str(&body).unwrap(),
        reply,
    };
    calls.send(call).await.ok().unwrap();
    Json(answer.await.unwrap())
}

/// A port that nobody listens on. The server listens on it, stops, and listens on it again.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

impl Scene {
    async fn begin(installation: Installation) -> Self {
        let (process, _) = installation.serving().await;
        Self {
            db: installation.db().await,
            installation,
            process: Some(process),
            failures: 0,
        }
    }

    async fn set(&mut self, name: &str, input: &Value) -> Value {
        match name {
            "login-link" => self.login_link(input).await,
            "sign" => self.sign(&input["event"]),
            "relay" => self.relay(input).await,
            "heal" => self.heal(),
            "failures" => self.failures(input).await,
            "stop" => self.stop().await,
            "start" => self.start().await,
            other => panic!("the harness has no call {other}"),
        }
    }

    /// As whoever has a shell on the server makes one.
    async fn login_link(&self, input: &Value) -> Value {
        let arguments: &[&str] = match input["role"].as_str() {
            Some("readonly") => &["login-link", "--readonly"],
            _ => &["login-link"],
        };
        let printed = self.installation.told(arguments).await;
        json!({ "url": printed.trim() })
    }

    /// As the admin's Nostr extension would.
    fn sign(&self, event: &Value) -> Value {
        let tags = event["tags"].as_array().unwrap().iter().map(|tag| {
            let texts: Vec<&str> = tag
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            Tag::parse(texts).unwrap()
        });
        let kind = u16::try_from(event["kind"].as_u64().unwrap()).unwrap();
        let signed = EventBuilder::new(Kind::from(kind), event["content"].as_str().unwrap())
            .tags(tags)
            .custom_created_at(Timestamp::from_secs(event["created_at"].as_u64().unwrap()))
            .finalize(&self.installation.admin)
            .unwrap();
        serde_json::from_str(&signed.as_json()).unwrap()
    }

    async fn relay(&self, input: &Value) -> Value {
        let fails = input["fails"].as_bool().unwrap_or_default();
        let refusal = json!({
            "error": "invalid relay: info.icon \"not-a-url\"",
            "secret": self.installation.tenant.secret_key().to_secret_hex(),
        });
        if fails {
            self.refuse(None, &refusal);
        }
        let subdomain = input["subdomain"].as_str().unwrap().to_owned();
        let names = std::iter::once(subdomain.clone());
        let relays = create_named(&self.installation, &self.db, names).await;
        if fails {
            self.until_all("failed", &subdomain, 1).await;
            self.installation.sim.clear_faults();
            self.refuse(Some(relays[0].id.as_str()), &refusal);
        } else {
            self.until_all("synced", &subdomain, 1).await;
        }
        json!({ "relay_id": relays[0].id, "host": format!("{subdomain}.{RELAY_DOMAIN}") })
    }

    /// zooid refuses a relay, or whatever is created, until it heals.
    fn refuse(&self, relay: Option<&str>, body: &Value) {
        let fault = Fault::new(Effect::Answer {
            status: 400,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: body.to_string(),
            phase: Phase::Before,
        });
        let fault = match relay {
            Some(id) => fault.on_relay(id),
            None => fault.on_verb(Verb::Post),
        };
        self.installation.sim.inject(fault).unwrap();
    }

    fn heal(&self) -> Value {
        self.installation.sim.clear_faults();
        json!({})
    }

    async fn failures(&mut self, input: &Value) -> Value {
        let prefix = input["prefix"].as_str().unwrap();
        let relays = input["relays"].as_u64().unwrap();
        let word = WORDS[self.failures % WORDS.len()];
        self.failures += 1;
        let (most, some) = (relays * 6 / 10, relays * 3 / 10);
        let shares = [
            ("no such schema", most),
            ("icon too large", some),
            ("unknown policy", relays - most - some),
        ];
        let mut causes = Vec::new();
        for (number, (text, count)) in shares.into_iter().enumerate() {
            let error = format!("invalid relay: {text} in {word}");
            self.refuse(None, &json!({ "error": error }));
            let begins = format!("{prefix}-{number}-");
            let names = (0..count).map(|each| format!("{begins}{each}"));
            create_named(&self.installation, &self.db, names).await;
            self.until_all("failed", &begins, count).await;
            self.installation.sim.clear_faults();
            if count > 0 {
                causes.push(json!({ "pattern": self.pattern(&error).await, "relays": count }));
            }
        }
        json!({ "causes": causes })
    }

    /// Waits until so many relays whose name begins so are in this state.
    async fn until_all(&self, state: &str, begins: &str, count: u64) {
        let count = i64::try_from(count).unwrap();
        until(state, async || {
            let there: i64 = sqlx::query_scalar(
                "SELECT count(*)
                 FROM relay_sync
                 INNER JOIN relay ON relay.id = relay_sync.relay_id
                 WHERE state = $1 AND substr(subdomain, 1, length($2)) = $2",
            )
            .bind(state)
            .bind(begins)
            .fetch_one(self.db.readers())
            .await
            .unwrap();
            there == count
        })
        .await;
    }

    /// What failures with this text have in common, as operators see it.
    async fn pattern(&self, text: &str) -> String {
        sqlx::query_scalar("SELECT pattern FROM failure_group WHERE instr(message, $1) > 0")
            .bind(text)
            .fetch_one(self.db.readers())
            .await
            .unwrap()
    }

    async fn stop(&mut self) -> Value {
        if let Some(process) = self.process.take() {
            process.stopped().await;
        }
        json!({})
    }

    async fn start(&mut self) -> Value {
        let (process, _) = self.installation.serving().await;
        self.process = Some(process);
        json!({})
    }
}
