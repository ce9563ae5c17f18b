//! What the `MutatingWebhookConfiguration` says, as server-side apply takes it: our fields and no others. Pure.
//!
//! Most of what others write stays by the rules of server-side apply: labels, annotations, webhooks under other names,
//! further `matchConditions`. A `namespaceSelector` is one value for it, though, so that what others put there (AKS adds
//! an expression to every webhook) is put into ours: [`merged`]. Which of them were ours stands in an annotation, since
//! nothing else tells. All is compared before it is written: [`needed`].

use crate::api::names;
use crate::api::settings::{FailurePolicy, ReinvocationPolicy, WebhookSettings};
use crate::inject::select::{EXCLUDED_NAMESPACES, OPT_OUTS};
use crate::webhook::owner::Owner;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::apimachinery::pkg::version::Info;
use serde_json::{Value as Json, json};

/// Our webhook in the configuration. The first operator of this name called it so: where it has left one, it becomes ours.
pub const WEBHOOK: &str = "instrumentation.openlit.io";

/// Who applies, before the namespace of the installation: each has its own.
const MANAGER: &str = "prelit-webhook.";

/// The label of a namespace that is its name, which the API server gives to all of them.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The annotation with the expressions that we have written, as JSON.
const NAMESPACES: &str = "openlit.io/namespaces";

/// The version of an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

impl Version {
    /// The oldest that is supported: it is the first whose CRDs know CEL.
    pub const OLDEST: Version = Version { major: 1, minor: 25 };

    /// The first that has `matchConditions` without being asked for them.
    const MATCH_CONDITIONS: Version = Version { major: 1, minor: 28 };

    /// As an API server says it: `27+` is 27. What cannot be read is taken for the oldest.
    pub fn of(info: &Info) -> Version {
        let number = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
        match (number(&info.major), number(&info.minor)) {
            (Some(major), Some(minor)) => Version { major, minor },
            _ => Version::OLDEST,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// By which name this installation applies.
pub fn manager(settings: &WebhookSettings) -> String {
    format!("{MANAGER}{}", settings.namespace)
}

/// Our fields, with the certificates (PEM) that are to be trusted.
pub fn desired(settings: &WebhookSettings, server: Version, bundle: &[u8], owner: &Owner) -> Json {
    let namespaces = namespaces(settings);
    let mut webhook = json!({
        "name": WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "caBundle": BASE64.encode(bundle),
            "service": {
                "name": settings.service_name, "namespace": settings.namespace,
                "path": settings.path, "port": settings.service_port,
            },
        },
        "failurePolicy": match settings.failure_policy {
            FailurePolicy::Ignore => "Ignore",
            FailurePolicy::Fail => "Fail",
        },
        "matchPolicy": "Equivalent",
        "namespaceSelector": { "matchExpressions": namespaces },
        // None, and nobody else's: labels say nothing about which pods a resource selects.
        "objectSelector": {},
        "reinvocationPolicy": match settings.reinvocation_policy {
            ReinvocationPolicy::Never => "Never",
            ReinvocationPolicy::IfNeeded => "IfNeeded",
        },
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
            "scope": "Namespaced",
        }],
        // Events; in a dry run there are none.
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": settings.timeout_seconds,
    });
    if server >= Version::MATCH_CONDITIONS {
        webhook["matchConditions"] = conditions();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": settings.config_name,
            "annotations": { NAMESPACES: Json::from(namespaces).to_string() },
            "labels": { "app.kubernetes.io/name": "openlit-operator", "app.kubernetes.io/managed-by": "prelit" },
            "ownerReferences": [owner.reference()],
        },
        "webhooks": [webhook],
    })
}

/// Lets the API server pass over us when we do not answer.
pub fn spare(desired: &mut Json) {
    desired["webhooks"][0]["failurePolicy"] = json!("Ignore");
}

/// Whether this configuration refuses pods already, by our word, when we do not answer.
pub fn refuses(found: &Json, settings: &WebhookSettings) -> bool {
    appliers(found).any(|namespace| namespace == settings.namespace)
        && webhook(found, WEBHOOK).is_some_and(|webhook| webhook["failurePolicy"] == "Fail")
}

/// The namespaces of the installations that have applied this configuration.
fn appliers(found: &Json) -> impl Iterator<Item = &str> {
    let managers = found["metadata"]["managedFields"].as_array().into_iter().flatten();
    let applied = managers.filter(|entry| entry["operation"] == "Apply");
    applied.filter_map(|entry| entry["manager"].as_str()?.strip_prefix(MANAGER))
}

/// The namespaces whose pods we are asked about.
fn namespaces(settings: &WebhookSettings) -> Vec<Json> {
    let mut left_out = EXCLUDED_NAMESPACES.to_vec();
    if !left_out.contains(&settings.namespace.as_str()) {
        left_out.push(&settings.namespace);
    }
    let mut expressions = vec![json!({ "key": NAMESPACE_NAME, "operator": "NotIn", "values": left_out })];
    if !settings.watch_namespaces.is_empty() {
        expressions.push(json!({ "key": NAMESPACE_NAME, "operator": "In", "values": settings.watch_namespaces }));
    }
    expressions
}

