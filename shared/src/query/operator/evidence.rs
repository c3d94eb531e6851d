//! How it is known what zooid has: which fields were seen at the relay's host, and which zooid only said it accepted.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::DiffRow;
use crate::{domain::RelayDocument, repositories::operator::observation::Observed};

/// How it is known that zooid has what it accepted in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The field was shown at the relay's host.
    Observed,
    /// zooid accepted it, and nothing else shows it.
    Assumed,
}

/// Marks the fields that were shown for generation `synced`, with what was shown.
pub(super) fn mark(rows: &mut [DiffRow], observed: Option<&Observed>, synced: i64) {
    let document = observed
        .filter(|observed| observed.observed_generation == synced)
        .and_then(|observed| observed.document.as_ref());
    let Some(document) = document else {
        return;
    };
    for row in rows {
        if let Some(value) = shown(document, &row.field) {
            row.evidence = Some(Evidence::Observed);
            row.observed = value;
        }
    }
}

/// What the document says in the place of a field of zooid's configuration, if it has one for it.
fn shown(document: &RelayDocument, field: &str) -> Option<Value> {
    match field {
        "info.name" => Some(document.name.as_str().into()),
        "info.icon" => Some(document.icon.as_str().into()),
        "info.description" => Some(document.description.as_str().into()),
        "info.pubkey" => Some(document.pubkey.as_ref().map(ToString::to_string).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{domain::Pubkey, query::operator::diff::diff};

    const OWNER: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn observed(generation: i64) -> Observed {
        let owner: Pubkey = OWNER.parse().unwrap();
        Observed {
            live_generation: 0,
            live_at: None,
            observed_generation: generation,
            observed_at: Some(1),
            document: Some(RelayDocument {
                self_key: None,
                pubkey: Some(owner),
                name: "Butcher".to_owned(),
                ..RelayDocument::default()
            }),
            drift_since: None,
            drift: Vec::new(),
            healed_at: None,
            heals: 0,
        }
    }

    fn rows(observed: Option<&Observed>) -> Vec<(String, Option<Evidence>, Value)> {
        let told = json!({"host": "a", "info": {"name": "Bakery", "pubkey": OWNER}});
        let mut rows = diff(&told, Some(&told), &[]);
        mark(&mut rows, observed, 2);
        rows.into_iter()
            .map(|row| (row.field, row.evidence, row.observed))
            .collect()
    }

    #[test]
    fn what_a_document_shows_is_observed_and_the_rest_is_assumed() {
        let row = |field: &str, evidence, value| (field.to_owned(), Some(evidence), value);

        assert_eq!(
            rows(Some(&observed(2))),
            [
                row("host", Evidence::Assumed, Value::Null),
                row("info.name", Evidence::Observed, json!("Butcher")),
                row("info.pubkey", Evidence::Observed, json!(OWNER)),
            ]
        );
    }

    #[test]
    fn what_was_shown_before_the_newest_acceptance_shows_nothing_of_it() {
        for observed in [None, Some(&observed(1))] {
            assert!(rows(observed).iter().all(|(_, evidence, value)| *evidence
                == Some(Evidence::Assumed)
                && value.is_null()));
        }
    }
}
