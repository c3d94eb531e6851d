//! Pages over several index ranges at once.
//!
//! Invariant: a page holds every key of the ranges up to the point where the next one begins, each once and in order. So
//! pages neither skip nor repeat a row, whatever happens to others between two of them.

use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type, schema::SchemaType},
};

use crate::domain::Malformed;

/// What is said of a cursor that no page of the list ended with.
pub(super) const NO_CURSOR: Malformed = Malformed {
    what: "cursor",
    rule: "must be the `next` of a page of this list",
};

/// Most rows of a page.
pub const LIMIT_MAX: u32 = 200;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end. The page before it may be shorter than its limit, even empty.
    pub next: Option<String>,
}

// Not derived, for a derived schema of a generic type refers to that of its parameter without bringing it along.
impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("The rows, in the order of the list."));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("The `cursor` of the next page; null at the end. The page before it may be shorter than its limit, even empty."));
        ObjectBuilder::new()
            .property("items", items)
            .property("next", next)
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T> Page<T> {
    /// A list that has no pages.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// The first `limit` of `items`, which were asked for with one more. `cursor` is where the page after an item begins.
    pub(super) fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let is_last = items.len() <= limit;
        items.truncate(limit);
        let next = items.last().filter(|_| !is_last).map(cursor);
        Self { items, next }
    }
}

/// The keys that one range gave, in the order of the list.
#[derive(Debug, Clone)]
pub(super) struct Found<K> {
    pub(super) keys: Vec<K>,
    /// The last key looked at, when there may be more behind it.
    pub(super) stopped_at: Option<K>,
}

/// The first `limit` keys of all ranges together, and where the next page begins. Each range must have been asked for
/// one key more than `limit`.
pub(super) fn merge<K: Ord + Clone>(ranges: Vec<Found<K>>, limit: usize) -> (Vec<K>, Option<K>) {
    // Beyond it some range has not been looked at.
    let horizon = ranges
        .iter()
        .filter_map(|range| range.stopped_at.clone())
        .min();
    let mut keys: Vec<K> = ranges
        .into_iter()
        .flat_map(|range| range.keys)
        .filter(|key| horizon.as_ref().is_none_or(|horizon| key <= horizon))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > limit {
        keys.truncate(limit);
        let last = keys.last().cloned();
        return (keys, last);
    }
    (keys, horizon)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a range gives: rows after `cursor`, of which every third passes, at most `look` of them looked at.
    fn look(range: &[u32], cursor: Option<u32>, limit: usize, look: usize) -> Found<u32> {
        let rest: Vec<u32> = range
            .iter()
            .copied()
            .filter(|key| cursor.is_none_or(|cursor| *key > cursor))
            .collect();
        let looked_at = &rest[..rest.len().min(look)];
        let keys: Vec<u32> = looked_at
            .iter()
            .copied()
            .filter(|key| key % 3 == 0)
            .take(limit + 1)
            .collect();
        let stopped_at = if keys.len() > limit {
            keys.last().copied()
        } else {
            (rest.len() > look).then(|| looked_at[look - 1])
        };
        Found { keys, stopped_at }
    }

    proptest! {
        #[test]
        fn pages_hold_every_key_once_and_in_order(
            mut ranges in prop::collection::vec(prop::collection::vec(0_u32..500, 0..60), 0..5),
            limit in 1_usize..8,
            bound in 1_usize..9,
        ) {
            for range in &mut ranges {
                range.sort_unstable();
                range.dedup();
            }
            let mut expected: Vec<u32> = ranges.iter().flatten().copied().filter(|key| key % 3 == 0).collect();
            expected.sort_unstable();
            expected.dedup();

            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let found = ranges.iter().map(|range| look(range, cursor, limit, bound)).collect();
                let (keys, next) = merge(found, limit);
                prop_assert!(keys.len() <= limit);
                seen.extend(keys);
                prop_assert!(next.is_none() || next > cursor);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }

            prop_assert_eq!(seen, expected);
        }
    }
}
