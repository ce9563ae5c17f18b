//! The editor on any text: whatever parses, every place in it is edited, proven, and undone.
#![no_main]

#[path = "../../tests/laws/editor.rs"]
mod editor;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| editor::edits_everywhere(text));
