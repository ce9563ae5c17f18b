//! Whether the packages of an init image can run in a container's Python: data per init image.
//!
//! | the container's image is named | and its tag says | then |
//! |---|---|---|
//! | `python` | another version than the packages' | it differs |
//! | `python` | `alpine` (musl) | it differs |
//! | `python` | the packages' version | it fits |
//! | `pypy` | whatever | it differs: the packages are `CPython`'s |
//! | anything else, or the tag says nothing | | unknown |

use super::configuration::Configuration;
use crate::api::image::Image;

/// What an init image's packages are made for.
struct Packages {
    /// The version of `CPython`.
    version: (u32, u32),
}

/// The published images: `CPython` 3.11 on glibc, all three (D65).
const PUBLISHED: Packages = Packages { version: (3, 11) };

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

/// Whether the packages of the configuration's init image fit a container's image.
pub fn fit(image: &Image<'_>, configuration: &Configuration) -> Fit {
    if !configuration.published_image {
        return Fit::Unknown(format!("what {} holds is not known", configuration.init_image));
    }
    let tag = image.tag.unwrap_or_default();
    match image.name() {
        "pypy" => Fit::No("the image is PyPy".to_owned()),
        "python" if tag.split('-').any(|word| word.starts_with("alpine")) => {
            Fit::No(format!("the tag {tag} is Alpine, which has musl in place of glibc"))
        }
        "python" => match version(tag) {
            Some(version) if version == PUBLISHED.version => Fit::Yes,
            Some((major, minor)) => Fit::No(format!("the tag {tag} is Python {major}.{minor}")),
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

#[cfg(test)]
mod tests {
    use super::super::containers::tests::configuration;
    use super::*;

    #[test]
    fn only_images_named_python_or_pypy_say_what_they_hold() {
        let configuration = configuration();
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
            let found = match fit(&Image::parse(image), &configuration) {
                Fit::Yes => "yes",
                Fit::No(_) => "no",
                Fit::Unknown(_) => "unknown",
            };
            assert_eq!(found, expected, "{image}");
        }
    }

    #[test]
    fn nothing_is_known_of_custom_images() {
        let mut configuration = configuration();
        configuration.published_image = false;
        for image in ["python:3.12", "python:3.11", "pypy"] {
            assert!(matches!(fit(&Image::parse(image), &configuration), Fit::Unknown(_)), "{image}");
        }
    }
}
