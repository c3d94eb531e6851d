//! Where a command comes from: which request, and with whose authority.

/// The id of the request that asked. It travels with the job to the worker's log and the attempt, so that one search
/// follows a click all the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// The request `id`.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// No request: a program asks of its own accord.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The id; "" when there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// With whose authority a command is given, where that decides what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBy {
    /// The owner.
    Tenant,
    /// An operator, or billing on their behalf.
    Admin,
}
