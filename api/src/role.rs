//! What somebody is to the operators' part of the API.

use std::collections::HashMap;

use serde::Serialize;
use shared::config::ServerConfig;
use shared::domain::{Malformed, Pubkey};
use utoipa::ToSchema;

/// What a key may do there. Keys without a role may do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and act.
    Admin,
    /// Read.
    Readonly,
}

/// The keys that have a role.
#[derive(Debug)]
pub struct Roles(HashMap<Pubkey, Role>);

impl Roles {
    /// As configured. A key in both lists is an admin's.
    ///
    /// # Errors
    /// The name of the variable with a key that is none after all.
    pub fn new(config: &ServerConfig) -> Result<Self, (&'static str, Malformed)> {
        let lists = [
            (
                "SERVER_READONLY_PUBKEYS",
                &config.readonly_pubkeys,
                Role::Readonly,
            ),
            ("SERVER_ADMIN_PUBKEYS", &config.admin_pubkeys, Role::Admin),
        ];
        let mut roles = HashMap::new();
        for (variable, keys, role) in lists {
            for key in keys {
                let pubkey = Pubkey::try_from(*key).map_err(|source| (variable, source))?;
                roles.insert(pubkey, role);
            }
        }
        Ok(Self(roles))
    }

    /// The role of `pubkey`, if it has one.
    pub fn of(&self, pubkey: &Pubkey) -> Option<Role> {
        self.0.get(pubkey).copied()
    }
}
