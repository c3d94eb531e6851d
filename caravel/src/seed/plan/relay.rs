//! The story of one relay: created, changed now and then, and at last where its fate leaves it.

use rand::{RngExt as _, rngs::StdRng};
use ulid::Ulid;

use super::{
    Attempt, DAY, DOWN, DOWN_FOR, Event, Fate, HISTORY, HOUR, MINUTE, What, moment,
    tries::{self, Try},
};
use crate::seed::causes::Cause;

/// A relay as it stands in the end.
#[derive(Debug, Clone)]
pub struct RelayPlan {
    /// How that is.
    pub fate: Fate,
    /// Its target: a place among the targets.
    pub target: usize,
    /// Its owner: a place among the tenants.
    pub tenant: usize,
    /// When it was last changed.
    pub edited_at: i64,
    /// The newest generation.
    pub generation: i64,
    /// The one that zooid accepted last, and when; `None` before the first.
    pub accepted: Option<(i64, i64)>,
    /// Its last job.
    pub job: Ulid,
    /// The attempts of that job.
    pub attempts: i64,
    /// When the last of them ended; `None` when there was none.
    pub ended_at: Option<i64>,
    /// Why it failed; `None` when it did not.
    pub cause: Option<&'static Cause>,
    /// Whose host it wants, or leaves: a place among the relays.
    pub partner: Option<usize>,
}

/// A relay of which the attempts are still to be told.
#[derive(Debug)]
pub struct Story {
    /// When it was created.
    pub created_at: i64,
    /// The attempts that it ends with.
    pub ending: Vec<Try>,
    /// How many attempts it had before those.
    pub earlier: usize,
    /// How it stands in the end.
    pub fate: Fate,
    /// The one whose host it wants, or that wants its.
    pub partner: Option<usize>,
    target: usize,
    tenant: usize,
    last_edit: i64,
    /// Whether its creation is its last edit.
    is_new: bool,
}

impl Story {
    pub fn begin(rng: &mut StdRng, fate: Fate, now: i64, tenants: usize) -> Self {
        let target = fate.target(rng);
        let ending = tries::ending(rng, fate);
        let takes = ending.last().map_or(0, |last| last.ends);
        let last_edit = now - takes - since_ending(rng, fate, target);
        let is_new = fate != Fate::Synced && rng.random_ratio(1, 4);
        Self {
            created_at: if is_new {
                last_edit
            } else {
                moment(rng, now - HISTORY, now - DAY)
            },
            ending,
            earlier: 0,
            fate,
            partner: None,
            target,
            tenant: rng.random_range(0..tenants),
            last_edit,
            is_new,
        }
    }

    /// The fewest attempts that lead to its fate: one that is not new has been in step before.
    pub fn needs(&self) -> usize {
        self.ending.len() + usize::from(!self.is_new && self.fate != Fate::Synced)
    }

    /// There are not enough attempts for it: it waits for its first.
    pub fn never_tried(&mut self) {
        self.fate = Fate::Pending;
        self.partner = None;
        self.ending = Vec::new();
        self.earlier = 0;
        self.is_new = true;
    }

    /// Whether it may have had attempts before its ending.
    pub fn can_have_history(&self) -> bool {
        !self.is_new
    }

    /// Tells it.
    pub fn tell(self, rng: &mut StdRng, place: usize, events: &mut Vec<Event>) -> RelayPlan {
        let mut teller = Teller {
            place,
            events,
            generation: 0,
            number: 0,
            accepted: None,
        };
        let jobs = tries::history(rng, self.earlier);
        let until = match self.fate {
            Fate::Synced => self.last_edit,
            // Nothing of its history comes near its ending.
            Fate::Pending
            | Fate::Retrying
            | Fate::Stranded
            | Fate::Leaving
            | Fate::Blocked
            | Fate::Refused
            | Fate::Poisonous
            | Fate::Faulty
            | Fate::Paused => self.last_edit - HOUR,
        };
        let mut edits: Vec<i64> = (0..jobs.len())
            .map(|_| moment(rng, self.created_at, until))
            .collect();
        edits.sort_unstable();
        if let Some(first) = edits.first_mut() {
            *first = self.created_at;
        }
        let mut free_from = self.created_at;
        for (edited_at, tries) in edits.into_iter().zip(&jobs) {
            let edited_at = edited_at.max(free_from);
            let job = Ulid::from_parts(edited_at.unsigned_abs(), rng.random());
            free_from = teller.job(edited_at, job, tries) + 1;
        }
        let edited_at = if jobs.is_empty() {
            self.created_at
        } else {
            self.last_edit.max(free_from)
        };
        let job = Ulid::from_parts(edited_at.unsigned_abs(), rng.random());
        let ended_at = teller.job(edited_at, job, &self.ending);
        RelayPlan {
            fate: self.fate,
            target: self.target,
            tenant: self.tenant,
            edited_at,
            generation: teller.generation,
            accepted: teller.accepted,
            job,
            attempts: i64::try_from(self.ending.len()).unwrap_or(i64::MAX),
            ended_at: self.ending.last().map(|_| ended_at),
            cause: self.ending.last().and_then(|last| last.cause),
            partner: self.partner,
        }
    }
}

