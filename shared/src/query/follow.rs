//! Following the fleet: what changed since the last look, for whoever shows it.
//!
//! Invariant: a change that a look does not tell is told by the next one. What is told too much costs its reader a read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Query, QueryError};
use crate::{
    domain::{Activity, OperatorResource, RelayId},
    repositories::{
        activity,
        follow::{self, Marks},
    },
};

/// Most rows of a log that are told one by one. After more, everything may have changed, and that is said.
const NEWS_MAX: u32 = 200;

/// How far a follower has seen.
#[derive(Debug, Clone, Default)]
pub struct Position {
    marks: Marks,
    targets: BTreeMap<String, String>,
}

/// What changed between two looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// The newest position of the activity log at this look.
    pub seq: i64,
    /// What happened, oldest first; empty when too much did to tell.
    pub activities: Vec<Activity>,
    /// What there is to read again.
    pub changed: Changed,
}

/// What there is to read again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changed {
    /// Everything: more changed than is worth naming.
    pub all: bool,
    /// These relays.
    pub relays: BTreeSet<String>,
    /// These targets.
    pub targets: BTreeSet<String>,
    /// The counts of relays, workers, and whether the queue is paused.
    pub counts: bool,
}

impl Changed {
    /// Everything there is.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            all: true,
            counts: true,
            ..Self::default()
        }
    }

    /// Whether there is nothing to read again.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl News {
    /// Whether it is worth looking at the relay again.
    #[must_use]
    pub fn concerns(&self, relay: &RelayId) -> bool {
        let mut activities = self.activities.iter();
        self.changed.all
            || self.changed.relays.contains(relay.as_str())
            || activities.any(|activity| activity.resource_id == relay.as_str())
    }
}

impl Position {
    /// The newest position of the activity log that was seen.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.marks.activity
    }
}

impl Query {
    /// Where a follower begins who has just read everything.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn position(&self) -> Result<Position, QueryError> {
        Ok(Position {
            marks: follow::marks(&self.readers).await?,
            targets: follow::targets(&self.readers).await?.into_iter().collect(),
        })
    }

    /// What changed since `seen`, which moves on to now.
    ///
    /// # Errors
    /// [`QueryError::Database`]; `seen` is then where it was.
    pub async fn news(&self, seen: &mut Position) -> Result<News, QueryError> {
        let now = self.position().await?;
        let mut changed = Changed {
            counts: now.marks.counts != seen.marks.counts,
            ..Changed::default()
        };
        for (name, face) in &now.targets {
            if seen.targets.get(name) != Some(face) {
                changed.targets.insert(name.clone());
            }
        }
        let (since, until) = (&seen.marks, &now.marks);
        let mut told = Told::default();
        let mut activities = Vec::new();
        if until.activity > since.activity {
            activities = activity::list_after(&self.readers, since.activity, NEWS_MAX + 1).await?;
            told.count(activities.len());
        }
        if until.attempt > since.attempt {
            let relays =
                follow::relays_attempted_after(&self.readers, since.attempt, NEWS_MAX + 1).await?;
            told.count(relays.len());
            changed.relays.extend(relays);
        }
        if until.action > since.action {
            let acted =
                follow::resources_acted_on_after(&self.readers, since.action, NEWS_MAX + 1).await?;
            told.count(acted.len());
            changed.name(acted);
        }
        // What was committed after the marks is told now, and once more by the next look.
        activities.retain(|activity| activity.seq <= until.activity);
        if told.too_much {
            activities.clear();
            changed = Changed::everything();
        }
        *seen = now;
        Ok(News {
            seq: seen.seq(),
            activities,
            changed,
        })
    }

    /// What happened after position `seq` of the log, for a follower who comes back; `None` when that is too much to tell.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn missed_activity(&self, seq: i64) -> Result<Option<Vec<Activity>>, QueryError> {
        let missed = activity::list_after(&self.readers, seq, NEWS_MAX + 1).await?;
        let mut told = Told::default();
        told.count(missed.len());
        Ok((!told.too_much).then_some(missed))
    }
}

/// Whether any log grew by more than is told row by row.
#[derive(Default)]
struct Told {
    too_much: bool,
}

impl Told {
    fn count(&mut self, rows: usize) {
        self.too_much |= u32::try_from(rows).is_ok_and(|rows| rows > NEWS_MAX);
    }
}

impl Changed {
    /// Adds what operators acted on, as type and id.
    fn name(&mut self, acted: Vec<(OperatorResource, String)>) {
        for (resource, id) in acted {
            match resource {
                OperatorResource::Relay => {
                    self.relays.insert(id);
                }
                OperatorResource::Target => {
                    self.targets.insert(id);
                }
                OperatorResource::Tenant | OperatorResource::Queue | OperatorResource::Secrets => {
                    self.counts = true;
                }
                OperatorResource::Relays => *self = Self::everything(),
            }
        }
    }
}
