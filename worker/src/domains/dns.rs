//! Questions to DNS, answered by its servers alone: no hosts file, no search list, nothing kept from the last time.

use std::{collections::BTreeSet, net::IpAddr, net::SocketAddr, time::Duration};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};

/// How long one server has for one answer, and how often it is asked again.
const TIMEOUT: Duration = Duration::from_secs(2);
const RETRIES: usize = 1;

/// A resolver.
#[derive(Clone)]
pub(super) struct Dns(TokioResolver);

/// No server gave an answer that says anything, not even that there is no such name. In words for a tenant.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Refused(ResponseCode),
    #[error("no server could be asked")]
    Unreachable,
}

impl Dns {
    /// Asks `servers`, or those of the system when there are none.
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = servers.iter().copied().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = RETRIES;
        // The host of a relay often stands in the hosts file of the machine that serves it.
        options.use_hosts_file = ResolveHosts::Never;
        // Whoever has just set a record waits for it. The servers have caches of their own.
        options.cache_size = 0;
        options.positive_max_ttl = Some(Duration::ZERO);
        options.negative_max_ttl = Some(Duration::ZERO);
        Ok(Self(builder.build()?))
    }

    /// The name that `name` is an alias of, in lower case and without the dot at its end; `None` when it is none.
    pub(super) async fn alias(&self, name: &str) -> Result<Option<String>, Unanswered> {
        let found = self.ask(name, RecordType::CNAME).await?;
        Ok(found
            .iter()
            .flat_map(Lookup::answers)
            .find_map(|record| match &record.data {
                RData::CNAME(alias) => Some(plain(&alias.0)),
                _ => None,
            }))
    }

    /// The addresses of `name`, aliases followed; none when it has none. Where one family is not answered, those of the
    /// other count: some servers never learnt of IPv6.
    pub(super) async fn addresses(&self, name: &str) -> Result<BTreeSet<IpAddr>, Unanswered> {
        let (v4, v6) = tokio::join!(
            self.ask(name, RecordType::A),
            self.ask(name, RecordType::AAAA)
        );
        let addresses: BTreeSet<IpAddr> = [&v4, &v6]
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(Lookup::answers)
            .filter_map(|record| record.data.ip_addr())
            .collect();
        if addresses.is_empty() {
            v4?;
            v6?;
        }
        Ok(addresses)
    }

    /// The answer; `None` when it is that there is nothing.
    async fn ask(&self, name: &str, record_type: RecordType) -> Result<Option<Lookup>, Unanswered> {
        match self.0.lookup(format!("{name}."), record_type).await {
            Ok(found) => Ok(Some(found)),
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok(None),
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Err(Unanswered::Refused(code)),
            Err(NetError::Timeout) => Err(Unanswered::Late),
            Err(other) => {
                tracing::debug!(
                    dns.name = name,
                    error = &other as &dyn std::error::Error,
                    "cannot ask DNS"
                );
                Err(Unanswered::Unreachable)
            }
        }
    }
}

/// By UDP, and by TCP for what is too long for that.
fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').map_or(text.clone(), str::to_owned)
}
