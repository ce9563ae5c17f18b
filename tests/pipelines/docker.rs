//! A `docker` that runs Prelit in place of an image: with the entry point that the Dockerfile has, in an environment that
//! holds only what kustomize passes. It writes down how it was asked.

use super::place::{Place, ROOT};
use std::path::Path;

/// How kustomize and kubectl run a function's image.
const ASKED: &str = "run --rm -i -a STDIN -a STDOUT -a STDERR --network none --user nobody \
                     --security-opt=no-new-privileges -e LOG_TO_STDERR=true -e STRUCTURED_RESULTS=true prelit:0.1.0";

/// Puts it on the PATH.
pub fn put(place: &Place) {
    let dockerfile = std::fs::read_to_string(Path::new(ROOT).join("kustomize-plugin/container/Dockerfile")).unwrap();
    let entry = dockerfile.lines().find_map(|line| line.strip_prefix("ENTRYPOINT ")).expect("an entry point");
    let entry: Vec<String> = serde_json::from_str(entry).expect("a list of words");
    assert_eq!(entry[0], "/prelit", "the program of the image");
    let program = env!("CARGO_BIN_EXE_prelit");
    place.script(
        "docker",
        &format!(
            "#!/bin/sh\necho \"$@\" > \"$HOME/asked\"\ncd /\n\
             exec env -i LOG_TO_STDERR=true STRUCTURED_RESULTS=true '{program}' {}\n",
            entry[1..].join(" ")
        ),
    );
}

/// It was asked with the arguments that the tools really pass.
#[track_caller]
pub fn was_asked_as_expected(place: &Place) {
    let asked = std::fs::read_to_string(place.home("asked")).expect("docker was asked");
    assert_eq!(asked.trim_end(), ASKED);
}
