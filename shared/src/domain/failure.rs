//! Why attempts fail, what happens next, and what people are told: one table, `docs/job-lifecycle.md` has it in words.
//!
//! Invariant: every kind has exactly one policy and fixed sentences; nothing of what another system wrote is in them.

use super::text::text_enum;

text_enum! {
    /// Why an attempt failed.
    FailureKind, "failure kind" {
        /// No connection to zooid, or a gateway that had none (502, 503, 504): nothing was done.
        Unreachable = "unreachable",
        /// The request was sent and no complete answer came: it may have taken effect, now or later.
        OutcomeUnknown = "outcome_unknown",
        /// zooid, or a proxy before it, asked us to slow down: 429, or Retry-After on any status.
        Throttled = "throttled",
        /// zooid refused our signature (401).
        CredentialsRefused = "credentials_refused",
        /// Our key is not on zooid's whitelist (403).
        KeyNotAllowed = "key_not_allowed",
        /// A relay of ours still has the host that this one wants, and is about to leave it.
        Blocked = "blocked",
        /// Another relay in zooid has the same host or schema.
        Conflict = "conflict",
        /// zooid refused the configuration itself (400).
        Invalid = "invalid",
        /// zooid could not read or write its configuration files.
        TargetDisk = "target_disk",
        /// zooid, or a proxy before it, answered with an error or with something zooid does not say.
        ServerError = "server_error",
        /// The attempt failed on our side.
        OurFault = "our_fault",
        /// The worker that ran the attempt died.
        WorkerLost = "worker_lost",
        /// An operator gave the generation up.
        Cancelled = "cancelled",
    }
}

/// What happens after a failure of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The target is at fault, not the relay: the failure counts for its circuit and spends no attempt.
    TargetFailure(Opens),
    /// Again no earlier than one call's deadline after the attempt ended; and once accepted, once more after
    /// `SYNC_SETTLE_SECONDS` with a new generation, for the old call may still land.
    Ambiguous,
    /// Again when the pause that was asked for is over; on 429 and 503 the whole target waits.
    Wait,
    /// Waits for another relay of ours and spends no attempt.
    WaitForRelay,
    /// Final for this generation: only an edit or an operator starts over.
    GiveUp,
    /// Again on the schedule until the attempts are used up.
    BackOff,
    /// Again on the schedule; the third in a row quarantines the relay.
    Suspect,
}

/// When a failure of the target opens its circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// When it is the fifth in a row, from at least two relays.
    AfterSeveral,
    /// At once: no relay can succeed.
    AtOnce,
}

