//! Which relay is meant by what an operator types.

use anyhow::bail;
use shared::{
    domain::RelayId,
    query::Query,
    repositories::{
        operator::sync_list::{SyncFilter, SyncPage},
        relay_sync::RelaySync,
    },
};

/// Relays of one beginning that are looked through for the one of that very name.
const LOOKED_AT: u32 = 200;

/// The relay with this id, host or subdomain.
pub async fn find_relay(query: &Query, name: &str) -> anyhow::Result<RelayId> {
    let wanted = name.trim().to_lowercase();
    let filter = SyncFilter {
        q: Some(wanted.clone()),
        ..SyncFilter::default()
    };
    let page = SyncPage {
        limit: LOOKED_AT,
        ..SyncPage::default()
    };
    let found = query.list_syncs(&filter, &page).await?.items;
    let is_meant = |sync: &&RelaySync| {
        sync.relay_id.as_str() == wanted
            || sync.host == wanted
            || sync.subdomain.as_str() == wanted
            || format!("{}.{}", sync.subdomain, sync.zooid_domain) == wanted
    };
    let meant: Vec<&RelaySync> = found.iter().filter(is_meant).collect();
    match meant[..] {
        [] => bail!("there is no relay {name}"),
        [sync] => Ok(sync.relay_id.clone()),
        [one, other, ..] => bail!(
            "{name} is the subdomain of several relays, such as {} and {}: name the host",
            one.host,
            other.host
        ),
    }
}
