//! The schema of the resource: what is derived from the types, made structural as the API server
//! wants it, and the parts of Kubernetes' own types that no type of ours stands for.
//!
//! One schema serves twice: it is published in the `CustomResourceDefinition`, and
//! [`super::read`] checks manifests by it.

use super::{AutoInstrumentationStatus, Spec};
use crate::api::syntax::{self, Syntax};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;
use std::sync::LazyLock;

/// The defaults that the API server writes. Everything else that is left out is decided by the
/// settings, which a default of the schema would hide.
const DEFAULTS: &[(&str, &str)] = &[
    ("/properties/spec/properties/priority", "0"),
    ("/properties/spec/properties/python", "{}"),
    ("/properties/spec/properties/python/properties/instrumentation", "{}"),
    ("/properties/spec/properties/python/properties/instrumentation/properties/enabled", "true"),
    ("/properties/spec/properties/python/properties/instrumentation/properties/provider", "\"openlit\""),
];

/// The structural schema of the whole object.
pub fn object() -> &'static Json {
    static SCHEMA: LazyLock<Json> = LazyLock::new(|| {
        let mut schema = json!({
            "type": "object",
            "description": "Which Python workloads are instrumented, how, and where their telemetry goes.",
            "required": ["spec"],
            "properties": {
                "apiVersion": {
                    "type": "string",
                    "description": "The version of this resource: openlit.io/v1alpha1.",
                },
                "kind": { "type": "string", "description": "The kind of this resource: AutoInstrumentation." },
                "metadata": { "type": "object" },
                "spec": structural::<Spec>(),
                "status": structural::<AutoInstrumentationStatus>(),
            },
        });
        for (pointer, default) in DEFAULTS {
            if let Some(Json::Object(place)) = schema.pointer_mut(pointer) {
                place.insert("default".to_owned(), serde_json::from_str(default).unwrap_or_default());
            }
        }
        schema
    });
    &SCHEMA
}

/// The schema of a type, structural: no references, no `null`, no unions of constants, and only
/// keywords that the API server knows.
fn structural<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    make_structural(&mut schema);
    schema
}

fn make_structural(schema: &mut Json) {
    let Json::Object(map) = schema else { return };
    for keyword in ["$schema", "title", "default", "$defs"] {
        map.remove(keyword);
    }
    merge_alternatives(map);
    if let Some(Json::Array(types)) = map.get("type") {
        let kept = types.iter().find(|name| *name != "null").cloned();
        map.insert("type".to_owned(), kept.unwrap_or_default());
    }
    if let Some(Json::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Json::String(text)) = map.get_mut("description") {
        // The words of the documentation, without the marks that only rustdoc reads.
        *text = text.replace('\n', " ").replace('`', "");
    }
    if let Some(Json::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(make_structural);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(keyword) {
            make_structural(inner);
        }
    }
}

/// Turns "this or null" into this, and a choice of described constants into an `enum`.
fn merge_alternatives(map: &mut Map<String, Json>) {
    if map.contains_key("x-kubernetes-int-or-string") {
        return;
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Json::Array(alternatives)) = map.remove(keyword) else { continue };
        let constants: Option<Vec<Json>> = alternatives.iter().map(|one| one.get("const").cloned()).collect();
        if let Some(constants) = constants {
            map.insert("type".to_owned(), json!("string"));
            map.insert("enum".to_owned(), Json::Array(constants));
        } else if let Some(Json::Object(only)) =
            alternatives.into_iter().find(|one| one.get("type").is_none_or(|name| name != "null"))
        {
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
            merge_alternatives(map);
        }
    }
}

/// The pattern of a syntax, or no text at all.
pub(super) fn or_empty(syntax: Syntax) -> Cow<'static, str> {
    Cow::Owned(format!("^$|{}", syntax.pattern))
}

/// Whatever it is.
pub(super) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// Text, or a map of text: no `type` says that, so that [`super::read`] says the rest.
pub(super) fn headers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true, "pattern": syntax::HEADERS.pattern })
}

/// A map of attributes.
pub(super) fn attributes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 128,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}

/// A quantity.
pub(super) fn quantity(_: &mut SchemaGenerator) -> Schema {
    Schema::try_from(quantity_json()).unwrap_or_default()
}

fn quantity_json() -> Json {
    json!({
        "x-kubernetes-int-or-string": true,
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "pattern": syntax::QUANTITY.pattern,
    })
}

/// A text with a description.
fn text(description: &str) -> Json {
    json!({ "type": "string", "description": description })
}

