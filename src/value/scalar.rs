//! Scalars, and what type Kubernetes takes an unquoted one for.
//!
//! `kubectl` and the API machinery read YAML with go-yaml v2 (YAML 1.1: `yes`, `on`, `012`,
//! `1_000`), kustomize and kpt with go-yaml v3 (nearer to YAML 1.2). [`Scalar::kind`] is the
//! former; [`dialects_differ`] says where the two part.

use std::borrow::Cow;

/// A scalar: the text as it was written, and whether it was written plain, so that its text
/// decides its type.
#[derive(Debug, Clone)]
pub struct Scalar<'a> {
    text: Cow<'a, str>,
    plain: bool,
}

/// The type that Kubernetes takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScalarType {
    /// Nothing: `null`, `~`, or no text at all.
    Null,
    /// A boolean; unquoted `yes`, `no`, `on`, `off`, `y`, `n` too.
    Bool(bool),
    /// An integer: decimal, `0x`, `0o`, `0b` and, with a leading zero, octal.
    Int(i128),
    /// Another number.
    Float(f64),
    /// Text.
    Text,
}

impl<'a> Scalar<'a> {
    /// The null scalar.
    pub const NULL: Scalar<'static> = Scalar { text: Cow::Borrowed("null"), plain: true };

    /// Text, whatever it looks like.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Scalar { text: text.into(), plain: false }
    }

    /// An unquoted scalar: its text decides its type.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Scalar { text: text.into(), plain: true }
    }

    /// A boolean.
    pub fn bool(value: bool) -> Scalar<'static> {
        Scalar { text: Cow::Borrowed(if value { "true" } else { "false" }), plain: true }
    }

    /// An integer.
    pub fn int(value: i64) -> Scalar<'static> {
        Scalar { text: Cow::Owned(value.to_string()), plain: true }
    }

    /// The text as it was written, after quotes and escapes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it was written without quotes and without a tag that makes it text.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The type that `kubectl` takes it for.
    pub fn kind(&self) -> ScalarType {
        if self.plain { resolve(&self.text) } else { ScalarType::Text }
    }

    /// The same scalar, borrowing from nothing.
    pub fn into_owned(self) -> Scalar<'static> {
        Scalar { text: Cow::Owned(self.text.into_owned()), plain: self.plain }
    }
}

impl PartialEq for Scalar<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.kind(), other.kind()) {
            (ScalarType::Text, ScalarType::Text) => self.text == other.text,
            (ScalarType::Int(a), ScalarType::Float(b)) | (ScalarType::Float(b), ScalarType::Int(a)) => {
                #[expect(clippy::cast_precision_loss, reason = "1 and 1.0 are one JSON number")]
                let a = a as f64;
                a.total_cmp(&b).is_eq()
            }
            (a, b) => a == b,
        }
    }
}

/// The type of an unquoted scalar, as go-yaml v2 resolves it.
pub fn resolve(text: &str) -> ScalarType {
    let Some(first) = text.as_bytes().first() else { return ScalarType::Null };
    match first {
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' => word(text),
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text),
        _ => ScalarType::Text,
    }
}

fn word(text: &str) -> ScalarType {
    match text {
        "~" | "null" | "Null" | "NULL" => ScalarType::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => ScalarType::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => ScalarType::Bool(false),
        _ => ScalarType::Text,
    }
}

fn number(text: &str) -> ScalarType {
    if let Some(value) = integer(&text.replace('_', "")) {
        return ScalarType::Int(value);
    }
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return ScalarType::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return ScalarType::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return ScalarType::Float(f64::NAN),
        _ => {}
    }
    // go-yaml: [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?, underscores taken out first.
    let digits = text.replace('_', "");
    let body = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    let well_formed = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body.bytes().any(|b| b.is_ascii_digit())
        && body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match digits.parse::<f64>() {
        Ok(value) if well_formed && value.is_finite() => ScalarType::Float(value),
        _ => ScalarType::Text,
    }
}

/// Go's `strconv.ParseInt(text, 0, 64)`, and `0b` and `0o` as go-yaml adds them.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let parse = |digits: &str, radix| {
        digits.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| i128::from_str_radix(digits, radix).ok()).flatten()
    };
    let value = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => parse(&digits[2..], 16)?,
        [b'0', b'o' | b'O', _, ..] => parse(&digits[2..], 8)?,
        [b'0', b'b' | b'B', _, ..] => parse(&digits[2..], 2)?,
        [b'0', _, ..] => parse(&digits[1..], 8)?,
        [_, ..] => parse(digits, 10)?,
        [] => return None,
    };
    let value = sign * value;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// Whether `kubectl` and kustomize take an unquoted scalar for different things, or kustomize
/// writes it back differently: `yes`, `on`, `y`, dates.
pub fn dialects_differ(text: &str) -> bool {
    let old_boolean = matches!(word(text), ScalarType::Bool(_))
        && !matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE");
    old_boolean || looks_like_date(text)
}

/// Whether text could be taken for anything but text by YAML 1.1 or 1.2, by Go's readers or by
/// another, if it stood unquoted.
pub fn looks_typed(text: &str) -> bool {
    const WORDS: [&str; 12] = ["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<"];
    match text.as_bytes().first() {
        None | Some(b'0'..=b'9' | b'+' | b'-' | b'.') => true,
        Some(_) => text.len() <= 5 && WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)),
    }
}

fn looks_like_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[5].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_scalars_have_the_types_that_kubectl_gives_them() {
        for text in ["yes", "on", "y", "True", "ON"] {
            assert_eq!(resolve(text), ScalarType::Bool(true), "{text}");
        }
        for (text, value) in [("0o14", 12), ("014", 12), ("0b101", 5), ("1_000", 1000), ("0x1f", 31), ("-7", -7)] {
            assert_eq!(resolve(text), ScalarType::Int(value), "{text}");
        }
        for (text, value) in
            [("1e3", 1000.0), ("1.", 1.0), ("1.10", 1.1), (".5", 0.5), ("1_000.5", 1000.5), ("08", 8.0)]
        {
            assert_eq!(resolve(text), ScalarType::Float(value), "{text}");
        }
        for text in ["tRue", "1:30", "2001-01-01", "1e400", "0o-7", "v1", "1.2.3", "-", ".", "e3"] {
            assert_eq!(resolve(text), ScalarType::Text, "{text}");
        }
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(resolve(text), ScalarType::Null, "{text}");
        }
    }
}
