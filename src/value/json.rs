//! The bridge to `serde_json`: admission reviews come as JSON, and typed resources are read through it.

use super::{Map, MapBuilder, Scalar, ScalarType, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt;

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

/// JSON straight into a value, which borrows its texts: a review costs no second tree.
impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::NULL)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Scalar(Scalar::plain(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Scalar(Scalar::plain(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Scalar(Scalar::plain(Json::from(value).to_string())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0));
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut map = MapBuilder::default();
        while let Some((Key(key), value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map.done()))
    }
}

/// A key that borrows where it is written without escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyReader;
        impl<'de> Visitor<'de> for KeyReader {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyReader)
    }
}

/// The value as JSON, with the types that `kubectl` gives its scalars, and its keys in their order.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Scalar(scalar) => match scalar.kind() {
                ScalarType::Text => serializer.serialize_str(scalar.as_str()),
                _ => self.to_json().serialize(serializer),
            },
            Value::List(items) => serializer.collect_seq(items),
            Value::Map(map) => serializer.collect_map(map.iter()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_read_json_give_the_same() {
        let text = r#"{"a": [1, -2, 3.5, 1e3, 1.0, 18446744073709551615, true, null, "x", "\u00e9\n"], "b\n": {"": {}}, "c": []}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        let direct: Value = serde_json::from_str(text).unwrap();
        assert_eq!(format!("{:?}", Value::from(&json)), format!("{direct:?}"));
        assert_eq!(direct.to_json(), json);
        assert_eq!(serde_json::to_value(&direct).unwrap(), json);
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let value: Value = serde_json::from_str(r#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!(value.to_json(), serde_json::json!({"a": 2}));
    }
}
