//! Edits of the source text, case by case: what comes out, that it means what was planned, and that
//! taking it out again gives the bytes back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use prelit::value::{Edit, Path, Step, Value};
use prelit::yaml::{Tree, edit, proof};

/// `a.b[0].c` as a path.
fn path(text: &str) -> Path {
    let mut steps = Vec::new();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
            steps.push(Step::Key(key.to_owned().into()));
        }
        for index in pieces {
            steps.push(Step::Index(index.trim_end_matches(']').parse().unwrap()));
        }
    }
    steps.into_iter().collect()
}

fn variable(name: &str) -> Value<'static> {
    Value::map([("name", Value::text(name.to_owned())), ("value", Value::text("1"))])
}

fn append(list: &str, at: usize, names: &[&str]) -> Edit {
    Edit::Insert { list: path(list), at, items: names.iter().map(|name| variable(name)).collect() }
}

fn add(map: &str, key: &str, value: &str) -> Edit {
    Edit::Add { map: path(map), key: key.to_owned(), value: Value::text(value.to_owned()) }
}

fn prefix(at: &str, text: &str) -> Edit {
    Edit::Prefix { scalar: path(at), text: text.to_owned() }
}

fn delete(at: &str) -> Edit {
    Edit::Delete { at: path(at) }
}

/// Carries edits out and proves them.
#[track_caller]
fn edited(text: &str, edits: &[Edit]) -> String {
    let tree = Tree::parse(text).unwrap_or_else(|error| panic!("{error} at {}\n{text}", error.offset));
    let edited = edit::edit(&tree, edits).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let result = edited.text(text);
    if let Err(error) = proof::prove(tree.value().unwrap(), edits, &edited, &result) {
        panic!("{error}\n--- before\n{text}\n--- after\n{result}");
    }
    result
}

/// The edits give this text, and the undoing edits give the original back.
#[track_caller]
fn there_and_back(before: &str, edits: &[Edit], after: &str, undo: &[Edit]) {
    let result = edited(before, edits);
    assert_eq!(result, after, "there");
    assert_eq!(edited(&result, undo), before, "and back");
}

#[test]
fn items_are_appended_in_the_style_of_the_list() {
    there_and_back(
        "env:\n- name: A\n  value: b\nx: y\n",
        &[append("env", 1, &["B"])],
        "env:\n- name: A\n  value: b\n- name: B\n  value: \"1\"\nx: y\n",
        &[delete("env[1]")],
    );
    there_and_back(
        "env:\n    - name: A\nx: y\n",
        &[append("env", 0, &["F"]), append("env", 1, &["B"])],
        "env:\n    - name: F\n      value: \"1\"\n    - name: A\n    - name: B\n      value: \"1\"\nx: y\n",
        &[delete("env[0]"), delete("env[2]")],
    );
}

#[test]
fn comments_stay_with_what_they_speak_of() {
    there_and_back(
        "env: # all of it\n  # the first\n  - name: A\n    # deeper than the dash\n  # - name: OLD\n# end\nx: y\n",
        &[append("env", 0, &["F"]), append("env", 1, &["B"])],
        "env: # all of it\n  - name: F\n    value: \"1\"\n  # the first\n  - name: A\n    # deeper than the dash\n  - name: B\n    value: \"1\"\n  # - name: OLD\n# end\nx: y\n",
        &[delete("env[0]"), delete("env[2]")],
    );
}

#[test]
fn a_new_key_is_the_last_of_its_mapping() {
    there_and_back(
        "a:\n  b: c\n  # of b\n    # deeper\n\n# of a\nd: e",
        &[add("a", "k", "v"), add("", "z", "on")],
        "a:\n  b: c\n  # of b\n    # deeper\n  k: v\n\n# of a\nd: e\nz: \"on\"",
        &[delete("a.k"), delete("z")],
    );
}

#[test]
fn the_file_keeps_its_line_ends() {
    there_and_back(
        "env:\r\n- name: A\r\n",
        &[append("env", 1, &["B"])],
        "env:\r\n- name: A\r\n- name: B\r\n  value: \"1\"\r\n",
        &[delete("env[1]")],
    );
    there_and_back(
        "env:\r\n- name: A",
        &[append("env", 1, &["B"])],
        "env:\r\n- name: A\r\n- name: B\r\n  value: \"1\"",
        &[delete("env[1]")],
    );
}

