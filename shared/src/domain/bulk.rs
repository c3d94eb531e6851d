//! Which relays an operator means by "all that match".
//!
//! Invariant: a filter has one normal form, whatever order its values came in, so that a token can be bound to it.

use std::{collections::BTreeSet, str::FromStr};

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    FailureKind, JsonInput, Malformed, RelayAction, RelayId, SyncState, ValidationError,
    ZooidDomain, json::Fields,
};

/// Relays that can be named one by one.
pub const BULK_RELAYS_MAX: usize = 1000;

/// Longest text to search for, in characters.
pub const SEARCH_MAX_CHARS: usize = 200;

/// The code of every refusal here.
const INVALID: &str = "filter-invalid";

/// All relays that pass every part given; all there are when none is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkFilter {
    /// In one of these states.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub state: BTreeSet<SyncState>,
    /// Whose shown failure is of one of these kinds.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub kind: BTreeSet<FailureKind>,
    /// Served by one of these.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub target: BTreeSet<ZooidDomain>,
    /// Whose shown failure is of one of these groups.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub group: BTreeSet<i64>,
    /// Found by this text: the whole relay id or its first four characters or more; the beginning of the subdomain, the
    /// host or the custom domain; the tenant's key as hex or npub; the id of a job; words of the shown failure's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub q: Option<String>,
    /// Whose last attempt began then or later, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Whose last attempt began before that, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// One of these, at most 1000; none at all when the set is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1000)]
    pub relays: Option<BTreeSet<RelayId>>,
}

impl BulkFilter {
    /// These and no others.
    pub fn of(relays: impl IntoIterator<Item = RelayId>) -> Self {
        Self {
            relays: Some(relays.into_iter().collect()),
            ..Self::default()
        }
    }

    /// The normal form.
    #[must_use]
    pub fn canonical(&self) -> Value {
        // Sets of texts and numbers always are JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Unlike other inputs it refuses what it does not know: a filter with a misspelt name would match everything.
    fn from_fields(fields: &Fields<'_>) -> Result<Self, ValidationError> {
        let known = [
            "state", "kind", "target", "group", "q", "since", "until", "relays",
        ];
        if fields.names().any(|name| !known.contains(&name)) {
            return Err(ValidationError::new(
                INVALID,
                "filter",
                "has a part that is not known",
            ));
        }
        let relays: Option<BTreeSet<RelayId>> = fields
            .has("relays")
            .then(|| parsed(fields, "relays"))
            .transpose()?;
        if relays
            .as_ref()
            .is_some_and(|relays| relays.len() > BULK_RELAYS_MAX)
        {
            let rule = format!("must be at most {BULK_RELAYS_MAX}");
            return Err(ValidationError::new(INVALID, "relays", &rule));
        }
        let q = fields.text("q")?.map(str::trim).filter(|q| !q.is_empty());
        if q.is_some_and(|q| q.chars().count() > SEARCH_MAX_CHARS) {
            let rule = format!("must be at most {SEARCH_MAX_CHARS} characters");
            return Err(ValidationError::new(INVALID, "q", &rule));
        }
        Ok(Self {
            state: parsed(fields, "state")?,
            kind: parsed(fields, "kind")?,
            target: parsed(fields, "target")?,
            group: parsed::<GroupId>(fields, "group")?
                .into_iter()
                .map(|GroupId(id)| id)
                .collect(),
            q: q.map(str::to_owned),
            since: fields.number("since")?,
            until: fields.number("until")?,
            relays,
        })
    }
}

/// The number of a failure group.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct GroupId(i64);

impl FromStr for GroupId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| Malformed {
            what: "failure group",
            rule: "must be numbers of failure groups",
        })
    }
}

/// The values of a part.
fn parsed<T: FromStr<Err = Malformed> + Ord>(
    fields: &Fields<'_>,
    name: &'static str,
) -> Result<BTreeSet<T>, ValidationError> {
    fields
        .list(name)?
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|malformed| ValidationError::malformed(INVALID, name, &malformed))
}

