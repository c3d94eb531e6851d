//! Lists in pages, and without.

use std::time::Duration;

use http::header::LINK;
use nostr::key::Keys;
use serde_json::{Value, json};

use crate::harness::*;

/// The rows of every page of `path`, and how many pages there were.
async fn walk(
    api: &Api,
    keys: &Keys,
    path: &str,
    rows: impl Fn(&Value) -> Value,
) -> (Vec<Value>, usize) {
    let (mut seen, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let reply = api.get(&*path).signing(keys).send().await;
        next = reply.headers.get(LINK).map(|link| {
            let link = link.to_str().unwrap();
            let url = link
                .strip_prefix('<')
                .unwrap()
                .strip_suffix(">; rel=\"next\"");
            url.unwrap().strip_prefix(SERVER_URL).unwrap().to_owned()
        });
        seen.extend(rows(&reply.data()).as_array().unwrap().clone());
        pages += 1;
        assert!(pages < 100);
    }
    (seen, pages)
}

fn whole(data: &Value) -> Value {
    data.clone()
}

async fn create(api: &Api, subdomains: &[&str]) {
    for subdomain in subdomains {
        api.clock.advance(Duration::from_secs(1));
        api.relay(subdomain).await;
    }
}

#[tokio::test]
async fn the_pages_of_a_list_are_the_list_in_either_order() {
    let api = start().await;
    create(&api, &["a", "b", "c", "d", "e"]).await;
    let owner = api.owner.public_key().to_hex();
    for list in [
        "/relays".to_owned(),
        format!("/tenants/{owner}/relays"),
        "/tenants".to_owned(),
    ] {
        let all = api.get(&*list).by(&api.admin).send().await;
        assert!(!all.headers.contains_key(LINK), "{list}");
        let mut all = all.data().as_array().unwrap().clone();

        let limit = 2;
        let (forward, pages) =
            walk(&api, &api.admin, &format!("{list}?limit={limit}"), whole).await;
        let path = format!("{list}?sort=-created_at&limit={limit}");
        let (backward, _) = walk(&api, &api.admin, &path, whole).await;

        assert_eq!(forward, all, "{list}");
        assert_eq!(pages, all.len().div_ceil(limit), "{list}");
        all.reverse();
        assert_eq!(backward, all, "{list}");
    }
}

#[tokio::test]
async fn the_link_to_the_next_page_keeps_the_filters() {
    let api = start().await;
    create(&api, &["a", "b", "c", "d"]).await;
    for (number, relay) in api
        .get("/relays")
        .by(&api.admin)
        .send()
        .await
        .data()
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        if number % 2 == 0 {
            let path = format!("/relays/{}", relay["id"].as_str().unwrap());
            let input = json!({"plan_id": "basic"});
            assert_eq!(
                api.put(path)
                    .by(&api.owner)
                    .json(&input)
                    .send()
                    .await
                    .status,
                200
            );
        }
    }

    let (found, pages) = walk(&api, &api.admin, "/relays?plan_id=basic&limit=1", whole).await;

    let names: Vec<_> = found
        .iter()
        .map(|relay| relay["subdomain"].clone())
        .collect();
    assert_eq!((names, pages), (vec![json!("a"), json!("c")], 2));
}

#[tokio::test]
async fn a_row_that_comes_between_two_pages_moves_no_other() {
    let api = start().await;
    create(&api, &["a", "b", "c"]).await;
    let first = api
        .get("/relays?limit=2&sort=-created_at")
        .by(&api.admin)
        .send()
        .await;
    let link = first.headers[LINK].to_str().unwrap().to_owned();
    create(&api, &["d"]).await;

    let path = link
        .split(['<', '>'])
        .nth(1)
        .unwrap()
        .strip_prefix(SERVER_URL)
        .unwrap();
    let second = api.get(path).by(&api.admin).send().await.data();

    assert_eq!(second.as_array().unwrap().len(), 1);
    assert_eq!(second[0]["subdomain"], "a");
}

#[tokio::test]
async fn activities_come_in_pages_from_either_end() {
    let api = start().await;
    let relay = api.relay("busy").await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    for name in ["one", "two", "three"] {
        let update = api
            .put(&*path)
            .by(&api.owner)
            .json(&json!({ "info_name": name }));
        assert_eq!(update.send().await.status, 200);
    }
    let rows = |data: &Value| data["activity"].clone();
    let all = api
        .get(format!("{path}/activity"))
        .by(&api.owner)
        .send()
        .await
        .data();
    let mut all = rows(&all).as_array().unwrap().clone();

    let (newest_first, pages) =
        walk(&api, &api.owner, &format!("{path}/activity?limit=3"), rows).await;
    let path = format!("{path}/activity?limit=3&sort=created_at");
    let (oldest_first, _) = walk(&api, &api.owner, &path, rows).await;

    assert_eq!((newest_first.len(), pages), (4, 2));
    assert_eq!(newest_first, all);
    all.reverse();
    assert_eq!(oldest_first, all);
}

#[tokio::test]
async fn tenants_and_activities_are_narrowed_by_their_filters() {
    let api = start().await;
    let relay = api.relay("narrow").await;
    let owner = api.owner.public_key().to_hex();
    let overdue = api
        .put(format!("/tenants/{owner}/past-due"))
        .signing(&api.admin);
    assert_eq!(overdue.send().await.status, 200);
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let turned_off = api.post(format!("{path}/deactivate")).by(&api.owner);
    assert_eq!(turned_off.send().await.status, 200);

    for (filter, count) in [
        ("past_due=1", 1),
        ("past_due=0", 1),
        ("churned=0&nwc_is_set=false", 2),
        ("churned=1", 0),
        ("past_due=", 2),
    ] {
        let reply = api.get(format!("/tenants?{filter}")).by(&api.admin);
        let tenants = reply.send().await.data();
        assert_eq!(tenants.as_array().unwrap().len(), count, "{filter}");
    }
    for (filter, count) in [
        ("activity_type=create_relay", 1),
        ("activity_type=create_relay,deactivate_relay", 2),
        ("activity_type=update_relay", 0),
    ] {
        let reply = api.get(format!("{path}/activity?{filter}")).by(&api.owner);
        let data = reply.send().await.data();
        assert_eq!(
            data["activity"].as_array().unwrap().len(),
            count,
            "{filter}"
        );
    }
    let misspelt = api.get("/tenants?churned=never").by(&api.admin);
    assert_eq!(misspelt.send().await.outcome(), (422, "filter-invalid"));
}

#[tokio::test]
async fn what_is_no_page_is_refused_by_name() {
    let api = start().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=nowhere!", "cursor"),
        ("sort=name", "sort"),
    ] {
        let reply = api
            .get(format!("/relays?{query}"))
            .by(&api.admin)
            .send()
            .await;
        assert_eq!(reply.outcome(), (422, "filter-invalid"), "{query}");
        assert_eq!(reply.json["field"], field);
    }
}
