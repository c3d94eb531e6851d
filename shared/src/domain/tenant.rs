//! Tenants: the people who own relays.
//!
//! Invariant: a wallet connection URL (NIP-47) is a secret. It is never part of [`Tenant`], of `Debug` output or of an error.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::json::Fields;
use super::{JsonInput, Pubkey, ValidationError};

/// Longest URL we store, in bytes.
const URL_MAX_BYTES: usize = 2048;

/// A tenant, as clients read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tenant {
    /// The tenant's key, which is also its id.
    pub pubkey: Pubkey,
    /// Where the billing pages send the tenant back to.
    pub return_url: Option<String>,
    /// Whether a wallet is connected. The URL itself is write-only.
    pub nwc_is_set: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// The day billing periods count from, in Unix seconds.
    pub billing_anchor: Option<i64>,
    /// The billing system's id of the customer.
    pub stripe_customer_id: Option<String>,
    /// The billing system's id of the means of payment.
    pub stripe_payment_method_id: Option<String>,
    /// The billing system's id of the subscription.
    pub stripe_subscription_id: Option<String>,
    /// What went wrong with the wallet, for the tenant.
    pub nwc_error: Option<String>,
    /// What went wrong with the card, for the tenant.
    pub stripe_error: Option<String>,
    /// Since when a payment is overdue, in Unix seconds.
    pub past_due_at: Option<i64>,
    /// When the tenant left, in Unix seconds.
    pub churned_at: Option<i64>,
}

/// A request to create the caller's tenant, as read.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct CreateTenantInput {
    /// Where the billing pages send the tenant back to: an http or https URL, "" for nowhere. It counts only when the
    /// tenant is created.
    #[schema(max_length = 2048)]
    pub return_url: Option<String>,
}

/// A tenant that may be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// The tenant's key.
    pub pubkey: Pubkey,
    /// An http or https URL.
    pub return_url: Option<String>,
}

impl JsonInput for CreateTenantInput {
    const RULES: &'static [&'static str] = &["return-url-invalid"];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        Ok(Self {
            return_url: Fields::of(body)?.string("return_url")?,
        })
    }
}

impl CreateTenantInput {
    /// The tenant to create for `pubkey`. An empty return URL is none.
    ///
    /// # Errors
    /// `return-url-invalid`.
    pub fn validate(self, pubkey: Pubkey) -> Result<NewTenant, ValidationError> {
        let return_url = self.return_url.filter(|text| !text.is_empty());
        let is_valid = |text: &String| {
            text.len() <= URL_MAX_BYTES
                && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        };
        if return_url.as_ref().is_some_and(|text| !is_valid(text)) {
            return Err(ValidationError::new(
                "return-url-invalid",
                "return_url",
                "must be an http or https URL of at most 2048 bytes",
            ));
        }
        Ok(NewTenant { pubkey, return_url })
    }
}

/// A request to change a tenant, as read.
#[derive(Clone, Default, ToSchema)]
pub struct UpdateTenantInput {
    /// The wallet connection URL (NIP-47), "" to disconnect.
    #[schema(value_type = Option<String>, max_length = 2048, write_only)]
    pub nwc_url: Option<Zeroizing<String>>,
}

impl JsonInput for UpdateTenantInput {
    const RULES: &'static [&'static str] = &["nwc-url-invalid"];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        Ok(Self {
            nwc_url: Fields::of(body)?.string("nwc_url")?.map(Zeroizing::new),
        })
    }
}

impl UpdateTenantInput {
    /// The change to make.
    ///
    /// # Errors
    /// `nwc-url-invalid`.
    pub fn validate(self) -> Result<NwcChange, ValidationError> {
        match self.nwc_url {
            None => Ok(NwcChange::Keep),
            Some(url) if url.is_empty() => Ok(NwcChange::Disconnect),
            Some(url) if is_nwc_url(&url) => Ok(NwcChange::Set(url)),
            Some(_) => Err(ValidationError::new(
                "nwc-url-invalid",
                "nwc_url",
                "must be a wallet connection that begins with nostr+walletconnect:// and has a relay and a secret",
            )),
        }
    }
}

impl fmt::Debug for UpdateTenantInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateTenantInput")
            .field("nwc_url", &self.nwc_url.as_ref().map(|_| "[redacted]"))
            .finish()
    }
}

/// What becomes of a tenant's wallet connection.
#[derive(Clone, PartialEq, Eq)]
pub enum NwcChange {
    /// It stays as it is.
    Keep,
    /// There is none any more.
    Disconnect,
    /// It is this URL.
    Set(Zeroizing<String>),
}

impl fmt::Debug for NwcChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Disconnect => "Disconnect",
            Self::Set(_) => "Set([redacted])",
        })
    }
}