#[test]
fn empty_values_are_kept_behind_a_mark() {
    for (before, after) in [
        ("env: []\nx: y\n", "env: # prelit:was []\n  - name: B\n    value: \"1\"\nx: y\n"),
        ("env: [] # none\nx: y\n", "env: # prelit:was [] # none\n  - name: B\n    value: \"1\"\nx: y\n"),
        ("env: null\nx: y\n", "env: # prelit:was null\n  - name: B\n    value: \"1\"\nx: y\n"),
        ("env: ~\n", "env: # prelit:was ~\n  - name: B\n    value: \"1\"\n"),
        ("env:\nx: y\n", "env: # prelit:was\n  - name: B\n    value: \"1\"\nx: y\n"),
        ("env: # why\nx: y\n", "env: # prelit:was # why\n  - name: B\n    value: \"1\"\nx: y\n"),
        ("env:   \nx: y\n", "env: # prelit:was   \n  - name: B\n    value: \"1\"\nx: y\n"),
        ("env:", "env: # prelit:was\n  - name: B\n    value: \"1\""),
        ("env:\n  []\nx: y\n", "env:\n  # prelit:was []\n  - name: B\n    value: \"1\"\nx: y\n"),
    ] {
        there_and_back(before, &[append("env", 0, &["B"])], after, &[delete("env")]);
    }
    there_and_back("a: {}\n", &[add("a", "k", "v")], "a: # prelit:was {}\n  k: v\n", &[delete("a")]);
    there_and_back("v: null # c\n", &[prefix("v", "x:")], "v: \"x:\" # prelit:was null # c\n", &[delete("v")]);
    there_and_back("v:\n", &[prefix("v", "/x")], "v: /x # prelit:was\n", &[delete("v")]);
}

#[test]
fn aliases_on_the_path_are_written_out() {
    there_and_back(
        "base: &env\n- name: A\nc:\n  env: *env\n",
        &[append("c.env", 1, &["B"])],
        "base: &env\n- name: A\nc:\n  env: # prelit:was *env\n  - name: A\n  - name: B\n    value: \"1\"\n",
        &[delete("c.env[1]")],
    );
    there_and_back(
        "base: &c\n  name: A\nlist:\n- *c\n",
        &[add("list[0]", "k", "v")],
        "base: &c\n  name: A\nlist:\n- # prelit:was *c\n  name: A\n  k: v\n",
        &[delete("list[0].k")],
    );
}

#[test]
fn what_a_merge_key_supplies_is_written_out() {
    there_and_back(
        "base: &b\n  env:\n    - name: A\nc:\n  <<: *b\n  name: x\n",
        &[append("c.env", 1, &["B"])],
        "base: &b\n  env:\n    - name: A\nc:\n  <<: *b\n  name: x\n  env: # prelit:was <<\n    - name: A\n    - name: B\n      value: \"1\"\n",
        &[delete("c.env[1]")],
    );
}

#[test]
fn a_shared_anchor_is_not_edited() {
    let tree = Tree::parse("a: &a\n- name: A\nb: *a\n").unwrap();
    let refusal = edit::edit(&tree, &[append("a", 1, &["B"])]).unwrap_err();
    assert!(matches!(refusal, edit::Refusal::SharedAnchor { .. }), "{refusal}");
    // An anchor that nobody uses is only a name.
    there_and_back(
        "a: &a\n- name: A\n",
        &[append("a", 1, &["B"])],
        "a: &a\n- name: A\n- name: B\n  value: \"1\"\n",
        &[delete("a[1]")],
    );
}

#[test]
fn text_is_put_before_scalars_of_every_style() {
    let cut = [Edit::Cut { scalar: path("v"), bytes: 3 }];
    for (before, after) in [
        ("v: /app\n", "v: /x:/app\n"),
        ("v: \"/app\"\n", "v: \"/x:/app\"\n"),
        ("v: '/a''pp'\n", "v: '/x:/a''pp'\n"),
        ("v: |\n  /app\nw: x\n", "v: |\n  /x:/app\nw: x\n"),
        ("v: >-\n  /app\n  /lib\nw: x\n", "v: >-\n  /x:/app\n  /lib\nw: x\n"),
        ("v: /app\n  /lib\nw: x\n", "v: /x:/app\n  /lib\nw: x\n"),
        ("v: 8080\n", "v: /x:8080\n"),
        ("v: &a /app # c\n", "v: &a /x:/app # c\n"),
        ("{v: /app}\n", "{v: /x:/app}\n"),
        ("{\"v\": \"/app\"}\n", "{\"v\": \"/x:/app\"}\n"),
    ] {
        there_and_back(before, &[prefix("v", "/x:")], after, &cut);
    }
    assert_eq!(edited("{v: /a\"p}\n", &[prefix("v", "k=v,")]), "{v: \"k=v,/a\\\"p\"}\n");
    assert_eq!(edited("{\"v\": 80}\n", &[prefix("v", "/x:")]), "{\"v\": \"/x:80\"}\n");
}

