//! The editor on any text: whatever parses, every place in it is edited, proven, and undone.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| prelit::yaml::laws::edits_everywhere(text));
