//! Takes away what the webhook has made for itself, and what no manifest names: its configuration, its Secret, its Lease.

use super::{desired, told};
use crate::api::settings::{CertMode, WebhookSettings};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use time::OffsetDateTime;

/// Why nothing more was deleted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A replica would make it all again.
    #[error(
        "{0} leads, and would make it all again: delete the Deployment first, and wait until its pods are gone; if it was \
         killed, until its Lease ends, which takes seconds"
    )]
    Runs(String),
    /// The API server refuses.
    #[error("the {what} cannot be deleted: {}", told(.error))]
    ApiServer {
        /// What was to be deleted.
        what: String,
        /// Why it was not.
        error: kube::Error,
    },
}

/// Deletes what the webhook made, the configuration first, and says what it did, a line each.
///
/// # Errors
/// When a replica leads, or the API server refuses.
pub async fn uninstall(
    client: Client,
    settings: &WebhookSettings,
    now: OffsetDateTime,
) -> Result<Vec<String>, Refusal> {
    let (namespace, lease) = (&settings.namespace, settings.lease());
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let refused = |what: &str| {
        let what = what.to_owned();
        move |error| Refusal::ApiServer { what, error }
    };
    let held = leases.get_opt(lease).await.map_err(refused(&format!("Lease {namespace}/{lease}")))?;
    if let Some(holder) = held.and_then(|held| holder(&held, now)) {
        return Err(Refusal::Runs(holder));
    }
    let mut said = Vec::new();
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let name = &settings.config_name;
    let what = format!("MutatingWebhookConfiguration {name}");
    let found = configurations.get_opt(name).await.map_err(refused(&what))?;
    let other = found
        .as_ref()
        .and_then(|found| serde_json::to_value(found).ok())
        .and_then(|found| desired::held_by_another(&found, settings).map(str::to_owned));
    said.push(match other {
        Some(other) => format!("left the {what}: it is of the installation in namespace {other}"),
        None => delete(&configurations, found, &what).await.map_err(refused(&what))?,
    });
    let what = format!("Secret {namespace}/{}", settings.secret_name);
    said.push(if settings.cert_mode == CertMode::Provided {
        format!("left the {what}: it was provided")
    } else {
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        delete_by_name(&secrets, &settings.secret_name, &what).await.map_err(refused(&what))?
    });
    let what = format!("Lease {namespace}/{lease}");
    said.push(delete_by_name(&leases, lease, &what).await.map_err(refused(&what))?);
    Ok(said)
}

async fn delete_by_name<K>(api: &Api<K>, name: &str, what: &str) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let found = api.get_opt(name).await?;
    delete(api, found, what).await
}

/// Deletes an object, if it is there, in the version that was found.
async fn delete<K>(api: &Api<K>, found: Option<K>, what: &str) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let Some(found) = found else { return Ok(format!("no {what}")) };
    let preconditions = Preconditions { uid: found.uid(), resource_version: found.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    api.delete(&found.name_any(), &params).await?;
    Ok(format!("deleted the {what}"))
}

/// Who holds a Lease that has not ended.
fn holder(lease: &Lease, now: OffsetDateTime) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_ref().filter(|holder| !holder.is_empty())?;
    let renewed = spec.renew_time.as_ref()?.0.as_second();
    let ends = renewed + i64::from(spec.lease_duration_seconds?);
    (ends >= now.unix_timestamp()).then(|| holder.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lease(spec: &serde_json::Value) -> Lease {
        serde_json::from_value(json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec }))
            .unwrap()
    }

    const RENEWED: &str = "2026-01-01T00:00:00.000000Z";

    /// Seconds after it.
    fn after(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_767_225_600 + seconds).unwrap()
    }

    #[test]
    fn a_lease_is_held_until_it_ends() {
        let held = lease(&json!({ "holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": RENEWED }));
        assert_eq!(holder(&held, after(14)).as_deref(), Some("a"));
        assert_eq!(holder(&held, after(16)), None);
    }

    #[test]
    fn a_lease_that_was_given_back_is_held_by_nobody() {
        for spec in [
            json!({}),
            json!({ "holderIdentity": "", "leaseDurationSeconds": 15, "renewTime": RENEWED }),
            json!({ "holderIdentity": "a", "leaseDurationSeconds": 15 }),
        ] {
            assert_eq!(holder(&lease(&spec), after(0)), None);
        }
    }
}