/// A request to see what an action would do to all relays that match.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct PreviewInput {
    /// What would be done.
    pub action: RelayAction,
    /// To which.
    pub filter: BulkFilter,
}

/// What a preview, and so a bulk, can break.
const BULK_RULES: &[&str] = &["field-required", "action-invalid", INVALID];

impl JsonInput for PreviewInput {
    const RULES: &'static [&'static str] = BULK_RULES;

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let fields = Fields::of(body)?;
        Ok(Self {
            action: fields
                .parsed("action", "action-invalid")?
                .ok_or_else(|| ValidationError::required("action"))?,
            filter: BulkFilter::from_fields(
                &fields
                    .object("filter")?
                    .ok_or_else(|| ValidationError::required("filter"))?,
            )?,
        })
    }
}

/// A request to do what was previewed.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct BulkInput {
    /// What to do to which relays.
    #[serde(flatten)]
    pub previewed: PreviewInput,
    /// What the preview was answered with.
    pub token: String,
    /// How many relays the person saw that it would touch.
    pub expected: u64,
}

impl JsonInput for BulkInput {
    const RULES: &'static [&'static str] = BULK_RULES;

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let previewed = PreviewInput::from_json(body)?;
        let fields = Fields::of(body)?;
        Ok(Self {
            previewed,
            token: fields
                .string("token")?
                .ok_or_else(|| ValidationError::required("token"))?,
            expected: fields
                .number("expected")?
                .ok_or_else(|| ValidationError::required("expected"))?
                .try_into()
                .map_err(|_| {
                    ValidationError::new("field-type", "expected", "must not be negative")
                })?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(json: &Value) -> Result<BulkFilter, ValidationError> {
        BulkFilter::from_fields(&Fields::of(json)?)
    }

    #[test]
    fn a_filter_has_one_normal_form_however_it_was_written() {
        let one =
            json!({"state": "failed,retrying", "group": [3, "2"], "q": " acme ", "kind": null});
        let other = json!({"q": "acme", "group": "2,3", "state": ["retrying", "failed", "failed"]});

        let (one, other) = (filter(&one).unwrap(), filter(&other).unwrap());

        assert_eq!(one.canonical(), other.canonical());
        assert_eq!(
            one.canonical(),
            json!({"state": ["retrying", "failed"], "group": [2, 3], "q": "acme"})
        );
    }

    #[test]
    fn a_misspelt_or_impossible_part_is_refused_by_name() {
        for (body, field) in [
            (json!({"states": "failed"}), "filter"),
            (json!({"state": "broken"}), "state"),
            (json!({"kind": ["timeout"]}), "kind"),
            (json!({"group": "first"}), "group"),
            (json!({"relays": ["none"]}), "relays"),
            (json!({"q": "x".repeat(SEARCH_MAX_CHARS + 1)}), "q"),
        ] {
            let error = filter(&body).unwrap_err();
            assert_eq!((error.code, error.field), (INVALID, field), "{body}");
        }
    }

    #[test]
    fn no_relay_named_is_not_the_same_as_all() {
        let none = filter(&json!({"relays": []})).unwrap();

        assert_eq!(none.relays, Some(BTreeSet::new()));
        assert_eq!(none.canonical(), json!({"relays": []}));
    }

    #[test]
    fn what_a_bulk_needs_is_asked_for_by_name() {
        let whole = json!({"action": "retry", "filter": {}, "token": "t", "expected": 3});
        assert!(BulkInput::from_json(&whole).is_ok());
        for field in ["action", "filter", "token", "expected"] {
            let mut lacking = whole.clone();
            lacking.as_object_mut().unwrap().remove(field);

            let error = BulkInput::from_json(&lacking).unwrap_err();

            assert_eq!((error.code, error.field), ("field-required", field));
        }
    }
}
