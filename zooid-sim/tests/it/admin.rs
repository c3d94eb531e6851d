//! The fault port.

use serde_json::{Value, json};
use zooid_sim::{SimConfig, ZooidSim};

use crate::harness::*;

struct Admin {
    harness: Harness,
    url: String,
}

impl Admin {
    async fn start() -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let sim = ZooidSim::start(SimConfig {
            admin_port: Some(0),
            ..config_for(&dir)
        })
        .await
        .unwrap();
        let url = format!("http://{}", sim.admin_addr().unwrap());
        let harness = Harness {
            sim,
            dir,
            client: client(),
        };
        Self { harness, url }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.harness.client.request(method.parse().unwrap(), url)
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> u16 {
        send(self.request(method, path).json(body)).await.status
    }

    async fn get(&self, path: &str) -> Value {
        let reply = send(self.request("GET", path)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }
}

#[tokio::test]
async fn faults_are_injected_listed_and_cleared() {
    let admin = Admin::start().await;
    let fault = json!({
        "relay": "a",
        "verb": "POST",
        "span": {"calls": 2},
        "effect": {"answer": {"status": 503, "headers": {"Retry-After": "7"}}},
    });
    assert_eq!(admin.send("POST", "/faults", &fault).await, 204);

    let reply = admin.harness.call("POST", "/relay/a", &relay("a")).await;

    assert_eq!((reply.status, reply.header("retry-after")), (503, "7"));
    let listed = admin.get("/faults").await;
    assert_eq!(listed["faults"][0]["span"], json!({"calls": 1}));
    assert_eq!(admin.send("DELETE", "/faults", &json!(null)).await, 204);
    assert_eq!(admin.get("/faults").await, json!({"faults": []}));
    admin.harness.create("a").await;
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_422() {
    let admin = Admin::start().await;
    for fault in [
        json!({"effect": {"answer": {"status": 42}}}),
        json!({"effect": "explode"}),
        json!({"efect": "malformed_body"}),
        json!({"effect": "malformed_body", "span": {"probability": 2}}),
    ] {
        assert_eq!(admin.send("POST", "/faults", &fault).await, 422, "{fault}");
    }
    assert_eq!(admin.get("/faults").await, json!({"faults": []}));
}

#[tokio::test]
async fn calls_are_shown_without_secrets() {
    let admin = Admin::start().await;
    let mut body = relay("a");
    body["blossom"] = json!({"s3": {"access_key": "hidden-1", "secret_key": "hidden-2"}});
    body["livekit"] = json!({"api_key": "hidden-3", "api_secret": "hidden-4"});
    admin.harness.call("POST", "/relay/a", &body).await;
    admin
        .harness
        .raw_call("POST", "/relay/a", "{\"secret\": \"hidden-5\"")
        .await;

    let all = admin.get("/calls").await;
    let one = admin.get("/calls?relay=a").await;

    assert_eq!(all["a"], one);
    assert_eq!(one["calls"][0]["verb"], "POST");
    assert_eq!(one["calls"][0]["status"], 201);
    assert_eq!(one["calls"][0]["body"]["host"], "a.example.com");
    assert_eq!(one["calls"][0]["body"]["secret"], "[redacted]");
    assert_eq!(one["calls"][1]["body"], json!(null));
    let text = all.to_string();
    assert!(!text.contains("hidden") && !text.contains(SECRET), "{text}");
    assert_eq!(admin.send("DELETE", "/calls", &json!(null)).await, 204);
    assert_eq!(admin.get("/calls").await, json!({}));
}

#[tokio::test]
async fn relays_and_overlaps_are_shown() {
    let admin = Admin::start().await;
    admin.harness.create("a").await;
    admin.harness.create("b").await;
    let broken = admin
        .send("POST", "/relays/b/break", &json!({"kept_bytes": 12}))
        .await;
    assert_eq!(broken, 204);

    assert_eq!(
        admin.get("/relays").await,
        json!({"relays": [
            {"id": "a", "readable": true, "host": "a.example.com", "schema": "a", "inactive": false, "serving": true},
            {"id": "b", "readable": false},
        ]})
    );
    let overlaps = admin.get("/overlaps").await;
    assert_eq!(overlaps["totals"]["max_overlap"], 1);
    assert_eq!(overlaps["totals"]["calls"], json!({"POST": 2}));
    assert_eq!(overlaps["max_overlap_by_relay"], json!({"a": 1, "b": 1}));
}

#[tokio::test]
async fn members_are_set_and_files_removed() {
    let admin = Admin::start().await;
    admin.harness.create("a").await;

    assert_eq!(
        admin
            .send("PUT", "/relays/a/members", &json!([PUBKEY]))
            .await,
        204
    );
    let members = admin.harness.get("/relay/a/members").await;
    assert!(members.body.contains(PUBKEY));
    assert_eq!(admin.send("DELETE", "/relays/a", &json!(null)).await, 204);
    assert!(!admin.harness.file("a").exists());
    assert_eq!(admin.send("DELETE", "/relays/a", &json!(null)).await, 404);
}

#[tokio::test]
async fn down_up_and_release_work_from_outside() {
    let admin = Admin::start().await;
    let null = json!(null);
    assert_eq!(admin.send("POST", "/down", &null).await, 204);
    let refused = admin.harness.request("GET", "/").send().await;
    assert!(refused.unwrap_err().is_connect());
    assert_eq!(admin.send("POST", "/up", &null).await, 204);

    let hang = json!({"effect": {"hang": {}}});
    assert_eq!(admin.send("POST", "/faults", &hang).await, 204);
    let request = admin.harness.signed_request("POST", "/relay/a");
    let hanging = tokio::spawn(send(request.body(relay("a").to_string())));
    admin.harness.until_in_flight(1).await;
    assert_eq!(admin.send("POST", "/faults/release", &null).await, 204);

    assert_eq!(hanging.await.unwrap().status, 201);
}

#[tokio::test]
async fn a_file_is_changed_behind_the_api_and_shown_at_once() {
    let admin = Admin::start().await;
    admin.harness.create("a").await;

    let renamed = json!({"info": {"name": "Other"}});
    assert_eq!(admin.send("PATCH", "/relays/a", &renamed).await, 204);

    let shown = admin.harness.nip11("a.example.com").await;
    let document: Value = serde_json::from_str(&shown.body).unwrap();
    assert_eq!(document["name"], "Other");
    assert_eq!(document["pubkey"], PUBKEY);
    assert_eq!(admin.send("PATCH", "/relays/none", &renamed).await, 404);
    let nonsense = json!({"info": 5});
    assert_eq!(admin.send("PATCH", "/relays/a", &nonsense).await, 500);
}
