//! Kubernetes' quantities by value: `1024Mi` is `1Gi`, `0.5` is `500m`. Knows nothing of what they measure.

/// The value of a quantity in billionths, rounded up as Kubernetes does; none where it is not a
/// quantity, or too large to matter.
pub(super) fn nanos(text: &str) -> Option<i128> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let (factor, exponent) = unit(suffix)?;
    let mantissa = whole
        .bytes()
        .chain(fraction.bytes())
        .try_fold(0i128, |value, digit| value.checked_mul(10)?.checked_add(i128::from(digit - b'0')))?;
    let power = exponent.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scaled = mantissa.checked_mul(factor)?;
    let value = if power >= 0 {
        scaled.checked_mul(10i128.checked_pow(power.unsigned_abs())?)?
    } else {
        match 10i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => scaled / divisor + i128::from(scaled % divisor != 0),
            None => i128::from(scaled != 0),
        }
    };
    Some(if negative { -value } else { value })
}

/// A suffix as a factor and a power of ten.
fn unit(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        exponent => (1, exponent.strip_prefix(['e', 'E'])?.parse().ok().filter(|power: &i32| power.abs() < 64)?),
    })
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn spellings_of_one_quantity_have_one_value() {
        for (a, b) in
            [("1024Mi", "1Gi"), ("0.5", "500m"), ("1", "1000m"), ("1e3", "1k"), ("1E3", "1000"), (".5", "0.50")]
        {
            assert!(nanos(a).is_some(), "{a}");
            assert_eq!(nanos(a), nanos(b), "{a} {b}");
        }
        assert_ne!(nanos("1G"), nanos("1Gi"));
        assert_eq!(nanos("1E"), Some(1_000_000_000_000_000_000_000_000_000));
        for text in ["", "-", ".", "1.2.3", "1x", "one", "1e", "1e999999999999", "99999999999999999999999999999999Ei"] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
