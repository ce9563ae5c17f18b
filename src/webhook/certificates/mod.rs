//! The webhook's certificates: a CA and a leaf of our own, in one Secret, renewed with overlap; or provided ones, in files.
//!
//! The Secret is the one truth. Every replica watches it and serves the leaf; the leader alone writes it. The API servers
//! trust what is registered as `caBundle`, which follows the Secret. `rotation` says in which order that changes, so that a
//! leaf that is served is trusted at every moment; `serving` is the last guard: a replica does not take up a leaf that is
//! not trusted yet, as long as the one it has is.

pub mod authority;
pub mod certificate;
pub mod keeper;
pub mod material;
pub mod pause;
pub mod problem;
pub mod provided;
pub mod registered;
pub mod report;
pub mod rotation;
pub mod serving;
#[cfg(test)]
mod simulation;

use rustls::pki_types::ServerName;

/// The Service by whose names the API servers reach the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Service {
    /// The name that API servers ask for.
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// Every name that a leaf of ours carries.
    pub fn hosts(&self) -> Vec<String> {
        let Service { name, namespace } = self;
        vec![self.host(), format!("{name}.{namespace}.svc.cluster.local"), format!("{name}.{namespace}"), name.clone()]
    }

    /// The name that API servers ask for, where it can be one: settings are checked before.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host()).ok()
    }
}
