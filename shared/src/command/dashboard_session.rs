//! Signing in at the dashboard, and out.
//!
//! Invariant: a token is made here, handed out once, and kept as nothing but its keyed hash. A new `CARAVEL_SECRETS_KEY`
//! therefore ends every session.

use std::{sync::Arc, time::Duration};

use rand::Rng as _;

use super::{Command, CommandError, Context};
use crate::{
    crypto::{Sealer, SecretText},
    db::WriteTx,
    domain::{DashboardSession, Pubkey, SessionScope},
    repositories::dashboard_session::{self, LoginLink},
};

/// How long a link is good: long enough to be copied to a browser.
const LINK_LIFETIME: Duration = Duration::from_mins(10);

/// Labels of the keyed hashes: a link's token is nothing to a session.
const SESSION_LABEL: &str = "dashboard-session";
const CSRF_LABEL: &str = "dashboard-csrf";
const CSRF_CHECK_LABEL: &str = "dashboard-csrf-check";
const LINK_LABEL: &str = "login-link";

/// Bytes of a token: nobody guesses one.
const TOKEN_BYTES: usize = 32;

/// A session that has begun.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// What the browser shows from now on: hex.
    pub token: SecretText,
    /// Whose session it is, and until when.
    pub session: DashboardSession,
}

impl Command {
    /// Begins a session of `lifetime`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sign_in(
        &self,
        pubkey: Pubkey,
        scope: SessionScope,
        lifetime: Duration,
    ) -> Result<SignedIn, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                let now = context.clock.now();
                let session = DashboardSession {
                    pubkey,
                    scope,
                    expires_at: now + lifetime,
                };
                let token = new_token(&context);
                let hash = session_hash(&context.sealer, token.expose());
                dashboard_session::create(tx, now, &hash, &session).await?;
                Ok(SignedIn { token, session })
            })
            .await
    }

    /// Ends the session of this token, if there is one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sign_out(&self, token: &SecretText) -> Result<(), CommandError> {
        let hash = session_hash(&self.context.sealer, token.expose());
        self.db
            .write(async move |tx: &mut WriteTx| Ok(dashboard_session::delete(tx, &hash).await?))
            .await
    }

    /// Makes a link's token, good for ten minutes and one sign-in.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_login_link(&self, link: LoginLink) -> Result<SecretText, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                let now = context.clock.now();
                let token = new_token(&context);
                let hash = link_hash(&context.sealer, token.expose());
                dashboard_session::create_link(tx, now, &hash, &link, now + LINK_LIFETIME).await?;
                Ok(token)
            })
            .await
    }

    /// Uses a link up. `None` when there is none with this token: it was used already, or is too old.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_login_link(&self, token: &str) -> Result<Option<LoginLink>, CommandError> {
        let context = Arc::clone(&self.context);
        let hash = link_hash(&context.sealer, token);
        self.db
            .write(async move |tx: &mut WriteTx| {
                let now = context.clock.now();
                Ok(dashboard_session::take_link(tx, now, &hash).await?)
            })
            .await
    }

    /// The session of this token, unless it is over.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find_session(
        &self,
        token: &SecretText,
    ) -> Result<Option<DashboardSession>, CommandError> {
        let hash = session_hash(&self.context.sealer, token.expose());
        let now = self.context.clock.now();
        Ok(dashboard_session::find(self.db.readers(), now, &hash).await?)
    }

    /// What a page of the session of this token shows with every change, for the token itself goes along unasked: hex.
    #[must_use]
    pub fn csrf_token(&self, token: &SecretText) -> String {
        let sealer = &self.context.sealer;
        sealer.keyed_hash(CSRF_LABEL, token.expose().as_bytes())
    }

    /// Whether `shown` is that. What is compared are keyed hashes, so how long it takes tells nothing.
    #[must_use]
    pub fn is_csrf_token(&self, token: &SecretText, shown: &[u8]) -> bool {
        let sealer = &self.context.sealer;
        let expected = self.csrf_token(token);
        sealer.keyed_hash(CSRF_CHECK_LABEL, shown)
            == sealer.keyed_hash(CSRF_CHECK_LABEL, expected.as_bytes())
    }
}

fn new_token(context: &Context) -> SecretText {
    let mut bytes = [0; TOKEN_BYTES];
    context.entropy.fork().fill_bytes(&mut bytes);
    SecretText::new(hex::encode(bytes))
}

fn session_hash(sealer: &Sealer, token: &str) -> String {
    sealer.keyed_hash(SESSION_LABEL, token.as_bytes())
}

fn link_hash(sealer: &Sealer, token: &str) -> String {
    sealer.keyed_hash(LINK_LABEL, token.as_bytes())
}
