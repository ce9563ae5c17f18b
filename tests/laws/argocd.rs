//! The laws of what Argo CD says to the plugin, for any bytes at all: no panic; what is taken is a setting of workloads and
//! nothing else; an error shows no value.

use prelit::argocd::{Environment, PARAMETERS};
use serde_json::{Value as Json, json};
use std::ffi::OsString;

/// What no message may show.
const SECRET: &str = "s3cret";

/// Any bytes as the parameters of an Application: for the fuzzer.
pub fn any_bytes(bytes: &[u8]) {
    read(&String::from_utf8_lossy(bytes), "");
}

/// Parameters that are put together from what there is, in forms that fit and do not.
pub fn any_choices(choices: &[u8]) {
    let parameter = |pair: &[u8]| {
        let [name, form] = [pair[0], pair.get(1).copied().unwrap_or_default()];
        let name = PARAMETERS.get(usize::from(name)).map_or("none-of-this-name", |parameter| parameter.name);
        match form % 6 {
            0 => json!({"name": name, "string": SECRET}),
            1 => json!({"name": name, "array": [SECRET]}),
            2 => json!({"name": name, "map": {"OPENLIT_DETECTION": SECRET, "WEBHOOK_PORT": SECRET}}),
            3 => json!({"name": name, "string": "true"}),
            4 => json!({"name": name, "string": SECRET, "array": []}),
            _ => json!({"name": name, "map": {"a": 7, "b": SECRET}}),
        }
    };
    let list: Vec<Json> = choices.chunks(2).take(40).map(parameter).collect();
    read(&Json::from(list).to_string(), SECRET);
}

fn read(parameters: &str, secret: &str) {
    let variables = [
        ("ARGOCD_APP_PARAMETERS", parameters),
        ("ARGOCD_APP_NAME", "team_chat"),
        ("ARGOCD_ENV_OPENLIT_OTLP_ENDPOINT", parameters),
        ("ARGOCD_ENV_WEBHOOK_PORT", parameters),
    ];
    match Environment::read(variables.map(|(name, value)| (OsString::from(name), OsString::from(value)))) {
        Ok(environment) => {
            let given = environment.settings();
            for (name, _) in &given.pairs {
                assert!(name.starts_with("OPENLIT_"), "{name}");
                assert!(!environment.origin(name).is_empty());
            }
            shows_nothing(given.problems.iter().map(ToString::to_string), secret);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            shows_nothing(problems.into_iter(), secret);
        }
    }
}

fn shows_nothing(mut messages: impl Iterator<Item = String>, secret: &str) {
    assert!(secret.is_empty() || messages.all(|message| !message.contains(secret)), "a value is shown");
}
