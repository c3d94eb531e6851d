//! Attempts as operators read them.

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::{Snapshot, host, json_array};
use crate::{
    domain::{AttemptId, AttemptOutcome, FailureKind, JobId, RelayId, Verb, WorkerId, ZooidDomain},
    repositories::row::{parsed, parsed_option},
};

/// One attempt to sync one relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The relay.
    pub relay_id: RelayId,
    /// The host name at which zooid is to serve the relay now.
    pub host: String,
    /// 1, 2, 3 … for each relay.
    pub number: i64,
    /// The job it was made for, which may be gone.
    pub job_id: JobId,
    /// The generation it carried.
    pub generation: i64,
    /// The worker that made it.
    pub worker_id: WorkerId,
    /// The id of the request that caused it; "" when none did.
    pub trace: String,
    /// The target that serves the relay.
    pub target: ZooidDomain,
    /// The verb of the last call; `None` when none was made.
    pub verb: Option<Verb>,
    /// The status of the last answer; `None` when none came.
    pub http_status: Option<u16>,
    /// How it ended: `accepted`, `failed`, `lost` or `released`; `None` while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// Why it failed; `None` when it did not, or has not ended.
    pub kind: Option<FailureKind>,
    /// What happened, redacted; "" when there is nothing to say.
    pub message: String,
    /// The beginning of zooid's answer, redacted; `None` when there was none worth keeping.
    pub excerpt: Option<String>,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds; `None` while it runs.
    pub finished_at: Option<i64>,
    /// How long it took; `None` while it runs.
    pub duration_ms: Option<i64>,
}

/// These attempts, in the order of `ids`; those that do not exist are left out.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn by_ids(
    snapshot: &mut Snapshot,
    ids: &[AttemptId],
) -> Result<Vec<Attempt>, sqlx::Error> {
    let mut query = QueryBuilder::new(concat!(
        "SELECT
             attempt.id,
             attempt.relay_id,
             ",
        host!(),
        " AS host,
             attempt.number,
             attempt.job_id,
             attempt.generation,
             attempt.worker_id,
             attempt.trace,
             relay.zooid_domain AS target,
             attempt.verb,
             attempt.http_status,
             attempt.outcome,
             attempt.kind,
             attempt.message,
             attempt.excerpt,
             attempt.started_at,
             attempt.finished_at
         FROM json_each("
    ));
    query.push_bind(json_array(ids)?).push(
        ") AS wanted
         CROSS JOIN sync_attempt AS attempt ON attempt.id = wanted.value
         CROSS JOIN relay ON relay.id = attempt.relay_id",
    );
    snapshot.all(query).await
}

impl FromRow<'_, SqliteRow> for Attempt {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let started_at: i64 = row.try_get("started_at")?;
        let finished_at: Option<i64> = row.try_get("finished_at")?;
        Ok(Self {
            id: AttemptId::new(row.try_get("id")?),
            relay_id: parsed(row, "relay_id")?,
            host: row.try_get("host")?,
            number: row.try_get("number")?,
            job_id: parsed(row, "job_id")?,
            generation: row.try_get("generation")?,
            worker_id: parsed(row, "worker_id")?,
            trace: row.try_get("trace")?,
            target: parsed(row, "target")?,
            verb: parsed_option(row, "verb")?,
            http_status: row.try_get("http_status")?,
            outcome: parsed_option(row, "outcome")?,
            kind: parsed_option(row, "kind")?,
            message: row.try_get("message")?,
            excerpt: row.try_get("excerpt")?,
            started_at,
            finished_at,
            duration_ms: finished_at.map(|finished_at| (finished_at - started_at).max(0)),
        })
    }
}