#[test]
fn text_is_not_taken_from_where_it_is_written_otherwise() {
    let cut = |bytes| [Edit::Cut { scalar: path("v"), bytes }];
    // Folding and indentation: as many bytes of the text as it is written end inside a character, or elsewhere.
    for (text, bytes) in [
        ("v: 'a\n  é'\n", 2),
        ("v: 'a\n\n  é'\n", 2),
        ("v: 'a\r\n  bé'\r\n", 5),
        ("v: \"a\n  é\"\n", 2),
        ("v: \"a\\\n  é\"\n", 3),
        ("v: \"a \n  b\"\n", 2),
        ("v: 'a \n  b'\n", 2),
        ("v: a\n  é\n", 2),
        ("v: |-\n  a\n  é\n", 4),
        ("v: |-\n  a\n  é\n", 2),
        ("v: >-\n  a\n  é\n", 4),
    ] {
        refused(text, &cut(bytes), "over several lines");
    }
    for (text, bytes) in [("v: |-\n  a\n  é\n", 1), ("v: |\n  a b\n", 1), ("v: |-\n  é", 2), ("v: >-\n  a\n  é\n", 1)]
    {
        refused(text, &cut(bytes), "begins with blanks");
    }
    assert_eq!(edited("v: 'a''b\n  é'\n", &cut(2)), "v: 'b\n  é'\n");
    assert_eq!(edited("v: 'a b\n  é'\n", &cut(1)), "v: ' b\n  é'\n");
    assert_eq!(edited("v: |-\n  ab\n  é\n", &cut(1)), "v: |-\n  b\n  é\n");
}

#[test]
fn flow_style_is_edited_between_its_brackets() {
    there_and_back(
        "{env: [{name: A}], x: y}\n",
        &[append("env", 1, &["B"])],
        "{env: [{name: A}, {name: B, value: \"1\"}], x: y}\n",
        &[delete("env[1]")],
    );
    there_and_back(
        "env: [{name: A}]\n",
        &[append("env", 0, &["F"]), append("env", 1, &["B"])],
        "env: [{name: F, value: \"1\"}, {name: A}, {name: B, value: \"1\"}]\n",
        &[delete("env[0]"), delete("env[2]")],
    );
    there_and_back("m: {a: b}\n", &[add("m", "k", "v")], "m: {a: b, k: v}\n", &[delete("m.k")]);
    there_and_back(
        "env: [\n  {name: A}, # first\n  {name: C} # last\n]\n",
        &[append("env", 1, &["B"]), append("env", 2, &["D"])],
        "env: [\n  {name: A}, # first\n  {name: B, value: \"1\"},\n  {name: C}, # last\n  {name: D, value: \"1\"}\n]\n",
        &[delete("env[1]"), delete("env[3]")],
    );
    there_and_back(
        "env: [\n  {name: A},\n]\n",
        &[append("env", 1, &["B"])],
        "env: [\n  {name: A},\n  {name: B, value: \"1\"},\n]\n",
        &[delete("env[1]")],
    );
}

