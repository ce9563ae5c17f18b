//! The laws, over generated manifests and texts.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may panic: that is how they fail.

#[path = "laws/editor.rs"]
mod editor;
#[path = "laws/filter.rs"]
#[allow(dead_code, reason = "shared with other tests and the fuzzer, each of which uses a part")]
mod filter;
#[path = "laws/manifests.rs"]
mod manifests;

use proptest::prelude::*;

/// Lines of YAML as people and machines write it, put together without much care: what does not
/// parse is passed over.
fn yaml_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("a: b"),
        Just("b:"),
        Just("c: []"),
        Just("d: {}"),
        Just("e: null"),
        Just("f: ~ # c"),
        Just("- x"),
        Just("- k: v"),
        Just("-"),
        Just("- - y"),
        Just("g: &g h"),
        Just("i: *g"),
        Just("<<: *m"),
        Just("m: &m"),
        Just("# comment"),
        Just(""),
        Just("l: |"),
        Just("l: >-"),
        Just("l: |+"),
        Just("text"),
        Just("q: \"x\\n\\\"y\""),
        Just("s: 'it''s'"),
        Just("o: {p: q, r: [1, 2]}"),
        Just("t: ["),
        Just("  1,"),
        Just("]"),
        Just("u: \"two"),
        Just("lines\""),
        Just("v: plain"),
        Just("on: yes"),
        Just("1: 2"),
        Just("env:"),
        Just("- name: A"),
        Just("  value: b"),
        Just("- &x name: B"),
        Just("- *x"),
        Just("'k': 'v'"),
    ];
    let lines = prop::collection::vec((0usize..4, line), 1..14);
    (lines, any::<bool>(), any::<bool>()).prop_map(|(lines, crlf, last)| {
        let newline = if crlf { "\r\n" } else { "\n" };
        let mut text = String::new();
        for (indent, line) in lines {
            text.push_str(&"  ".repeat(indent));
            text.push_str(line);
            text.push_str(newline);
        }
        if last {
            text.truncate(text.len() - newline.len());
        }
        text
    })
}

proptest! {
    // What is found becomes a test with a name.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_edited_and_comes_back(text in yaml_text()) {
        editor::edits_everywhere(&text);
    }

    #[test]
    fn any_manifest_keeps_the_laws(choices in prop::collection::vec(any::<u8>(), 0..300)) {
        filter::any_choices(&manifests::stream(&choices));
    }
}
