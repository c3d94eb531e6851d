//! A route: verb, path, rule, handler. The rule comes first at compile time and at run time.
//!
//! Invariant: what its description says follows from the types of rule, input and answer; by hand come only the codes of
//! commands, and tests hold these against what is answered.

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

use crate::access::{Access, Rule};
use crate::data::Answer;
use crate::description::{Input, Operation};
use crate::error::{ApiError, Code};
use crate::state::ApiState;

/// A route with the rule that guards it. There is no way to make one without.
#[derive(Debug)]
pub struct Route {
    /// The verb.
    pub(crate) method: Method,
    /// The path, with parameters in braces.
    pub(crate) path: &'static str,
    /// Who may call it.
    pub(crate) access: Access,
    /// The handler behind the check.
    pub(crate) handler: MethodRouter<ApiState>,
    /// What its types say of it.
    pub(crate) describe: fn(&mut Operation<'_>),
    /// What it may refuse for reasons that no type of its handler tells.
    pub(crate) refusals: &'static [Code],
}

/// A handler gets the state, the proof that the caller may call it, and what else it reads from the request.
pub trait Handler<P, X, A>: Clone + Send + Sync + 'static {
    /// Handles a request that was let in.
    fn handle(
        self,
        state: ApiState,
        proof: P,
        input: X,
    ) -> impl Future<Output = Result<A, ApiError>> + Send;
}

impl<P, X, A, F, Fut> Handler<P, X, A> for F
where
    F: FnOnce(ApiState, P, X) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<A, ApiError>> + Send,
{
    fn handle(
        self,
        state: ApiState,
        proof: P,
        input: X,
    ) -> impl Future<Output = Result<A, ApiError>> + Send {
        self(state, proof, input)
    }
}

impl Route {
    /// `GET path`; answers HEAD too.
    pub fn get<R, X, M, A, H>(path: &'static str, rule: R, handler: H) -> Self
    where
        R: Rule,
        X: FromRequest<ApiState, M> + Input + Send,
        A: Answer,
        H: Handler<R::Proof, X, A>,
    {
        Self::new(Method::GET, MethodFilter::GET, path, rule, handler)
    }

    /// `POST path`.
    pub fn post<R, X, M, A, H>(path: &'static str, rule: R, handler: H) -> Self
    where
        R: Rule,
        X: FromRequest<ApiState, M> + Input + Send,
        A: Answer,
        H: Handler<R::Proof, X, A>,
    {
        Self::new(Method::POST, MethodFilter::POST, path, rule, handler)
    }

    /// `PUT path`.
    pub fn put<R, X, M, A, H>(path: &'static str, rule: R, handler: H) -> Self
    where
        R: Rule,
        X: FromRequest<ApiState, M> + Input + Send,
        A: Answer,
        H: Handler<R::Proof, X, A>,
    {
        Self::new(Method::PUT, MethodFilter::PUT, path, rule, handler)
    }

    /// `DELETE path`.
    pub fn delete<R, X, M, A, H>(path: &'static str, rule: R, handler: H) -> Self
    where
        R: Rule,
        X: FromRequest<ApiState, M> + Input + Send,
        A: Answer,
        H: Handler<R::Proof, X, A>,
    {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, rule, handler)
    }

    fn new<R, X, M, A, H>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        rule: R,
        handler: H,
    ) -> Self
    where
        R: Rule,
        X: FromRequest<ApiState, M> + Input + Send,
        A: Answer,
        H: Handler<R::Proof, X, A>,
    {
        let guarded = async move |State(state): State<ApiState>, request: Request| {
            guarded(state, request, rule, handler)
                .await
                .unwrap_or_else(|refusal| refusal)
        };
        Self {
            method,
            path,
            access: R::ACCESS,
            handler: on(filter, guarded),
            describe: |operation| {
                R::describe(operation);
                X::describe(operation);
                A::describe(operation);
            },
            refusals: &[],
        }
    }

    /// The same, where commands and queries may also refuse with `codes`. What the caller's rule and the types of the
    /// handler refuse needs no mention.
    pub fn refusing(self, codes: &'static [Code]) -> Self {
        Self {
            refusals: codes,
            ..self
        }
    }
}

async fn guarded<R, X, M, A, H>(
    state: ApiState,
    mut request: Request,
    rule: R,
    handler: H,
) -> Result<Response, Response>
where
    R: Rule,
    X: FromRequest<ApiState, M> + Input + Send,
    A: Answer,
    H: Handler<R::Proof, X, A>,
{
    let proof = rule
        .admit(&state, &mut request)
        .await
        .map_err(ApiError::into_response)?;
    let input = X::from_request(request, &state)
        .await
        .map_err(X::Rejection::into_response)?;
    let answer = handler
        .handle(state, proof, input)
        .await
        .map_err(ApiError::into_response)?;
    Ok(answer.into_response())
}
