//! The filter on any bytes: no panic, the same output twice, nothing changed that is not a workload,
//! and removal gives the input back.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| prelit::render::laws::filter(bytes));
