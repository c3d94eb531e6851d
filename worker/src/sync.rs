//! One sync: what was claimed goes to zooid, and what zooid said comes back.

use std::sync::Arc;

use shared::{
    crypto::Sealer,
    domain::{FailureKind, SyncFailure, SyncReport},
    queue::ClaimedSync,
    zooid::ZooidClient,
};
use tracing::Instrument;
