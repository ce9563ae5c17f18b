//! What is wrong with a resource: first what the API server would refuse by the schema, then what
//! no schema can say. Everything at once, each with its place.

use super::{Problem, schema};
use crate::api::names::{INIT_CONTAINER, KIND, MOUNT_PATH, VOLUME};
use crate::api::quantity::Quantity;
use crate::api::syntax::{self, Syntax};
use crate::value::{Path, ScalarType, Step, Value};
use serde_json::{Map, Value as Json};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// More problems than this are nobody's mistake, and each costs a search for its place.
const MOST: usize = 200;

/// What may stand in a resource that is also the configuration of kustomize's older plugins.
const FIELDS_OF_KUSTOMIZE: [&str; 2] = ["argsOneLiner", "argsFromFile"];

/// All problems of an object.
pub(super) fn problems(object: &Value<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    if object.as_map().is_none() {
        found.push(Problem::new(Path::ROOT, format!("{}, expected an {KIND}", found_text(object, false))));
        return found;
    }
    head(object, &mut found);
    let mut checker = Checker { found };
    checker.map(object, schema::object(), &Path::ROOT);
    let mut found = checker.found;
    if let Some(spec) = object.get("spec") {
        meaning(spec, &mut found);
    }
    found.truncate(MOST);
    found
}

/// The value without nulls, as the API server takes them out where the schema names the field.
pub(super) fn without_nulls(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Map(map) => {
            let mut kept = crate::value::Map::default();
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                kept.push_unique(key.to_owned().into(), without_nulls(value));
            }
            Value::Map(kept)
        }
        Value::List(items) => Value::List(items.iter().map(without_nulls).collect()),
        Value::Scalar(scalar) => Value::Scalar(scalar.clone().into_owned()),
    }
}

/// `apiVersion`, `kind` and `metadata`.
fn head(object: &Value<'_>, found: &mut Vec<Problem>) {
    let expected = super::api_version();
    for (key, expected) in [("apiVersion", expected.as_str()), ("kind", KIND)] {
        let at = Path::ROOT.key(key);
        match object.get(key) {
            None => found.push(Problem::new(at, format!("missing, expected {expected}"))),
            Some(value) if value.as_text() != Some(expected) => {
                found.push(Problem::of_value(at, format!("{}, expected {expected}", found_text(value, false))));
            }
            Some(_) => {}
        }
    }
    let metadata = object.get("metadata").unwrap_or(&Value::NULL);
    for (key, syntax) in [("name", syntax::OBJECT_NAME), ("namespace", syntax::DNS_LABEL)] {
        let at = Path::keys(&["metadata"]).key(key);
        match metadata.get(key) {
            None => {}
            Some(value) if value.is_null() || value.as_text() == Some("") => {}
            Some(value) => match text_of(value) {
                Some(text) if syntax::check(syntax, text) && text.len() <= 253 => {}
                _ => {
                    let message = format!("{}, expected {}", found_text(value, false), syntax.expected);
                    found.push(Problem::of_value(at, message));
                }
            },
        }
    }
    for key in ["labels", "annotations"] {
        for (name, value) in metadata.get(key).and_then(Value::as_map).into_iter().flat_map(crate::value::Map::iter) {
            if text_of(value).is_none() {
                let at = Path::keys(&["metadata"]).key(key).key(name.to_owned());
                found.push(Problem::new(at, format!("{}, expected text{}", found_text(value, false), quote_it(value))));
            }
        }
    }
}

/// What was found: `found the number 5`. What may be a secret is only described.
fn found_text(value: &Value<'_>, secret: bool) -> String {
    let Value::Scalar(scalar) = value else {
        return if value.as_map().is_some() { "found a map" } else { "found a list" }.to_owned();
    };
    let kind = match scalar.kind() {
        ScalarType::Null => return "found null".to_owned(),
        ScalarType::Bool(_) => "boolean",
        ScalarType::Int(_) | ScalarType::Float(_) => "number",
        ScalarType::Text if secret => return "found a text that is not shown here".to_owned(),
        ScalarType::Text => return format!("found {:?}", shortened(scalar.as_str())),
    };
    if secret { format!("found a {kind}") } else { format!("found the {kind} {}", shortened(scalar.as_str())) }
}

/// A text that a user wrote, as a message shows it: without credentials, and not at any length.
fn shortened(text: &str) -> String {
    let text = syntax::shown(text);
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The text of a scalar that `kubectl` takes for text.
fn text_of<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    value.as_scalar().filter(|scalar| scalar.kind() == ScalarType::Text).map(crate::value::Scalar::as_str)
}

