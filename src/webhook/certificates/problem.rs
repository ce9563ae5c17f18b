//! What is wrong with certificates that were found. Says which key it is, and nothing of what stands there.

use std::fmt;

/// Something that is wrong with certificates that were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// There is no Secret, or no file.
    Absent,
    /// This key is missing or empty.
    Missing(&'static str),
    /// What this key holds cannot be read as what it should be.
    Unreadable(&'static str),
    /// The private key in this key is that of none of the certificates.
    KeyMismatch(&'static str),
    /// The certificate in this key is that of no CA which may sign leaves.
    NoAuthority(&'static str),
    /// No certificate in `ca.crt` has signed the leaf.
    Untrusted,
    /// The leaf is for other names than that of our Service.
    WrongName,
    /// The leaf is not for servers, or breaks another rule of its format.
    Unfit,
    /// The certificate in this key is not valid yet.
    NotYetValid(&'static str),
    /// The certificate in this key is valid no more.
    Expired(&'static str),
}

impl Problem {
    /// Every code.
    pub const CODES: [&str; 10] = [
        "absent",
        "missing",
        "unreadable",
        "key-mismatch",
        "no-authority",
        "untrusted",
        "wrong-name",
        "unfit",
        "not-yet-valid",
        "expired",
    ];

    /// Its code, as metrics call it.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::Absent => "absent",
            Problem::Missing(_) => "missing",
            Problem::Unreadable(_) => "unreadable",
            Problem::KeyMismatch(_) => "key-mismatch",
            Problem::NoAuthority(_) => "no-authority",
            Problem::Untrusted => "untrusted",
            Problem::WrongName => "wrong-name",
            Problem::Unfit => "unfit",
            Problem::NotYetValid(_) => "not-yet-valid",
            Problem::Expired(_) => "expired",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Absent => write!(f, "nothing is there"),
            Problem::Missing(key) => write!(f, "{key} is missing or empty"),
            Problem::Unreadable(key) => write!(f, "{key} cannot be read"),
            Problem::KeyMismatch(key) => write!(f, "{key} is the key of none of the certificates"),
            Problem::NoAuthority(key) => write!(f, "the certificate of {key} is no CA for leaves"),
            Problem::Untrusted => write!(f, "no CA of those that are trusted has signed the leaf"),
            Problem::WrongName => write!(f, "the leaf is for other names than the Service's"),
            Problem::Unfit => write!(f, "the leaf is not one for servers"),
            Problem::NotYetValid(key) => write!(f, "the certificate in {key} is not valid yet"),
            Problem::Expired(key) => write!(f, "the certificate in {key} has expired"),
        }
    }
}

/// Problems, one after the other.
pub fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_code_of_the_list() {
        let all = [
            Problem::Absent,
            Problem::Missing("a"),
            Problem::Unreadable("a"),
            Problem::KeyMismatch("a"),
            Problem::NoAuthority("a"),
            Problem::Untrusted,
            Problem::WrongName,
            Problem::Unfit,
            Problem::NotYetValid("a"),
            Problem::Expired("a"),
        ];
        assert_eq!(all.map(|problem| problem.code()), Problem::CODES);
    }
}
