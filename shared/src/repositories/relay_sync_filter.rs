//! A [`BulkFilter`] as SQL: what "all that match" means.

use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite};

use super::relay_sync::sync_state;
use crate::domain::{BulkFilter, JobId, Pubkey, SyncState};

/// Fewest characters of a relay id that are read as its beginning: fewer are words to search for.
const ID_PREFIX_MIN: usize = 4;

/// Adds ` AND …` for each part of `filter`, to a `WHERE` over `relay`, `relay_sync` and `target`.
pub(crate) fn push(query: &mut QueryBuilder<Sqlite>, filter: &BulkFilter) {
    if !filter.state.is_empty() {
        push_states(query, filter);
    }
    if !filter.kind.is_empty() {
        push_any_of(query, "relay_sync.failure_kind", &filter.kind);
    }
    if !filter.target.is_empty() {
        push_any_of(query, "relay_sync.target", &filter.target);
    }
    if !filter.group.is_empty() {
        push_any_of(query, "relay_sync.failure_group_id", &filter.group);
    }
    if let Some(relays) = &filter.relays {
        push_any_of(query, "relay_sync.relay_id", relays);
    }
    if let Some(q) = &filter.q {
        push_search(query, q);
    }
    for (bound, operator) in [(filter.since, ">="), (filter.until, "<")] {
        if let Some(bound) = bound {
            query
                .push(
                    " AND EXISTS (
                          SELECT 1
                          FROM sync_attempt
                          WHERE sync_attempt.id = relay_sync.last_attempt_id
                            AND sync_attempt.started_at ",
                )
                .push(operator)
                .push(" ")
                .push_bind(bound)
                .push(")");
        }
    }
}

/// The state that people are shown; the column behind it narrows the search by an index.
fn push_states(query: &mut QueryBuilder<Sqlite>, filter: &BulkFilter) {
    let mut kept = filter.state.clone();
    if filter.state.contains(&SyncState::Held) {
        kept.extend([SyncState::Pending, SyncState::Retrying]);
    }
    push_any_of(query, "relay_sync.state", &kept);
    push_any_of(query, sync_state!(), &filter.state);
}

fn push_any_of(
    query: &mut QueryBuilder<Sqlite>,
    expression: &'static str,
    values: &(impl Serialize + ?Sized),
) {
    // Sets of texts and numbers always are JSON.
    let values = serde_json::to_string(values).unwrap_or_default();
    query
        .push(" AND ")
        .push(expression)
        .push(" IN (SELECT value FROM json_each(")
        .push_bind(values)
        .push("))");
}

/// A key or the id of a job is nothing else; any other text may begin a name or an id, or stand in an error.
fn push_search(query: &mut QueryBuilder<Sqlite>, q: &str) {
    if let Ok(tenant) = q.parse::<Pubkey>() {
        query
            .push(" AND relay.tenant_pubkey = ")
            .push_bind(tenant.as_hex().to_owned());
        return;
    }
    if let Ok(job) = q.parse::<JobId>() {
        query
            .push(
                " AND relay.id = (
                      SELECT CASE WHEN json_valid(CAST(Jobs.job AS TEXT)) THEN CAST(Jobs.job AS TEXT) ->> 'relay_id' END
                      FROM Jobs
                      WHERE Jobs.id = ",
            )
            .push_bind(job.as_str().to_owned())
            .push(")");
        return;
    }
    let beginning = q.to_ascii_lowercase();
    query.push(" AND (");
    let id = (beginning.len() >= ID_PREFIX_MIN).then_some("relay.id");
    for name in [
        "relay.subdomain",
        "relay.subdomain || '.' || relay.zooid_domain",
        "relay.custom_domain",
    ]
    .into_iter()
    .chain(id)
    {
        query
            .push("substr(")
            .push(name)
            .push(", 1, length(")
            .push_bind(beginning.clone())
            .push(")) = ")
            .push_bind(beginning.clone())
            .push(" OR ");
    }
    query
        .push(
            "relay_sync.failure_group_id IN (
                 SELECT failure_group.id
                 FROM failure_group
                 WHERE instr(lower(failure_group.message), ",
        )
        .push_bind(beginning)
        .push(") > 0))");
}
