//! The one thing that a path names.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use shared::domain::{PlanId, Pubkey, RelayId, ZooidDomain};

use crate::error::ApiError;

/// The value of a path's only parameter. What cannot be one names nothing that exists: 404.
#[derive(Debug)]
pub struct PathParam<T>(pub T);

/// A key that paths name things by.
pub trait PathKey: FromStr {
    /// What it names.
    const ENTITY: &'static str;
}

impl PathKey for PlanId {
    const ENTITY: &'static str = "plan";
}

impl PathKey for Pubkey {
    const ENTITY: &'static str = "tenant";
}

impl PathKey for RelayId {
    const ENTITY: &'static str = "relay";
}

impl PathKey for ZooidDomain {
    const ENTITY: &'static str = "target";
}

impl<S: Send + Sync, T: PathKey> FromRequestParts<S> for PathParam<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        RawPathParams::from_request_parts(parts, state)
            .await
            .ok()
            .and_then(|params| params.iter().next()?.1.parse().ok())
            .map(Self)
            .ok_or(ApiError::NotFound(T::ENTITY))
    }
}
