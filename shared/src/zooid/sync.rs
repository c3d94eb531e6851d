//! Making zooid match the desired state of one relay.
//!
//! Invariant: a sync makes at most one call of each verb, one after the other, and all of them together end within the
//! client's timeout. Whatever zooid lost or half wrote, the relay keeps the secret, and with it the identity, that it was
//! created with (zooid.md, Hazards).

use std::cell::LazyCell;
use std::fmt::Display;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::{Renderer, ZooidClient};
use crate::domain::{DesiredRelay, RelaySecret, SyncFailure, SyncReport, Verb};

/// A call needs a tenth of a sync's time, or it had better not be made: cut off by our own deadline, it would only leave
/// in doubt what zooid did.
const CALL_MIN_SHARE: u32 = 10;

impl ZooidClient {
    /// Sends the desired state by [`DesiredRelay::verb`]. Where the answer shows that zooid's file is not what we took it
    /// for, the verb that fits follows at once; a file that is not there to be deleted is as good as one that was.
    ///
    /// `open_secret` gives the text of the relay's secret. It is called once, and only if the secret has to be sent.
    pub async fn sync<E: Display>(
        &self,
        renderer: &Renderer,
        relay: &DesiredRelay,
        open_secret: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E> + Send,
    ) -> SyncReport {
        let deadline = Instant::now() + self.timeout;
        let secret = LazyCell::new(|| self.read_secret(open_secret));
        let mut verbs_used = Vec::new();
        let mut verb = relay.verb();
        loop {
            let body = match verb {
                Verb::Post | Verb::Put => {
                    let secret = secret.clone();
                    secret.map(|secret| Some(renderer.full_body(relay, &secret)))
                }
                Verb::Patch => Ok(Some(renderer.patch_body(relay))),
                Verb::Delete => Ok(None),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let (answer, status) = match body {
                Ok(body) => self.send(verb, &relay.id, body.as_ref(), left).await,
                Err(failure) => (Answer::Failed(failure), None),
            };
            let answer = match (answer, verb) {
                (Answer::NotFound(_), Verb::Delete) => Answer::Accepted,
                (answer, _) => answer,
            };
            verbs_used.push(verb);
            let next = next_verb(verb, &answer).filter(|next| !verbs_used.contains(next));
            let left = deadline.saturating_duration_since(Instant::now());
            let result = match (next, answer.into_result()) {
                (Some(next), Err(_)) if left >= self.timeout / CALL_MIN_SHARE => {
                    verb = next;
                    continue;
                }
                (Some(next), Err(failure)) => Err(self.our_fault(
                    &format!("no time was left for {next} after {verb}"),
                    &failure,
                )),
                (_, result) => result.map(|()| renderer.accepted_record(relay)),
            };
            return SyncReport {
                verb: Some(verb),
                status,
                result,
            };
        }
    }

    fn read_secret<E: Display>(
        &self,
        open: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E>,
    ) -> Result<RelaySecret, SyncFailure> {
        let text = open().map_err(|error| self.our_fault("open the relay's secret", &error))?;
        RelaySecret::parse(&text).map_err(|error| self.our_fault("read the relay's secret", &error))
    }
}

/// The call that fits what the answer to `verb` says about zooid's file.
fn next_verb(verb: Verb, answer: &Answer) -> Option<Verb> {
    match (answer, verb) {
        // The answer to an earlier POST was lost.
        (Answer::AlreadyExists(_), Verb::Post) => Some(Verb::Patch),
        // zooid lost the file.
        (Answer::NotFound(_), Verb::Patch | Verb::Put) => Some(Verb::Post),
        // zooid died while it wrote the file. If ours is the configuration at fault, PUT will say so.
        (Answer::Unusable(_), Verb::Patch) => Some(Verb::Put),
        (Answer::AlreadyExists(_), Verb::Put | Verb::Patch | Verb::Delete)
        | (Answer::NotFound(_), Verb::Post | Verb::Delete)
        | (Answer::Unusable(_), Verb::Post | Verb::Put | Verb::Delete)
        | (
            Answer::Accepted | Answer::Failed(_),
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete,
        ) => None,
    }
}
