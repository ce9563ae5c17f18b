//! Label selectors as Kubernetes means them: every `matchLabels` entry and every expression must
//! hold. Knows neither where labels come from nor which of them count.

use super::syntax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which pods are meant, by their labels. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LabelSelector {
    /// Labels that a pod must have, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "match_labels")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions that the labels of a pod must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic", "maxItems" = 64))]
    pub match_expressions: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    "message": "values must be given for In and NotIn, and left out for Exists and DoesNotExist",
}]))]
pub struct Requirement {
    /// The label.
    #[schemars(extend("pattern" = syntax::LABEL_KEY.pattern, "maxLength" = 317))]
    pub key: String,
    /// How the label is compared: `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: Operator,
    /// The values to compare with, for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "values")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label is there, with one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

fn match_labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "pattern": syntax::LABEL_VALUE.pattern, "maxLength": 63 },
    })
}

fn values(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 256,
        "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "pattern": syntax::LABEL_VALUE.pattern, "maxLength": 63 },
    })
}

impl LabelSelector {
    /// Whether there is no condition. What that means is for the one who asks: a selector must not
    /// be empty, and an empty `ignore` ignores nothing.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether labels meet all conditions. Without conditions, all labels do.
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.match_labels.iter().all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(label(&requirement.key)))
    }
}

impl Requirement {
    /// Whether a label with this value, or its absence, meets the condition.
    ///
    /// | operator       | absent | value is listed | value is not listed |
    /// |----------------|--------|-----------------|---------------------|
    /// | `In`           | no     | yes             | no                  |
    /// | `NotIn`        | yes    | no              | yes                 |
    /// | `Exists`       | no     | yes             | yes                 |
    /// | `DoesNotExist` | yes    | no              | no                  |
    ///
    /// An empty value is a value: `""` is not absent.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|known| known == value);
        match (self.operator, value) {
            (Operator::In, Some(value)) => listed(value),
            (Operator::NotIn, Some(value)) => !listed(value),
            (Operator::Exists, value) => value.is_some(),
            (Operator::DoesNotExist, value) => value.is_none(),
            (Operator::In, None) => false,
            (Operator::NotIn, None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(operator: Operator) -> Requirement {
        Requirement { key: "k".to_owned(), operator, values: vec!["a".to_owned(), "b".to_owned()] }
    }

    #[test]
    fn the_truth_table_holds() {
        for (operator, absent, listed, other) in [
            (Operator::In, false, true, false),
            (Operator::NotIn, true, false, true),
            (Operator::Exists, false, true, true),
            (Operator::DoesNotExist, true, false, false),
        ] {
            let requirement = requirement(operator);
            assert_eq!(requirement.matches(None), absent, "{operator:?} absent");
            assert_eq!(requirement.matches(Some("b")), listed, "{operator:?} listed");
            assert_eq!(requirement.matches(Some("")), other, "{operator:?} other");
        }
    }

    #[test]
    fn an_empty_value_does_not_match_an_absent_label() {
        let selector =
            LabelSelector { match_labels: [("k".to_owned(), String::new())].into(), ..LabelSelector::default() };
        assert!(!selector.matches(|_| None));
        assert!(selector.matches(|_| Some("")));
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let selector = LabelSelector {
            match_labels: [("app".to_owned(), "chat".to_owned())].into(),
            match_expressions: vec![requirement(Operator::NotIn)],
        };
        let with = |k: Option<&'static str>, app: &'static str| {
            selector.matches(|key| if key == "app" { Some(app) } else { k })
        };
        assert!(with(None, "chat"));
        assert!(with(Some("c"), "chat"));
        assert!(!with(Some("a"), "chat"));
        assert!(!with(None, "other"));
    }
}
