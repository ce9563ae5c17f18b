//! The laws, over generated manifests and texts.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

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
    let line = prop::sample::select(vec![
        "a: b",
        "b:",
        "c: []",
        "d: {}",
        "e: null",
        "f: ~ # c",
        "- x",
        "- k: v",
        "-",
        "- - y",
        "- - - z: 1",
        "g: &g h",
        "i: *g",
        "<<: *m",
        "m: &m",
        "m: &m {x: y}",
        "# comment",
        "",
        "l: |",
        "l: >-",
        "l: |+",
        "l: >+",
        "l: |2",
        "- |",
        "- >-",
        "text",
        "    deep text",
        "q: \"x\\n\\\"y\"",
        "s: 'it''s'",
        "o: {p: q, r: [1, 2]}",
        "t: [",
        "  1,",
        "]",
        "t: {",
        "  z: 1,",
        "  y",
        "}",
        "u: \"two",
        "lines\"",
        "w: 'two",
        "lines'",
        "v: plain",
        "v: ?}",
        "v: -,x",
        "v: :a#b",
        "on: yes",
        "1: 2",
        "env:",
        "- name: A",
        "  value: b",
        "- &x name: B",
        "- *x",
        "- &y",
        "- *y",
        "'k': 'v'",
        "? k",
        "? - k",
        ": v",
        ": - v",
        "!!str t: !!int 5",
        "n: !!str",
        "- !t",
        "h: [a: b, c]",
        "j: [{}, [], null, ]",
        "- [] # c",
        "- {a: }",
        "<<: [*m, *m]",
        "- \"\"",
        "p: ''   ",
        "\tx",
        "k:\tv",
        "x: # prelit:was []",
        "- # prelit:was *x",
        "é: ü€😀 # ü",
    ]);
    let lines = prop::collection::vec((0usize..4, line), 1..14);
    let start = prop::sample::select(vec!["", "", "", "", "\u{feff}", "---\n", "# first\n"]);
    (start, lines, any::<bool>(), any::<bool>()).prop_map(|(start, lines, crlf, last)| {
        let newline = if crlf { "\r\n" } else { "\n" };
        let mut text = start.to_owned();
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
