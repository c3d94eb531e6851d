//! What a route takes and answers, from the types of its handler: the substance of `/openapi.json`.
//!
//! Invariant: whatever a handler reads or answers has a type that says here what it is. A route whose types say nothing does
//! not compile, so none is missing, nor any field of it.

mod operation;
mod schemas;

pub use operation::Operation;
pub use schemas::Schemas;

/// What a handler reads from a request, and says of it.
pub trait Input {
    /// Adds the parameters, the body, and the errors of reading them.
    fn describe(operation: &mut Operation<'_>);
}

impl Input for () {
    fn describe(_: &mut Operation<'_>) {}
}

macro_rules! tuples {
    ($(($($part:ident),+))+) => {
        $(impl<$($part: Input),+> Input for ($($part,)+) {
            fn describe(operation: &mut Operation<'_>) {
                $($part::describe(operation);)+
            }
        })+
    };
}

tuples! {
    (A, B)
    (A, B, C)
    (A, B, C, D)
}