fn quote_it(value: &Value<'_>) -> &'static str {
    match value {
        Value::Scalar(scalar) if scalar.kind() != ScalarType::Null => "; put it in quotes",
        _ => "",
    }
}

/// Whether what stands here may be a secret: the value of a variable, and headers.
fn is_secret(at: &Path) -> bool {
    at.steps().iter().any(|step| matches!(step, Step::Key(key) if key == "value" || key == "headers"))
}

/// Checks a value by the schema.
struct Checker {
    found: Vec<Problem>,
}

impl Checker {
    fn problem(&mut self, at: &Path, message: impl Into<String>) {
        self.found.push(Problem::new(at.clone(), message));
    }

    fn wrong(&mut self, value: &Value<'_>, at: &Path, expected: &str) {
        let secret = is_secret(at);
        let message = format!("{}, expected {expected}", found_text(value, secret));
        self.found.push(Problem { shown: !secret, ..Problem::new(at.clone(), message) });
    }

    fn value(&mut self, value: &Value<'_>, schema: &Json, at: &Path) {
        let kind = schema.get("type").and_then(Json::as_str);
        if schema.get("x-kubernetes-int-or-string").is_some() {
            match (value.as_int(), text_of(value)) {
                (None, None) => self.wrong(value, at, "a quantity, as text or a whole number"),
                (_, text) => self.pattern(text, value, schema, at),
            }
            return;
        }
        match kind {
            None => self.pattern(text_of(value), value, schema, at),
            Some("object") => self.map(value, schema, at),
            Some("array") => self.list(value, schema, at),
            Some("string") => self.text(value, schema, at),
            Some("boolean") => {
                if value.as_bool().is_none() {
                    self.wrong(value, at, "true or false, without quotes");
                }
            }
            Some(_) => self.integer(value, schema, at),
        }
    }

    fn text(&mut self, value: &Value<'_>, schema: &Json, at: &Path) {
        let Some(text) = text_of(value) else {
            let expected = format!("text{}", quote_it(value));
            return self.wrong(value, at, &expected);
        };
        if let Some(Json::Array(choices)) = schema.get("enum")
            && !choices.iter().any(|choice| choice == text)
        {
            let choices: Vec<&str> = choices.iter().filter_map(Json::as_str).collect();
            let hint = did_you_mean(text, &choices);
            return self.wrong(value, at, &format!("one of {}{hint}", choices.join(", ")));
        }
        let length = text.chars().count() as u64;
        if number(schema, "minLength").is_some_and(|least| length < least) {
            return self.wrong(value, at, "text that is not empty");
        }
        if let Some(most) = number(schema, "maxLength").filter(|most| length > *most) {
            let message = format!("found a text of {length} characters, expected at most {most}");
            return self.problem(at, message);
        }
        self.pattern(Some(text), value, schema, at);
    }

    fn pattern(&mut self, text: Option<&str>, value: &Value<'_>, schema: &Json, at: &Path) {
        let (Some(text), Some(pattern)) = (text, schema.get("pattern").and_then(Json::as_str)) else { return };
        let (may_be_empty, pattern) = match pattern.strip_prefix("^$|") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let Some(syntax) = syntax::of_pattern(pattern) else { return };
        if !(may_be_empty && text.is_empty() || syntax::check(syntax, text)) {
            let hint = placeholder_hint(syntax, text);
            self.wrong(value, at, &format!("{}{hint}", syntax.expected));
        }
    }

    fn integer(&mut self, value: &Value<'_>, schema: &Json, at: &Path) {
        let bound = |name: &str| schema.get(name).and_then(Json::as_i64);
        let (least, most) = match schema.get("format").and_then(Json::as_str) {
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let (least, most) = (bound("minimum").unwrap_or(least), bound("maximum").unwrap_or(most));
        match value.as_int() {
            Some(number) if (least..=most).contains(&number) => {}
            _ if bound("minimum").is_some() => {
                self.wrong(value, at, &format!("a whole number from {least} to {most}, without quotes"));
            }
            _ => self.wrong(value, at, "a whole number, without quotes"),
        }
    }

    fn list(&mut self, value: &Value<'_>, schema: &Json, at: &Path) {
        let Some(items) = value.as_list() else { return self.wrong(value, at, "a list") };
        if let Some(most) = number(schema, "maxItems").filter(|most| items.len() as u64 > *most) {
            // So many that nobody meant them: what is in them is not looked at.
            return self.problem(at, format!("found {} items, expected at most {most}", items.len()));
        }
        let item_schema = schema.get("items").unwrap_or(&Json::Null);
        for (index, item) in items.iter().enumerate() {
            self.value(item, item_schema, &at.index(index));
        }
        for key in strings(schema, "x-kubernetes-list-map-keys") {
            let mut names = HashSet::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let Some(name) = item.get(key).and_then(Value::as_text) else { continue };
                if !names.insert(name) {
                    let name = shortened(name);
                    let message = format!("found {name:?} for the second time, expected each {key} once");
                    self.problem(&at.index(index).key(key.to_owned()), message);
                }
            }
        }
    }

    fn map(&mut self, value: &Value<'_>, schema: &Json, at: &Path) {
        let Some(map) = value.as_map() else { return self.wrong(value, at, "a map") };
        if !self.size(map, schema, at) {
            return;
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        let is_root = at.steps().is_empty();
        for (key, inner) in map.iter() {
            let below = at.key(key.to_owned());
            if let Some(property) = properties.and_then(|known| known.get(key)) {
                // A null is as if it were not there: the API server takes it out before it looks.
                if inner.is_null() || is_root && key == "status" {
                    continue;
                }
                if is_root && key == "metadata" {
                    // What is in it is the API server's own.
                    if inner.as_map().is_none() {
                        self.wrong(inner, &below, "a map");
                    }
                    continue;
                }
                self.value(inner, property, &below);
            } else if is_root && FIELDS_OF_KUSTOMIZE.contains(&key) {
                // How it runs the plugin, which is none of ours.
            } else if let Some(rest) = schema.get("additionalProperties") {
                self.value(inner, rest, &below);
            } else if schema.get("x-kubernetes-preserve-unknown-fields").is_none() {
                let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                let hint = did_you_mean(key, &known);
                self.problem(&below, format!("unknown field, expected one of {}{hint}", known.join(", ")));
            }
        }
        let is_there = |key: &str| map.get(key).is_some_and(|value| !value.is_null());
        for key in strings(schema, "required") {
            if !is_there(key) {
                let kind = properties.and_then(|known| known.get(key)).map_or("it", kind_of);
                self.problem(&at.key(key.to_owned()), format!("missing, expected {kind}"));
            }
        }
        if let Some(excluded) = schema.pointer("/not/required").and_then(Json::as_array) {
            let keys: Vec<&str> = excluded.iter().filter_map(Json::as_str).collect();
            if keys.iter().all(|key| is_there(key)) {
                self.problem(at, format!("found {}, expected only one of them", keys.join(" and ")));
            }
        }
    }

    /// `minProperties` and `maxProperties`: exactly one source, and the like. Whether there are not too many.
    fn size(&mut self, map: &crate::value::Map<'_>, schema: &Json, at: &Path) -> bool {
        let (least, most) = (number(schema, "minProperties"), number(schema, "maxProperties"));
        let free = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
        let size = map.iter().filter(|(_, value)| free || !value.is_null()).count() as u64;
        if least.is_none_or(|least| size >= least) && most.is_none_or(|most| size <= most) {
            return true;
        }
        let names: Vec<&str> = map.iter().map(|(key, _)| key).take(MOST).collect();
        let found = if names.is_empty() {
            "found nothing".to_owned()
        } else {
            format!("found {}", shortened(&names.join(", ")))
        };
        let known = || property_names(schema).collect::<Vec<_>>().join(", ");
        match (least, most) {
            (Some(1), Some(1)) => self.problem(at, format!("{found}, expected exactly one of {}", known())),
            (Some(2), Some(2)) => self.problem(at, format!("{found}, expected {} and exactly one source", known())),
            _ => self.problem(at, format!("found {size} entries, expected at most {}", most.unwrap_or(u64::MAX))),
        }
        most.is_none_or(|most| size <= most)
    }
}

fn number(schema: &Json, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Json::as_u64)
}

fn strings<'s>(schema: &'s Json, keyword: &str) -> impl Iterator<Item = &'s str> {
    schema.get(keyword).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn property_names(schema: &Json) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Json::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}

