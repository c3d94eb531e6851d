//! What every part of Caravel shares: the rules of the domain, and the client of the zooid server that is kept in step with it.
//!
//! Imports run one way. `domain` is pure and knows nobody.

pub mod domain;
