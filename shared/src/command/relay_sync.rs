//! Recording what became of a sync, for whoever carries one out outside a worker's turn.
//!
//! Invariant: the attempt is the fence. An outcome whose attempt was closed meanwhile changes nothing but that the relay is
//! sent again. A worker's turn records many at once by the same functions, [`outcome::complete`] and [`outcome::fail`].

use super::{Command, CommandError};
use crate::{
    db::WriteTx,
    domain::{SyncFailure, Verb},
    queue::{
        RetryPolicy,
        outcome::{self, Acceptance, Run},
    },
};

impl Command {
    /// zooid accepted what `run` sent: `body`, canonical JSON with secrets as keyed hashes. Logs `complete_relay_sync`.
    ///
    /// # Errors
    /// When the database refuses; the run is then as open as before.
    pub async fn complete_relay_sync(
        &self,
        run: Run,
        verb: Verb,
        status: u16,
        body: String,
    ) -> Result<(), CommandError> {
        let now = self.context.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                let accepted = Acceptance::new(&run, Some(verb), Some(status), &body);
                Ok(outcome::complete(tx, now, &[accepted]).await?)
            })
            .await
    }

    /// zooid did not accept what `run` sent. Logs `fail_relay_sync`; the job runs again by `policy`, or is given up when
    /// this was its last attempt.
    ///
    /// # Errors
    /// When the database refuses; the run is then as open as before.
    pub async fn fail_relay_sync(
        &self,
        policy: RetryPolicy,
        run: Run,
        verb: Option<Verb>,
        failure: SyncFailure,
    ) -> Result<(), CommandError> {
        let now = self.context.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                Ok(outcome::fail(tx, now, &policy, &run, verb, &failure).await?)
            })
            .await
    }
}
