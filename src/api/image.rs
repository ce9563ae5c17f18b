//! The parts of an image's name. Knows nothing of what images hold.

use super::names;

/// An image's name in parts: `[registry/]path[:tag][@digest]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'i> {
    /// Host and path: the name without tag and digest.
    pub repository: &'i str,
    /// The host, with its port. None: Docker Hub.
    pub registry: Option<&'i str>,
    /// The path after the host.
    pub path: &'i str,
    /// The tag.
    pub tag: Option<&'i str>,
    /// The digest, with its algorithm.
    pub digest: Option<&'i str>,
}

impl<'i> Image<'i> {
    /// Takes a name apart, as container runtimes do: what stands before the first slash is a host
    /// if it has a dot or a colon, or is `localhost`. Never fails; what is no name has odd parts.
    pub fn parse(name: &'i str) -> Self {
        let name = name.trim();
        let (rest, digest) = match name.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (name, None),
        };
        // A colon before a slash belongs to the port of the host.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match rest[last..].find(':') {
            Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
            None => (rest, None),
        };
        let (registry, path) = match repository.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
            _ => (None, repository),
        };
        Image { repository, registry, path, tag: tag.filter(|tag| !tag.is_empty()), digest }
    }

    /// Whether the image has the tag `latest`, or neither tag nor digest, which means the same.
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag.is_none_or(|tag| tag == "latest")
    }

    /// Whether the name has a tag or a digest.
    pub fn has_tag_or_digest(&self) -> bool {
        self.tag.is_some() || self.digest.is_some()
    }

    /// Whether it is one of the published init images, by its repository.
    pub fn is_published(&self) -> bool {
        [names::IMAGE_OPENLIT, names::IMAGE_OPENINFERENCE, names::IMAGE_OPENLLMETRY].contains(&self.repository)
    }

    /// The last part of the path: `python` of `docker.io/library/python:3.11`.
    pub fn name(&self) -> &'i str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_as_runtimes_take_them() {
        for (name, registry, path, tag, digest) in [
            ("python", None, "python", None, None),
            ("python:3.12-alpine", None, "python", Some("3.12-alpine"), None),
            ("library/python:3.11", None, "library/python", Some("3.11"), None),
            ("docker.io/library/python:3.11", Some("docker.io"), "library/python", Some("3.11"), None),
            ("localhost/app", Some("localhost"), "app", None, None),
            ("localhost:5000/app:1", Some("localhost:5000"), "app", Some("1"), None),
            ("python.acme.io:5000/team/web", Some("python.acme.io:5000"), "team/web", None, None),
            ("registry:5000/a/b:c", Some("registry:5000"), "a/b", Some("c"), None),
            ("ghcr.io/a/b@sha256:12ab", Some("ghcr.io"), "a/b", None, Some("sha256:12ab")),
            ("ghcr.io/a/b:v1@sha256:12ab", Some("ghcr.io"), "a/b", Some("v1"), Some("sha256:12ab")),
            ("team/app", None, "team/app", None, None),
            ("", None, "", None, None),
            ("a:", None, "a", None, None),
            ("$VLLM_IMAGE", None, "$VLLM_IMAGE", None, None),
            ("///", None, "///", None, None),
        ] {
            let host = registry.map(|host| format!("{host}/")).unwrap_or_default();
            let repository = format!("{host}{path}");
            let expected = Image { repository: &repository, registry, path, tag, digest };
            assert_eq!(Image::parse(name), expected, "{name}");
        }
        assert_eq!(Image::parse("docker.io/library/python:3.11").name(), "python");
    }
    #[test]
    fn images_that_are_not_reproducible_are_told_from_those_that_are() {
        for image in ["a", "a:latest", "ghcr.io/x/a", "registry:5000/a", "registry:5000/a:latest"] {
            assert!(Image::parse(image).is_latest(), "{image}");
        }
        for image in ["a:1", "registry:5000/a:1", "a@sha256:0123", "registry:5000/a:latest@sha256:0123"] {
            assert!(!Image::parse(image).is_latest(), "{image}");
        }
    }
}