/// How long its last attempt has been over; what waits is due about now.
fn since_ending(rng: &mut StdRng, fate: Fate, target: usize) -> i64 {
    match fate {
        Fate::Synced if target == DOWN => rng.random_range(DOWN_FOR + MINUTE..DAY),
        Fate::Synced => rng.random_range(MINUTE..DAY),
        Fate::Pending => rng.random_range(1000..20_000),
        Fate::Retrying => rng.random_range(1000..4 * MINUTE),
        Fate::Leaving => rng.random_range(3 * MINUTE..8 * MINUTE),
        Fate::Blocked => rng.random_range(5_000..90_000),
        Fate::Stranded => rng.random_range(MINUTE..DOWN_FOR - MINUTE),
        Fate::Refused | Fate::Poisonous | Fate::Faulty | Fate::Paused => {
            rng.random_range(5 * MINUTE..12 * HOUR)
        }
    }
}

/// Puts what happens to one relay among the events.
struct Teller<'a> {
    place: usize,
    events: &'a mut Vec<Event>,
    generation: i64,
    number: i64,
    accepted: Option<(i64, i64)>,
}

impl Teller<'_> {
    /// An edit, the first of which is the creation, and the attempts of its job. Answers when the last of them ended.
    fn job(&mut self, edited_at: i64, job: Ulid, tries: &[Try]) -> i64 {
        self.generation += 1;
        let what = if self.generation == 1 {
            What::Created
        } else {
            What::Edited
        };
        self.push(edited_at, what);
        for one in tries {
            self.number += 1;
            let ended = edited_at + one.ends;
            let attempt = Attempt {
                number: self.number,
                generation: self.generation,
                job,
                is_first: self.accepted.is_none(),
                ended,
                cause: one.cause,
                lag: one.cause.is_none().then_some(one.ends),
            };
            self.push(edited_at + one.begins, What::Attempt(attempt));
            if one.cause.is_none() {
                self.accepted = Some((self.generation, ended));
            }
        }
        edited_at + tries.last().map_or(0, |last| last.ends)
    }

    fn push(&mut self, at: i64, what: What) {
        self.events.push(Event {
            at,
            relay: self.place,
            what,
        });
    }
}

/// Finds for each relay that wants a host the one that leaves it, at the same target.
pub fn pair(stories: &mut [Story]) {
    let mut leaving: Vec<usize> = with_fate(stories, Fate::Leaving);
    for place in with_fate(stories, Fate::Blocked) {
        if let Some(partner) = leaving.pop() {
            stories[place].target = stories[partner].target;
            stories[place].partner = Some(partner);
            stories[partner].partner = Some(place);
        }
    }
}

/// Undoes pairs of which one is gone. Answers how many attempts that frees.
pub fn part(stories: &mut [Story]) -> usize {
    let mut freed = 0;
    for place in with_fate(stories, Fate::Blocked) {
        let partner = stories[place].partner.map(|partner| stories[partner].fate);
        if partner != Some(Fate::Leaving) {
            freed += stories[place].needs();
            stories[place].never_tried();
        }
    }
    for place in with_fate(stories, Fate::Leaving) {
        let partner = stories[place].partner.map(|partner| stories[partner].fate);
        if partner != Some(Fate::Blocked) {
            stories[place].fate = Fate::Retrying;
            stories[place].partner = None;
        }
    }
    freed
}

fn with_fate(stories: &[Story], fate: Fate) -> Vec<usize> {
    (0..stories.len())
        .filter(|place| stories[*place].fate == fate)
        .collect()
}
