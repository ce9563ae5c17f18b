//! Whether the packages of an init image can run in a container's Python: data per kind of image.
//!
//! | the container's image is named | and its tag says | then |
//! |---|---|---|
//! | `python` | a version that is not served | it differs |
//! | `python` | a free-threaded build (`3.13t`) | it differs |
//! | `python` | `alpine`, and musl is not served | it differs |
//! | `python` | a version that is served | it fits |
//! | `pypy` | whatever | it differs: the packages are `CPython`'s |
//! | anything else, or the tag says nothing | | unknown |

use super::configuration::{InitImage, Packages};
use crate::api::image::Image;
use std::fmt;
use std::ops::RangeInclusive;

/// The Pythons that packages are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pythons {
    /// Minor versions of `CPython` 3.
    minors: RangeInclusive<u32>,
    /// Whether musl is served, beside glibc.
    musl: bool,
}

/// The published images, all three.
const PUBLISHED: Pythons = Pythons { minors: 11..=11, musl: false };
/// Those that `deploy/providers` builds.
const PRELIT: Pythons = Pythons { minors: 9..=14, musl: true };

impl Packages {
    /// The Pythons that they serve; none where that is not known.
    pub fn pythons(self) -> Option<Pythons> {
        match self {
            Packages::Published => Some(PUBLISHED),
            Packages::Prelit => Some(PRELIT),
            Packages::Unknown => None,
        }
    }
}

/// `CPython 3.9 to 3.14 (glibc, musl)`
impl fmt::Display for Pythons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.minors.start(), self.minors.end());
        write!(f, "CPython 3.{first}")?;
        if last != first {
            write!(f, " to 3.{last}")?;
        }
        f.write_str(if self.musl { " (glibc, musl)" } else { " (glibc)" })
    }
}

/// Whether the packages fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// They do.
    Yes,
    /// They do not, and why.
    No(String),
    /// Nothing says, and what was looked at.
    Unknown(String),
}

/// Whether the packages of an init image fit a container's image.
pub fn fit(image: &Image<'_>, InitImage { reference, packages }: &InitImage) -> Fit {
    let Some(pythons) = packages.pythons() else {
        return Fit::Unknown(format!("what {reference} holds is not known"));
    };
    let no = |what: String| Fit::No(format!("{what}; the init image serves {pythons}"));
    let tag = image.tag.unwrap_or_default();
    match image.name() {
        "pypy" => no("the image is PyPy".to_owned()),
        "python" if !pythons.musl && tag.split('-').any(|word| word.starts_with("alpine")) => {
            no(format!("the tag {tag} is Alpine, which has musl in place of glibc"))
        }
        "python" => match version(tag) {
            Some(_) if is_free_threaded(tag) => no(format!("the tag {tag} is a free-threaded Python")),
            Some((3, minor)) if pythons.minors.contains(&minor) => Fit::Yes,
            Some((major, minor)) => no(format!("the tag {tag} is Python {major}.{minor}")),
            None => Fit::Unknown(format!("the image {} names no version of Python", named(image))),
        },
        _ => Fit::Unknown(format!("the image {} does not say which Python it holds", named(image))),
    }
}

fn named(image: &Image<'_>) -> String {
    match image.tag {
        Some(tag) => format!("{}:{tag}", image.path),
        None => image.path.to_owned(),
    }
}

/// The version of Python at the beginning of a tag: `3.12-slim`, `3.11.9`, `2.7`. A number that
/// Python never had is somebody's own.
fn version(tag: &str) -> Option<(u32, u32)> {
    let mut parts = tag.split('-').next()?.split('.');
    let major = parts.next()?.parse().ok()?;
    let digits = parts.next()?;
    // `3.13t`, `3.14rc1`
    let minor = digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()?;
    let exists = matches!((major, minor), (2, 0..=7) | (3, 0..=30));
    exists.then_some((major, minor))
}

/// `3.13t`, `3.14.0t-slim`.
fn is_free_threaded(tag: &str) -> bool {
    tag.split('-').next().is_some_and(|version| version.ends_with('t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(image: &str, packages: Packages) -> &'static str {
        match fit(&Image::parse(image), &InitImage { reference: "init:1".to_owned(), packages }) {
            Fit::Yes => "yes",
            Fit::No(_) => "no",
            Fit::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn only_images_named_python_or_pypy_say_what_they_hold() {
        for (image, expected) in [
            ("python:3.11", "yes"),
            ("python:3.11.9-slim-bookworm", "yes"),
            ("docker.io/library/python:3.11@sha256:12", "yes"),
            ("python:3.12", "no"),
            ("python:3.12-slim", "no"),
            ("python:3.9.18", "no"),
            ("python:2.7", "no"),
            ("python:3.14rc1", "no"),
            ("python:3.12-alpine", "no"),
            ("python:3.11-alpine", "no"),
            ("python:3.11-alpine3.19", "no"),
            ("python:alpine", "no"),
            ("registry.acme.io:5000/mirror/python:3.12", "no"),
            ("pypy:3.10", "no"),
            ("pypy:3.11-slim", "no"),
            ("pypy", "no"),
            ("python", "unknown"),
            ("python:3", "unknown"),
            ("python:latest", "unknown"),
            ("python:slim", "unknown"),
            ("python@sha256:12", "unknown"),
            ("acme/python:1.4", "unknown"),
            ("acme/python:20.04", "unknown"),
            ("acme/chat:3.12", "unknown"),
            ("acme/chat:3.12-alpine", "unknown"),
            ("acme/python-api:3.12", "unknown"),
            ("rayproject/ray:2.52.0-py310", "unknown"),
            ("python:3.", "unknown"),
            ("python:3.99999999999", "unknown"),
        ] {
            assert_eq!(answer(image, Packages::Published), expected, "{image}");
        }
    }

    #[test]
    fn prelits_images_serve_what_the_published_ones_do_not() {
        for (image, expected) in [
            ("python:3.8", "no"),
            ("python:3.8-alpine", "no"),
            ("python:3.9", "yes"),
            ("python:3.11-slim", "yes"),
            ("python:3.12-alpine", "yes"),
            ("python:3.14.0-alpine3.22", "yes"),
            ("python:3.14rc1", "yes"),
            ("python:3.15-rc", "no"),
            ("python:3.13t", "no"),
            ("python:3.14.0t-slim", "no"),
            ("python:2.7", "no"),
            ("pypy:3.10", "no"),
            ("python:alpine", "unknown"),
            ("acme/chat:3.8", "unknown"),
        ] {
            assert_eq!(answer(image, Packages::Prelit), expected, "{image}");
        }
    }

    #[test]
    fn a_misfit_says_what_is_served() {
        let image = |packages| InitImage { reference: "init:1".to_owned(), packages };
        let said = |packages| fit(&Image::parse("python:3.8"), &image(packages));
        let text = |pythons| Fit::No(format!("the tag 3.8 is Python 3.8; the init image serves {pythons}"));
        assert_eq!(said(Packages::Published), text("CPython 3.11 (glibc)"));
        assert_eq!(said(Packages::Prelit), text("CPython 3.9 to 3.14 (glibc, musl)"));
    }

    #[test]
    fn nothing_is_known_of_custom_images() {
        for image in ["python:3.12", "python:3.11", "pypy"] {
            assert_eq!(answer(image, Packages::Unknown), "unknown", "{image}");
        }
    }
}