#[test]
fn json_stays_json() {
    there_and_back(
        "{\"env\":[{\"name\":\"A\"}]}",
        &[append("env", 1, &["B"]), add("", "k", "v")],
        "{\"env\":[{\"name\":\"A\"},{\"name\":\"B\",\"value\":\"1\"}],\"k\":\"v\"}",
        &[delete("env[1]"), delete("k")],
    );
    there_and_back(
        "{\n    \"env\": [\n        {\n            \"name\": \"A\"\n        }\n    ]\n}\n",
        &[append("env", 1, &["B"]), Edit::Add { map: Path::ROOT, key: "k".into(), value: Value::texts(["a", "b"]) }],
        "{\n    \"env\": [\n        {\n            \"name\": \"A\"\n        },\n        {\n            \"name\": \"B\",\n            \"value\": \"1\"\n        }\n    ],\n    \"k\": [\n        \"a\",\n        \"b\"\n    ]\n}\n",
        &[delete("env[1]"), delete("k")],
    );
    for empty in ["[]", "null"] {
        assert_eq!(
            edited(&format!("{{\n  \"env\": {empty}\n}}\n"), &[append("env", 0, &["B"])]),
            "{\n  \"env\": [\n    {\n      \"name\": \"B\",\n      \"value\": \"1\"\n    }\n  ]\n}\n"
        );
    }
}

#[test]
fn block_scalars_beside_the_edit_keep_their_text() {
    for scalar in ["|\n  one\n  two\n", "|+\n  one\n\n\n", "|-\n  one\n\n", ">\n  one\n  two\n\n", "|2\n    one\n   \n"]
    {
        let before = format!("a: {scalar}");
        let after = edited(&before, &[add("", "k", "v")]);
        assert_eq!(edited(&after, &[delete("k")]), before);
        let before = format!("l:\n- a: {}m: n\n", scalar.replace("\n  ", "\n    "));
        let after = edited(&before, &[append("l", 1, &["B"]), add("l[0]", "k", "v")]);
        assert_eq!(edited(&after, &[delete("l[1]"), delete("l[0].k")]), before, "{after}");
    }
}

#[test]
fn duplicate_keys_are_an_error_with_both_places() {
    let error = Tree::parse("a: 1\nb: 2\na: 3\n").unwrap_err();
    assert_eq!((error.offset, error.related), (10, Some(0)));
}

#[test]
fn missing_maps_are_made() {
    there_and_back(
        "t:\n  spec:\n    a: b\n",
        &[add("t.metadata.annotations", "example.com/k", "{\"v\":1}")],
        "t:\n  spec:\n    a: b\n  metadata:\n    annotations:\n      example.com/k: '{\"v\":1}'\n",
        &[delete("t.metadata")],
    );
}

#[track_caller]
fn refused(text: &str, edits: &[Edit], why: &str) {
    let tree = Tree::parse(text).unwrap();
    let refusal = edit::edit(&tree, edits).unwrap_err();
    assert!(matches!(&refusal, edit::Refusal::Unsupported { what, .. } if what.contains(why)), "{refusal}");
}

#[test]
fn a_list_is_not_left_without_items() {
    refused("env:\n- name: A\n- name: B\n", &[delete("env[0]"), delete("env[1]")], "nothing would be left");
    refused("- a: b\n", &[delete("[0].a")], "nothing would be left");
    assert_eq!(edited("-\n- name: B\n", &[delete("[0]")]), "- name: B\n");
}

#[test]
fn an_item_without_a_value_gets_one_and_loses_it_again() {
    there_and_back(
        "-\n- x\n",
        &[append("[0]", 0, &["B"])],
        "- # prelit:was\n  - name: B\n    value: \"1\"\n- x\n",
        &[delete("[0][0]")],
    );
}

#[test]
fn a_block_text_without_content_ends_at_its_header() {
    there_and_back("a:\n  l: |\nb: c\n", &[add("a", "k", "v")], "a:\n  l: |\n  k: v\nb: c\n", &[delete("a.k")]);
    there_and_back(
        "a:\n  l: |+\n\n\nb: c\n",
        &[add("a", "k", "v")],
        "a:\n  l: |+\n\n\n  k: v\nb: c\n",
        &[delete("a.k")],
    );
}

#[test]
fn a_kept_block_text_that_ends_in_blanks_is_not_continued() {
    refused("l: |+\n  x\n  ", &[add("", "k", "v")], "keeps its blank lines");
    there_and_back("l: |\n  x\n  ", &[add("", "k", "v")], "l: |\n  x\n  \nk: v", &[delete("k")]);
}

#[test]
fn an_alias_of_an_anchored_key_is_found_again() {
    there_and_back(
        "- &x name: B\n- *x\n",
        &[prefix("[1]", "/a:")],
        "- &x name: B\n- /a:name # prelit:was *x\n",
        &[Edit::Cut { scalar: path("[1]"), bytes: 3 }],
    );
}

