//! How much one client may ask for, and all of them together.
//!
//! Invariant: whatever clients send, the memory and the requests they occupy here are bounded: the counters, the header, the
//! address, the time of a request and how many are handled at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use shared::config::LimitsConfig;
use shared::domain::Pubkey;
use tokio::sync::Semaphore;

use crate::error::ApiError;
use crate::state::ApiState;

/// Longest path and query, in bytes.
const URL_MAX_BYTES: usize = 4096;

/// Longest header, all fields together, in bytes.
const HEADER_MAX_BYTES: usize = 16 * 1024;

/// How long a request may take, its body included: longer than the longest wait for zooid.
const TIMEOUT: Duration = Duration::from_secs(45);

/// Clients that are counted at once. Beyond it, those that have been quiet are forgotten, which does them no harm.
const CLIENTS_MAX: usize = 50_000;

/// When a server that is busy is worth trying again.
pub const BUSY_PASSES: Duration = Duration::from_secs(1);

/// The limits, and how much of them is used.
#[derive(Debug)]
pub struct Limits {
    config: LimitsConfig,
    keys: Rates<Pubkey>,
    addresses: Rates<IpAddr>,
    requests: Semaphore,
}

/// Why a request is not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The URL is too long.
    #[error("the url is longer than {URL_MAX_BYTES} bytes")]
    Url,
    /// The header is too long.
    #[error("the header is longer than {HEADER_MAX_BYTES} bytes")]
    Header,
    /// The client asks too often.
    #[error("the client asks too often")]
    Rate {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// Too many requests are being handled.
    #[error("too many requests are being handled")]
    Busy,
    /// It took too long.
    #[error("the request took too long")]
    Timeout,
}

impl Limits {
    /// As configured, with nothing used.
    pub fn new(config: LimitsConfig) -> Self {
        Self {
            keys: Rates::new(config.per_key),
            addresses: Rates::new(config.per_address),
            requests: Semaphore::new(config.max_requests),
            config,
        }
    }

    /// Counts a request that `key` signed.
    ///
    /// # Errors
    /// [`Refused::Rate`].
    pub fn count_key(&self, key: &Pubkey, now: Duration) -> Result<(), Refused> {
        self.keys.count(key.clone(), now)
    }

    /// Whom a request comes from: the peer, or whom the trusted proxies before us name. What others claim means nothing.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address: &IpAddr| {
            let mut proxies = self.config.trusted_proxies.iter();
            proxies.any(|network| network.contains(*address))
        };
        if !is_trusted(&peer) {
            return peer;
        }
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut client = peer;
        for hop in forwarded.iter().rev() {
            let Ok(address) = hop.trim().parse() else {
                break;
            };
            client = address;
            if !is_trusted(&client) {
                break;
            }
        }
        client
    }

    fn count_address(&self, request: &Request, now: Duration) -> Result<(), Refused> {
        let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
            return Ok(());
        };
        let client = self.client(peer.ip().to_canonical(), request.headers());
        // A proxy on this host that nobody told us of speaks for everybody.
        if client.is_loopback() {
            return Ok(());
        }
        self.addresses.count(client, now)
    }
}

/// Refuses what is too much before anything is done for it.
pub async fn enforce(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    match admitted(&state, request, next).await {
        Ok(response) => response,
        Err(refused) => ApiError::Refused(refused).into_response(),
    }
}

async fn admitted(state: &ApiState, request: Request, next: Next) -> Result<Response, Refused> {
    let limits = state.limits();
    let url = request.uri().path_and_query();
    if url.is_some_and(|url| url.as_str().len() > URL_MAX_BYTES) {
        return Err(Refused::Url);
    }
    // A signature has a bound of its own, and whatever is wrong with one is answered alike.
    let fields = request.headers().iter();
    let header: usize = fields
        .filter(|(name, _)| *name != AUTHORIZATION)
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if header > HEADER_MAX_BYTES {
        return Err(Refused::Header);
    }
    limits.count_address(&request, state.clock().monotonic())?;
    // Whoever asks whether we are well must be told so however busy we are: a supervisor would end a process for it.
    let _permit = if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        None
    } else {
        let permit = limits.requests.try_acquire();
        Some(permit.map_err(|_| Refused::Busy)?)
    };
    tokio::time::timeout(TIMEOUT, next.run(request))
        .await
        .map_err(|_| Refused::Timeout)
}

/// Requests of each client: a minute's worth at once, then as fast as they come back.
#[derive(Debug)]
struct Rates<K> {
    per_minute: Option<u32>,
    clients: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Requests that may still be made.
    left: f64,
    at: Duration,
}

impl Bucket {
    /// As it is by `now`, at `per_second`, and never fuller than `full`.
    fn refilled(self, now: Duration, per_second: f64, full: f64) -> Self {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        Self {
            left: (self.left + passed * per_second).min(full),
            at: now,
        }
    }
}

impl<K: Hash + Eq> Rates<K> {
    fn new(per_minute: Option<u32>) -> Self {
        Self {
            per_minute,
            clients: Mutex::new(HashMap::new()),
        }
    }

    fn count(&self, client: K, now: Duration) -> Result<(), Refused> {
        let Some(per_minute) = self.per_minute else {
            return Ok(());
        };
        let full = f64::from(per_minute);
        let per_second = full / 60.0;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            clients.retain(|_, bucket| bucket.refilled(now, per_second, full).left < full);
            if clients.len() >= CLIENTS_MAX {
                clients.clear();
            }
        }
        let fresh = Bucket {
            left: full,
            at: now,
        };
        let bucket = clients.entry(client).or_insert(fresh);
        *bucket = bucket.refilled(now, per_second, full);
        if bucket.left < 1.0 {
            let retry_after = Duration::from_secs_f64(((1.0 - bucket.left) / per_second).ceil());
            return Err(Refused::Rate { retry_after });
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_minutes_worth_at_once_and_then_waits() {
        let rates = Rates::new(Some(2));
        let at = Duration::from_secs;

        assert_eq!(rates.count("a", at(0)), Ok(()));
        assert_eq!(rates.count("a", at(0)), Ok(()));
        let retry_after = at(30);
        assert_eq!(rates.count("a", at(0)), Err(Refused::Rate { retry_after }));
        assert_eq!(rates.count("b", at(0)), Ok(()));
        assert_eq!(rates.count("a", at(30)), Ok(()));
        assert!(rates.count("a", at(31)).is_err());
    }

    #[test]
    fn no_number_of_clients_fills_the_memory() {
        let rates = Rates::new(Some(1));
        for client in 0..=CLIENTS_MAX {
            assert_eq!(rates.count(client, Duration::ZERO), Ok(()));
        }
        assert!(rates.clients.lock().unwrap().len() <= CLIENTS_MAX);
    }
}
