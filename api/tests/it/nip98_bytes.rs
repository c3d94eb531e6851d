//! Arbitrary bytes as the `Authorization` header: never a fault of ours, never a way in.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::harness::*;

/// The parts of an event (NIP-01).
const PARTS: [&str; 7] = [
    "id",
    "pubkey",
    "created_at",
    "kind",
    "tags",
    "content",
    "sig",
];

/// A server for all cases of one property, since each starts from the same state.
fn served() -> (Runtime, Api) {
    let runtime = Runtime::new().unwrap();
    let api = runtime.block_on(start_empty(&[]));
    (runtime, api)
}

fn outcome(runtime: &Runtime, api: &Api, header: HeaderValue) -> (u16, String) {
    let call = api.get("/identity").header(AUTHORIZATION, header);
    let reply = runtime.block_on(call.send());
    (
        reply.status,
        reply.json["code"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn arbitrary_bytes_are_unauthorized() {
    let (runtime, api) = served();
    let headers = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(any::<u8>(), 0..600)
            .prop_map(|bytes| [b"Nostr ".to_vec(), bytes].concat()),
        prop::collection::vec(any::<u8>(), 0..600)
            .prop_map(|bytes| header_of_json(bytes).into_bytes()),
        ".{0,300}".prop_map(|text| header_of_json(text).into_bytes()),
    ];

    proptest!(ProptestConfig::with_cases(300), |(bytes in headers)| {
        // What no client library can send is the HTTP parser's to refuse.
        if let Ok(header) = HeaderValue::from_bytes(&bytes) {
            prop_assert_eq!(outcome(&runtime, &api, header), (401, "unauthorized".to_owned()));
        }
    });
}

#[test]
fn a_valid_header_with_one_byte_changed_is_unauthorized() {
    let (runtime, api) = served();
    let event = auth_event(SERVER_URL, NOW);
    let header = header_of(event, &api.owner);
    let valid = HeaderValue::from_str(&header).unwrap();
    assert_eq!(outcome(&runtime, &api, valid).0, 200);
    let token = "Nostr ".len()..header.trim_end_matches('=').len() - 1;

    let json = BASE64_STANDARD.decode(&header["Nostr ".len()..]).unwrap();

    proptest!(ProptestConfig::with_cases(300), |(at in token, byte in b'!'..=b'~')| {
        let mut bytes = header.clone().into_bytes();
        bytes[at] = byte;
        // Hexadecimal digits mean the same in either case.
        let decoded = BASE64_STANDARD.decode(&bytes["Nostr ".len()..]);
        prop_assume!(!decoded.is_ok_and(|decoded| decoded.eq_ignore_ascii_case(&json)));
        let header = HeaderValue::from_bytes(&bytes).unwrap();
        prop_assert_eq!(outcome(&runtime, &api, header), (401, "unauthorized".to_owned()));
    });
}

#[test]
fn a_valid_event_with_one_part_replaced_is_unauthorized_and_writes_nothing() {
    let (runtime, api) = served();
    let header = header_of(auth_event(SERVER_URL, NOW), &api.owner);
    let json = BASE64_STANDARD.decode(&header["Nostr ".len()..]).unwrap();
    let event: Value = serde_json::from_slice(&json).unwrap();
    let values = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,130}".prop_map(Value::from),
        "[0-9a-f]{64}".prop_map(Value::from),
        prop::collection::vec(prop::collection::vec(".{0,30}", 0..4), 0..4)
            .prop_map(|tags| serde_json::to_value(tags).unwrap()),
    ];

    proptest!(ProptestConfig::with_cases(300), |(part in prop::sample::select(&PARTS[..]), value in prop::option::of(values))| {
        let mut event = event.clone();
        match value {
            Some(value) => {
                prop_assume!(event[part] != value);
                event[part] = value;
            }
            None => {
                event.as_object_mut().unwrap().remove(part);
            }
        }
        let header = HeaderValue::from_str(&header_of_json(event.to_string())).unwrap();
        let reply = runtime.block_on(api.post("/tenants").header(AUTHORIZATION, header).send());
        prop_assert_eq!(reply.outcome(), (401, "unauthorized"));
    });

    let tenants = runtime.block_on(api.get("/tenants").by(&api.admin).send());
    assert_eq!(tenants.data(), serde_json::json!([]));
}
