//! Lists of attempts: filtered, searched, in pages, newest first.

use std::cmp::Reverse;

use sqlx::{QueryBuilder, Sqlite};
use utoipa::ToSchema;

use super::{
    LOOK, Snapshot,
    attempt::{self, Attempt},
    count::standings,
    group::Among,
    json_array,
    keyset::{Found, Page, merge},
    search::{self, Matches},
};
use crate::domain::{
    AttemptId, AttemptOutcome, FailureKind, JobId, RelayId, WorkerId, ZooidDomain,
};

/// Most relays whose attempts a text finds.
const SEARCHED_RELAYS_MAX: usize = 50;

/// Which attempts to list: those that pass every filter given.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct AttemptFilter {
    /// Of this relay.
    pub relay: Option<RelayId>,
    /// Made for this job.
    pub job: Option<JobId>,
    /// Made by this worker.
    pub worker: Option<WorkerId>,
    /// That failed for one of these reasons.
    #[schema(rename = "kind")]
    pub kinds: Vec<FailureKind>,
    /// At one of these targets.
    #[schema(rename = "target")]
    pub targets: Vec<ZooidDomain>,
    /// Of one of these failure groups.
    #[schema(rename = "group")]
    pub groups: Vec<i64>,
    /// That ended in one of these ways.
    #[schema(rename = "outcome")]
    pub outcomes: Vec<AttemptOutcome>,
    /// Found by this text, as relays are.
    #[schema(max_length = 256)]
    pub q: Option<String>,
    /// That began then or later, in unix milliseconds.
    pub since: Option<i64>,
    /// That began before, in unix milliseconds.
    pub until: Option<i64>,
}

/// The ids of the attempts that began within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    from: Option<i64>,
    until: Option<i64>,
}

impl Span {
    /// Attempts are numbered as they begin. A clock that was set back in between blurs the edge by as much.
    pub(super) async fn between(
        snapshot: &mut Snapshot,
        since: Option<i64>,
        until: Option<i64>,
    ) -> Result<Self, sqlx::Error> {
        let mut span = Self {
            from: None,
            until: None,
        };
        if let Some(since) = since {
            span.from = Some(first_since(snapshot, since).await?);
        }
        if let Some(until) = until {
            span.until = Some(first_since(snapshot, until).await?);
            // Without an attempt there is none that began before.
            span.from = span.from.or(Some(1));
        }
        Ok(span)
    }

    pub(super) fn push(self, query: &mut QueryBuilder<Sqlite>, column: &'static str) {
        if let Some(from) = self.from {
            query
                .push(" AND ")
                .push(column)
                .push(" >= ")
                .push_bind(from);
        }
        if let Some(until) = self.until {
            query
                .push(" AND ")
                .push(column)
                .push(" < ")
                .push_bind(until);
        }
    }
}

