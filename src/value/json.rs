//! The bridge to `serde_json`: admission reviews come as JSON, and typed resources are read through it.

use super::{Map, Scalar, ScalarType, Value};
use serde_json::Value as Json;
use std::borrow::Cow;

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::NULL,
            Json::Bool(value) => Value::bool(*value),
            Json::Number(number) => Value::Scalar(Scalar::plain(number.to_string())),
            Json::String(text) => Value::text(text.as_str()),
            Json::Array(items) => Value::List(items.iter().map(Value::from).collect()),
            Json::Object(entries) => {
                let mut map = Map::default();
                for (key, value) in entries {
                    map.push_unique(Cow::Borrowed(key), Value::from(value));
                }
                Value::Map(map)
            }
        }
    }
}

impl Value<'_> {
    /// The value as JSON, with the types that `kubectl` gives its scalars.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Scalar(scalar) => match scalar.kind() {
                ScalarType::Null => Json::Null,
                ScalarType::Bool(value) => Json::Bool(value),
                ScalarType::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
                    (Ok(value), _) => value.into(),
                    (_, Ok(value)) => value.into(),
                    #[expect(clippy::cast_precision_loss, reason = "what kubectl does with integers beyond 64 bits")]
                    _ => Json::from(value as f64),
                },
                ScalarType::Float(value) => Json::from(value),
                ScalarType::Text => Json::String(scalar.as_str().to_owned()),
            },
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.to_owned(), value.to_json())).collect()),
        }
    }
}
