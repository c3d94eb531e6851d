//! Who may call a route, and the proof that somebody may.
//!
//! Invariant: authorisation fails closed by construction. A [`Route`](crate::route::Route) cannot be made without a rule, a
//! handler is handed the rule's proof and nothing else that names the caller, and a proof can only be made here, by the
//! rule's own check. A handler that asks for another proof than its route's rule gives does not compile.

use std::fmt;

use axum::RequestExt as _;
use axum::extract::Request;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use shared::command::AskedBy;
use shared::command::operator::ByOperator;
use shared::domain::{Actor, Pubkey, Relay, RelayId};
use shared::watch::is_bearer;

use crate::auth::{Form, Identity, Rejection, Session, Uses, authenticate, of_cookie};
use crate::description::{Input as _, Operation};
use crate::error::{
    ApiError, BODY_INCOMPLETE, BODY_TOO_LARGE, CSRF, Code, FORBIDDEN, NOT_FOUND, UNAUTHORIZED,
    UNAVAILABLE,
};
use crate::path::PathParam;
use crate::role::Role;
use crate::state::ApiState;
use crate::trace::RequestTrace;

/// Who may call a route, as data: for tests and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a signature.
    Public,
    /// Whoever signs.
    Signed,
    /// The tenant that the path names, and admins.
    TenantOrAdmin,
    /// The tenant that owns the relay that the path names, and admins.
    OwnerOrAdmin,
    /// Admins.
    Admin,
    /// Admins who sign the very request or are signed in at the dashboard: an event for a session is not enough to rule
    /// the fleet.
    Operator,
    /// Whoever knows `METRICS_TOKEN`. To everybody else the route is not there, and without a token it is not there at all:
    /// behind a proxy on the same host, no address tells friend from stranger.
    MetricsToken,
    /// Admins, and those who may read what operators read, in one of these ways.
    OperatorRead,
    /// Admins and readers who sign the very request: it signs them in.
    SignIn,
    /// Whoever is signed in at the dashboard.
    SignedIn,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "everybody",
            Self::Signed => "any signer",
            Self::TenantOrAdmin => "the tenant, admins",
            Self::OwnerOrAdmin => "the owner, admins",
            Self::Admin => "admins",
            Self::Operator => "admins, request form or dashboard",
            Self::OperatorRead => "admins and readers, request form or dashboard",
            Self::MetricsToken => "the bearer of `METRICS_TOKEN`",
            Self::SignIn => "admins and readers, request form only",
            Self::SignedIn => "dashboard only",
        })
    }
}

/// The errors of whatever is signed. A body is read when it was signed too, and an event is written down where each counts
/// only once.
const SIGNED: &[Code] = &[UNAUTHORIZED, BODY_TOO_LARGE, BODY_INCOMPLETE, UNAVAILABLE];

/// A check that stands before a route.
pub trait Rule: Copy + Send + Sync + 'static {
    /// What a handler behind this rule is handed.
    type Proof: Send;

    /// The rule as data.
    const ACCESS: Access;

    /// Adds what the check reads from the path, and the errors that it answers.
    fn describe(operation: &mut Operation<'_>);

    /// Lets `request` pass, or not.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] without a valid signature where one is needed, [`ApiError::Forbidden`] for a caller who
    /// may not, [`ApiError::NotFound`] when what the path names does not exist.
    fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> impl Future<Output = Result<Self::Proof, ApiError>> + Send;
}

/// [`Access::Public`].
#[derive(Debug, Clone, Copy)]
pub struct Public;

/// [`Access::Signed`].
#[derive(Debug, Clone, Copy)]
pub struct Signed;

/// [`Access::TenantOrAdmin`]; the path has a `{pubkey}`.
#[derive(Debug, Clone, Copy)]
pub struct TenantOrAdmin;

/// [`Access::OwnerOrAdmin`]; the path has an `{id}`. A relay that was removed is there for admins alone.
#[derive(Debug, Clone, Copy)]
pub struct OwnerOrAdmin;

/// [`Access::Admin`].
#[derive(Debug, Clone, Copy)]
pub struct Admin;

/// [`Access::Operator`].
#[derive(Debug, Clone, Copy)]
pub struct Operator;

/// [`Access::MetricsToken`].
#[derive(Debug, Clone, Copy)]
pub struct MetricsToken;

/// [`Access::OperatorRead`].
#[derive(Debug, Clone, Copy)]
pub struct OperatorRead;

/// [`Access::SignIn`].
#[derive(Debug, Clone, Copy)]
pub struct SignIn;

/// [`Access::SignedIn`].
#[derive(Debug, Clone, Copy)]
pub struct SignedIn;

/// Nobody was asked who they are.
#[derive(Debug)]
pub struct Anybody(());

/// Somebody who signed.
#[derive(Debug)]
pub struct Caller {
    pubkey: Pubkey,
    role: Option<Role>,
}

