//! Quantities as Kubernetes writes them (`100m`, `128Mi`, `1e3`), to check and to compare by value.
//! Knows nothing of what is measured.

use std::cmp::Ordering;

/// The grammar, as `kubectl` and the API server check it.
pub const PATTERN: &str = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$";

/// An amount, in billionths: the smallest part that Kubernetes knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

impl Quantity {
    /// Nothing at all.
    pub const ZERO: Quantity = Quantity(0);

    /// Reads a quantity. What is finer than a billionth is rounded up, as Kubernetes does; what is
    /// beyond all measure stays at the largest amount.
    pub fn parse(text: &str) -> Option<Quantity> {
        let (negative, body) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
        let (number, suffix) = body.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (binary, decimal) = scale(suffix)?;
        let mut digits: i128 = 0;
        let mut exponent = decimal + 9;
        for digit in whole.bytes().chain(fraction.bytes()) {
            digits = digits.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
        }
        exponent -= i32::try_from(fraction.len()).ok()?;
        digits = digits.saturating_mul(1_i128 << binary);
        for _ in 0..exponent.clamp(0, 40) {
            digits = digits.saturating_mul(10);
        }
        for _ in 0..exponent.saturating_neg().clamp(0, 80) {
            digits = digits / 10 + i128::from(digits % 10 != 0);
        }
        Some(Quantity(if negative { -digits } else { digits }))
    }

    /// The amount in billionths.
    pub fn nanos(self) -> i128 {
        self.0
    }

    /// Compares two texts by value; nothing where one is no quantity.
    pub fn compare(a: &str, b: &str) -> Option<Ordering> {
        Some(Quantity::parse(a)?.cmp(&Quantity::parse(b)?))
    }
}

/// The powers of two and of ten that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|power| (-999..1000).contains(power))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_by_value() {
        for (a, b) in [("0.1", "100m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("1000m", "1"), (".5", "500m"), ("1.", "1")] {
            assert_eq!(Quantity::compare(a, b), Some(Ordering::Equal), "{a} {b}");
        }
        for (a, b) in [("99m", "0.1"), ("1M", "1Mi"), ("-1", "0"), ("1n", "1u")] {
            assert_eq!(Quantity::compare(a, b), Some(Ordering::Less), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in
            ["", "m", "1 Mi", "1mi", "1.2.3", "abc", "1ee3", "0x10", "128MB", "1e-2147483648", "1e2147483647", "1e1000"]
        {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn huge_quantities_do_not_overflow() {
        for text in ["9999999999999999999999999999999999999999999Ei", "1e999", "1e-999", "-1e999"] {
            assert!(Quantity::parse(text).is_some(), "{text}");
        }
    }
}
