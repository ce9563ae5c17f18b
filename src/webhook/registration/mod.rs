//! The registration with the API server: one `MutatingWebhookConfiguration`, made and kept right. [`desired`] decides what
//! it says, [`original`] what becomes of what the original operator left behind, [`pace`] how soon is written again;
//! [`keeper`] does it, and [`uninstall`] takes it away again.

pub mod desired;
pub mod keeper;
pub mod original;
pub mod pace;
pub mod uninstall;

use time::OffsetDateTime;

/// What the API server trusts when it asks us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The certificates (PEM) that are registered; empty where there are none, or there is no registration.
    pub bundle: Vec<u8>,
    /// Since when this replica knows it: at least so long it has been so.
    pub since: OffsetDateTime,
}

impl Registered {
    /// Nothing is known to be registered.
    pub fn nothing(now: OffsetDateTime) -> Self {
        Registered { bundle: Vec::new(), since: now }
    }
}

/// What the API server says is wrong, without the form that it says it in.
fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
