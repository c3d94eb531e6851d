//! The one thing that a path names.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use shared::domain::{PlanId, Pubkey, RelayId, ZooidDomain};

use crate::description::{Input, Operation};
use crate::error::{ApiError, NOT_FOUND};

/// The value of a path's only parameter. What cannot be one names nothing that exists: 404.
#[derive(Debug)]
pub struct PathParam<T>(pub T);

/// A key that paths name things by.
pub trait PathKey: FromStr {
    /// What it names.
    const ENTITY: &'static str;

    /// What it is, for people.
    const MEANING: &'static str;

    /// The regular expression that every key matches; what does not names nothing.
    const PATTERN: &'static str;
}

impl PathKey for PlanId {
    const ENTITY: &'static str = "plan";
    const MEANING: &'static str = "The plan.";
    const PATTERN: &'static str = "^(free|basic|growth)$";
}

impl PathKey for Pubkey {
    const ENTITY: &'static str = "tenant";
    const MEANING: &'static str = "The tenant's key, as hex or npub.";
    const PATTERN: &'static str = "^([0-9a-fA-F]{64}|npub1[02-9ac-hj-np-z]{58})$";
}

impl PathKey for RelayId {
    const ENTITY: &'static str = "relay";
    const MEANING: &'static str = "The relay.";
    const PATTERN: &'static str = "^[a-z0-9]{26}$";
}

impl PathKey for ZooidDomain {
    const ENTITY: &'static str = "target";
    const MEANING: &'static str = "The target, by the domain that it serves.";
    const PATTERN: &'static str = "^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$";
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

impl<T: PathKey> Input for PathParam<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes_path(T::MEANING, T::PATTERN);
        operation.may_refuse(&[NOT_FOUND]);
    }
}
