//! How a plugin announces its parameters, for Argo CD's user interface to show. What it shows as a default is not sent
//! to the plugin.

use super::parameters::{Form, PARAMETERS, Parameter, Scope};
use serde::Serialize;
use std::collections::BTreeMap;

/// One announced parameter, in Argo CD's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// Its name.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it is for.
    pub tooltip: &'static str,
    /// `boolean`, or nothing for text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_type: Option<&'static str>,
    /// `string`, `array` or `map`.
    pub collection_type: &'static str,
    /// What holds for a string that is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string: Option<String>,
    /// What holds for an array that is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<Vec<String>>,
    /// What holds for a map that is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<BTreeMap<String, String>>,
}

/// The parameters of these scopes, each with what holds for its setting.
pub fn announcements(
    has: impl Fn(Scope) -> bool,
    default: impl Fn(&'static str) -> String,
) -> impl Iterator<Item = Announcement> {
    PARAMETERS.iter().filter(move |parameter| has(parameter.scope)).map(move |parameter| of(parameter, &default))
}

fn of(parameter: &Parameter, default: impl Fn(&'static str) -> String) -> Announcement {
    let text = || match (parameter.setting, parameter.form) {
        (Some(setting), _) => default(setting),
        (None, Form::Boolean) => "false".to_owned(),
        (None, _) => String::new(),
    };
    let (collection_type, string, array, map) = match parameter.form {
        Form::Text | Form::Boolean => ("string", Some(text()), None, None),
        Form::Texts => ("array", None, Some(Vec::new()), None),
        Form::Map => ("map", None, None, Some(BTreeMap::new())),
    };
    Announcement {
        name: parameter.name,
        title: parameter.title,
        tooltip: parameter.tooltip,
        item_type: (parameter.form == Form::Boolean).then_some("boolean"),
        collection_type,
        string,
        array,
        map,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argocd::SourceKind;

    fn names(kind: SourceKind) -> Vec<&'static str> {
        announcements(|scope| scope.is_dynamic(kind), str::to_owned).map(|announcement| announcement.name).collect()
    }

    #[test]
    fn a_folder_has_the_parameters_of_its_kind() {
        assert!(names(SourceKind::Helm).contains(&"values-files"));
        assert!(!names(SourceKind::Kustomize).contains(&"values-files"));
        assert!(names(SourceKind::Directory).contains(&"recurse"));
        assert!(!names(SourceKind::Helm).contains(&"settings"), "the plugin's configuration has it");
    }

    #[test]
    fn defaults_are_those_that_hold() {
        let json = serde_json::to_value(announcements(|_| true, str::to_owned).collect::<Vec<_>>()).unwrap();
        assert_eq!(json[0]["string"], "OPENLIT_OTLP_ENDPOINT");
        let strict = json.as_array().unwrap().iter().find(|each| each["name"] == "strict").unwrap();
        assert_eq!((&strict["itemType"], &strict["string"]), (&"boolean".into(), &"false".into()));
        assert!(strict.get("array").is_none());
    }
}
