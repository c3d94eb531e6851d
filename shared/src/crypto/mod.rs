//! Keeping secrets secret: at rest, in memory, and out of every text we write.
//!
//! - [`Sealer`] encrypts what the database must keep (relay keys, wallet URLs) and hashes what it must only compare.
//! - [`SecretText`] holds a secret that the configuration gave us.
//! - [`Redactor`] cleans texts that others wrote, before we log or store them.
//!
//! The invariant: no `Debug`, no error and no `Display` of anything in here shows a secret, and memory that held one is
//! wiped when it is dropped.

mod key;
mod redactor;
mod sealer;
mod secret_text;

pub use key::{SecretsKey, SecretsKeyError};
pub use redactor::{REDACTED, Redactor};
pub use sealer::{SealError, Sealed, Sealer};
pub use secret_text::SecretText;