#[test]
fn what_is_copied_out_of_an_alias_is_spelled_as_it_was() {
    there_and_back(
        "base: &env\n- name: ON\n  value: 0o14\n- value: ~\nc:\n  env: *env\n",
        &[append("c.env", 2, &["B"])],
        "base: &env\n- name: ON\n  value: 0o14\n- value: ~\nc:\n  env: # prelit:was *env\n  - name: ON\n    value: 0o14\n  - value: ~\n  - name: B\n    value: \"1\"\n",
        &[delete("c.env[2]")],
    );
}

#[test]
fn an_alias_comes_back_though_a_text_of_it_lost_its_quotes() {
    there_and_back(
        "base: &env\n- value: \"\"\nc:\n  env: *env\n",
        &[prefix("c.env[0].value", "/x")],
        "base: &env\n- value: \"\"\nc:\n  env: # prelit:was *env\n  - value: /x\n",
        &[Edit::Cut { scalar: path("c.env[0].value"), bytes: 2 }],
    );
}

#[test]
fn an_empty_map_comes_back_where_the_map_around_it_goes() {
    there_and_back(
        "t:\n  metadata:\n    annotations: {}\n  spec: x\n",
        &[add("t.metadata.annotations", "k", "v")],
        "t:\n  metadata:\n    annotations: # prelit:was {}\n      k: v\n  spec: x\n",
        &[delete("t.metadata")],
    );
}

#[test]
fn a_value_is_restored_behind_items_that_go() {
    there_and_back(
        "env:\n- name: A\n  value:\n",
        &[append("env", 0, &["F"]), prefix("env[0].value", "/x")],
        "env:\n- name: F\n  value: \"1\"\n- name: A\n  value: /x # prelit:was\n",
        &[delete("env[0]"), Edit::Cut { scalar: path("env[1].value"), bytes: 2 }],
    );
}

#[test]
fn tagged_keys_are_read_as_go_yaml_reads_them() {
    let tree = Tree::parse("a: {!!binary b3BlbmxpdA==: x, !!str <<: y}\n").unwrap();
    let value = tree.value().unwrap();
    assert_eq!(value.dig(&["a", "openlit"]).and_then(Value::as_text), Some("x"));
    assert_eq!(value.dig(&["a", "<<"]).and_then(Value::as_text), Some("y"));
}

#[test]
fn a_key_without_a_colon_ends_where_it_ends() {
    there_and_back("a:\n  ? k\nb: c\n", &[add("a", "x", "v")], "a:\n  ? k\n  x: v\nb: c\n", &[delete("a.x")]);
    there_and_back("m:\n  ? k\n: v\n", &[add("m", "x", "v")], "m:\n  ? k\n  x: v\n: v\n", &[delete("m.x")]);
    there_and_back("? k", &[add("", "x", "v")], "? k\nx: v", &[delete("x")]);
}

#[test]
fn a_byte_order_mark_is_no_column() {
    there_and_back("\u{feff}a: b\nc: d\n", &[add("", "k", "v")], "\u{feff}a: b\nc: d\nk: v\n", &[delete("k")]);
    there_and_back(
        "\u{feff}- name: A\n",
        &[append("", 0, &["F"])],
        "\u{feff}- name: F\n  value: \"1\"\n- name: A\n",
        &[delete("[0]")],
    );
}

#[test]
fn a_marker_is_no_item() {
    there_and_back(
        "--- # first\n- name: A\n",
        &[append("", 0, &["F"])],
        "--- # first\n- name: F\n  value: \"1\"\n- name: A\n",
        &[delete("[0]")],
    );
}

#[test]
fn a_key_in_brackets_gets_a_colon_only_on_one_line() {
    assert_eq!(edited("{a, b: c}\n", &[prefix("a", "/x")]), "{a: /x, b: c}\n");
    refused("t: {\n  two\n  words\n}\n", &[prefix("t.two words", "/x")], "over several lines");
}

#[test]
fn an_indicator_with_text_behind_it_needs_no_quotes() {
    let cut = [Edit::Cut { scalar: path("v"), bytes: 3 }];
    there_and_back("v: ?}\n", &[prefix("v", "/a:")], "v: /a:?}\n", &cut);
    there_and_back("v: -,x\n", &[prefix("v", "/a:")], "v: /a:-,x\n", &cut);
    assert_eq!(edited("{v: /a:-}\n", &cut), "{v: \"-\"}\n");
}
