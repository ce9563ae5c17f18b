//! The laws, over generated manifests and texts.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "webhook")]
#[path = "laws/admission.rs"]
mod admission;
#[path = "laws/argocd.rs"]
mod argocd;
#[path = "laws/editor.rs"]
mod editor;
#[path = "laws/filter.rs"]
#[allow(dead_code, reason = "shared with other tests and the fuzzer, each of which uses a part")]
mod filter;
#[path = "laws/function.rs"]
mod function;
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

/// A `Deployment` as an item, up to its container.
const ITEM: &str = "- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: chat}
  spec:
    template:
      metadata:
        labels: {app: chat, openlit.io/instrument: \"true\"}
      spec:
        containers:
        - name: app
          image: python:3.11-slim
";

const FUNCTION_LIST: &str = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n";

/// An anchor of an item has the name of one before the list: behind the list its alias stands for the item's.
#[test]
fn an_alias_behind_a_list_stands_for_what_an_item_has_anchored() {
    let list =
        format!("{FUNCTION_LIST}x: &e []\nitems:\n{ITEM}          env: &e\n          - {{name: A, value: b}}\nz: *e\n");
    let answer = function::function_decides_as_a_whole(&list, None);
    assert_eq!(answer["z"], serde_json::json!([{"name": "A", "value": "b"}]));
    let list = list.replace("config.kubernetes.io/v1", "v1").replace("ResourceList", "List");
    let edited = function::filter_decides_as_a_whole(&list, None);
    assert_eq!(edited["z"], serde_json::json!([{"name": "A", "value": "b"}]));
}

#[test]
fn a_configuration_is_found_wherever_its_kind_is_said() {
    let spec = "  metadata: {name: q}\n  spec:\n    selector: {matchLabels: {app: chat}}\n";
    let item = ITEM.replace(", openlit.io/instrument: \"true\"", "");
    let version = "apiVersion: openlit.io/v1alpha1\n";
    for (head, configuration) in [
        ("apiVersion: v1\nkind: List\n".to_owned(), format!("- {version}  kind: AutoInstrumentation\n{spec}")),
        // By an alias to what stands before the list, and in another item.
        (
            "apiVersion: v1\nkind: List\nx: &k AutoInstrumentation\n".to_owned(),
            format!("- {version}  kind: *k\n{spec}"),
        ),
        (
            "apiVersion: v1\nkind: List\n".to_owned(),
            format!("- apiVersion: v1\n  kind: ConfigMap\n  x: &k AutoInstrumentation\n- {version}  kind: *k\n{spec}"),
        ),
        // By the list, which does not make one of what stands in for the items.
        (
            format!("{version}kind: AutoInstrumentationList\n"),
            format!("- {version}  kind: AutoInstrumentation\n{spec}"),
        ),
    ] {
        let edited = function::filter_decides_as_a_whole(&format!("{head}items:\n{configuration}{item}"), None);
        assert!(edited.to_string().contains("openlit.io/injection"), "{head}{configuration}");
    }
}

#[test]
fn lists_that_lines_could_misread_are_read_as_the_parser_reads_them() {
    for beside in [
        "  x: \"a\n    - b\"\n",
        "  x: \"a\n- b\"\n",
        "  x: [a,\n- b]\n",
        "  x: |1\n    a\n# c\n",
        "  x: |+\n    a\n\n\n",
        "  x: &x a\n-\n  apiVersion: v1\n  kind: ConfigMap\n  x: *x\n",
        "  x: &x {a: b}\n- apiVersion: v1\n  kind: ConfigMap\n  <<: *x\n",
        "      # deep\n  # less\n# none\n\n",
        "  ? x\n  : - a\n    - b\n",
        "  x: a\u{2028}- b\u{85}- c\n",
        "# c\r- apiVersion: v1\r  kind: ConfigMap\n",
        "  x:\ta\n",
        "-\tapiVersion: v1\n  \tkind: ConfigMap\n",
        "- apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: ConfigMap\n",
        "- !!map\n  apiVersion: v1\n  kind: ConfigMap\n",
    ] {
        for items in ["items:\n", "items: # c\n", "items: # c\r- apiVersion: v1\r  kind: ConfigMap\n"] {
            for behind in ["", "z: y\n", "'z': y\n", "? z\n: y\n", "# c\r'z': y\n"] {
                for list in [
                    format!("{FUNCTION_LIST}{items}{ITEM}{beside}{behind}"),
                    format!(
                        "{FUNCTION_LIST}{items}{beside_first}{ITEM}{behind}",
                        beside_first = format_args!("- apiVersion: v1\n  kind: ConfigMap\n{beside}")
                    ),
                ] {
                    let plain = list.replace("config.kubernetes.io/v1", "v1").replace("ResourceList", "List");
                    // What is no YAML, or is refused for its line ends, is for the other laws.
                    if !list.contains('\r') && prelit::yaml::Tree::parse(&list).is_ok() {
                        function::function_decides_as_a_whole(&list, None);
                        function::filter_decides_as_a_whole(&plain, None);
                    } else {
                        function::any_bytes(list.as_bytes());
                    }
                }
            }
        }
    }
}

/// JSON whose keys are those of pods, at places where they belong and others.
#[cfg(feature = "webhook")]
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let keys = [
        "metadata",
        "spec",
        "labels",
        "annotations",
        "containers",
        "initContainers",
        "volumes",
        "name",
        "image",
        "env",
        "value",
        "valueFrom",
        "envFrom",
        "volumeMounts",
        "mountPath",
        "command",
        "args",
        "securityContext",
        "ownerReferences",
        "controller",
        "kind",
        "openlit.io/instrument",
        "openlit.io/injection",
        "openlit.io/include-containers",
        "restartPolicy",
        "resources",
    ];
    let texts =
        ["", "PYTHONPATH", "openlit-init", "app", "python:3.11", "true", "/instrumentation-packages", "\u{0}", "é😀"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let entries = prop::collection::vec((prop::sample::select(keys.to_vec()), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            entries.prop_map(|entries| Value::Object(
                entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
            )),
            prop::sample::select(keys.to_vec()).prop_map(|name| json!([{ "name": name, "image": "python:3.11" }])),
        ]
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

    #[test]
    fn any_list_is_read_item_by_item_as_a_whole(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        function::any_choices(&choices);
    }

    #[cfg(feature = "webhook")]
    #[test]
    fn any_pod_is_admitted_with_a_patch_that_fits_it(choices in prop::collection::vec(any::<u8>(), 0..300)) {
        admission::any_choices(&choices);
    }

    #[cfg(feature = "webhook")]
    #[test]
    fn any_json_is_admitted(json in json(), spec in json(), metadata in json(), labelled in any::<bool>()) {
        let mut pod = serde_json::json!({ "metadata": metadata, "spec": spec });
        if labelled && pod["metadata"].is_object() {
            pod["metadata"]["labels"] = serde_json::json!({ "openlit.io/instrument": "true" });
        }
        for object in [&json, &pod] {
            admission::any_bytes(object.to_string().as_bytes());
        }
    }

    #[test]
    fn any_parameters_are_settings_or_an_error_that_shows_no_value(
        choices in prop::collection::vec(any::<u8>(), 0..60),
        text in ".{0,200}",
    ) {
        argocd::any_choices(&choices.iter().map(|choice| choice % 24).collect::<Vec<_>>());
        argocd::any_bytes(text.as_bytes());
    }

    #[test]
    fn any_text_as_a_list_has_an_answer_or_an_error(
        head in prop::sample::select(vec!["", "x: &a\n", "# c\n", "y: |\n"]),
        indent in prop::sample::select(vec!["", "  "]),
        texts in prop::collection::vec(yaml_text(), 0..4),
        tail in prop::sample::select(vec!["", "functionConfig:\n", "z: *g\n", "results: []\n"]),
    ) {
        let mut list = format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n{head}items:\n");
        for text in &texts {
            // Not every line is moved: some of the text falls out of its item.
            for (number, line) in text.split_inclusive('\n').enumerate() {
                list.push_str(indent);
                list.push_str(if number == 0 { "- " } else if line.len() % 7 == 3 { "" } else { "  " });
                list.push_str(line);
            }
            if !list.ends_with('\n') {
                list.push('\n');
            }
        }
        list.push_str(tail);
        function::any_bytes(list.as_bytes());
    }
}
