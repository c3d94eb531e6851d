//! What operators decide about upkeep and watching.

use std::net::SocketAddr;
use std::time::Duration;

use super::reader::{Read, Reader};
use super::variable::{
    METRICS_TOKEN, PRUNE_AFTER_DAYS, PRUNE_KEEP_ROWS, READY_MAX_DUE_SECONDS, WORKER_HTTP_ADDR,
};
use crate::crypto::SecretText;

/// What may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneConfig {
    /// What ended longer ago than this.
    pub after: Duration,
    /// Whatever there is of one kind beyond the newest so many rows, even when it is younger.
    pub keep_rows: u64,
}

/// How a worker shows how it is.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// Where a worker that runs alone listens; port 0 takes a free one. Nowhere when `None`.
    pub listen: Option<SocketAddr>,
    /// How long the oldest due job may wait before the worker is not ready.
    pub max_due: Duration,
    /// What whoever wants the metrics must know.
    pub metrics_token: Option<SecretText>,
}

impl PruneConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let days = reader.whole::<u64>(&PRUNE_AFTER_DAYS);
        let keep_rows = reader.whole(&PRUNE_KEEP_ROWS);
        Ok(Self {
            after: Duration::from_hours(24 * days?),
            keep_rows: keep_rows?,
        })
    }
}

impl WatchConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let listen = reader.optional(&WORKER_HTTP_ADDR, |text| text.parse().ok());
        let max_due = reader.seconds(&READY_MAX_DUE_SECONDS);
        let metrics_token = read_metrics_token(reader);
        Ok(Self {
            listen: listen?,
            max_due: max_due?,
            metrics_token: metrics_token?,
        })
    }
}

pub(super) fn read_metrics_token(reader: &mut Reader<'_>) -> Read<Option<SecretText>> {
    reader.optional(&METRICS_TOKEN, |text| {
        let is_token = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| SecretText::new(text))
    })
}
