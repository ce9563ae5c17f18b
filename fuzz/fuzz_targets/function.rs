//! The function on any bytes, and on lists of made manifests: no panic, an answer that is the same list, the same
//! answer twice, and no difference between a list that is read item by item and one that is read as a whole.
#![no_main]

#[path = "../../tests/laws/filter.rs"]
#[allow(dead_code, reason = "shared with other targets, each of which uses a part")]
mod filter;
#[path = "../../tests/laws/function.rs"]
#[allow(dead_code, reason = "shared with the property tests, which use all of it")]
mod function;
#[path = "../../tests/laws/manifests.rs"]
#[allow(dead_code, reason = "shared with other targets, each of which uses a part")]
mod manifests;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Two fuzzers in one: bytes that begin so are choices that make a list.
    match bytes.strip_prefix(b"\0") {
        Some(choices) => function::any_choices(choices),
        None => function::any_bytes(bytes),
    }
});
