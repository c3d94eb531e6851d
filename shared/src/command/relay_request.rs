//! Creating and changing relays on a client's terms: what must hold at the moment of the write, or nothing is written.
//!
//! Invariant: each term is checked in the very transaction that it guards, so no race gets past it.

use std::sync::Arc;

use super::{
    AskedBy, Command, CommandError, Context, Trace,
    relay::{self, draft, get},
    relay_status,
};
use crate::{
    db::WriteTx,
    domain::{NewRelay, Plan, Relay, RelayId, RelayPatch, ValidationError},
    repositories::{
        relay::{RelayDraft, count_for_tenant},
        request::{self, RequestKey},
    },
};

/// On what terms a relay is created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateTerms {
    /// The most relays its tenant may then have; `None` for no limit.
    pub max_relays: Option<u32>,
    /// What makes a repetition of the request known.
    pub request: Option<RequestKey>,
}

/// What came of a request for a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// There is one more now.
    Relay(Box<Relay>),
    /// The request was carried out before: the JSON of the relay, as it was created then.
    Before(String),
}

/// A change that a client asks for.
#[derive(Debug, Clone)]
pub enum RelayChange {
    /// Of its settings.
    Update(RelayPatch),
    /// Turning it off.
    Deactivate,
    /// Turning it on.
    Activate(AskedBy),
}

/// On what terms a relay is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeTerms {
    /// What the relay must look like for the change to be what its client meant; `None` for anything.
    pub version: Option<Version>,
    /// How many members it has, where that is known.
    pub members: Option<u64>,
}

/// The versions of a relay that a change is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Whatever it is.
    Any,
    /// Edited as it was when it had one of these [`Relay::entity_tag`]s; how far its sync has come since is nobody's edit.
    OneOf(Vec<String>),
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The relay as it is now.
    Relay(Box<Relay>),
    /// Nothing, because its plan would allow fewer members than now: whoever asks must know how many there are.
    MembersWanted(Box<Relay>),
}

impl Command {
    /// Creates a relay on `terms`.
    ///
    /// # Errors
    /// As [`Command::create_relay`]; [`CommandError::Rule`] with `relay-limit` when its tenant has as many as may be;
    /// [`CommandError::RequestKeyReused`] when the request's key stands for another body.
    pub async fn request_relay(
        &self,
        trace: Trace,
        new: NewRelay,
        terms: CreateTerms,
    ) -> Result<Created, CommandError> {
        let context = Arc::clone(&self.context);
        let draft = draft(&context, new);
        self.db
            .write(async move |tx: &mut WriteTx| create(tx, &context, &trace, draft, &terms).await)
            .await
    }

    /// Uses up the signed event `id`, which is accepted until `expires_at` (Unix seconds). Answers whether it was unused.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn use_event(&self, id: String, expires_at: i64) -> Result<bool, CommandError> {
        let now = self.context.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                Ok(request::use_event(tx, &id, expires_at, now).await?)
            })
            .await
    }

    /// Changes a relay on `terms`.
    ///
    /// # Errors
    /// As [`Command::update_relay`], [`Command::deactivate_relay`] and [`Command::activate_relay`];
    /// [`CommandError::RelayChanged`] when it is not of the version that was meant; [`CommandError::Rule`] with
    /// `plan-members` when it has more members than its new plan allows.
    pub async fn change_relay(
        &self,
        trace: Trace,
        id: RelayId,
        change: RelayChange,
        terms: ChangeTerms,
    ) -> Result<Changed, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                apply(tx, &context, &trace, &id, &change, &terms).await
            })
            .await
    }
}

async fn create(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    draft: RelayDraft,
    terms: &CreateTerms,
) -> Result<Created, CommandError> {
    let now = context.clock.now();
    if let Some(request) = &terms.request
        && let Some(first) = request::first_answer(tx, request, now).await?
    {
        return if first.body_hash == request.body_hash {
            Ok(Created::Before(first.answer))
        } else {
            Err(CommandError::RequestKeyReused)
        };
    }
    if let Some(max_relays) = terms.max_relays
        && count_for_tenant(tx, &draft.relay.tenant_pubkey).await? >= max_relays
    {
        let rule = format!("has {max_relays} relays, which is the most that a tenant can have");
        return Err(ValidationError::new("relay-limit", "tenant_pubkey", &rule).into());
    }
    let relay = relay::create(tx, context, trace, draft).await?;
    if let Some(request) = &terms.request {
        let answer =
            serde_json::to_string(&relay).map_err(|error| sqlx::Error::Encode(error.into()))?;
        request::remember_answer(tx, request, &answer, now).await?;
    }
    Ok(Created::Relay(Box::new(relay)))
}

async fn apply(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    id: &RelayId,
    change: &RelayChange,
    terms: &ChangeTerms,
) -> Result<Changed, CommandError> {
    let before = get(tx, id).await?;
    if let Some(Version::OneOf(tags)) = &terms.version
        && !tags.iter().any(|tag| before.is_as_edited(tag))
    {
        return Err(CommandError::RelayChanged(before.id));
    }
    let relay = match change {
        RelayChange::Update(patch) => {
            if let Some(plan) = lower_plan(&before, patch)? {
                match terms.members {
                    None => return Ok(Changed::MembersWanted(Box::new(before))),
                    Some(members) => check_members(plan, members)?,
                }
            }
            relay::update(tx, context, trace, id, patch).await?
        }
        RelayChange::Deactivate => relay_status::deactivate(tx, context, trace, id).await?,
        RelayChange::Activate(asked_by) => {
            relay_status::activate(tx, context, trace, id, *asked_by).await?
        }
    };
    Ok(Changed::Relay(Box::new(relay)))
}

/// The plan that `patch` puts the relay on, if it allows fewer members than the present one.
fn lower_plan(
    before: &Relay,
    patch: &RelayPatch,
) -> Result<Option<&'static Plan>, ValidationError> {
    let present = Plan::of(before.settings.plan_id);
    let wanted = Plan::of(patch.apply(before)?.plan_id);
    let is_lower = match (wanted.members, present.members) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(wanted), Some(present)) => wanted < present,
    };
    Ok(is_lower.then_some(wanted))
}

/// Refuses a plan that has no room for so many members.
fn check_members(plan: &Plan, members: u64) -> Result<(), ValidationError> {
    match plan.members {
        Some(most) if members > most.unsigned_abs() => Err(ValidationError::new(
            "plan-members",
            "plan_id",
            &format!(
                "cannot be {}: the relay has {members} members, and the {} plan is for at most {most}",
                plan.id, plan.name
            ),
        )),
        Some(_) | None => Ok(()),
    }
}
