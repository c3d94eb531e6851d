//! Who may call what: every route of the table, called by everybody, in both forms of NIP-98.

use api::routes::{Access, table};
use nostr::key::Keys;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::description;
use crate::harness::*;

/// A route as the contract has it, and a call that succeeds when the caller is let in.
struct Row {
    method: &'static str,
    path: &'static str,
    access: Access,
    body: Value,
}

/// Each route by hand, beside what the code says of itself: a rule that is loosened by mistake shows here.
fn rows() -> Vec<Row> {
    use Access::{
        Admin, MetricsToken, Operator, OperatorRead, OwnerOrAdmin, Public, SignIn, Signed,
        SignedIn, TenantOrAdmin,
    };
    [
        ("GET", "/healthz", Public),
        ("GET", "/readyz", Public),
        ("GET", "/metrics", MetricsToken),
        ("GET", "/openapi.json", Public),
        ("GET", "/docs", Public),
        ("GET", "/plans", Public),
        ("GET", "/plans/{id}", Public),
        ("GET", "/identity", Signed),
        ("GET", "/tenants", Admin),
        ("POST", "/tenants", Signed),
        ("GET", "/tenants/{pubkey}", TenantOrAdmin),
        ("PUT", "/tenants/{pubkey}", TenantOrAdmin),
        ("GET", "/tenants/{pubkey}/relays", TenantOrAdmin),
        ("GET", "/relays", Admin),
        ("POST", "/relays", Signed),
        ("GET", "/relays/{id}", OwnerOrAdmin),
        ("PUT", "/relays/{id}", OwnerOrAdmin),
        ("DELETE", "/relays/{id}", Operator),
        ("POST", "/relays/{id}/deactivate", OwnerOrAdmin),
        ("POST", "/relays/{id}/reactivate", OwnerOrAdmin),
        ("GET", "/relays/{id}/activity", OwnerOrAdmin),
        ("GET", "/relays/{id}/sync", OwnerOrAdmin),
        ("GET", "/relays/{id}/events", OwnerOrAdmin),
        ("GET", "/relays/{id}/members", OwnerOrAdmin),
        ("GET", "/tenants/{pubkey}/invoices", TenantOrAdmin),
        ("GET", "/tenants/{pubkey}/invoices/draft", TenantOrAdmin),
        ("POST", "/tenants/{pubkey}/reconcile", TenantOrAdmin),
        ("PUT", "/tenants/{pubkey}/past-due", Operator),
        ("DELETE", "/tenants/{pubkey}/past-due", Operator),
        ("PUT", "/tenants/{pubkey}/subscription", Operator),
        ("DELETE", "/tenants/{pubkey}/subscription", Operator),
        ("PUT", "/tenants/{pubkey}/nwc-error", Operator),
        ("DELETE", "/tenants/{pubkey}/nwc-error", Operator),
        ("PUT", "/relays/{id}/delinquent", Operator),
        ("DELETE", "/relays/{id}/delinquent", Operator),
        ("PUT", "/relays/{id}/subscription-item", Operator),
        ("DELETE", "/relays/{id}/subscription-item", Operator),
        ("GET", "/operator/overview", OperatorRead),
        ("GET", "/operator/series", OperatorRead),
        ("GET", "/operator/targets", OperatorRead),
        ("GET", "/operator/workers", OperatorRead),
        ("GET", "/operator/syncs", OperatorRead),
        ("GET", "/operator/groups", OperatorRead),
        ("GET", "/operator/attempts", OperatorRead),
        ("GET", "/operator/relays/{id}", OperatorRead),
        ("GET", "/operator/audit", OperatorRead),
        ("POST", "/operator/relays/{id}/retry", Operator),
        ("POST", "/operator/relays/{id}/sync", Operator),
        ("POST", "/operator/relays/{id}/cancel", Operator),
        ("POST", "/operator/relays/{id}/pause", Operator),
        ("POST", "/operator/relays/{id}/resume", Operator),
        ("POST", "/operator/relays/{id}/release", Operator),
        ("POST", "/operator/targets/{name}/pause", Operator),
        ("POST", "/operator/targets/{name}/resume", Operator),
        ("POST", "/operator/targets/{name}/probe", Operator),
        ("POST", "/operator/queue/pause", Operator),
        ("POST", "/operator/queue/resume", Operator),
        ("POST", "/operator/bulk/preview", Operator),
        ("POST", "/operator/bulk", Operator),
        ("POST", "/operator/reconcile", Operator),
        ("GET", "/events", OperatorRead),
        ("GET", "/dashboard/session", SignedIn),
        ("POST", "/dashboard/session", SignIn),
        ("POST", "/dashboard/session/link", Public),
        ("DELETE", "/dashboard/session", SignedIn),
        ("GET", "/dashboard", Public),
        ("GET", "/dashboard/{*view}", Public),
        ("GET", "/dashboard/assets/{*file}", Public),
    ]
    .into_iter()
    .map(|(method, path, access)| Row {
        method,
        path,
        access,
        body: json!({}),
    })
    .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Stranger,
    Other,
    Owner,
    Reader,
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Session,
    Request,
}

