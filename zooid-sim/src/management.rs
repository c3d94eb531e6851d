//! The management API: what each call does, and every way zooid refuses it (zooid.md, *Endpoints*, *Conflicts*).
//!
//! Order of checks, behind the route: NIP-98 (401), whitelist (403), the id exists or not (404, 409), body and values
//! (400), duplicates (409), write (500). Like zooid this locks nothing between a check and the write that relies on it.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::auth::{self, Clock, Unauthorized};
use crate::body::{BodyError, RequestBody};
use crate::config::Config;
use crate::index::Conflict;
use crate::lock::lock;
use crate::merge::merge;
use crate::recorder::Verb;
use crate::store::{Extent, Fatal, Store, Unreadable};
use crate::validate::Invalid;

/// The handlers and what they need.
pub(crate) struct Management {
    store: Arc<Store>,
    whitelist: Mutex<HashSet<String>>,
    clock: Clock,
}

/// A routed call.
pub(crate) struct ApiCall<'a> {
    pub(crate) verb: Verb,
    pub(crate) id: &'a str,
    /// The `Host` header.
    pub(crate) host: &'a str,
    /// The path, percent-decoded.
    pub(crate) path: &'a str,
    pub(crate) head: &'a Parts,
}

/// Why a call does not succeed.
pub(crate) enum Stop {
    /// zooid says no.
    Refused(Refusal),
    /// A fault ended zooid in the middle of the write.
    Died,
    /// zooid wrote the file, and went down when it loaded it.
    Down(Fatal),
}

