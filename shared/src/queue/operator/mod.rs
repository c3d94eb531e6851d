//! What operators do to the queue: which relays an action applies to, and the action itself, on one relay or on all that
//! match.
//!
//! Invariants: rows that have ended are never revived, everything is enqueued afresh; an action on many relays is the same
//! statements as on one, over a JSON array, so that a hundred thousand fit into one write.

mod act;
mod find;
mod hold;

pub(crate) use act::{Terms, act, enqueue_all, send_all};
pub(crate) use find::{all, matching, standing, uncovered};
pub(crate) use hold::{
    hold_queue, hold_target, know_target, let_go_queue, let_go_target, request_probe,
};