/// The expressions of a configuration that we have written, by the settings of then.
fn ours(found: &Json) -> Vec<Json> {
    let text = found["metadata"]["annotations"][NAMESPACES].as_str();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Pods about which the API server need not ask, since the answer would be nothing: they carry an injection,
/// mirror a static pod, or opt out.
/// An expression that fails would count as our failure: nothing is read that need not be there.
fn conditions() -> Json {
    let lacks = |map: &str, key: &str, rest: &str| {
        format!("!has(object.metadata.{map}) || !('{key}' in object.metadata.{map}){rest}")
    };
    let lacks_annotation = |name: &str, key| json!({ "name": name, "expression": lacks("annotations", key, "") });
    let of_pods = [
        lacks_annotation("not-injected.openlit.io", names::ANNOTATION_INJECTION),
        lacks_annotation("no-mirror.openlit.io", names::ANNOTATION_MIRROR),
    ];
    let opts_out = OPT_OUTS.iter().map(|opt_out| {
        let (kind, map) = if opt_out.annotation { ("annotation", "annotations") } else { ("label", "labels") };
        let word = opt_out.key.rsplit('/').next().unwrap_or_default();
        let differs = format!(" || object.metadata.{map}['{}'] != '{}'", opt_out.key, opt_out.value);
        json!({
            "name": format!("no-{kind}-{word}-{}.openlit.io", opt_out.value),
            "expression": lacks(map, opt_out.key, &differs),
        })
    });
    of_pods.into_iter().chain(opts_out).collect()
}

/// What is to be applied over what was found: our fields, with what others have put where only one can write, and for
/// this version of the object alone.
pub fn merged(found: Option<&Json>, desired: &Json) -> Json {
    let mut merged = desired.clone();
    let entry = found.and_then(|found| webhook(found, WEBHOOK));
    let before = found.map(ours).unwrap_or_default();
    let ours = &mut merged["webhooks"][0];
    if let Some(selector) = entry.and_then(|entry| entry.get("namespaceSelector")) {
        let wanted = ours["namespaceSelector"]["matchExpressions"].as_array().cloned().unwrap_or_default();
        // In the order that was found, which may be the wish of whoever adds to it.
        let mut expressions = selector["matchExpressions"].as_array().cloned().unwrap_or_default();
        // Where one of ours is not there any more, one that asks the same with other values is what became of it.
        let lost: Vec<&Json> = before.iter().filter(|ours| !expressions.contains(ours)).collect();
        let edited =
            |found: &Json| lost.iter().any(|ours| ours["key"] == found["key"] && ours["operator"] == found["operator"]);
        expressions.retain(|found| wanted.contains(found) || !(before.contains(found) || edited(found)));
        let missing: Vec<Json> = wanted.into_iter().filter(|wanted| !expressions.contains(wanted)).collect();
        expressions.extend(missing);
        ours["namespaceSelector"]["matchExpressions"] = expressions.into();
        if let Some(labels) = selector.get("matchLabels") {
            ours["namespaceSelector"]["matchLabels"] = labels.clone();
        }
    }
    if let Some(version) = found.and_then(|found| found["metadata"].get("resourceVersion")) {
        merged["metadata"]["resourceVersion"] = version.clone();
    }
    merged
}

/// The strategic merge patch that takes a URL away, if somebody has put one where we are reached by our Service: only one of
/// both may be there, and applying takes nothing away that is another's.
pub fn without_url(found: &Json, desired: &Json) -> Option<Json> {
    webhook(found, WEBHOOK)?["clientConfig"].get("url")?;
    let service = &desired["webhooks"][0]["clientConfig"]["service"];
    Some(json!({
        "metadata": { "resourceVersion": found["metadata"]["resourceVersion"] },
        "webhooks": [{ "name": WEBHOOK, "clientConfig": { "url": null, "service": service } }],
    }))
}

/// What is to be applied, if what was found does not say it all already. What else it says does not matter: defaults of
/// the API server, and fields of others.
pub fn needed(found: Option<&Json>, desired: &Json) -> Option<Json> {
    let merged = merged(found, desired);
    (!found.is_some_and(|found| says(found, &merged))).then_some(merged)
}

/// The entry of this name.
pub fn webhook<'f>(found: &'f Json, name: &str) -> Option<&'f Json> {
    found["webhooks"].as_array()?.iter().find(|webhook| webhook["name"] == name)
}

/// The certificates (PEM) that the API server trusts when it asks us.
pub fn bundle(found: &Json) -> Vec<u8> {
    let bundle = webhook(found, WEBHOOK).and_then(|webhook| webhook["clientConfig"]["caBundle"].as_str());
    bundle.and_then(|bundle| BASE64.decode(bundle).ok()).unwrap_or_default()
}

/// The namespace of another installation that has applied this configuration: it is not ours to write.
pub fn held_by_another<'f>(found: &'f Json, settings: &WebhookSettings) -> Option<&'f str> {
    appliers(found).find(|namespace| *namespace != settings.namespace)
}

/// Whether everything that is wanted is there. Lists of things with an identity are maps, as for server-side apply; an
/// empty map is to be empty.
fn says(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Object(found), Json::Object(wanted)) => {
            (!wanted.is_empty() || found.is_empty())
                && wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| says(found, wanted)))
        }
        (Json::Array(found), Json::Array(wanted)) => match wanted.first().and_then(identity) {
            Some(key) => {
                wanted.iter().all(|wanted| found.iter().any(|found| found[key] == wanted[key] && says(found, wanted)))
            }
            None => found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| says(found, wanted)),
        },
        _ => found == wanted,
    }
}

fn identity(item: &Json) -> Option<&'static str> {
    ["uid", "name"].into_iter().find(|key| item.get(key).is_some())
}

#[cfg(test)]
mod tests;
