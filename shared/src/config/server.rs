//! The API server: where it listens, who it is in public, and whom it lets in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nostr::key::PublicKey;
use nostr::nips::nip19::FromBech32 as _;
use url::{Origin, Url};

use super::list::comma_list;
use super::reader::{Read, Reader};
use super::variable::{
    AUTH_MODE, AUTH_SESSION_SECONDS, DASHBOARD_SESSION_SECONDS, SERVER_ADMIN_PUBKEYS,
    SERVER_ALLOW_ORIGINS, SERVER_HOST, SERVER_PORT, SERVER_READONLY_PUBKEYS, SERVER_URL,
    TENANT_MAX_RELAYS,
};
use super::{BaseUrl, LimitsConfig};

/// The API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The public base URL: what signed events (NIP-98) name in their `u` tag.
    pub url: BaseUrl,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The operators. Without any, the operator routes are closed to everybody.
    pub admin_pubkeys: Vec<PublicKey>,
    /// Who may read what operators read, and change nothing. An admin's key in this list stays an admin's.
    pub readonly_pubkeys: Vec<PublicKey>,
    /// The web pages that browsers may call the API from.
    pub allow_origins: AllowOrigins,
    /// Which signed events are accepted.
    pub auth: AuthConfig,
    /// How long somebody stays signed in at the dashboard.
    pub dashboard_session: Duration,
    /// How much clients may use of it.
    pub limits: LimitsConfig,
    /// The most relays that a tenant can create; `None` for no limit.
    pub tenant_max_relays: Option<u32>,
}

/// The origins that CORS lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowOrigins {
    /// Every page may call.
    Any,
    /// These may, each as a browser writes it in `Origin`; none when the list is empty.
    Only(Vec<String>),
}

/// Which signed events the API accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthConfig {
    /// The forms of events.
    pub mode: AuthMode,
    /// How old an event may be that stands for a session.
    pub session: Duration,
}

/// The forms of signed events that the API accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Plain NIP-98, and events that stand for a session: `u` is the base URL, for any method.
    Compatible,
    /// Plain NIP-98 only, and each event once.
    Strict,
}

impl ServerConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let url = reader.required(&SERVER_URL, |text| BaseUrl::parse(text, &["http", "https"]));
        let host = reader.required(&SERVER_HOST, |text| text.parse::<IpAddr>().ok());
        let port = reader.whole(&SERVER_PORT);
        let admin_pubkeys =
            reader.optional(&SERVER_ADMIN_PUBKEYS, |text| comma_list(text, public_key));
        let readonly_pubkeys = reader.optional(&SERVER_READONLY_PUBKEYS, |text| {
            comma_list(text, public_key)
        });
        let allow_origins = reader.optional(&SERVER_ALLOW_ORIGINS, AllowOrigins::parse);
        let auth = AuthConfig::read(reader);
        let dashboard_session = reader.seconds(&DASHBOARD_SESSION_SECONDS);
        let limits = LimitsConfig::read(reader);
        let tenant_max_relays = reader.whole(&TENANT_MAX_RELAYS);
        Ok(Self {
            url: url?,
            listen: SocketAddr::new(host?, port?),
            admin_pubkeys: admin_pubkeys?.unwrap_or_default(),
            readonly_pubkeys: readonly_pubkeys?.unwrap_or_default(),
            allow_origins: allow_origins?.unwrap_or(AllowOrigins::Only(Vec::new())),
            auth: auth?,
            dashboard_session: dashboard_session?,
            limits: limits?,
            tenant_max_relays: Some(tenant_max_relays?).filter(|most| *most > 0),
        })
    }
}

impl AuthConfig {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let mode = reader.required(&AUTH_MODE, |text| match text {
            "compatible" => Some(AuthMode::Compatible),
            "strict" => Some(AuthMode::Strict),
            _ => None,
        });
        let session = reader.seconds(&AUTH_SESSION_SECONDS);
        Ok(Self {
            mode: mode?,
            session: session?,
        })
    }
}

/// A public key that is one: 32 bytes that are no point of the curve can never have signed anything.
fn public_key(text: &str) -> Option<PublicKey> {
    let key = PublicKey::from_hex(text)
        .or_else(|_| PublicKey::from_bech32(text))
        .ok()?;
    key.xonly().is_ok().then_some(key)
}

impl AllowOrigins {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        comma_list(text, origin).map(Self::Only)
    }
}

/// An origin as browsers write it (RFC 6454, section 6.2). Apps in a web view have schemes of their own, such as
/// `capacitor://localhost`.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let is_bare = matches!(url.path(), "" | "/")
        && url.username().is_empty()
        && url.password().is_none()
        && !text.contains(['?', '#', '@', '*'])
        && text.contains("://");
    is_bare.then(|| match (url.origin(), url.port()) {
        (origin @ Origin::Tuple(..), _) => origin.ascii_serialization(),
        (Origin::Opaque(_), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Origin::Opaque(_), None) => format!("{}://{host}", url.scheme()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, expected) in [
            ("https://App.Example.com/", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("tauri://localhost:80", "tauri://localhost:80"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "app.example.com",
            "https:app.example.com",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://user@app.example.com",
            "https://*.example.com",
            "file:///tmp",
            "null",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn a_star_stands_alone() {
        assert_eq!(AllowOrigins::parse("*"), Some(AllowOrigins::Any));
        assert_eq!(AllowOrigins::parse("*,https://app.example.com"), None);
    }

    #[test]
    fn public_keys_are_read_as_hex_and_npub_and_nothing_else() {
        let hex = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";
        let npub = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";

        assert_eq!(public_key(hex), public_key(npub));
        assert!(public_key(hex).is_some());
        for text in [
            "",
            "npub1",
            &hex[1..],
            &"f".repeat(64),
            &format!("nostr:{npub}"),
        ] {
            assert_eq!(public_key(text), None, "{text}");
        }
    }
}