/// A boolean with a description.
fn flag(description: &str) -> Json {
    json!({ "type": "boolean", "description": description })
}

/// An integer of 64 bits with a description.
fn integer(description: &str) -> Json {
    json!({ "type": "integer", "format": "int64", "description": description })
}

/// `EnvVar`s: a name, and either a value or where it comes from.
pub(super) fn env(_: &mut SchemaGenerator) -> Schema {
    let reference = |what: &str, name_pattern: &str| {
        json!({
            "type": "object",
            "description": format!("An entry of a {what} in the namespace of the pod."),
            "required": ["name", "key"],
            "properties": {
                "name": { "type": "string", "pattern": name_pattern, "maxLength": 253, "description": format!("The name of the {what}.") },
                "key": { "type": "string", "pattern": syntax::DATA_KEY.pattern, "maxLength": 253, "description": "The key of the entry." },
                "optional": flag("Whether a pod starts without it."),
            },
        })
    };
    json_schema!({
        "type": "array",
        "maxItems": 256,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "description": "A variable: its name, and either its value or where it comes from.",
            "required": ["name"],
            "x-kubernetes-validations": [{
                "rule": "has(self.value) != has(self.valueFrom)",
                "message": "exactly one of value and valueFrom must be given",
            }],
            "properties": {
                "name": { "type": "string", "pattern": syntax::ENV_NAME.pattern, "maxLength": 253, "description": "The name of the variable." },
                "value": text("Its value. References such as $(OTHER) are resolved by the kubelet."),
                "valueFrom": {
                    "type": "object",
                    "description": "Where its value comes from: exactly one of the sources.",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": {
                        "secretKeyRef": reference("Secret", syntax::OBJECT_NAME.pattern),
                        "configMapKeyRef": reference("ConfigMap", syntax::OBJECT_NAME.pattern),
                        "fieldRef": {
                            "type": "object",
                            "description": "A field of the pod.",
                            "required": ["fieldPath"],
                            "properties": {
                                "apiVersion": text("The version of the field's schema: v1."),
                                "fieldPath": { "type": "string", "minLength": 1, "description": "The field, such as metadata.name." },
                            },
                        },
                        "resourceFieldRef": {
                            "type": "object",
                            "description": "A resource of a container.",
                            "required": ["resource"],
                            "properties": {
                                "containerName": text("The container; that of the variable, if left out."),
                                "resource": { "type": "string", "minLength": 1, "description": "The resource, such as limits.memory." },
                                "divisor": described(quantity_json(), "The unit in which it is given."),
                            },
                        },
                    },
                },
            },
        },
    })
}

/// `Volume`s: a name, and a source that only Kubernetes looks at.
pub(super) fn volumes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "description": "A volume: its name and its source, as in a pod.",
            "required": ["name"],
            "minProperties": 2,
            "maxProperties": 2,
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {
                "name": { "type": "string", "pattern": syntax::DNS_LABEL.pattern, "maxLength": 63, "description": "The name of the volume." },
            },
        },
    })
}

/// `VolumeMount`s.
pub(super) fn volume_mounts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["mountPath"],
        "items": {
            "type": "object",
            "description": "A mount of a volume, as in a container.",
            "required": ["name", "mountPath"],
            "properties": {
                "name": { "type": "string", "pattern": syntax::DNS_LABEL.pattern, "maxLength": 63, "description": "The name of the volume." },
                "mountPath": { "type": "string", "minLength": 1, "description": "Where it is mounted in the container." },
                "readOnly": flag("Whether it cannot be written to."),
                "recursiveReadOnly": { "type": "string", "enum": ["Disabled", "IfPossible", "Enabled"], "description": "Whether mounts below it cannot be written to either." },
                "subPath": text("The part of the volume that is mounted."),
                "subPathExpr": text("The part of the volume that is mounted, with references to variables."),
                "mountPropagation": { "type": "string", "enum": ["None", "HostToContainer", "Bidirectional"], "description": "How mounts spread between host and container." },
            },
        },
    })
}

/// `ResourceRequirements`.
pub(super) fn resources(_: &mut SchemaGenerator) -> Schema {
    let amounts = |description: &str| {
        json!({
            "type": "object",
            "description": description,
            "maxProperties": 32,
            "additionalProperties": quantity_json(),
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "requests": amounts("What is reserved."),
            "limits": amounts("What may be used at most."),
        },
    })
}