impl FailureKind {
    /// What happens next.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Self::Unreachable | Self::TargetDisk => Policy::TargetFailure(Opens::AfterSeveral),
            Self::CredentialsRefused | Self::KeyNotAllowed => Policy::TargetFailure(Opens::AtOnce),
            Self::OutcomeUnknown => Policy::Ambiguous,
            Self::Throttled => Policy::Wait,
            Self::Blocked => Policy::WaitForRelay,
            Self::Conflict | Self::Invalid | Self::Cancelled => Policy::GiveUp,
            // A lost worker is counted as a crash, not as an attempt; the relay itself backs off.
            Self::ServerError | Self::WorkerLost => Policy::BackOff,
            Self::OurFault => Policy::Suspect,
        }
    }

    /// What tenants are told: a sentence without addresses, texts of other systems or secrets.
    #[must_use]
    pub fn tenant_sentence(self) -> &'static str {
        match self {
            Self::Unreachable => "The relay server could not be reached. We will try again.",
            Self::OutcomeUnknown => {
                "The relay server did not confirm the change in time. We will try again."
            }
            Self::Throttled => "The relay server is busy. We will try again.",
            Self::CredentialsRefused | Self::KeyNotAllowed => {
                "The relay server refused our access. Our operators have to look into it."
            }
            Self::Blocked => {
                "Another relay is still leaving this address. This one follows as soon as it has."
            }
            Self::Conflict => {
                "Another relay already uses this address. Please choose a different one."
            }
            Self::Invalid => {
                "The relay server refused these settings. Please change them or ask for help."
            }
            Self::TargetDisk | Self::ServerError => {
                "The relay server had a problem saving the change. We will try again."
            }
            Self::OurFault => {
                "Something went wrong on our side. Our operators have to look into it."
            }
            Self::WorkerLost => "The change was interrupted. We will try again.",
            Self::Cancelled => {
                "Our operators stopped this change. It is sent again with your next change."
            }
        }
    }

    /// What tenants are told once nothing is tried any more: the same, without a promise.
    #[must_use]
    pub fn given_up_sentence(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "The relay server could not be reached. Our operators have to look into it."
            }
            Self::OutcomeUnknown => {
                "The relay server did not confirm the change. Our operators have to look into it."
            }
            Self::Throttled => "The relay server is too busy. Our operators have to look into it.",
            Self::TargetDisk | Self::ServerError => {
                "The relay server had a problem saving the change. Our operators have to look into it."
            }
            Self::WorkerLost => "The change was interrupted. Our operators have to look into it.",
            Self::CredentialsRefused
            | Self::KeyNotAllowed
            | Self::Blocked
            | Self::Conflict
            | Self::Invalid
            | Self::OurFault
            | Self::Cancelled => self.tenant_sentence(),
        }
    }

    /// What operators read beside the message of the attempt: the cause in general.
    #[must_use]
    pub fn operator_sentence(self) -> &'static str {
        match self {
            Self::Unreachable => "zooid cannot be reached, or a gateway before it says so.",
            Self::OutcomeUnknown => "The request was sent and no complete answer came back.",
            Self::Throttled => "zooid, or a proxy before it, asked us to slow down.",
            Self::CredentialsRefused => "zooid refused our signature.",
            Self::KeyNotAllowed => "Our public key is not on zooid's whitelist.",
            Self::Blocked => "Another relay of ours still has this host in zooid.",
            Self::Conflict => "Another configuration in zooid has this host or schema.",
            Self::Invalid => "zooid refused the configuration, although our own rules let it pass.",
            Self::TargetDisk => "zooid cannot read or write its configuration files.",
            Self::ServerError => "zooid, or a proxy before it, answered with an unexpected error.",
            Self::OurFault => "The attempt failed inside Caravel.",
            Self::WorkerLost => "The worker stopped beating while it ran this attempt.",
            Self::Cancelled => "An operator gave this generation up.",
        }
    }

    /// What operators can do about it.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "Check that zooid runs and that ZOOID_API_URL reaches it. Jobs are held meanwhile; probe the target to resume at once."
            }
            Self::OutcomeUnknown => {
                "Nothing to do: it is sent again. If it goes on, look for what slows zooid down."
            }
            Self::Throttled => "Nothing to do: it waits as asked.",
            Self::CredentialsRefused => {
                "Compare the URL zooid sees with ZOOID_API_URL (a proxy must send X-Forwarded-Proto), and both clocks. Then probe the target."
            }
            Self::KeyNotAllowed => {
                "Add our public key to zooid's API_WHITELIST, restart zooid, then probe the target."
            }
            Self::Blocked => "Nothing to do: it follows once the other relay has been synced.",
            Self::Conflict => {
                "Give one of the two another host, or remove the configuration that zooid should not have. Then retry."
            }
            Self::Invalid => {
                "Report it as a defect of our validation. Edit the setting that the answer names; the edit is sent at once."
            }
            Self::TargetDisk => {
                "Look at the disk and the permissions of zooid's CONFIG folder. Then probe the target."
            }
            Self::ServerError => "Look at zooid's log at the time of the attempt.",
            Self::OurFault => {
                "Look at the worker's log at the time of the attempt; after three in a row the relay is quarantined until released."
            }
            Self::WorkerLost => "Nothing to do, unless it repeats: then look at why workers die.",
            Self::Cancelled => "Retry to send it after all.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sentence_that_gives_nothing_internal_away() {
        for kind in FailureKind::ALL {
            let sentence = kind.tenant_sentence();
            assert!(sentence.ends_with('.'), "{kind}");
            assert!(
                !sentence.contains("zooid") && !sentence.contains("://"),
                "{kind}"
            );
        }
    }

    #[test]
    fn nothing_is_promised_once_a_kind_is_given_up() {
        for kind in FailureKind::ALL {
            let sentence = kind.given_up_sentence();
            assert!(sentence.ends_with('.'), "{kind}");
            assert!(!sentence.contains("try again"), "{kind}");
        }
    }

    #[test]
    fn every_kind_tells_operators_the_cause_and_the_next_step() {
        for kind in FailureKind::ALL {
            assert!(kind.operator_sentence().ends_with('.'), "{kind}");
            assert!(kind.next_step().ends_with('.'), "{kind}");
        }
    }
}