/// What the answer must be: `None` when the caller is let in.
fn refusal(access: Access, who: Who, form: Form) -> Option<(u16, &'static str)> {
    let unauthorized = Some((401, "unauthorized"));
    let forbidden = Some((403, "forbidden"));
    match (access, who, form) {
        (Access::Public, _, _) | (Access::TenantOrAdmin | Access::OwnerOrAdmin, Who::Owner, _) => {
            None
        }
        // No token is set here.
        (Access::MetricsToken, _, _) => Some((404, "not-found")),
        (_, Who::Nobody, _)
        // A signature is no session at the dashboard.
        | (Access::SignedIn, _, _)
        | (Access::Operator | Access::OperatorRead | Access::SignIn, _, Form::Session) => {
            unauthorized
        }
        (Access::Signed, _, _)
        | (_, Who::Admin, _)
        | (Access::OperatorRead | Access::SignIn, Who::Reader, _) => None,
        (_, Who::Stranger | Who::Other | Who::Owner | Who::Reader, _) => forbidden,
    }
}

#[test]
fn every_route_states_the_rule_of_the_contract() {
    let stated: Vec<_> = table()
        .into_iter()
        .map(|entry| (entry.method.to_string(), entry.path, entry.access))
        .collect();
    let expected: Vec<_> = rows()
        .into_iter()
        .map(|row| (row.method.to_owned(), row.path, row.access))
        .collect();

    assert_eq!(stated, expected);
}