/// A tenant whom the caller is, or may act for.
#[derive(Debug)]
pub struct TenantAccess {
    pubkey: Pubkey,
}

/// A relay that the caller owns, or may act on.
#[derive(Debug)]
pub struct RelayAccess {
    relay: Relay,
    caller: Pubkey,
    asked_by: AskedBy,
}

/// The caller is an admin.
#[derive(Debug)]
pub struct AdminAccess(());

/// The caller knows the token for metrics.
#[derive(Debug)]
pub struct MetricsAccess(());

/// The caller is an admin who signed this request, or is signed in at the dashboard.
#[derive(Debug)]
pub struct OperatorAccess {
    pubkey: Pubkey,
}

/// The caller may read what operators read, and signed this request or is signed in at the dashboard.
#[derive(Debug)]
pub struct OperatorReadAccess(());

/// The caller may sign in at the dashboard.
#[derive(Debug)]
pub struct SignInAccess {
    pubkey: Pubkey,
}

/// The caller is signed in at the dashboard.
#[derive(Debug)]
pub struct SignedInAccess {
    session: Session,
}

impl Caller {
    async fn of(state: &ApiState, request: &mut Request) -> Result<Self, ApiError> {
        let identity = authenticate(state, request, Uses::UntilTooOld).await?;
        Ok(Self::from_identity(state, identity))
    }

    /// Only who signed the very request. Whoever captures its header cannot change anything with it.
    async fn of_this_request(state: &ApiState, request: &mut Request) -> Result<Self, ApiError> {
        let uses = if request.method().is_safe() {
            Uses::UntilTooOld
        } else {
            Uses::Once
        };
        let identity = authenticate(state, request, uses).await?;
        match identity.form {
            Form::Request => Ok(Self::from_identity(state, identity)),
            Form::Session => Err(ApiError::Unauthorized(Rejection::Session)),
        }
    }

    /// Who signed the very request, or is signed in at the dashboard.
    async fn at_the_dashboard(state: &ApiState, request: &mut Request) -> Result<Self, ApiError> {
        if request.headers().contains_key(AUTHORIZATION) {
            return Self::of_this_request(state, request).await;
        }
        let session = of_cookie(state, request.method(), request.headers()).await?;
        Ok(Self {
            pubkey: session.who.pubkey,
            role: Some(session.role),
        })
    }

    fn from_identity(state: &ApiState, identity: Identity) -> Self {
        Self {
            role: state.role(&identity.pubkey),
            pubkey: identity.pubkey,
        }
    }

    /// Their key.
    pub fn pubkey(&self) -> &Pubkey {
        &self.pubkey
    }

    /// Whether they are an admin.
    pub fn is_admin(&self) -> bool {
        match self.role {
            Some(Role::Admin) => true,
            Some(Role::Readonly) | None => false,
        }
    }

    /// What they are to the operators' part of the API.
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The tenant to act for when the request asks for `tenant`: the caller where it names nobody.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] when the request names somebody else and the caller is no admin.
    pub fn acting_for(&self, tenant: Option<Pubkey>) -> Result<Pubkey, ApiError> {
        match tenant {
            None => Ok(self.pubkey.clone()),
            Some(tenant) => {
                self.check_may_act_for(&tenant)?;
                Ok(tenant)
            }
        }
    }

    fn check_may_act_for(&self, tenant: &Pubkey) -> Result<(), ApiError> {
        if self.is_admin() || self.pubkey == *tenant {
            Ok(())
        } else {
            Err(ApiError::Forbidden)
        }
    }

    fn check_may_read(&self) -> Result<(), ApiError> {
        match self.role {
            Some(Role::Admin | Role::Readonly) => Ok(()),
            None => Err(ApiError::Forbidden),
        }
    }

    fn check_is_admin(&self) -> Result<(), ApiError> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

impl TenantAccess {
    /// The tenant's key. There need not be such a tenant.
    pub fn into_pubkey(self) -> Pubkey {
        self.pubkey
    }
}

impl RelayAccess {
    /// The relay as it was when the caller was let in.
    pub fn into_relay(self) -> Relay {
        self.relay
    }

    /// The relay's id.
    pub fn into_id(self) -> RelayId {
        self.relay.id
    }

    /// Who calls.
    pub fn caller(&self) -> &Pubkey {
        &self.caller
    }

    /// With whose authority the caller acts: an admin's even on a relay of their own.
    pub fn asked_by(&self) -> AskedBy {
        self.asked_by
    }
}

impl OperatorAccess {
    /// The admin, as the record of operators' actions has them who act by this request.
    pub fn acting(self, RequestTrace(trace): RequestTrace) -> ByOperator {
        ByOperator {
            actor: Actor::Admin(self.pubkey),
            trace,
        }
    }
}

impl SignInAccess {
    /// Whom to sign in.
    pub fn into_pubkey(self) -> Pubkey {
        self.pubkey
    }
}

impl SignedInAccess {
    /// Their session.
    pub fn into_session(self) -> Session {
        self.session
    }
}