/// `SecurityContext` of a container.
pub(super) fn security_context(_: &mut SchemaGenerator) -> Schema {
    let names = |description: &str| {
        json!({
            "type": "array",
            "description": description,
            "maxItems": 64,
            "x-kubernetes-list-type": "atomic",
            "items": { "type": "string" },
        })
    };
    let profile = |description: &str| {
        json!({
            "type": "object",
            "description": description,
            "required": ["type"],
            "properties": {
                "type": { "type": "string", "enum": ["RuntimeDefault", "Localhost", "Unconfined"], "description": "Which profile." },
                "localhostProfile": text("The profile on the node, for Localhost."),
            },
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "allowPrivilegeEscalation": flag("Whether a process may gain more privileges than its parent."),
            "privileged": flag("Whether the container is as root on the host."),
            "readOnlyRootFilesystem": flag("Whether the root filesystem cannot be written to."),
            "runAsNonRoot": flag("Whether the container must not run as root."),
            "runAsUser": integer("The user."),
            "runAsGroup": integer("The group."),
            "procMount": text("How /proc is mounted."),
            "capabilities": {
                "type": "object",
                "description": "Capabilities of the kernel.",
                "properties": { "add": names("What is added."), "drop": names("What is taken away.") },
            },
            "seccompProfile": profile("The seccomp profile."),
            "appArmorProfile": profile("The AppArmor profile."),
            "seLinuxOptions": {
                "type": "object",
                "description": "The SELinux context.",
                "properties": {
                    "user": text("The user."),
                    "role": text("The role."),
                    "type": text("The type."),
                    "level": text("The level."),
                },
            },
        },
    })
}

fn described(mut schema: Json, description: &str) -> Json {
    schema["description"] = json!(description);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema in a schema, with its place.
    fn walk(schema: &Json, at: &str, see: &mut impl FnMut(&str, &Map<String, Json>)) {
        let Some(map) = schema.as_object() else { return };
        see(at, map);
        for (name, inner) in map.get("properties").and_then(Json::as_object).into_iter().flatten() {
            walk(inner, &format!("{at}.{name}"), see);
        }
        for keyword in ["items", "additionalProperties"] {
            if let Some(inner) = map.get(keyword) {
                walk(inner, &format!("{at}.{keyword}"), see);
            }
        }
    }

    #[test]
    fn the_schema_is_structural() {
        const KNOWN: &[&str] = &[
            "type",
            "description",
            "properties",
            "required",
            "items",
            "additionalProperties",
            "enum",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "default",
            "not",
            "anyOf",
        ];
        walk(object(), "", &mut |at, map| {
            for keyword in map.keys() {
                assert!(KNOWN.contains(&keyword.as_str()) || keyword.starts_with("x-kubernetes-"), "{at}: {keyword}");
            }
            let free = map.contains_key("x-kubernetes-preserve-unknown-fields")
                || map.contains_key("x-kubernetes-int-or-string");
            assert!(free || map.get("type").is_some_and(Json::is_string), "{at} has no type");
            assert!(!(map.contains_key("properties") && map.contains_key("additionalProperties")), "{at}");
            assert!(map.get("default").is_none_or(|default| !default.is_null()), "{at}: default: null");
        });
    }

    #[test]
    fn every_field_is_described() {
        walk(object(), "", &mut |at, map| {
            let described =
                map.contains_key("description") || at == ".metadata" || at.ends_with("additionalProperties");
            assert!(described || map.get("type").is_some_and(|name| name == "string") && at.ends_with("items"), "{at}");
        });
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let at = |pointer: &str| object().pointer(&format!("/properties/spec/properties/{pointer}")).cloned().unwrap();
        assert_eq!(at("python/properties/instrumentation/properties/provider/default"), json!("openlit"));
        assert_eq!(
            at("python/properties/instrumentation/properties/provider/enum"),
            json!(["openlit", "openinference", "openllmetry", "custom"])
        );
        assert_eq!(at("python/properties/instrumentation/properties/enabled/default"), json!(true));
        assert_eq!(at("priority/default"), json!(0));
        assert_eq!(at("otlp/properties/timeout/maximum"), json!(300));
    }

    #[test]
    fn every_pattern_is_one_that_can_be_explained() {
        walk(&object()["properties"]["spec"], "", &mut |at, map| {
            if let Some(Json::String(pattern)) = map.get("pattern") {
                let pattern = pattern.strip_prefix("^$|").unwrap_or(pattern);
                assert!(syntax::of_pattern(pattern).is_some(), "{at}: {pattern}");
            }
        });
    }
}
