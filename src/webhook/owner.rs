//! Whose everything is that the webhook makes: its `ClusterRole`, so that it goes with the installation.

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::Api;
use kube::{Client, ResourceExt};

/// Our `ClusterRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
}

/// Why there is no owner.
#[derive(Debug, thiserror::Error)]
pub enum NoOwner {
    /// The API server does not say.
    #[error(transparent)]
    ApiServer(#[from] kube::Error),
    /// It is gone.
    #[error(
        "the ClusterRole {0} is not there (WEBHOOK_CLUSTER_ROLE names it): an installation without it is being removed"
    )]
    Gone(String),
}

impl Owner {
    /// Our `ClusterRole`, as it is now: one that was made anew is another owner. Where it is gone, so is the installation,
    /// and what it owned is not made again.
    ///
    /// # Errors
    /// When it is gone, or the API server does not say.
    pub async fn find(client: Client, name: &str) -> Result<Owner, NoOwner> {
        let role = Api::<ClusterRole>::all(client).get_metadata_opt(name).await?;
        let uid = role.filter(|role| role.metadata.deletion_timestamp.is_none()).and_then(|role| role.uid());
        let uid = uid.ok_or_else(|| NoOwner::Gone(name.to_owned()))?;
        Ok(Owner { name: name.to_owned(), uid })
    }

    /// As what it owns names it.
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            ..OwnerReference::default()
        }
    }
}