impl Rule for Public {
    type Proof = Anybody;
    const ACCESS: Access = Access::Public;

    fn describe(_: &mut Operation<'_>) {}

    async fn admit(self, _: &ApiState, _: &mut Request) -> Result<Anybody, ApiError> {
        Ok(Anybody(()))
    }
}

impl Rule for Signed {
    type Proof = Caller;
    const ACCESS: Access = Access::Signed;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
    }

    async fn admit(self, state: &ApiState, request: &mut Request) -> Result<Caller, ApiError> {
        Caller::of(state, request).await
    }
}

impl Rule for TenantOrAdmin {
    type Proof = TenantAccess;
    const ACCESS: Access = Access::TenantOrAdmin;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
        operation.may_refuse(&[FORBIDDEN]);
        PathParam::<Pubkey>::describe(operation);
    }

    async fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> Result<TenantAccess, ApiError> {
        let caller = Caller::of(state, request).await?;
        let PathParam(pubkey) = request.extract_parts_with_state(state).await?;
        caller.check_may_act_for(&pubkey)?;
        Ok(TenantAccess { pubkey })
    }
}

impl Rule for OwnerOrAdmin {
    type Proof = RelayAccess;
    const ACCESS: Access = Access::OwnerOrAdmin;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
        operation.may_refuse(&[FORBIDDEN]);
        PathParam::<RelayId>::describe(operation);
    }

    async fn admit(self, state: &ApiState, request: &mut Request) -> Result<RelayAccess, ApiError> {
        let caller = Caller::of(state, request).await?;
        let PathParam(id): PathParam<RelayId> = request.extract_parts_with_state(state).await?;
        let relay = state.query().get_relay(&id).await?;
        if relay.removed_at.is_some() && !caller.is_admin() {
            return Err(ApiError::NotFound("relay"));
        }
        // The owner never changes, so what holds here still holds when the handler writes.
        caller.check_may_act_for(&relay.tenant_pubkey)?;
        let asked_by = if caller.is_admin() {
            AskedBy::Admin
        } else {
            AskedBy::Tenant
        };
        Ok(RelayAccess {
            relay,
            caller: caller.pubkey,
            asked_by,
        })
    }
}

impl Rule for Admin {
    type Proof = AdminAccess;
    const ACCESS: Access = Access::Admin;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
        operation.may_refuse(&[FORBIDDEN]);
    }

    async fn admit(self, state: &ApiState, request: &mut Request) -> Result<AdminAccess, ApiError> {
        Caller::of(state, request).await?.check_is_admin()?;
        Ok(AdminAccess(()))
    }
}

impl Rule for Operator {
    type Proof = OperatorAccess;
    const ACCESS: Access = Access::Operator;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
        operation.may_refuse(&[FORBIDDEN, CSRF]);
    }

    async fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> Result<OperatorAccess, ApiError> {
        let caller = Caller::at_the_dashboard(state, request).await?;
        caller.check_is_admin()?;
        Ok(OperatorAccess {
            pubkey: caller.pubkey,
        })
    }
}

impl Rule for MetricsToken {
    type Proof = MetricsAccess;
    const ACCESS: Access = Access::MetricsToken;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(&[NOT_FOUND]);
    }

    async fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> Result<MetricsAccess, ApiError> {
        let given = request.headers().get(AUTHORIZATION);
        let is_known = state
            .metrics_token()
            .is_some_and(|token| is_bearer(token, given.map(HeaderValue::as_bytes)));
        if is_known {
            Ok(MetricsAccess(()))
        } else {
            Err(ApiError::NotFound("route"))
        }
    }
}

impl Rule for OperatorRead {
    type Proof = OperatorReadAccess;
    const ACCESS: Access = Access::OperatorRead;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
        operation.may_refuse(&[FORBIDDEN]);
    }

    async fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> Result<OperatorReadAccess, ApiError> {
        let caller = Caller::at_the_dashboard(state, request).await?;
        caller.check_may_read()?;
        Ok(OperatorReadAccess(()))
    }
}

impl Rule for SignIn {
    type Proof = SignInAccess;
    const ACCESS: Access = Access::SignIn;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(SIGNED);
        operation.may_refuse(&[FORBIDDEN]);
    }

    async fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> Result<SignInAccess, ApiError> {
        let caller = Caller::of_this_request(state, request).await?;
        caller.check_may_read()?;
        Ok(SignInAccess {
            pubkey: caller.pubkey,
        })
    }
}

impl Rule for SignedIn {
    type Proof = SignedInAccess;
    const ACCESS: Access = Access::SignedIn;

    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(&[UNAUTHORIZED, CSRF]);
    }

    async fn admit(
        self,
        state: &ApiState,
        request: &mut Request,
    ) -> Result<SignedInAccess, ApiError> {
        let session = of_cookie(state, request.method(), request.headers()).await?;
        Ok(SignedInAccess { session })
    }
}