#[tokio::test]
async fn every_route_lets_in_whom_its_rule_names_and_nobody_else() {
    let api = start().await;
    let relay = api.relay("matrix").await;
    let doomed = api.relay("doomed").await;
    let owner = api.owner.public_key().to_hex();
    let keys = |who| -> Option<&Keys> {
        match who {
            Who::Nobody => None,
            Who::Stranger => Some(&api.stranger),
            Who::Other => Some(&api.other),
            Who::Owner => Some(&api.owner),
            Who::Reader => Some(&api.reader),
            Who::Admin => Some(&api.admin),
        }
    };

    for row in rows() {
        let removes = (row.method, row.path) == ("DELETE", "/relays/{id}");
        let id = if removes { &doomed } else { &relay }["id"]
            .as_str()
            .unwrap();
        let path = row
            .path
            .replace("/plans/{id}", "/plans/free")
            .replace("{id}", id)
            .replace("{name}", RELAY_DOMAIN)
            .replace("{pubkey}", &owner)
            .replace("{*view}", "syncs")
            .replace("{*file}", "icon.svg");
        let is_json = row.path != "/events"
            && (!row.path.starts_with("/dashboard") || row.path.contains("session"));
        for who in [
            Who::Nobody,
            Who::Stranger,
            Who::Other,
            Who::Owner,
            Who::Reader,
            Who::Admin,
        ] {
            for form in [Form::Session, Form::Request] {
                let call = api.call(row.method, &path).json(&row.body);
                let call = match (keys(who), form) {
                    (None, _) => call,
                    (Some(keys), Form::Session) => call.by(keys),
                    (Some(keys), Form::Request) => call.signing(keys),
                };

                let case = format!("{} {} {who:?} {form:?}", row.method, row.path);
                let refusal = refusal(row.access, who, form);
                let is_bare =
                    row.path.ends_with("/events") || matches!(row.path, "/openapi.json" | "/docs");
                if (is_bare || !is_json) && refusal.is_none() {
                    // These are in no envelope, and a stream does not end.
                    let response = call.send_raw().await;
                    assert_eq!(response.status(), 200, "{case}");
                    let media_type = response.headers()[CONTENT_TYPE].to_str().unwrap();
                    description::hold_bare(row.method, &path, 200, media_type);
                    continue;
                }

                let reply = call.send().await;

                match refusal {
                    Some(refusal) => assert_eq!(reply.outcome(), refusal, "{case}"),
                    // Behind the check an empty body may still break a rule.
                    None => assert!(
                        matches!(reply.status, 200 | 201 | 202 | 422),
                        "{case}: {reply:?}"
                    ),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_tenant_creates_relays_for_themselves_and_an_admin_for_anyone() {
    let api = start().await;
    let owner = api.owner.public_key().to_hex();
    let for_owner = |subdomain| {
        let mut input = relay_input(subdomain);
        input["tenant_pubkey"] = json!(owner);
        input
    };

    for (keys, subdomain, expected) in [
        (&api.owner, "mine", (201, "ok")),
        (&api.admin, "granted", (201, "ok")),
        (&api.other, "theirs", (403, "forbidden")),
        (&api.stranger, "stolen", (403, "forbidden")),
    ] {
        let reply = api
            .post("/relays")
            .by(keys)
            .json(&for_owner(subdomain))
            .send()
            .await;

        assert_eq!(reply.outcome(), expected, "{subdomain}");
        if expected.0 == 201 {
            assert_eq!(reply.data()["tenant_pubkey"], json!(owner));
        }
    }
}

#[tokio::test]
async fn a_relay_that_does_not_exist_is_404_for_signers_and_401_for_others() {
    let api = start().await;
    for path in ["/relays/01j00000000000000000000000", "/relays/none"] {
        for keys in [&api.stranger, &api.owner, &api.admin] {
            let reply = api.get(path).by(keys).send().await;
            assert_eq!(reply.outcome(), (404, "not-found"));
        }
        let reply = api.get(path).send().await;
        assert_eq!(reply.outcome(), (401, "unauthorized"));
    }
}

#[tokio::test]
async fn without_admins_the_admin_routes_are_closed_to_everybody() {
    let nobody = [
        ("SERVER_ADMIN_PUBKEYS", ""),
        ("SERVER_READONLY_PUBKEYS", ""),
    ];
    let api = start_with(&nobody).await;

    for path in ["/tenants", "/relays", "/operator/syncs"] {
        let reply = api.get(path).signing(&api.admin).send().await;
        assert_eq!(reply.outcome(), (403, "forbidden"), "{path}");
    }
}

#[tokio::test]
async fn an_admin_who_is_listed_as_a_reader_too_stays_an_admin() {
    let admin = Keys::generate();
    let hex = admin.public_key().to_hex();
    let twice = [
        ("SERVER_ADMIN_PUBKEYS", hex.as_str()),
        ("SERVER_READONLY_PUBKEYS", &hex),
    ];
    let api = start_with(&twice).await;

    let identity = api.get("/identity").by(&admin).send().await.data();

    assert_eq!(identity["role"], "admin");
}