fn kind_of(schema: &Json) -> &'static str {
    match schema.get("type").and_then(Json::as_str) {
        Some("object") => "a map",
        Some("array") => "a list",
        Some("string") => "text",
        Some("boolean") => "true or false",
        Some(_) => "a whole number",
        None => "a value",
    }
}

fn did_you_mean(found: &str, known: &[&str]) -> String {
    match syntax::nearest(found, known.iter().copied()) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    }
}

/// The documentation of the original has endpoints such as `YOUR_COLLECTOR_ENDPOINT`.
fn placeholder_hint(syntax: Syntax, text: &str) -> &'static str {
    let placeholder = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    match syntax {
        syntax::ENDPOINT if placeholder(text.split(':').next().unwrap_or("")) => "; replace the placeholder",
        syntax::HEADERS if placeholder(text) => "; replace the placeholder",
        syntax::ENDPOINT if !text.contains("://") && !text.is_empty() => "; put http:// or https:// before it",
        _ => "",
    }
}

/// What no schema can say, or only in words that nobody understands.
fn meaning(spec: &Value<'_>, found: &mut Vec<Problem>) {
    let at = Path::keys(&["spec"]);
    for key in ["selector", "ignore"] {
        if let Some(selector) = spec.get(key) {
            label_selector(selector, &at.key(key), key == "selector", found);
        }
    }
    if let Some(instrumentation) = spec.dig(&["python", "instrumentation"]) {
        python(instrumentation, &at.join(&Path::keys(&["python", "instrumentation"])), found);
    }
    if let Some(headers) = spec.dig(&["otlp", "headers"]) {
        header_map(headers, &at.join(&Path::keys(&["otlp", "headers"])), found);
    }
    let attributes = at.join(&Path::keys(&["resource", "attributes"]));
    for (key, _) in
        spec.dig(&["resource", "attributes"]).and_then(Value::as_map).into_iter().flat_map(crate::value::Map::iter)
    {
        if !syntax::check(syntax::ATTRIBUTE_KEY, key) {
            let message = format!("found the key {key:?}, expected {}", syntax::ATTRIBUTE_KEY.expected);
            found.push(Problem::new(attributes.key(key.to_owned()), message));
        }
    }
}

