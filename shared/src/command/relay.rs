//! Creating and changing relays.

use std::sync::Arc;

use super::{Command, CommandError, Context, Trace};
use crate::{
    db::WriteTx,
    domain::{
        ActivityType, DesiredRelay, Generation, NewRelay, PlanId, Relay, RelayId, RelayPatch,
        RelaySecret, RelayStatus, Schema, SyncState,
    },
    queue::{Enqueue, Priority, enqueue, enqueue_first},
    repositories::{
        FindById as _, Update as _, activity,
        relay::{self, RelayDraft},
    },
};

impl Command {
    /// Creates a relay, with a secret key of its own, and enqueues its first sync.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`] for an owner who is none, [`CommandError::AlreadyExists`] when the subdomain or
    /// the custom domain is taken.
    pub async fn create_relay(&self, trace: Trace, new: NewRelay) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        let draft = draft(&context, new);
        self.db
            .write(async move |tx: &mut WriteTx| create(tx, &context, &trace, draft).await)
            .await
    }

    /// Changes the settings that `patch` names and leaves the others as they are, however many changes are in flight.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::Rule`] when the relay's present state does not allow the change,
    /// [`CommandError::AlreadyExists`] when the subdomain or the custom domain is taken.
    pub async fn update_relay(
        &self,
        trace: Trace,
        id: RelayId,
        patch: RelayPatch,
    ) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| update(tx, &context, &trace, &id, &patch).await)
            .await
    }
}

/// What is made for a new relay: its id, its schema and its sealed secret. Before the write, which others wait for.
#[must_use]
pub fn draft(context: &Context, new: NewRelay) -> RelayDraft {
    let NewRelay {
        tenant_pubkey,
        zooid_domain,
        settings,
    } = new;
    let now = context.clock.now();
    let mut rng = context.entropy.fork();
    let id = RelayId::generate(now.timestamp_millis(), &mut rng);
    let secret = RelaySecret::generate(&mut rng);
    RelayDraft {
        secret: context.sealer.seal(secret.expose().as_bytes(), id.as_str()),
        relay: Relay {
            schema: Schema::derive(&settings.subdomain, &id),
            id,
            tenant_pubkey,
            zooid_domain,
            settings,
            status: RelayStatus::Active,
            custom_domain_verified: false,
            custom_domain_verified_at: None,
            custom_domain_error: String::new(),
            generation: Generation::FIRST,
            stripe_subscription_item_id: None,
            created_at: now.timestamp(),
            updated_at: now.timestamp(),
            synced: false,
            sync_error: String::new(),
            synced_generation: 0,
            sync_state: SyncState::Pending,
            next_attempt_at: None,
            live_at: None,
        },
    }
}

/// Adds a drafted relay and enqueues its first sync. Two texts: creates are what a burst consists of.
///
/// # Errors
/// As [`Command::create_relay`].
pub async fn create(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    draft: RelayDraft,
) -> Result<Relay, CommandError> {
    let now = context.clock.now();
    let relay = relay::create(tx, now, draft).await?;
    enqueue_first(tx, now, edit_of(&relay, context, trace)).await?;
    Ok(Relay {
        next_attempt_at: Some(now.timestamp()),
        ..relay
    })
}

/// Changes the settings that `patch` names.
///
/// # Errors
/// As [`Command::update_relay`].
pub async fn update(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    id: &RelayId,
    patch: &RelayPatch,
) -> Result<Relay, CommandError> {
    let before = get(tx, id).await?;
    let settings = patch.apply(&before)?;
    let after = Relay {
        custom_domain_verified: before.custom_domain_verified
            && settings.custom_domain == before.settings.custom_domain,
        settings,
        ..before.clone()
    };
    change(tx, context, trace, ActivityType::UpdateRelay, before, after).await
}

/// The relay as it is now.
pub(super) async fn get(tx: &mut WriteTx, id: &RelayId) -> Result<Relay, CommandError> {
    Relay::find_by_id(&mut *tx, id)
        .await?
        .ok_or_else(|| CommandError::RelayUnknown(id.clone()))
}

/// Makes `after` out of `before`, logs it, and lets zooid know if it is something zooid is told.
pub(super) async fn change(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    activity_type: ActivityType,
    before: Relay,
    mut after: Relay,
) -> Result<Relay, CommandError> {
    if after == before {
        return Ok(before);
    }
    let now = context.clock.now();
    activity::log_for_relays(tx, now, activity_type, &[&before.id]).await?;
    if told(&after) != told(&before) {
        after.generation = before.generation.next();
        enqueue(tx, now, edit_of(&after, context, trace)).await?;
    }
    // Last, so that the row it reads back shows the job.
    Ok(Relay::update(tx, &before, &after, now).await?)
}

/// What zooid is told of a relay, with everything levelled out that it is not: the plan, and a custom domain that is
/// not yet its host.
fn told(relay: &Relay) -> DesiredRelay {
    let mut desired = DesiredRelay::from(relay);
    desired.settings.plan_id = PlanId::Free;
    if !relay.custom_domain_verified {
        desired.settings.custom_domain = None;
    }
    desired
}

/// The sync that a person's edit calls for.
fn edit_of<'a>(relay: &'a Relay, context: &Context, trace: &'a Trace) -> Enqueue<'a> {
    Enqueue {
        relay: &relay.id,
        target: &relay.zooid_domain,
        priority: Priority::Edit,
        max_attempts: context.max_attempts,
        trace: trace.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        command::{Entropy, tenant},
        crypto::{Sealer, SecretsKey},
        db::{DatabaseOptions, Db, Role, Synchronous},
        domain::{CreateTenantInput, Pubkey, RelaySettings},
    };

    #[tokio::test]
    async fn a_create_costs_two_texts() {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            path: folder.path().join("caravel.db"),
            synchronous: Synchronous::Full,
            role: Role::Interactive,
        };
        let db = Db::open(options).await.unwrap();
        let context = Context {
            clock: Arc::new(SystemClock),
            sealer: Sealer::new(SecretsKey::from_bytes(&[7; 32]), Vec::new()),
            entropy: Entropy::seeded(1),
            max_attempts: 25,
        };
        let owner: Pubkey = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
            .parse()
            .unwrap();

        let ran = db
            .write(async move |tx: &mut WriteTx| {
                let new = CreateTenantInput::default().validate(owner.clone())?;
                tenant::create(tx, &context, new).await?;
                tx.ran.clear();
                let new = NewRelay {
                    tenant_pubkey: owner,
                    zooid_domain: "spaces.example.com".parse().unwrap(),
                    settings: RelaySettings::defaults("mine".parse().unwrap(), PlanId::Basic),
                };
                create(tx, &context, &Trace::none(), draft(&context, new)).await?;
                Ok::<_, CommandError>(tx.ran.clone())
            })
            .await
            .unwrap();

        assert_eq!(ran.len(), 2, "{ran:#?}");
    }
}
