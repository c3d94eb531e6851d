//! The rules of hosted relays, free of any database, HTTP or clock.
//!
//! Invariant: a value of a type in this module has passed the rule its type documents, whether it came from a client or from a row.

mod activity;
mod billing_input;
mod bulk;
mod custom_domain;
mod dashboard_session;
mod desired;
mod failure;
mod failure_pattern;
mod generation;
mod host;
mod id;
mod json;
mod observation;
mod operator;
mod operator_input;
mod plan;
mod pubkey;
mod relay;
mod relay_input;
mod rules;
mod schema;
mod secret;
mod settings;
mod settings_patch;
mod sync;
mod tenant;
mod text;

pub use activity::{Activity, ActivityType, ResourceType};
pub use billing_input::{BillingIdInput, WalletErrorInput};
pub use bulk::{BULK_RELAYS_MAX, BulkFilter, BulkInput, PreviewInput, SEARCH_MAX_CHARS};
pub use custom_domain::{
    CUSTOM_DOMAIN_GRACE, DomainCheck, DomainFinding, DomainVerification, canonical_name,
};
pub use dashboard_session::{DashboardSession, LinkInput, SessionScope};
pub use desired::{ABSENT, DesiredRelay, InZooid};
pub use failure::{FailureKind, Opens, Policy};
pub use failure_pattern::{fingerprint, pattern};
pub use generation::Generation;
pub use host::{CustomDomain, Subdomain, ZooidDomain};
pub use id::{AttemptId, JobId, RelayId, WorkerId};
pub use json::{Flag, JsonInput};
pub use observation::{DriftField, ExpectedDocument, Observation, RelayDocument};
pub use operator::{Actor, OperatorActionKind, OperatorResource, RelayAction};
pub use operator_input::{ReconcileInput, RetryInput};
pub use plan::{Plan, PlanId, plans};
pub use pubkey::Pubkey;
pub use relay::{Relay, RelayStatus};
pub use relay_input::{CreateRelayInput, NewRelay, RelayPatch, UpdateRelayInput};
pub use rules::{RESERVED_SUBDOMAINS, Rules, ValidationError};
pub use schema::Schema;
pub use secret::RelaySecret;
pub use settings::RelaySettings;
pub use settings_patch::{
    CustomDomainChange, INFO_DESCRIPTION_MAX_CHARS, INFO_ICON_MAX_CHARS, INFO_NAME_MAX_CHARS,
    SettingsPatch,
};
pub use sync::{AttemptOutcome, CircuitState, SyncFailure, SyncReport, SyncState, Taken, Verb};
pub use tenant::{CreateTenantInput, NewTenant, NwcChange, Tenant, UpdateTenantInput};
pub use text::Malformed;
