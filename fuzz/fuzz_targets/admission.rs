//! The webhook on any bytes, as reviews and as the pods of reviews, and on the pods of made manifests: no panic, an answer that
//! allows, and a patch that fits.
#![no_main]

#[path = "../../tests/laws/admission.rs"]
mod admission;
#[path = "../../tests/laws/filter.rs"]
#[allow(dead_code, reason = "shared with other targets, each of which uses a part")]
mod filter;
#[path = "../../tests/laws/manifests.rs"]
#[allow(dead_code, reason = "shared with other targets, each of which uses a part")]
mod manifests;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Two fuzzers in one: bytes that begin so are choices that make manifests.
    match bytes.strip_prefix(b"\0") {
        Some(choices) => admission::any_choices(choices),
        None => admission::any_bytes(bytes),
    }
});