fn label_selector(selector: &Value<'_>, at: &Path, must_select: bool, found: &mut Vec<Problem>) {
    let Some(map) = selector.as_map() else { return };
    let labels = map.get("matchLabels").and_then(Value::as_map);
    let expressions = map.get("matchExpressions").and_then(Value::as_list).unwrap_or_default();
    // A place of the wrong type has a problem already.
    let something = |key: &str| match map.get(key) {
        Some(Value::Map(map)) => !map.is_empty(),
        Some(Value::List(items)) => !items.is_empty(),
        Some(value) => !value.is_null(),
        None => false,
    };
    if must_select && !something("matchLabels") && !something("matchExpressions") {
        let message =
            "found no condition, expected matchLabels or matchExpressions: an empty selector would select every pod";
        found.push(Problem::new(at.clone(), message));
    }
    for (key, _) in labels.into_iter().flat_map(crate::value::Map::iter) {
        if !syntax::check(syntax::LABEL_KEY, key) {
            let message = format!("found the key {key:?}, expected {}", syntax::LABEL_KEY.expected);
            found.push(Problem::new(at.key("matchLabels").key(key.to_owned()), message));
        }
    }
    for (index, expression) in expressions.iter().enumerate() {
        let operator = expression.get("operator").and_then(Value::as_text);
        let values = expression.get("values").and_then(Value::as_list).map_or(0, <[_]>::len);
        let at = at.key("matchExpressions").index(index).key("values");
        match operator {
            Some(operator @ ("In" | "NotIn")) if values == 0 => {
                found.push(Problem::new(at, format!("found no values, expected at least one for {operator}")));
            }
            Some(operator @ ("Exists" | "DoesNotExist")) if values > 0 => {
                found.push(Problem::new(at, format!("found {values} values, expected none for {operator}")));
            }
            _ => {}
        }
    }
}

fn python(instrumentation: &Value<'_>, at: &Path, found: &mut Vec<Problem>) {
    let text = |key: &str| instrumentation.get(key).and_then(text_of).unwrap_or("");
    if text("provider") == "custom" && text("customInitImage").trim().is_empty() {
        found.push(Problem::new(at.key("customInitImage"), "missing, expected an image, since the provider is custom"));
    }
    let packages = text("customPackages");
    // An option of pip is refused by the pattern already, unless what stands before it looks blank only to people.
    let refused = !syntax::check(syntax::PACKAGES, packages);
    for item in syntax::packages(packages).into_iter().filter(|item| !(refused && item.starts_with('-'))) {
        if let Some(problem) = syntax::package_problem(&item) {
            found
                .push(Problem::new(at.key("customPackages"), format!("found {:?}, which {problem}", shortened(&item))));
        }
    }
    variables(instrumentation, at, &[], found);
    taken_names(instrumentation, at, "volumes", "name", &[VOLUME], found);
    taken_names(instrumentation, at, "volumeMounts", "mountPath", &[MOUNT_PATH], found);
    not_negative(instrumentation.get("volumeSizeLimit"), &at.key("volumeSizeLimit"), found);

    if let Some(init) = instrumentation.get("initContainer") {
        let at = at.key("initContainer");
        variables(init, &at, &["INSTRUMENTATION_PROVIDER", "TARGET_PATH"], found);
        taken_names(init, &at, "volumeMounts", "mountPath", &[MOUNT_PATH], found);
        requests_and_limits(init.get("resources").unwrap_or(&Value::NULL), &at.key("resources"), found);
    }
}

