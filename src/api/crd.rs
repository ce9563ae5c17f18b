//! The `CustomResourceDefinition` of `AutoInstrumentation`, made from its types.
//!
//! It is committed as `deploy/crds/openlit.io_autoinstrumentations.yaml`; a test makes it again and
//! compares, and with `PRELIT_BLESS=1` writes it.

use super::names::{GROUP, KIND, VERSION};
use super::resource::schema;
use serde_json::{Value as Json, json};

/// The plural name of the resource.
pub const PLURAL: &str = "autoinstrumentations";

/// The definition.
pub fn crd() -> Json {
    let column = |name: &str, kind: &str, path: &str, description: &str| json!({ "name": name, "type": kind, "jsonPath": path, "description": description });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{PLURAL}.{GROUP}") },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": PLURAL,
                "singular": "autoinstrumentation",
                "shortNames": ["ai"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": [
                    column("Provider", "string", ".spec.python.instrumentation.provider", "Which instrumentation is injected."),
                    column("Endpoint", "string", ".spec.otlp.endpoint", "Where the telemetry goes, unless the settings say it."),
                    column("Environment", "string", ".spec.resource.environment", "deployment.environment"),
                    column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", "Whether the resource is valid and used."),
                    column("Pods", "integer", ".status.pods.instrumented", "How many pods carry its injection."),
                    column("Age", "date", ".metadata.creationTimestamp", "When it was created."),
                ],
                "schema": { "openAPIV3Schema": schema::object() },
            }],
        },
    })
}

/// The definition as YAML, with a last newline.
///
/// # Errors
/// When the emitter refuses a value, which no version of it has done.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, compact_list_indent: true };
    let text = serde_saphyr::to_string_with_options(&crd(), options)?;
    Ok(format!("{}\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_committed_definition_is_the_one_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/crds/openlit.io_autoinstrumentations.yaml");
        let made = crd_yaml().unwrap();
        if std::env::var_os("PRELIT_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(made == committed, "{} is out of date: run the tests with PRELIT_BLESS=1", path.display());
    }

    #[test]
    fn the_names_are_those_of_the_original() {
        let crd = crd();
        assert_eq!(crd["metadata"]["name"], "autoinstrumentations.openlit.io");
        assert_eq!(crd["spec"]["names"]["shortNames"], json!(["ai"]));
        assert_eq!(crd["spec"]["versions"][0]["subresources"], json!({ "status": {} }));
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().clone();
        let names: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
        assert_eq!(names, ["Provider", "Endpoint", "Environment", "Ready", "Pods", "Age"]);
    }
}
