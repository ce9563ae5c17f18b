//! The filter on any bytes, and on manifests made of them: no panic, the same output twice, nothing changed
//! that is not a workload, and removal gives the input back.
#![no_main]

#[path = "../../tests/laws/filter.rs"]
mod filter;
#[path = "../../tests/laws/manifests.rs"]
mod manifests;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Two fuzzers in one: bytes that begin so are choices that make a manifest.
    match bytes.strip_prefix(b"\0") {
        Some(choices) => filter::any_choices(&manifests::stream(choices)),
        None => filter::any_bytes(bytes),
    }
});
