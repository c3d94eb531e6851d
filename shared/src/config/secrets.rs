//! The keys under which secrets are stored.

use super::list::comma_list;
use super::reader::{Read, Reader};
use super::variable::{CARAVEL_SECRETS_KEY, CARAVEL_SECRETS_KEY_PREVIOUS};
use crate::crypto::{Sealer, SecretsKey};

/// The sealer of `CARAVEL_SECRETS_KEY`, which still opens what was sealed under the previous keys.
pub(super) fn read_sealer(reader: &mut Reader<'_>) -> Read<Sealer> {
    let key = |text: &str| text.parse::<SecretsKey>().ok();
    let current = reader.required(&CARAVEL_SECRETS_KEY, key);
    let previous = reader.optional(&CARAVEL_SECRETS_KEY_PREVIOUS, |text| comma_list(text, key));
    Ok(Sealer::new(current?, previous?.unwrap_or_default()))
}
