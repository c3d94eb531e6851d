//! How much one client may ask for, and all of them together.
//!
//! Invariant: whatever clients send, the memory and the requests they occupy here are bounded: the counters, the header, the
//! address, the body, the time of a request and how many are handled at once. Only what is worked on counts as handled: a
//! body that is still coming and a wait for zooid have places of their own, so that no slow client keeps others out.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::AUTHORIZATION;
use shared::config::LimitsConfig;
use shared::domain::Pubkey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::body;
use crate::client::Client;
use crate::error::ApiError;
use crate::places::{Place, Places, Taken};
use crate::rates::Rates;
use crate::state::ApiState;

/// Longest path and query, in bytes.
const URL_MAX_BYTES: usize = 4096;

/// Longest header, all fields together, in bytes.
const HEADER_MAX_BYTES: usize = 16 * 1024;

/// How long a request may take once it is here: longer than the longest wait for zooid.
const TIMEOUT: Duration = Duration::from_secs(45);

/// How long a body may take to arrive: 64 KiB in it is the slowest of mobile networks.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bodies of one address that may be coming at once. As many requests as may be handled at once may have one coming.
const BODIES_EACH: usize = 64;

/// Writes of one tenant's that may wait for zooid at once. As many may wait in all as may be handled at once.
const WAITS_EACH: usize = 32;

/// Most streams of `GET /events` at a time. Each holds a connection.
const OPERATOR_STREAMS_MAX: usize = 128;

/// Most streams of relays at a time: in all, of one key, and of one address, which several people may share.
const RELAY_STREAMS_MAX: usize = 1024;
const RELAY_STREAMS_PER_KEY: usize = 32;
const RELAY_STREAMS_PER_ADDRESS: usize = 128;

/// When a server that is busy is worth trying again.
pub const BUSY_PASSES: Duration = Duration::from_secs(1);

/// The limits, and how much of them is used.
#[derive(Debug)]
pub struct Limits {
    config: LimitsConfig,
    keys: Rates<Pubkey>,
    addresses: Rates<IpAddr>,
    requests: Arc<Semaphore>,
    bodies: Places<IpAddr>,
    waits: Places<Pubkey>,
    operator_streams: Places<Pubkey>,
    relay_streams: Places<Pubkey>,
    relay_stream_addresses: Places<IpAddr>,
}

/// The place of an event stream among the others.
#[derive(Debug)]
pub struct StreamPlace {
    _of_key: Place<Pubkey>,
    _of_address: Option<Place<IpAddr>>,
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
    /// Too many event streams are open.
    #[error("too many event streams are open")]
    Streams,
}

impl Limits {
    /// As configured, with nothing used.
    pub fn new(config: LimitsConfig) -> Self {
        let all = config.max_requests;
        Self {
            keys: Rates::new(config.per_key),
            addresses: Rates::new(config.per_address),
            requests: Arc::new(Semaphore::new(all)),
            bodies: Places::new(BODIES_EACH, all),
            waits: Places::new(WAITS_EACH, all),
            operator_streams: Places::new(OPERATOR_STREAMS_MAX, OPERATOR_STREAMS_MAX),
            relay_streams: Places::new(RELAY_STREAMS_PER_KEY, RELAY_STREAMS_MAX),
            relay_stream_addresses: Places::new(RELAY_STREAMS_PER_ADDRESS, RELAY_STREAMS_MAX),
            config,
        }
    }

    /// Counts a request that `key` signed.
    ///
    /// # Errors
    /// [`Refused::Rate`].
    pub fn count_key(&self, key: &Pubkey, now: Duration) -> Result<(), Refused> {
        let counted = self.keys.count(key.clone(), now);
        counted.map_err(|retry_after| Refused::Rate { retry_after })
    }

    /// A place to wait for zooid in, for a write on a relay of `tenant`; `None` when too many wait.
    pub fn place_to_wait(&self, tenant: &Pubkey) -> Option<Place<Pubkey>> {
        self.waits.take(Some(tenant.clone())).ok()
    }

    /// A place for a stream of what happens to all.
    ///
    /// # Errors
    /// [`Refused::Streams`].
    pub fn operator_stream(&self) -> Result<StreamPlace, Refused> {
        let place = self.operator_streams.take(None);
        Ok(StreamPlace {
            _of_key: place.map_err(|_| Refused::Streams)?,
            _of_address: None,
        })
    }

    /// A place for a stream of what happens to one relay, which `key` follows from `client`.
    ///
    /// # Errors
    /// [`Refused::Streams`].
    pub fn relay_stream(&self, key: &Pubkey, client: Client) -> Result<StreamPlace, Refused> {
        let of_key = self.relay_streams.take(Some(key.clone()));
        let of_address = self.relay_stream_addresses.take(client.0);
        Ok(StreamPlace {
            _of_key: of_key.map_err(|_| Refused::Streams)?,
            _of_address: Some(of_address.map_err(|_| Refused::Streams)?),
        })
    }

    fn client(&self, request: &Request) -> Client {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        peer.map_or_else(Client::default, |ConnectInfo(peer)| {
            Client::of(peer.ip(), request.headers(), &self.config.trusted_proxies)
        })
    }

    fn count_address(&self, client: Client, now: Duration) -> Result<(), Refused> {
        let Client(Some(address)) = client else {
            return Ok(());
        };
        let counted = self.addresses.count(address, now);
        counted.map_err(|retry_after| Refused::Rate { retry_after })
    }

    /// The request with its body here. Whoever sends it slowly keeps nobody else from being handled.
    async fn received(&self, client: Client, request: Request) -> Result<Request, ApiError> {
        if request.body().is_end_stream() {
            return Ok(request);
        }
        let _place = self.bodies.take(client.0).map_err(|taken| match taken {
            Taken::Share => Refused::Rate {
                retry_after: BUSY_PASSES,
            },
            Taken::All => Refused::Busy,
        })?;
        let (parts, body) = request.into_parts();
        let bytes = timeout(BODY_TIMEOUT, body::read(body)).await;
        let bytes = bytes.map_err(|_| Refused::Timeout)??;
        Ok(Request::from_parts(parts, bytes.into()))
    }
}

/// A request's place among those that are handled at the same time.
#[derive(Debug, Clone)]
pub struct Slot(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Slot {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// Leaves it to others, for what remains to be done is to wait.
    pub fn leave(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Refuses what is too much before anything is done for it.
pub async fn enforce(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    admitted(&state, request, next)
        .await
        .unwrap_or_else(ApiError::into_response)
}

async fn admitted(
    state: &ApiState,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let limits = state.limits();
    check_length(&request)?;
    let client = limits.client(&request);
    limits.count_address(client, state.clock().monotonic())?;
    // Whoever asks whether we are well must be told so however busy we are: a supervisor would end a process for it.
    let _slot = if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        None
    } else {
        request = limits.received(client, request).await?;
        let permit = Arc::clone(&limits.requests).try_acquire_owned();
        let slot = Slot::new(permit.map_err(|_| Refused::Busy)?);
        request.extensions_mut().insert(slot.clone());
        request.extensions_mut().insert(client);
        Some(slot)
    };
    let handled = timeout(TIMEOUT, next.run(request)).await;
    Ok(handled.map_err(|_| Refused::Timeout)?)
}

fn check_length(request: &Request) -> Result<(), Refused> {
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
    Ok(())
}
