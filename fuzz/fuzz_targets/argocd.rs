//! What Argo CD says to the plugin: any bytes, and parameters in forms that fit and do not. No panic, no value shown.
#![no_main]

#[path = "../../tests/laws/argocd.rs"]
mod argocd;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Two fuzzers in one: bytes that begin so are choices that make parameters.
    match bytes.strip_prefix(b"\0") {
        Some(choices) => argocd::any_choices(choices),
        None => argocd::any_bytes(bytes),
    }
});
