//! What the original operator leaves behind: a configuration that nobody deletes with it, and that names the Service whose
//! place is now ours, with a certificate of its own and, by its default, `Fail`. The API server would trust nobody there, and
//! refuse every pod. Such webhooks are set to `Ignore`, and named in a warning. Pure.

use super::desired::WEBHOOK;
use crate::api::settings::WebhookSettings;
use serde_json::{Value as Json, json};

/// How the original operator calls its configuration. Its first releases called it as we call ours.
pub const CONFIGURATION: &str = "openlit-mutating-webhook-configuration";

/// Webhooks that lead to our Service and are not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The configuration that they stand in.
    pub configuration: String,
    /// Its version.
    version: String,
    /// Their names.
    pub webhooks: Vec<String>,
    /// Those that refuse pods when they are not trusted.
    armed: Vec<String>,
}

impl Leftover {
    /// Looks for them in a configuration, which may be our own.
    pub fn of(found: &Json, settings: &WebhookSettings) -> Option<Leftover> {
        let metadata = &found["metadata"];
        let own = metadata["name"] == settings.config_name;
        let is_left = |webhook: &&Json| {
            let service = &webhook["clientConfig"]["service"];
            service["name"] == settings.service_name
                && service["namespace"] == settings.namespace
                && !(own && webhook["name"] == WEBHOOK)
        };
        // Without a word about it, the API server refuses.
        let is_armed = |webhook: &&Json| is_left(webhook) && webhook["failurePolicy"] != "Ignore";
        let webhooks = found["webhooks"].as_array()?;
        let name = |webhook: &Json| webhook["name"].as_str().unwrap_or_default().to_owned();
        let leftover = Leftover {
            configuration: metadata["name"].as_str().unwrap_or_default().to_owned(),
            version: metadata["resourceVersion"].as_str().unwrap_or_default().to_owned(),
            webhooks: webhooks.iter().filter(is_left).map(name).collect(),
            armed: webhooks.iter().filter(is_armed).map(name).collect(),
        };
        (!leftover.webhooks.is_empty()).then_some(leftover)
    }

    /// The strategic merge patch that lets the API server pass over them, if it does not already.
    pub fn disarmed(&self) -> Option<Json> {
        let webhooks: Vec<Json> =
            self.armed.iter().map(|name| json!({ "name": name, "failurePolicy": "Ignore" })).collect();
        (!webhooks.is_empty()).then(|| json!({ "metadata": { "resourceVersion": self.version }, "webhooks": webhooks }))
    }

    /// What to tell whoever can delete it.
    pub fn warning(&self) -> String {
        format!(
            "{} of MutatingWebhookConfiguration {} leads to our Service and is of another operator, which is gone; its \
             failurePolicy is set to Ignore. Remove it: {}",
            self.webhooks.join(", "),
            self.configuration,
            self.command(),
        )
    }

    /// The command that removes it. Where the configuration is ours, it is made again without it.
    pub fn command(&self) -> String {
        format!("kubectl delete mutatingwebhookconfiguration {}", self.configuration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::Settings;

    /// As the original operator writes it, with what the API server adds.
    fn original(policy: &str) -> Json {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {
                "name": CONFIGURATION, "resourceVersion": "41", "uid": "u", "generation": 1,
                "labels": { "app": "openlit-operator", "component": "webhook-config" },
            },
            "webhooks": [{
                "name": "pod-instrumentation.openlit.io", "admissionReviewVersions": ["v1", "v1beta1"],
                "clientConfig": {
                    "caBundle": "b2xk",
                    "service": {
                        "name": "openlit-webhook-service", "namespace": "openlit", "path": "/mutate", "port": 443,
                    },
                },
                "failurePolicy": policy, "matchPolicy": "Equivalent", "namespaceSelector": {},
                "objectSelector": {
                    "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["openlit-operator"] }],
                },
                "reinvocationPolicy": "Never", "sideEffects": "None", "timeoutSeconds": 10,
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*",
                }],
            }],
        })
    }

    fn leftover(found: &Json) -> Option<Leftover> {
        Leftover::of(found, &Settings::default().webhook)
    }

    #[test]
    fn what_leads_to_our_service_is_disarmed() {
        let leftover = leftover(&original("Fail")).unwrap();
        let patch = json!({
            "metadata": { "resourceVersion": "41" },
            "webhooks": [{ "name": "pod-instrumentation.openlit.io", "failurePolicy": "Ignore" }],
        });
        assert_eq!(leftover.disarmed(), Some(patch));
        let warning = leftover.warning();
        assert!(warning.contains("pod-instrumentation.openlit.io of MutatingWebhookConfiguration openlit-mutating"));
        assert!(
            warning.ends_with("kubectl delete mutatingwebhookconfiguration openlit-mutating-webhook-configuration")
        );
    }

    #[test]
    fn what_is_disarmed_is_named_and_not_written_again() {
        let leftover = leftover(&original("Ignore")).unwrap();
        assert_eq!((leftover.webhooks.len(), leftover.disarmed()), (1, None));
    }

    #[test]
    fn what_leads_elsewhere_is_nothing_of_ours() {
        for (pointer, value) in [("namespace", "elsewhere"), ("name", "another-service")] {
            let mut found = original("Fail");
            found["webhooks"][0]["clientConfig"]["service"][pointer] = json!(value);
            assert_eq!(leftover(&found), None, "{pointer}");
        }
        let mut url = original("Fail");
        url["webhooks"][0]["clientConfig"] = json!({ "url": "https://example.com/mutate" });
        assert_eq!(leftover(&url), None);
        assert_eq!(leftover(&json!({ "metadata": { "name": CONFIGURATION } })), None);
    }

    #[test]
    fn in_our_own_configuration_only_our_webhook_is_ours() {
        let mut found = original("Fail");
        found["metadata"]["name"] = json!("openlit-instrumentation-webhook");
        let mut ours = found["webhooks"][0].clone();
        ours["name"] = json!(WEBHOOK);
        found["webhooks"].as_array_mut().unwrap().push(ours);
        let leftover = leftover(&found).unwrap();
        assert_eq!(leftover.webhooks, ["pod-instrumentation.openlit.io"]);
        assert!(leftover.command().ends_with(" openlit-instrumentation-webhook"));
    }
}