/// Whether `text` is a connection URL of NIP-47: the wallet's key, at least one relay, and a secret of 64 hex digits.
fn is_nwc_url(text: &str) -> bool {
    if text.len() > URL_MAX_BYTES || !text.starts_with("nostr+walletconnect://") {
        return false;
    }
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let has_wallet = url
        .host_str()
        .is_some_and(|host| host.len() == 64 && host.parse::<Pubkey>().is_ok());
    let has_relay = url.query_pairs().any(|(name, value)| {
        name == "relay"
            && Url::parse(&value).is_ok_and(|relay| matches!(relay.scheme(), "ws" | "wss"))
    });
    let has_secret = url.query_pairs().any(|(name, value)| {
        name == "secret" && value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    has_wallet && has_relay && has_secret
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PUBKEY: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    const SECRET: &str = "71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c";

    fn wallet() -> String {
        format!(
            "nostr+walletconnect://{PUBKEY}?relay=wss%3A%2F%2Frelay.example.com&secret={SECRET}"
        )
    }

    fn change(body: &Value) -> Result<NwcChange, ValidationError> {
        UpdateTenantInput::from_json(body)?.validate()
    }

    #[test]
    fn a_wallet_is_kept_disconnected_or_set() {
        assert_eq!(change(&json!({})).unwrap(), NwcChange::Keep);
        assert_eq!(change(&json!({"nwc_url": null})).unwrap(), NwcChange::Keep);
        assert_eq!(
            change(&json!({"nwc_url": ""})).unwrap(),
            NwcChange::Disconnect
        );
        assert_eq!(
            change(&json!({"nwc_url": wallet()})).unwrap(),
            NwcChange::Set(Zeroizing::new(wallet()))
        );
    }

    #[test]
    fn what_is_no_wallet_connection_is_refused_without_being_quoted() {
        for bad in [
            "https://example.com".to_owned(),
            wallet().replace("nostr+walletconnect://", "nostr+walletconnect:"),
            wallet().replace("relay=", "other="),
            wallet().replace("wss", "http"),
            wallet().replace("secret=", "token="),
            wallet().replace(SECRET, "abc"),
            wallet().replace(PUBKEY, &"f".repeat(64)),
            format!("{}&lud16={}", wallet(), "x".repeat(2048)),
        ] {
            let error = change(&json!({"nwc_url": bad})).unwrap_err();
            assert_eq!((error.code, error.field), ("nwc-url-invalid", "nwc_url"));
            assert!(!format!("{error:?} {error}").contains(SECRET));
        }
    }

    #[test]
    fn a_wallet_secret_never_shows_in_debug_output() {
        let input = UpdateTenantInput::from_json(&json!({"nwc_url": wallet()})).unwrap();
        assert!(!format!("{input:?}").contains(SECRET));
        assert!(!format!("{:?}", input.validate().unwrap()).contains(SECRET));
    }

    #[test]
    fn a_return_url_is_a_web_address_or_absent() {
        let create =
            |body: &Value| CreateTenantInput::from_json(body)?.validate(PUBKEY.parse().unwrap());
        assert_eq!(create(&json!({})).unwrap().return_url, None);
        assert_eq!(create(&json!({"return_url": ""})).unwrap().return_url, None);
        assert_eq!(
            create(&json!({"return_url": "https://a.example/x?y"}))
                .unwrap()
                .return_url
                .unwrap(),
            "https://a.example/x?y"
        );
        for bad in [
            "javascript:alert(1)".to_owned(),
            "/relative".to_owned(),
            format!("https://a/{}", "x".repeat(2048)),
        ] {
            let error = create(&json!({"return_url": bad})).unwrap_err();
            assert_eq!(
                (error.code, error.field),
                ("return-url-invalid", "return_url")
            );
        }
    }

    #[test]
    fn clients_read_every_field_of_a_tenant_with_null_for_none() {
        let tenant = Tenant {
            pubkey: PUBKEY.parse().unwrap(),
            return_url: None,
            nwc_is_set: true,
            created_at: 1,
            billing_anchor: None,
            stripe_customer_id: None,
            stripe_payment_method_id: None,
            stripe_subscription_id: None,
            nwc_error: None,
            stripe_error: None,
            past_due_at: None,
            churned_at: Some(2),
        };
        assert_eq!(
            serde_json::to_value(&tenant).unwrap(),
            json!({
                "pubkey": PUBKEY, "return_url": null, "nwc_is_set": true, "created_at": 1, "billing_anchor": null,
                "stripe_customer_id": null, "stripe_payment_method_id": null, "stripe_subscription_id": null,
                "nwc_error": null, "stripe_error": null, "past_due_at": null, "churned_at": 2,
            }),
        );
    }
}
