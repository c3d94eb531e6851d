//! One relay opened: why it is not in step, what happened, and what the next attempt would send.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    CustomDomainReport, DiffRow, Explanation, TimelineEvent, Viewpoint, custom_domain,
    diff::diff,
    evidence,
    explanation::{Facts, explain},
    timeline::timeline,
    workers,
};
use crate::{
    domain::{Activity, DesiredRelay, DriftField, InZooid, Relay, RelayId, Verb},
    query::{Query, QueryError},
    repositories::{
        FindById as _, List as _, Pagination,
        activity::ActivityFilter,
        operator::{
            Snapshot,
            attempt::Attempt,
            attempt_list::{self, AttemptFilter},
            audit::{self, AuditEntry, AuditFilter},
            job::{self, Job, JobState},
            marks,
            observation::{self, Observed},
            target::{self, queue_paused_at},
        },
        relay_domain,
        relay_sync::{self, RelaySync},
    },
    zooid::Preview,
};

/// Attempts, activities and actions that are shown.
const SHOWN: u32 = 20;

/// All there is to know of one relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RelayReport {
    /// Where it stands.
    pub sync: RelaySync,
    /// Why.
    pub explanation: Explanation,
    /// Its custom domain; `None` when it has none.
    pub custom_domain: Option<CustomDomainReport>,
    /// The job that runs, or else the one that waits.
    pub job: Option<Job>,
    /// What happened, the oldest first.
    pub timeline: Vec<TimelineEvent>,
    /// The newest attempts, the newest first.
    pub attempts: Vec<Attempt>,
    /// What was seen at its host; `None` when nobody has begun to look.
    pub observation: Option<Observed>,
    /// Desired against accepted settings.
    pub diff: Vec<DiffRow>,
    /// What the next attempt would send; `None` when the relay is in step.
    pub next_request: Option<NextRequest>,
    /// The newest activities, the newest first.
    pub activity: Vec<Activity>,
    /// The newest actions of operators on this relay, the newest first.
    pub actions: Vec<AuditEntry>,
}

/// A request to zooid (zooid.md, Endpoints).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextRequest {
    /// How [`DesiredRelay::verb`] sends it.
    pub verb: Verb,
    /// Under the target's URL.
    pub path: String,
    /// Its JSON, with a placeholder for each secret; null when there is none.
    #[schema(value_type = Option<Object>)]
    pub body: Value,
}

impl Query {
    /// The relay explained; `preview` says what this program knows of the configurations.
    ///
    /// # Errors
    /// [`QueryError::NotFound`], [`QueryError::Database`].
    pub async fn explain_relay(
        &self,
        view: &Viewpoint,
        preview: &Preview,
        id: &RelayId,
    ) -> Result<RelayReport, QueryError> {
        let not_found = || QueryError::NotFound {
            entity: "relay",
            id: id.to_string(),
        };
        let mut snapshot = Snapshot::of(&self.readers).await?;
        let relay = Relay::find_by_id(snapshot.connection(), id)
            .await?
            .ok_or_else(not_found)?;
        let sync = relay_sync::by_ids(&mut snapshot, std::slice::from_ref(id))
            .await?
            .pop()
            .ok_or_else(not_found)?;
        let marks = marks::marks(&mut snapshot, id)
            .await?
            .ok_or_else(not_found)?;
        let jobs = job::of_relay(&mut snapshot, id).await?;
        let in_state = |state| jobs.iter().find(|job| job.state == state);
        let targets = target::all(&mut snapshot).await?;
        let observation = observation::of_relay(&mut snapshot, id).await?;
        let explanation = explain(&Facts {
            now: view.now_ms(),
            sync: &sync,
            marks: &marks,
            running: in_state(JobState::Running),
            waiting: in_state(JobState::Waiting),
            target: targets
                .iter()
                .find(|target| target.name == relay.zooid_domain),
            queue_paused_at: queue_paused_at(&mut snapshot).await?,
            workers_alive: workers::alive(&mut snapshot, view).await?,
            observed: observation.as_ref(),
        });

        let of_relay = AttemptFilter {
            relay: Some(id.clone()),
            ..AttemptFilter::default()
        };
        let attempts = attempt_list::list(&mut snapshot, &of_relay, None, SHOWN)
            .await?
            .items;
        let page = Pagination::first(SHOWN);
        let activity = Activity::list(
            snapshot.connection(),
            &ActivityFilter::of(id.clone()),
            &page,
        )
        .await?;
        let audited = AuditFilter {
            resource_type: Some("relay".to_owned()),
            resource_id: Some(id.to_string()),
            ..AuditFilter::default()
        };
        let actions = audit::list(&mut snapshot, &audited, None, SHOWN)
            .await?
            .items;

        let row = relay_domain::find(snapshot.connection(), id).await?;
        let custom_domain = relay
            .settings
            .custom_domain
            .as_ref()
            .zip(row)
            .map(|(domain, row)| custom_domain::report(view.now_ms(), &relay, domain, row));

        let mut desired = DesiredRelay::from(&relay);
        if observation
            .as_ref()
            .is_some_and(|observed| observed.drift.contains(&DriftField::SelfKey))
        {
            desired.in_zooid = InZooid::OtherKey;
        }
        let accepted: Option<Value> = marks
            .accepted
            .as_deref()
            .and_then(|accepted| serde_json::from_str(accepted).ok());
        let unknown = preview.unknown(&desired, accepted.as_ref());
        let mut diff = diff(&preview.record(&desired), accepted.as_ref(), &unknown);
        evidence::mark(&mut diff, observation.as_ref(), sync.synced_generation);
        Ok(RelayReport {
            timeline: timeline(&activity, &jobs, &attempts, &actions),
            diff,
            next_request: next_request(preview, &desired, &sync, accepted.as_ref()),
            job: jobs.into_iter().next(),
            sync,
            explanation,
            observation,
            custom_domain,
            attempts,
            activity,
            actions,
        })
    }
}

fn next_request(
    preview: &Preview,
    desired: &DesiredRelay,
    sync: &RelaySync,
    accepted: Option<&Value>,
) -> Option<NextRequest> {
    let verb = desired.verb();
    (sync.synced_generation < sync.generation).then(|| NextRequest {
        verb,
        path: format!("/relay/{}", desired.id),
        body: preview.body(verb, desired, accepted),
    })
}
