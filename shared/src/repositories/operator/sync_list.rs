//! Lists of relays on their way to zooid: filtered, searched, in pages.
//!
//! A page is made in two steps: the keys, from index ranges of `relay_sync`, then the rows of these keys.

use std::{cmp::Reverse, fmt, str::FromStr};

use sqlx::{QueryBuilder, Sqlite};
use utoipa::ToSchema;

use super::{
    LOOK, Snapshot,
    attempt_list::Span,
    count::{Standing, standings},
    group::{self, Among},
    json_array,
    keyset::{Found, NO_CURSOR, Page, merge},
    search,
};
use crate::{
    domain::{FailureKind, Malformed, RelayId, SyncState, ZooidDomain},
    repositories::relay_sync::{self, RelaySync},
};

/// Which relays to list: those that pass every filter given.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct SyncFilter {
    /// In one of these states.
    #[schema(rename = "state")]
    pub states: Vec<SyncState>,
    /// Whose shown failure is of one of these kinds.
    #[schema(rename = "kind")]
    pub kinds: Vec<FailureKind>,
    /// Served by one of these.
    #[schema(rename = "target")]
    pub targets: Vec<ZooidDomain>,
    /// Whose shown failure is of one of these groups.
    #[schema(rename = "group")]
    pub groups: Vec<i64>,
    /// Found by this text: a relay's id or its first four characters or more, a tenant's key as hex or npub, a job's id,
    /// the beginning of a subdomain, of a host or of a custom domain, or part of an error's text.
    #[schema(max_length = 256)]
    pub q: Option<String>,
    /// Whose last attempt began then or later, in unix milliseconds.
    pub since: Option<i64>,
    /// Whose last attempt began before, in unix milliseconds.
    pub until: Option<i64>,
}

/// In which order relays are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum SyncOrder {
    /// The newest attempt first; those without one last.
    #[default]
    News,
    /// As they were created, the oldest first.
    Created,
}

/// The place of a relay in a list. It sorts as the list does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncCursor {
    /// The id of its last attempt, and its own.
    News(Reverse<(i64, RelayId)>),
    /// Its id.
    Created(RelayId),
}

impl FromStr for SyncOrder {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "news" => Ok(Self::News),
            "created" => Ok(Self::Created),
            _ => Err(Malformed {
                what: "order",
                rule: "must be one of news, created",
            }),
        }
    }
}

impl fmt::Display for SyncCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::News(Reverse((attempt, relay))) => write!(f, "{attempt}-{relay}"),
            Self::Created(relay) => relay.fmt(f),
        }
    }
}

impl SyncCursor {
    /// Reads the cursor of a list in this order.
    ///
    /// # Errors
    /// When it is of another list.
    pub fn parse(text: &str, order: SyncOrder) -> Result<Self, Malformed> {
        match order {
            SyncOrder::News => text
                .split_once('-')
                .and_then(|(attempt, relay)| {
                    Some(Self::News(Reverse((
                        attempt.parse().ok()?,
                        relay.parse().ok()?,
                    ))))
                })
                .ok_or(NO_CURSOR),
            SyncOrder::Created => text.parse().map(Self::Created).map_err(|_| NO_CURSOR),
        }
    }
}

/// A page of the list.
#[derive(Debug, Clone, Default)]
pub struct SyncPage {
    /// In this order.
    pub order: SyncOrder,
    /// After this relay; from the beginning when `None`. It must be of the same order.
    pub after: Option<SyncCursor>,
    /// At most so many relays.
    pub limit: u32,
}

/// The relays that pass `filter`.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    snapshot: &mut Snapshot,
    filter: &SyncFilter,
    page: &SyncPage,
) -> Result<Page<RelaySync>, sqlx::Error> {
    let standings = standings(snapshot).await?;
    let span = Span::between(snapshot, filter.since, filter.until).await?;
    let search = Search {
        filter,
        page,
        span,
        stored: stored_states(filter, &standings),
    };
    let mut found = Vec::new();
    for source in search.sources(snapshot, &standings).await? {
        found.push(search.look(snapshot, &source).await?);
    }
    let (keys, next) = merge(found, page.limit as usize);
    let ids: Vec<RelayId> = keys
        .into_iter()
        .map(|key| match key {
            SyncCursor::News(Reverse((_, relay))) | SyncCursor::Created(relay) => relay,
        })
        .collect();
    Ok(Page {
        items: relay_sync::by_ids(snapshot, &ids).await?,
        next: next.map(|cursor| cursor.to_string()),
    })
}

/// A state as `relay_sync` stores it, at one target.
type Stored = (ZooidDomain, SyncState);

/// What is stored of the states that are asked for: what people are shown as held is stored as pending or retrying.
fn stored_states(filter: &SyncFilter, standings: &[Standing]) -> Vec<Stored> {
    standings
        .iter()
        .filter(|standing| filter.targets.is_empty() || filter.targets.contains(&standing.target))
        .flat_map(|standing| {
            SyncState::ALL
                .iter()
                .copied()
                .filter(|state| standing.stored(*state) > 0)
                .filter(|state| {
                    filter.states.is_empty() || filter.states.contains(&standing.shown(*state))
                })
                .map(|state| (standing.target.clone(), state))
        })
        .collect()
}