/// Each variable has either a value or a source, and none that the init container's own command needs.
fn variables(map: &Value<'_>, at: &Path, taken: &[&str], found: &mut Vec<Problem>) {
    for (index, variable) in map.get("env").and_then(Value::as_list).unwrap_or_default().iter().enumerate() {
        let at = at.key("env").index(index);
        let Some(entry) = variable.as_map() else { continue };
        let is_there = |key: &str| entry.get(key).is_some_and(|value| !value.is_null());
        let what = match (is_there("value"), is_there("valueFrom")) {
            (true, true) => "value and valueFrom",
            (false, false) => "neither value nor valueFrom",
            _ => continue,
        };
        let name = shortened(entry.get("name").and_then(Value::as_text).unwrap_or("the variable"));
        found.push(Problem::new(at, format!("found {what} for {name}, expected exactly one of them")));
    }
    taken_names(map, at, "env", "name", taken, found);
}

/// Names that are ours.
fn taken_names(
    map: &Value<'_>,
    at: &Path,
    list: &'static str,
    key: &'static str,
    taken: &[&str],
    found: &mut Vec<Problem>,
) {
    for (index, item) in map.get(list).and_then(Value::as_list).unwrap_or_default().iter().enumerate() {
        let name = item
            .get(key)
            .and_then(Value::as_text)
            .map(|name| if name == "/" { name } else { name.trim_end_matches('/') });
        if let Some(name) = name.filter(|name| taken.contains(name)) {
            let message =
                format!("found {name}, which the injection itself uses for {INIT_CONTAINER}; expected another {key}");
            found.push(Problem::new(at.key(list).index(index).key(key), message));
        }
    }
}

fn requests_and_limits(resources: &Value<'_>, at: &Path, found: &mut Vec<Problem>) {
    let limits = resources.get("limits").and_then(Value::as_map).into_iter().flat_map(crate::value::Map::iter);
    let limits: HashMap<&str, &str> = limits.filter_map(|(name, amount)| Some((name, amount.as_text()?))).collect();
    for list in ["requests", "limits"] {
        for (name, amount) in resources.get(list).and_then(Value::as_map).into_iter().flat_map(crate::value::Map::iter)
        {
            not_negative(Some(amount), &at.key(list).key(name.to_owned()), found);
            let limit = limits.get(name).copied().filter(|_| list == "requests");
            if let (Some(amount), Some(limit)) = (amount.as_text(), limit)
                && Quantity::compare(amount, limit) == Some(Ordering::Greater)
            {
                let message = format!("found {amount}, expected at most the limit, which is {limit}");
                found.push(Problem::new(at.key(list).key(name.to_owned()), message));
            }
        }
    }
}

fn not_negative(amount: Option<&Value<'_>>, at: &Path, found: &mut Vec<Problem>) {
    if let Some(text) = amount.and_then(Value::as_text)
        && Quantity::parse(text).is_some_and(|quantity| quantity < Quantity::ZERO)
    {
        found.push(Problem::new(at.clone(), format!("found {text}, expected a quantity that is not negative")));
    }
}

/// Headers are text or a map of text. The schema has no type for that.
fn header_map(headers: &Value<'_>, at: &Path, found: &mut Vec<Problem>) {
    if headers.is_null() {
        return;
    }
    let Some(map) = headers.as_map() else {
        if text_of(headers).is_none() {
            let expected = format!("{}{}", syntax::HEADERS.expected, quote_it(headers));
            found.push(Problem::new(at.clone(), format!("{}, expected {expected}", found_text(headers, true))));
        }
        return;
    };
    for (name, value) in map.iter() {
        let at = at.key(name.to_owned());
        if !syntax::check(syntax::HEADER_NAME, name) {
            let message = format!("found the name {name:?}, expected {}", syntax::HEADER_NAME.expected);
            found.push(Problem::new(at.clone(), message));
        }
        match text_of(value) {
            None => {
                found.push(Problem::new(at, format!("{}, expected text{}", found_text(value, true), quote_it(value))));
            }
            Some(text) if text.contains(['\r', '\n']) => {
                found.push(Problem::new(at, "found a text of several lines, expected one line"));
            }
            Some(_) => {}
        }
    }
}
