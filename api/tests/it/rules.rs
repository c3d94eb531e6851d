//! Every rule of input: its code, its field, and a sentence that names it.

use serde_json::{Value, json};

use crate::harness::*;

/// Rules that hold for create and update alike: the field, a value that breaks it, the code.
fn broken_settings() -> Vec<(&'static str, Value, &'static str)> {
    let long = |length| json!("x".repeat(length));
    let mut broken = vec![
        ("subdomain", json!("-x"), "subdomain-invalid"),
        ("subdomain", json!(""), "subdomain-invalid"),
        ("subdomain", json!("a.b"), "subdomain-invalid"),
        ("subdomain", json!("Upper"), "subdomain-invalid"),
        ("subdomain", long(64), "subdomain-invalid"),
        ("subdomain", json!(1), "field-type"),
        ("subdomain", json!("api"), "subdomain-reserved"),
        ("subdomain", json!("admin"), "subdomain-reserved"),
        ("subdomain", json!("healthz"), "subdomain-reserved"),
        ("plan_id", json!("gold"), "plan-unknown"),
        ("plan_id", json!(1), "field-type"),
        ("custom_domain", json!("localhost"), "custom-domain-invalid"),
        ("custom_domain", json!("10.0.0.1"), "custom-domain-invalid"),
        (
            "custom_domain",
            json!(RELAY_DOMAIN),
            "custom-domain-invalid",
        ),
        (
            "custom_domain",
            json!(format!("x.{RELAY_DOMAIN}")),
            "custom-domain-invalid",
        ),
        ("custom_domain", json!(false), "field-type"),
        ("info_name", long(129), "field-too-long"),
        ("info_name", json!("two\nlines"), "field-invalid"),
        ("info_name", json!(["x"]), "field-type"),
        ("info_description", long(4097), "field-too-long"),
        ("info_icon", json!("ftp://example.com/x"), "icon-invalid"),
        ("blossom_enabled", json!(1), "plan-feature"),
        ("livekit_enabled", json!(true), "plan-feature"),
    ];
    for flag in [
        "policy_public_read",
        "policy_public_write",
        "policy_public_join",
        "policy_strip_signatures",
        "groups_enabled",
        "management_enabled",
        "members_can_invite",
        "blossom_enabled",
        "livekit_enabled",
        "push_enabled",
    ] {
        broken.push((flag, json!(2), "flag-invalid"));
        broken.push((flag, json!("1"), "flag-invalid"));
    }
    broken
}

fn assert_names(reply: &Reply, field: &str, code: &str) {
    assert_eq!(reply.outcome(), (422, code), "{field}: {}", reply.json);
    assert_eq!(reply.json["field"], field);
    assert!(reply.json["error"].as_str().unwrap().contains(field));
}

#[tokio::test]
async fn a_create_that_breaks_a_rule_names_the_field() {
    let api = start().await;
    let more = [
        ("subdomain", json!(null), "field-required"),
        ("plan_id", json!(null), "field-required"),
        ("zooid_domain", json!(null), "field-required"),
        (
            "zooid_domain",
            json!("elsewhere.example"),
            "zooid-domain-unknown",
        ),
        ("zooid_domain", json!(1), "field-type"),
        ("tenant_pubkey", json!("nobody"), "pubkey-invalid"),
    ];

    for (field, value, code) in broken_settings().into_iter().chain(more) {
        let mut input = relay_input("fine");
        input[field] = value;
        let reply = api.post("/relays").by(&api.owner).json(&input).send().await;
        assert_names(&reply, field, code);
    }

    let all = api.get("/relays").by(&api.admin).send().await.data();
    assert_eq!(all, json!([]));
}

#[tokio::test]
async fn an_update_that_breaks_a_rule_names_the_field_and_changes_nothing() {
    let api = start().await;
    let relay = api.relay("fine").await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let before = api.get(&path).by(&api.owner).send().await.data();
    let more = [(
        "zooid_domain",
        json!("elsewhere.example"),
        "zooid-domain-immutable",
    )];

    for (field, value, code) in broken_settings().into_iter().chain(more) {
        let update = json!({field: value, "info_name": "changed", field: value});
        let reply = api.put(&path).by(&api.owner).json(&update).send().await;
        assert_names(&reply, field, code);
    }

    assert_eq!(api.get(&path).by(&api.owner).send().await.data(), before);
    let same = json!({"zooid_domain": RELAY_DOMAIN});
    let reply = api.put(&path).by(&api.owner).json(&same).send().await;
    assert_eq!(reply.data(), before);
}

#[tokio::test]
async fn what_another_relay_has_cannot_be_taken_by_an_update() {
    let api = start().await;
    let taken = api.relay("taken").await;
    let relay = api.relay("free").await;
    let put = async |relay: &Value, body: Value| {
        let path = format!("/relays/{}", relay["id"].as_str().unwrap());
        api.put(path).by(&api.owner).json(&body).send().await
    };
    let domain = json!({"custom_domain": "chat.example.com"});
    assert_eq!(put(&taken, domain.clone()).await.status, 200);

    let subdomain = put(&relay, json!({"subdomain": "taken"})).await;
    let custom_domain = put(&relay, domain).await;

    assert_names(&subdomain, "subdomain", "subdomain-exists");
    assert_names(&custom_domain, "custom_domain", "custom-domain-exists");
}