/// Rows of `relay_sync` that one index has together.
#[derive(Debug)]
enum Source {
    State(Stored),
    /// Of these groups only.
    StateWithin(Stored, Vec<i64>),
    Kind(FailureKind),
    Group(i64),
    Relays(Vec<RelayId>),
}

struct Search<'a> {
    filter: &'a SyncFilter,
    page: &'a SyncPage,
    span: Span,
    stored: Vec<Stored>,
}

impl Search<'_> {
    /// What has to be looked at, the fewest rows that hold all that can pass.
    async fn sources(
        &self,
        snapshot: &mut Snapshot,
        standings: &[Standing],
    ) -> Result<Vec<Source>, sqlx::Error> {
        let states = || self.stored.iter().cloned().map(Source::State);
        if let Some(q) = &self.filter.q {
            let targets: Vec<ZooidDomain> = standings
                .iter()
                .map(|standing| standing.target.clone())
                .collect();
            let matches = search::find(snapshot, q, &targets, Among::Current).await?;
            let mut sources = vec![Source::Relays(matches.relays)];
            match self.page.order {
                SyncOrder::News => sources.extend(matches.groups.into_iter().map(Source::Group)),
                SyncOrder::Created if matches.groups.is_empty() => {}
                SyncOrder::Created => sources.extend(
                    self.stored
                        .iter()
                        .cloned()
                        .map(|stored| Source::StateWithin(stored, matches.groups.clone())),
                ),
            }
            return Ok(sources);
        }
        match self.page.order {
            SyncOrder::Created => return Ok(states().collect()),
            SyncOrder::News => {}
        }
        if !self.filter.groups.is_empty() {
            return Ok(self
                .filter
                .groups
                .iter()
                .copied()
                .map(Source::Group)
                .collect());
        }
        if !self.filter.kinds.is_empty() {
            let of_kinds = group::relays_of_kinds(snapshot, &self.filter.kinds).await?;
            if of_kinds <= self.in_stored(standings) {
                return Ok(self
                    .filter
                    .kinds
                    .iter()
                    .copied()
                    .map(Source::Kind)
                    .collect());
            }
        }
        Ok(states().collect())
    }

    /// How many relays are in the states that are asked for.
    fn in_stored(&self, standings: &[Standing]) -> u64 {
        self.stored
            .iter()
            .filter_map(|(target, state)| {
                let standing = standings
                    .iter()
                    .find(|standing| standing.target == *target)?;
                Some(standing.stored(*state))
            })
            .sum()
    }

    /// The keys of one source that pass, from the cursor on.
    async fn look(
        &self,
        snapshot: &mut Snapshot,
        source: &Source,
    ) -> Result<Found<SyncCursor>, sqlx::Error> {
        let wanted = self.page.limit as usize + 1;
        let keys = match source {
            Source::Relays(relays) => {
                let mut keys = self.look_at(snapshot, relays).await?;
                keys.sort_unstable();
                keys.truncate(wanted);
                keys
            }
            Source::State(_) | Source::StateWithin(..) | Source::Kind(_) | Source::Group(_) => {
                let mut query = QueryBuilder::new("SELECT last_attempt_id, relay_id FROM (");
                self.push_range(&mut query, source);
                query
                    .push(" LIMIT ")
                    .push_bind(LOOK)
                    .push(") AS looked_at WHERE TRUE");
                self.push_residue(&mut query, source)?;
                query
                    .push(" LIMIT ")
                    .push_bind(i64::from(self.page.limit) + 1);
                self.keys(snapshot, query).await?
            }
        };
        let stopped_at = if keys.len() == wanted {
            keys.last().cloned()
        } else {
            self.end_of_look(snapshot, source).await?
        };
        Ok(Found { keys, stopped_at })
    }

    /// The keys of these relays that pass, from the cursor on, in no order.
    async fn look_at(
        &self,
        snapshot: &mut Snapshot,
        relays: &[RelayId],
    ) -> Result<Vec<SyncCursor>, sqlx::Error> {
        let mut query = QueryBuilder::new(
            "SELECT relay_sync.last_attempt_id, relay_sync.relay_id FROM json_each(",
        );
        query.push_bind(json_array(relays)?).push(
            ") AS wanted CROSS JOIN relay_sync ON relay_sync.relay_id = wanted.value WHERE TRUE",
        );
        self.push_residue(&mut query, &Source::Relays(Vec::new()))?;
        let mut keys = self.keys(snapshot, query).await?;
        keys.retain(|key| self.page.after.as_ref().is_none_or(|after| key > after));
        Ok(keys)
    }

    /// The last row of a look that ended because it was long enough.
    async fn end_of_look(
        &self,
        snapshot: &mut Snapshot,
        source: &Source,
    ) -> Result<Option<SyncCursor>, sqlx::Error> {
        if matches!(source, Source::Relays(_)) {
            return Ok(None);
        }
        let mut query = QueryBuilder::new("SELECT last_attempt_id, relay_id FROM (");
        self.push_range(&mut query, source);
        query
            .push(" LIMIT 1 OFFSET ")
            .push_bind(LOOK - 1)
            .push(") AS looked_at");
        Ok(self.keys(snapshot, query).await?.pop())
    }

    async fn keys(
        &self,
        snapshot: &mut Snapshot,
        query: QueryBuilder<Sqlite>,
    ) -> Result<Vec<SyncCursor>, sqlx::Error> {
        let rows: Vec<(i64, String)> = snapshot.all(query).await?;
        rows.into_iter()
            .map(|(attempt, relay)| {
                let relay: RelayId = relay
                    .parse()
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                Ok(match self.page.order {
                    SyncOrder::News => SyncCursor::News(Reverse((attempt, relay))),
                    SyncOrder::Created => SyncCursor::Created(relay),
                })
            })
            .collect()
    }

    /// The rows of `source` behind the cursor, in order.
    fn push_range(&self, query: &mut QueryBuilder<Sqlite>, source: &Source) {
        query.push(
            "SELECT last_attempt_id, relay_id, target, state, failure_kind, failure_group_id
             FROM relay_sync INDEXED BY ",
        );
        match (source, self.page.order) {
            (Source::State(stored) | Source::StateWithin(stored, _), order) => {
                query.push(match order {
                    SyncOrder::News => "relay_sync_by_target",
                    SyncOrder::Created => "relay_sync_by_creation",
                });
                let (target, state) = stored;
                query
                    .push(" WHERE target = ")
                    .push_bind(target.as_str().to_owned());
                query.push(" AND state = ").push_bind(state.as_str());
            }
            (Source::Kind(kind), _) => {
                query
                    .push("relay_sync_by_kind WHERE failure_kind = ")
                    .push_bind(kind.as_str());
            }
            (Source::Group(group), _) => {
                query
                    .push("relay_sync_by_group WHERE failure_group_id = ")
                    .push_bind(*group);
            }
            // Found one by one, not in a range.
            (Source::Relays(_), _) => {}
        }
        match self.page.order {
            SyncOrder::News => self.span.push(query, "last_attempt_id"),
            SyncOrder::Created => {}
        }
        match &self.page.after {
            Some(SyncCursor::News(Reverse((attempt, relay)))) => {
                query
                    .push(" AND (last_attempt_id, relay_id) < (")
                    .push_bind(*attempt);
                query
                    .push(", ")
                    .push_bind(relay.as_str().to_owned())
                    .push(")");
            }
            Some(SyncCursor::Created(relay)) => {
                query
                    .push(" AND relay_id > ")
                    .push_bind(relay.as_str().to_owned());
            }
            None => {}
        }
        query.push(match self.page.order {
            SyncOrder::News => " ORDER BY last_attempt_id DESC, relay_id DESC",
            SyncOrder::Created => " ORDER BY relay_id",
        });
    }

    /// What the range of `source` does not see to.
    fn push_residue(
        &self,
        query: &mut QueryBuilder<Sqlite>,
        source: &Source,
    ) -> Result<(), sqlx::Error> {
        let is_narrowed = !self.filter.states.is_empty() || !self.filter.targets.is_empty();
        let is_state = matches!(source, Source::State(_) | Source::StateWithin(..));
        // Tombstones that rest are shown to whoever names them.
        if !matches!(source, Source::Relays(_)) {
            query.push(
                " AND NOT (
                      state = 'synced'
                      AND EXISTS (
                          SELECT 1
                          FROM relay INDEXED BY relay_gone
                          WHERE relay.id = looked_at.relay_id
                            AND relay.gone_at IS NOT NULL
                      )
                  )",
            );
        }
        if is_narrowed && !is_state {
            let stored: Vec<String> = self
                .stored
                .iter()
                .map(|(target, state)| format!("{state} {target}"))
                .collect();
            query.push(" AND state || ' ' || target IN (SELECT value FROM json_each(");
            query.push_bind(json_array(&stored)?).push("))");
        }
        if !self.filter.kinds.is_empty() {
            query.push(" AND failure_kind IN (SELECT value FROM json_each(");
            query.push_bind(json_array(&self.filter.kinds)?).push("))");
        }
        let within: &[i64] = match source {
            Source::StateWithin(_, groups) => groups,
            Source::State(_) | Source::Kind(_) | Source::Group(_) | Source::Relays(_) => &[],
        };
        for groups in [self.filter.groups.as_slice(), within] {
            if !groups.is_empty() {
                query.push(" AND failure_group_id IN (SELECT value FROM json_each(");
                query.push_bind(json_array(groups)?).push("))");
            }
        }
        self.span.push(query, "last_attempt_id");
        Ok(())
    }
}