/// An error answer. The texts are zooid's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Unauthorized(#[from] Unauthorized),
    #[error("pubkey not in whitelist")]
    Forbidden,
    #[error("relay not found")]
    NotFound,
    #[error("relay with this id already exists")]
    Exists,
    #[error("failed to check config: {0}")]
    Check(#[source] io::Error),
    #[error("failed to read existing config: {0}")]
    Existing(#[source] Unreadable),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("invalid json config: {0}")]
    Json(String),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("failed to read config directory: {0}")]
    Directory(#[source] io::Error),
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error("failed to write config: {0}")]
    Write(#[source] io::Error),
    #[error("failed to delete config: {0}")]
    Delete(#[source] io::Error),
}

impl Refusal {
    /// The answer that says so.
    pub(crate) fn answer(&self) -> Answer {
        let status = match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Body(_) | Self::Json(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Exists | Self::Directory(_) | Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Check(_) | Self::Existing(_) | Self::Write(_) | Self::Delete(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Answer::error(status, &self.to_string())
    }
}

impl<E: Into<Refusal>> From<E> for Stop {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal.into())
    }
}

impl Management {
    pub(crate) fn new(store: Arc<Store>, whitelist: Vec<String>, clock: Clock) -> Self {
        Self {
            store,
            whitelist: Mutex::new(whitelist.into_iter().collect()),
            clock,
        }
    }

    /// Replaces the whitelist: hex public keys, compared as they stand.
    pub(crate) fn set_whitelist(&self, pubkeys: HashSet<String>) {
        *lock(&self.whitelist) = pubkeys;
    }

    /// Does what the call asks; a write reaches as far as `extent`.
    pub(crate) async fn handle(
        &self,
        call: &ApiCall<'_>,
        body: &mut RequestBody,
        extent: Extent,
    ) -> Result<Answer, Stop> {
        self.admit(call)?;
        let id = call.id;
        match call.verb {
            Verb::Post => self.create(id, body, extent).await,
            Verb::Put => self.replace(id, body, extent).await,
            Verb::Patch => self.patch(id, body, extent).await,
            Verb::Delete => self.delete(id),
            // NIP-11 is answered at the relays' own hosts; no route of this API leads to it.
            Verb::Members | Verb::Nip11 => self.members(id),
        }
    }

    fn admit(&self, call: &ApiCall<'_>) -> Result<(), Refusal> {
        let head = call.head;
        let now = (self.clock)();
        let pubkey = auth::authenticate(&head.headers, &head.method, call.host, call.path, now)?;
        if lock(&self.whitelist).contains(&pubkey.to_hex()) {
            Ok(())
        } else {
            Err(Refusal::Forbidden)
        }
    }

    async fn create(
        &self,
        id: &str,
        body: &mut RequestBody,
        extent: Extent,
    ) -> Result<Answer, Stop> {
        // A failing check passes for absence, as in zooid; the write will tell.
        if self.store.exists(id).unwrap_or(false) {
            return Err(Refusal::Exists.into());
        }
        let config = parse(body.read().await.map_err(Refusal::Body)?)?;
        self.save(id, &config, extent)?;
        Ok(Answer::message(
            StatusCode::CREATED,
            "relay created successfully",
        ))
    }

    async fn replace(
        &self,
        id: &str,
        body: &mut RequestBody,
        extent: Extent,
    ) -> Result<Answer, Stop> {
        self.require(id)?;
        let config = parse(body.read().await.map_err(Refusal::Body)?)?;
        self.save(id, &config, extent)?;
        Ok(Answer::message(
            StatusCode::OK,
            "relay updated successfully",
        ))
    }

    async fn patch(
        &self,
        id: &str,
        body: &mut RequestBody,
        extent: Extent,
    ) -> Result<Answer, Stop> {
        self.require(id)?;
        let stored = self.store.read(id).map_err(Refusal::Existing)?;
        let config = patched(&stored, body.read().await.map_err(Refusal::Body)?)?;
        self.save(id, &config, extent)?;
        Ok(Answer::message(
            StatusCode::OK,
            "relay patched successfully",
        ))
    }

    fn delete(&self, id: &str) -> Result<Answer, Stop> {
        self.require(id)?;
        self.store.remove(id).map_err(Refusal::Delete)?;
        self.store.reload(id).map_err(Stop::Down)?;
        Ok(Answer::message(
            StatusCode::OK,
            "relay deleted successfully",
        ))
    }

    fn members(&self, id: &str) -> Result<Answer, Stop> {
        self.require(id)?;
        self.store.read(id).map_err(Refusal::Existing)?;
        let members = self.store.members(id);
        Ok(Answer::json(
            StatusCode::OK,
            &serde_json::json!({ "members": members }),
        ))
    }

    fn require(&self, id: &str) -> Result<(), Refusal> {
        match self.store.exists(id) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::NotFound),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Refusal::NotFound),
            Err(error) => Err(Refusal::Check(error)),
        }
    }

    fn save(&self, id: &str, config: &Config, extent: Extent) -> Result<(), Stop> {
        let conflict = self
            .store
            .conflict(id, config)
            .map_err(Refusal::Directory)?;
        if let Some(conflict) = conflict {
            return Err(conflict.into());
        }
        let written = self.store.write(id, config, extent);
        self.store.reload(id).map_err(Stop::Down)?;
        written.map_err(Refusal::Write)?;
        match extent {
            Extent::Whole => Ok(()),
            Extent::Torn(_) => Err(Stop::Died),
        }
    }
}

/// The configuration that POST and PUT carry.
fn parse(body: &[u8]) -> Result<Config, Refusal> {
    let value = serde_json::from_slice(body).map_err(|e| Refusal::Json(e.to_string()))?;
    checked(&value)
}

/// The stored configuration with a PATCH merged into it.
fn patched(stored: &Config, patch: &[u8]) -> Result<Config, Refusal> {
    let json = |e: serde_json::Error| Refusal::Json(e.to_string());
    // Go takes null for an empty map.
    let patch: Option<Map<String, Value>> = serde_json::from_slice(patch).map_err(json)?;
    let mut merged = serde_json::to_value(stored).map_err(json)?;
    if let Value::Object(stored) = &mut merged {
        merge(stored, patch.unwrap_or_default());
    }
    checked(&merged)
}

fn checked(value: &Value) -> Result<Config, Refusal> {
    let config = Config::from_value(value).map_err(|e| Refusal::Json(e.to_string()))?;
    Ok(config.validate()?)
}
