//! Actions on all relays that match a filter: first a preview, then one write.
//!
//! Invariant: what is carried out was previewed, for the token of a preview names the action and the filter; and it is
//! carried out once, for the record keeps the token.

use std::sync::Arc;

use rand::Rng as _;
use serde_json::json;

use super::{Acted, ByOperator, Deed, count, record, terms};
use crate::{
    command::{Command, CommandError, Context},
    db::WriteTx,
    domain::{BulkInput, OperatorResource, PreviewInput, RelayId},
    queue::{Priority, operator},
    repositories::operator_action,
};

/// How long a preview can be acted upon, in milliseconds: what somebody saw an hour ago says nothing of now.
const TOKEN_LIFE_MS: i64 = 60 * 60 * 1000;

/// Relays that are shown as examples.
const SAMPLE: usize = 5;

/// Relays by which what a person saw and what there is now may differ in any case.
const DRIFT: u64 = 10;

/// What an action on all relays that match would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkPreview {
    /// How many relays it would touch.
    pub affected: u64,
    /// What [`Command::run_bulk`] wants to see.
    pub token: String,
    /// A few of them, the oldest.
    pub sample: Vec<RelayId>,
}

impl Command {
    /// What `request` would do now. Changes nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn preview_bulk(&self, request: PreviewInput) -> Result<BulkPreview, CommandError> {
        let now = self.context.clock.now();
        let mut relays =
            operator::matching(self.db.readers(), now, request.action, &request.filter).await?;
        let affected = count(&relays);
        relays.truncate(SAMPLE);
        Ok(BulkPreview {
            affected,
            token: mint(&self.context, &request, now.timestamp_millis()),
            sample: relays,
        })
    }

    /// Carries out what was previewed, on all relays that match now, in one write and in the background. The same token
    /// again answers what it was answered with before.
    ///
    /// # Errors
    /// [`CommandError::BulkTokenInvalid`] for a token of another request, or one that is too old;
    /// [`CommandError::BulkChanged`] when far more or fewer relays match than the person saw.
    pub async fn run_bulk(
        &self,
        by: ByOperator,
        request: BulkInput,
    ) -> Result<Acted, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| run(tx, &context, &by, &request).await)
            .await
    }
}

async fn run(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    request: &BulkInput,
) -> Result<Acted, CommandError> {
    let BulkInput {
        previewed,
        token,
        expected,
    } = request;
    let made_at = made_at(context, previewed, token).ok_or(CommandError::BulkTokenInvalid)?;
    if let Some(done) = operator_action::find_by_token(tx, token).await? {
        return Ok(Acted {
            affected: done.affected,
            action_id: Some(done.id),
            not_before: None,
        });
    }
    let now = context.clock.now();
    if now.timestamp_millis() - made_at > TOKEN_LIFE_MS {
        return Err(CommandError::BulkTokenInvalid);
    }
    let PreviewInput { action, filter } = previewed;
    let relays = operator::matching(&mut *tx, now, *action, filter).await?;
    let affected = count(&relays);
    let drift = affected.abs_diff(*expected);
    if drift > DRIFT && drift > expected / 10 {
        return Err(CommandError::BulkChanged { affected });
    }
    let terms = terms(context, now, by, Priority::Background);
    operator::act(tx, &terms, *action, &relays).await?;
    let deed = Deed {
        action: action.kind(),
        resource_type: OperatorResource::Relays,
        resource_id: "",
    };
    let detail = json!({ "filter": filter.canonical(), "expected": expected, "token": token });
    Ok(record(tx, now, by, deed, affected, detail).await?)
}

fn mint(context: &Context, request: &PreviewInput, made_at: i64) -> String {
    let nonce = format!("{:016x}", context.entropy.fork().next_u64());
    token(context, request, made_at, &nonce)
}

/// When `token` was made, if it was made here for this request.
fn made_at(context: &Context, request: &PreviewInput, given: &str) -> Option<i64> {
    let mut parts = given.splitn(3, '.');
    let (made_at, nonce) = (parts.next()?.parse().ok()?, parts.next()?);
    (token(context, request, made_at, nonce) == given).then_some(made_at)
}

/// `<made at>.<nonce>.<keyed hash>`: the time in milliseconds; a number, so that two previews have two tokens; and the
/// proof that we made it for this request.
fn token(context: &Context, request: &PreviewInput, made_at: i64, nonce: &str) -> String {
    let PreviewInput { action, filter } = request;
    let bound = json!([made_at, nonce, action, filter.canonical()]).to_string();
    let proof = context.sealer.keyed_hash("bulk token", bound.as_bytes());
    format!("{made_at}.{nonce}.{proof}")
}