/// The id of the first attempt that began at `time` or later; the next one to be given when none did.
async fn first_since(snapshot: &mut Snapshot, time: i64) -> Result<i64, sqlx::Error> {
    let newest: Option<(Option<i64>,)> = snapshot
        .first(QueryBuilder::new("SELECT max(id) FROM sync_attempt"))
        .await?;
    let newest = newest.and_then(|(id,)| id).unwrap_or_default();
    let (mut low, mut high) = (1, newest + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut query = QueryBuilder::new("SELECT id, started_at FROM sync_attempt WHERE id >= ");
        query.push_bind(middle).push(" ORDER BY id LIMIT 1");
        let at: Option<(i64, i64)> = snapshot.first(query).await?;
        match at {
            Some((id, started_at)) if started_at < time => low = id + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// Attempts that one index has together.
#[derive(Debug)]
enum Source {
    All,
    Relay(RelayId),
    Job(JobId),
    Kind(FailureKind),
    Group(i64),
    Target(ZooidDomain),
}

/// The attempts that pass `filter`, newest first, those before `after`.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    snapshot: &mut Snapshot,
    filter: &AttemptFilter,
    after: Option<AttemptId>,
    limit: u32,
) -> Result<Page<Attempt>, sqlx::Error> {
    let span = Span::between(snapshot, filter.since, filter.until).await?;
    let matches = match &filter.q {
        Some(q) => Some(matches(snapshot, q).await?),
        None => None,
    };
    let search = Search {
        filter,
        matches,
        span,
        after,
        limit,
    };
    let mut found = Vec::new();
    for source in search.sources() {
        found.push(search.look(snapshot, &source).await?);
    }
    let (keys, next) = merge(found, limit as usize);
    let ids: Vec<AttemptId> = keys.into_iter().map(|Reverse(id)| id).collect();
    Ok(Page {
        items: attempt::by_ids(snapshot, &ids).await?,
        next: next.map(|Reverse(id)| id.to_string()),
    })
}

/// What `q` finds, few enough relays to follow the attempts of each.
async fn matches(snapshot: &mut Snapshot, q: &str) -> Result<Matches, sqlx::Error> {
    let targets: Vec<ZooidDomain> = standings(snapshot)
        .await?
        .into_iter()
        .map(|standing| standing.target)
        .collect();
    let mut matches = search::find(snapshot, q, &targets, Among::All).await?;
    matches.relays.truncate(SEARCHED_RELAYS_MAX);
    Ok(matches)
}

struct Search<'a> {
    filter: &'a AttemptFilter,
    matches: Option<Matches>,
    span: Span,
    after: Option<AttemptId>,
    limit: u32,
}

impl Search<'_> {
    /// What has to be looked at: the ranges that are likely to be the shortest and hold all that can pass.
    fn sources(&self) -> Vec<Source> {
        let filter = self.filter;
        if let Some(relay) = &filter.relay {
            return vec![Source::Relay(relay.clone())];
        }
        if let Some(job) = &filter.job {
            return vec![Source::Job(job.clone())];
        }
        if let Some(matches) = &self.matches {
            if let Some(job) = &matches.job {
                return vec![Source::Job(job.clone())];
            }
            let relays = matches.relays.iter().cloned().map(Source::Relay);
            let groups = matches.groups.iter().copied().map(Source::Group);
            return relays.chain(groups).collect();
        }
        if !filter.groups.is_empty() {
            return filter.groups.iter().copied().map(Source::Group).collect();
        }
        if !filter.kinds.is_empty() {
            return filter.kinds.iter().copied().map(Source::Kind).collect();
        }
        if !filter.targets.is_empty() {
            return filter.targets.iter().cloned().map(Source::Target).collect();
        }
        vec![Source::All]
    }

    /// The attempts of one source that pass, before the cursor.
    async fn look(
        &self,
        snapshot: &mut Snapshot,
        source: &Source,
    ) -> Result<Found<Reverse<AttemptId>>, sqlx::Error> {
        let mut query = QueryBuilder::new("SELECT id FROM (");
        self.push_range(&mut query, source);
        query
            .push(" LIMIT ")
            .push_bind(LOOK)
            .push(") AS looked_at WHERE TRUE");
        self.push_residue(&mut query)?;
        query.push(" LIMIT ").push_bind(i64::from(self.limit) + 1);
        let keys = keys_of(snapshot, query).await?;
        let stopped_at = if keys.len() > self.limit as usize {
            keys.last().copied()
        } else {
            let mut query = QueryBuilder::new("SELECT id FROM (");
            self.push_range(&mut query, source);
            query
                .push(" LIMIT 1 OFFSET ")
                .push_bind(LOOK - 1)
                .push(") AS looked_at");
            keys_of(snapshot, query).await?.pop()
        };
        Ok(Found { keys, stopped_at })
    }

    /// The attempts of `source` before the cursor, newest first.
    fn push_range(&self, query: &mut QueryBuilder<Sqlite>, source: &Source) {
        query.push(
            "SELECT id, job_id, worker_id, kind, relay_id, outcome, target, failure_group_id
             FROM sync_attempt ",
        );
        match source {
            Source::All => query.push("WHERE id > 0"),
            Source::Relay(relay) => query
                .push("INDEXED BY sync_attempt_by_relay WHERE relay_id = ")
                .push_bind(relay.as_str().to_owned()),
            Source::Job(job) => query
                .push("INDEXED BY sync_attempt_by_job WHERE job_id = ")
                .push_bind(job.as_str().to_owned()),
            Source::Kind(kind) => query
                .push("INDEXED BY sync_attempt_by_kind WHERE kind = ")
                .push_bind(kind.as_str()),
            Source::Group(group) => query
                .push("INDEXED BY sync_attempt_by_group WHERE failure_group_id = ")
                .push_bind(*group),
            Source::Target(target) => query
                .push("INDEXED BY sync_attempt_by_target WHERE target = ")
                .push_bind(target.as_str().to_owned()),
        };
        self.span.push(query, "id");
        if let Some(after) = self.after {
            query.push(" AND id < ").push_bind(after.get());
        }
        query.push(match source {
            // A relay's numbers grow as the ids do.
            Source::Relay(_) => " ORDER BY number DESC",
            Source::All
            | Source::Job(_)
            | Source::Kind(_)
            | Source::Group(_)
            | Source::Target(_) => " ORDER BY id DESC",
        });
    }

    /// All filters but that of the time, which every range has.
    fn push_residue(&self, query: &mut QueryBuilder<Sqlite>) -> Result<(), sqlx::Error> {
        let filter = self.filter;
        if let Some(worker) = &filter.worker {
            query
                .push(" AND worker_id = ")
                .push_bind(worker.as_str().to_owned());
        }
        if let Some(job) = &filter.job {
            query
                .push(" AND job_id = ")
                .push_bind(job.as_str().to_owned());
        }
        if let Some(matches) = &self.matches {
            query.push(" AND (relay_id IN (SELECT value FROM json_each(");
            query.push_bind(json_array(&matches.relays)?);
            query.push(")) OR failure_group_id IN (SELECT value FROM json_each(");
            query.push_bind(json_array(&matches.groups)?);
            query.push(")) OR job_id = ");
            query
                .push_bind(matches.job.as_ref().map(|job| job.as_str().to_owned()))
                .push(")");
        }
        for (column, values) in [
            ("kind", json_array(&filter.kinds)?),
            ("target", json_array(&filter.targets)?),
            ("failure_group_id", json_array(&filter.groups)?),
            ("outcome", json_array(&filter.outcomes)?),
        ] {
            if values != "[]" {
                query
                    .push(" AND ")
                    .push(column)
                    .push(" IN (SELECT value FROM json_each(");
                query.push_bind(values).push("))");
            }
        }
        Ok(())
    }
}

async fn keys_of(
    snapshot: &mut Snapshot,
    query: QueryBuilder<Sqlite>,
) -> Result<Vec<Reverse<AttemptId>>, sqlx::Error> {
    let rows: Vec<(i64,)> = snapshot.all(query).await?;
    Ok(rows
        .into_iter()
        .map(|(id,)| Reverse(AttemptId::new(id)))
        .collect())
}
