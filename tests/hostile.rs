//! Input that wants to hurt: no panic, no hang, the right error; and what does not concern us passes through
//! byte for byte, whatever it is.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "laws/filter.rs"]
#[allow(dead_code, reason = "shared with other tests, each of which uses a part")]
mod filter;
#[path = "laws/manifests.rs"]
#[allow(dead_code, reason = "shared with other tests, each of which uses a part")]
mod manifests;

use prelit::krm::ResourceList;
use prelit::render::report::Gate;
use prelit::render::{Action, Rendered, Run, Source, Survey};
use prelit::value::Value;
use prelit::yaml::Tree;
use std::fmt::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Long for any of these inputs, even without optimization on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Renders in a thread of its own, so that a hang is a failure.
#[track_caller]
fn render(bytes: Vec<u8>, configuration: Option<&'static str>) -> Result<Rendered, String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let options = filter::options(Action::Inject);
        let source = |name, bytes| Source { name, bytes, lenient: false, left_alone: None };
        let configs: Vec<_> = configuration.iter().map(|text| source("config.yaml", text.as_bytes())).collect();
        let stream = source("hostile.yaml", &bytes);
        let rendered = Survey::of(&stream, &options)
            .and_then(|survey| Run::new(options, &configs, vec![survey]))
            .and_then(|run| run.render(&stream));
        let _ = sender.send(rendered.map_err(|failures| {
            let first = failures.0.first().expect("an error says why");
            format!("{}:{}", first.position.as_ref().map_or(0, |position| position.line), first.message)
        }));
    });
    receiver.recv_timeout(PATIENCE).expect("an answer, in time and without a panic")
}

/// A document that names us, so that it is parsed, but is no workload.
fn named(body: &str) -> Vec<u8> {
    format!("# openlit.io\napiVersion: apps/v1\n\"kind\": Deployment\nmetadata: {{name: x}}\n{body}").into_bytes()
}

#[track_caller]
fn refused(body: &str, message: &str) {
    let error = render(named(body), None).expect_err("it is refused");
    assert!(error.contains(message), "{error}");
    // What does not name us is not even looked at.
    let unrelated = named(body)[12..].to_vec();
    assert_eq!(render(unrelated, None).map(|rendered| rendered.splices), Ok(Vec::new()));
}

#[track_caller]
fn passes(body: &str) {
    assert_eq!(render(named(body), None).map(|rendered| rendered.splices), Ok(Vec::new()));
}

/// A `Deployment` that is injected, with something of the attacker's beside it.
fn workload(beside: &str) -> Vec<u8> {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat\n{beside}spec:\n  template:\n    metadata:\n      labels:\n        \
         openlit.io/instrument: \"true\"\n    spec:\n      containers:\n      - name: app\n        image: python:3.11-slim\n"
    )
    .into_bytes()
}

#[track_caller]
fn injected(bytes: Vec<u8>) {
    let rendered = render(bytes, None).expect("it is injected");
    assert!(!rendered.splices.is_empty(), "{:?}", rendered.report);
}

#[test]
fn alias_bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [lol]\n");
    for level in 1..30 {
        let previous = level - 1;
        let _ = writeln!(
            laughs,
            "a{level}: &a{level} [*a{previous}, *a{previous}, *a{previous}, *a{previous}, *a{previous}]"
        );
    }
    refused(&laughs, "aliases stand for too much");
    let mut merges = String::from("a0: &a0 {k: v}\n");
    for level in 1..30 {
        let previous = level - 1;
        let _ =
            writeln!(merges, "a{level}: &a{level} {{<<: [*a{previous}, *a{previous}, *a{previous}, *a{previous}]}}");
    }
    refused(&merges, "aliases stand for too much");
    refused("a: &a [*a]\n", "stands inside the node that it refers to");
    refused("a: &a\n  <<: *a\n", "stands inside the node that it refers to");
    // Wide instead of deep.
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(1000), "*a, ".repeat(1000));
    refused(&wide, "aliases stand for too much");
}

#[test]
fn deep_nesting_is_refused() {
    for opening in ["[", "{a: ", "- ", "? ", "[{a: ", "!!t [", "&a ["] {
        let body = format!("x:\n  {}", opening.repeat(100_000));
        assert!(render(named(&body), None).is_err(), "{opening}");
    }
    let mut steps = String::from("x:\n");
    for level in 1..5_000 {
        let _ = writeln!(steps, "{}a:", " ".repeat(level));
    }
    assert!(render(named(&steps), None).is_err());
    assert!(render(named(&"]".repeat(100_000)), None).is_err());
}

#[test]
fn long_scalars_pass() {
    let megabytes = 100 << 20;
    assert_eq!(render(vec![b'a'; megabytes], None).map(|rendered| rendered.splices), Ok(Vec::new()));
    let long = "x".repeat(megabytes / 10);
    injected(workload(&format!("x-long: {long}\n")));
    injected(workload(&format!("x-long: \"{long}\"\n")));
    let lines = "  a line of it\n".repeat(megabytes / 10 / 15);
    injected(workload(&format!("x-long: |\n{lines}")));
}

#[test]
fn what_is_no_text_is_refused_where_it_names_us() {
    let with = |bytes: &[u8]| [b"kind: Pod\na: openlit.io\nb: ".as_slice(), bytes, b"\n"].concat();
    for bytes in [&b"\xff\xfe"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"] {
        let error = render(with(bytes), None).expect_err("it is refused");
        assert!(error.contains("UTF-8"), "{error}");
        let unrelated = [b"a: b\nc: ".as_slice(), bytes].concat();
        assert_eq!(render(unrelated, None).map(|rendered| rendered.splices), Ok(Vec::new()));
    }
    assert!(render(with(b"\0"), None).is_err(), "NUL");
    assert_eq!(render(b"a: b\0c".to_vec(), None).map(|rendered| rendered.splices), Ok(Vec::new()));
    let text = String::from_utf8(workload("")).expect("ours");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
    for bytes in [little.clone(), big.clone(), marked(b"\xff\xfe", &little), marked(b"\xfe\xff", &big)] {
        let error = render(bytes, None).expect_err("it could hide a workload");
        assert!(error.contains("UTF-16"), "{error}");
    }
}

#[test]
fn every_beginning_of_a_document_has_an_answer() {
    for name in
        ["crlf", "flow-over-lines", "json-pretty", "alias-env", "merge-supplies-env", "no-final-newline-block-scalar"]
    {
        let folder = format!("{}/testdata/text/{name}/input", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(format!("{folder}.yaml")).or_else(|_| std::fs::read(format!("{folder}.json")));
        let text = text.unwrap_or_else(|error| panic!("{folder}: {error}"));
        for end in 0..text.len() {
            filter::any_bytes(&text[..end]);
        }
    }
}

#[test]
fn a_million_anchors_pass() {
    let mut anchors = String::from("x:\n");
    for number in 0..300_000 {
        let _ = writeln!(anchors, "  a{number}: &a{number} x");
    }
    injected(workload(&anchors));
    let mut aliases = String::from("x: &x y\nz:\n");
    for number in 0..150_000 {
        let _ = writeln!(aliases, "- &a{number} x\n- *a{number}");
    }
    injected(workload(&aliases));
    injected(workload(&format!("x: [{}]\n", "&a x, ".repeat(400_000))));
}

#[test]
fn a_hundred_thousand_keys_pass() {
    let mut keys = String::new();
    for number in 0..100_000 {
        let _ = writeln!(keys, "  key-{number}: x");
    }
    injected(workload(&format!("x:\n{keys}")));
    refused(&format!("x:\n{keys}  key-0: x\n"), "the key `key-0` stands twice");
    injected(workload(&format!("y: &y {{a: b}}\nx:\n  <<: *y\n{keys}")));
    injected(workload(&format!("y: &y\n{keys}x:\n  <<: *y\n  z: z\n")));
    refused(&format!("y: &y\n{keys}x: [{{<<: *y}}, {{<<: *y}}]\n"), "aliases stand for too much");
    let few: String = keys.lines().take(9_000).map(|line| format!("{line}\n")).collect();
    injected(workload(&format!("y: &y\n{few}x:\n  <<: *y\n  z: z\n")));
    refused(&format!("y: &y\n{few}x:\n{}", "- {<<: *y}\n".repeat(1000)), "aliases stand for too much");
}

#[test]
fn long_comments_pass() {
    let comments = "    # a comment that goes on and on\n".repeat(20_000);
    injected(workload(&format!("x:\n{comments}  y: z\n{comments}")));
    injected(workload(&format!("x:\n{comments}  -\n{comments}    -\n{comments}      - y\n{comments}")));
    let nested: String = (0..200).flat_map(|level| [" ".repeat(level), "a:\n".to_owned()]).collect();
    injected(workload(&format!("x-{nested}{comments}{}- b\n", " ".repeat(200))));
    injected(workload(&format!("x: [{} y]\n", "\n  # comment\n".repeat(20_000))));
}

#[test]
fn a_record_that_claims_a_part_of_any_text_takes_nothing_else() {
    let ours = "x".repeat(62);
    for (value, taken) in [
        (format!("'a=\n            {},é'", &ours[3..]), false),
        (format!("|-\n            {}\n            é,é", &ours[3..]), false),
        (format!(">-\n            {}\n            é,é", &ours[3..]), false),
        (format!("\"a=\n            {},é\"", &ours[3..]), false),
        (format!("|-\n            {ours},é=é"), true),
        (format!("'{ours},é=é\n            é'"), true),
    ] {
        let text = format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: chat}}
spec:
  template:
    metadata:
      labels: {{a: b}}
      annotations:
        openlit.io/injection: '{{\"v\":1,\"configuration\":\"settings\",\"digest\":\"96a6beb98c9ede72\",\"added\":\"d2e3289bbaecad40\",\"containers\":{{\"chat\":{{\"merged\":{{\"OTEL_RESOURCE_ATTRIBUTES\":63}}}}}}}}'
    spec:
      containers:
      - name: chat
        image: python:3.11-slim
        env:
        - name: OTEL_RESOURCE_ATTRIBUTES
          value: {value}
        - name: OTHER
          value: b
"
        );
        let source = Source { name: "text.yaml", bytes: text.as_bytes(), lenient: false, left_alone: None };
        let options = prelit::render::Options { force: true, ..filter::options(Action::Remove) };
        let run = Survey::of(&source, &options).and_then(|survey| Run::new(options, &[], vec![survey]));
        let rendered = run.and_then(|run| run.render(&source)).expect("an answer");
        let refused =
            rendered.report.remarks.iter().any(|remark| remark.reason == prelit::api::Reason::UnsupportedYaml);
        assert_eq!(refused, !taken, "{value}\n{:?}", rendered.report);
        assert_eq!(rendered.splices.is_empty(), !taken, "{value}");
    }
}

#[test]
fn very_many_documents_pass() {
    let empty = "---\n".repeat(1_000_000).into_bytes();
    assert_eq!(render(empty.clone(), None).map(|rendered| rendered.splices), Ok(Vec::new()));
    assert_eq!(render(empty, Some(filter::EVERYTHING)).map(|rendered| rendered.splices), Ok(Vec::new()));
    let one = [b"---\n".as_slice(), &workload("")].concat();
    let rendered = render(one.repeat(3_000), None).expect("all are injected");
    assert_eq!(rendered.report.rows.len(), 3_000);
    let mut containers = String::new();
    for number in 0..3_000 {
        let _ = write!(containers, "      - name: app{number}\n        image: python:3.11-slim\n");
    }
    injected([workload(""), containers.into_bytes()].concat());
}

#[test]
fn odd_beginnings_have_an_answer() {
    for text in [
        "",
        "\n",
        "\u{feff}",
        "---",
        "...",
        "--- ---",
        "%YAML 1.1\n---\n",
        "%TAG ! openlit.io\n",
        "openlit.io",
        "&openlit.io",
        "*openlit.io",
        "!openlit.io",
        "!<openlit.io",
        "\"openlit.io",
        "'openlit.io",
        "|openlit.io",
        "? openlit.io",
        "- openlit.io\n:",
        "\topenlit.io: x",
        "openlit.io:\tx",
        "\r\ropenlit.io\r",
        "\u{2028}openlit.io",
        "\u{85}openlit.io: |\n\u{85}",
        "@openlit.io",
        "`openlit.io",
        "{openlit.io",
        "}openlit.io",
        "openlit.io: [\n]\n}",
        "openlit.io: !!binary ===",
        "openlit.io: !!binary \u{ff}",
    ] {
        let _ = render(text.as_bytes().to_vec(), None);
        filter::any_bytes(text.as_bytes());
    }
    passes("x: y\n");
}

/// Four times the input takes about four times as long; sixteen times would be the square.
#[track_caller]
fn grows_with_its_input(size: usize, make: impl Fn(usize) -> Vec<u8>) {
    let time = |size| {
        let bytes = make(size);
        let start = Instant::now();
        injected(bytes);
        start.elapsed()
    };
    // Others work on the same machine: one good run of a few is enough.
    let mut times = Vec::new();
    for _ in 0..4 {
        let (small, large) = (time(size), time(4 * size));
        if large < 8 * small + Duration::from_millis(20) {
            return;
        }
        times.push((small, large));
    }
    panic!("{times:?}");
}

fn json_item(number: usize) -> String {
    format!(
        "{{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{{\"name\":\"chat-{number}\"}},\"spec\":{{\"template\":\
         {{\"metadata\":{{\"labels\":{{\"openlit.io/instrument\":\"true\"}}}},\"spec\":{{\"containers\":[{{\"name\":\"app\",\
         \"image\":\"python:3.11-slim\",\"env\":[]}}]}}}}}}}}"
    )
}

fn json_list(size: usize) -> Vec<u8> {
    let items: Vec<String> = (0..size).map(json_item).collect();
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{}]}}", items.join(",")).into_bytes()
}

#[test]
fn lists_on_one_line_take_linear_time() {
    grows_with_its_input(100, json_list);
}

#[test]
fn long_lists_take_linear_time() {
    let item = "- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: chat}\n  spec:\n    template:\n      \
                metadata:\n        labels: {openlit.io/instrument: \"true\"}\n      spec:\n        containers:\n        \
                - name: app\n          image: python:3.11-slim\n          env: []\n";
    let list = |size: usize| format!("apiVersion: v1\nkind: List\nitems:\n{}", item.repeat(size)).into_bytes();
    grows_with_its_input(100, list);
    // One item that refuses makes every other one be tried by itself.
    let refuses = item.replace("env: []", "env: &e [{name: A, value: b}]\n          x: *e");
    grows_with_its_input(50, |size| [list(size), refuses.clone().into_bytes()].concat());
}

#[test]
fn large_maps_take_linear_time() {
    let keys = |size: usize| (0..size).map(|number| format!("  key-{number}: x\n")).collect::<String>();
    grows_with_its_input(4_000, |size| workload(&format!("y: &y\n{}x:\n  <<: *y\n  z: z\n", keys(size))));
    grows_with_its_input(4_000, |size| workload(&format!("y: &y {{key-1: x}}\nx:\n  <<: *y\n{}", keys(size))));
}

#[test]
fn many_documents_take_linear_time() {
    let one = [b"---\n".as_slice(), &workload("")].concat();
    grows_with_its_input(200, |size| one.repeat(size));
}

/// Asks the function in a thread of its own, as the command does, and gives the answer.
#[track_caller]
fn call(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let answer = || -> Result<Vec<u8>, prelit::render::Failures> {
            let list = ResourceList::read("<stdin>", &bytes)?;
            let rendered = list.render(filter::options(Action::Inject), &[])?;
            let items = rendered.report.items(Gate::Done);
            let splices = list.answer(rendered.splices.clone(), &list.results(&items, false))?;
            drop(items);
            Ok(filter::apply(&bytes, &Rendered { splices, report: rendered.report }))
        };
        let _ = sender.send(answer().map_err(|failures| {
            let first = failures.0.first().expect("an error says why");
            format!("{}:{}", first.position.as_ref().map_or(0, |position| position.line), first.message)
        }));
    });
    receiver.recv_timeout(PATIENCE).expect("an answer, in time and without a panic")
}

const RESOURCE_LIST: &str = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n";

/// A `Deployment` as an item, with something of the attacker's beside it.
fn item(beside: &str) -> String {
    let text = String::from_utf8(workload(beside)).expect("ours");
    let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
    format!("- {}", &lines[2..])
}

fn list(items: &str) -> Vec<u8> {
    format!("{RESOURCE_LIST}{items}").into_bytes()
}

/// How many items an answer has.
#[track_caller]
fn items_of(answer: &[u8]) -> usize {
    let tree = Tree::parse(std::str::from_utf8(answer).expect("text stays text")).expect("an answer parses");
    let value = tree.value().expect("an answer parses");
    value.get("items").and_then(Value::as_list).map_or(0, <[Value<'_>]>::len)
}

#[test]
fn a_function_takes_long_lists_and_large_items() {
    let tiny = "- {apiVersion: v1, kind: ConfigMap}\n".repeat(200_000);
    let answer = call(list(&tiny)).expect("it has an answer");
    assert_eq!(items_of(&answer), 200_000);
    let large = item(&format!("x-long: {}\n", "x".repeat(20 << 20)));
    assert!(call(list(&large)).expect("it has an answer").len() > large.len());
    let lines = item(&format!("x-long: |\n{}", "  a line of it\n".repeat((20 << 20) / 17)));
    assert!(call(list(&lines)).expect("it has an answer").len() > lines.len());
    let json = String::from_utf8(json_list(20 << 20 >> 8)).expect("ours");
    let json = json.replace("\"v1\",\"kind\":\"List\"", "\"config.kubernetes.io/v1\",\"kind\":\"ResourceList\"");
    assert!(call(json.clone().into_bytes()).expect("it has an answer").len() > json.len());
}

/// The memory that the command needs is a few times that of its input and its answer, not that of a tree of it all.
#[test]
#[cfg(target_os = "linux")]
fn a_function_on_fifty_megabytes_stays_small() {
    let size = 50 << 20;
    let line = "      a line of it, and another: x\n".repeat(150);
    let pair = |number: usize| {
        let other = format!(
            "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: c-{number}\n  data:\n    file: |\n{line}"
        );
        item("").replace("name: chat", &format!("name: chat-{number}")) + &other
    };
    let many = list(&(0..size / pair(0).len()).map(pair).collect::<String>());
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("input.yaml");
    std::fs::write(&input, &many).expect("written");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_prelit"))
        .args(["fn", "-q"])
        .env_clear()
        .stdin(std::fs::File::open(&input).expect("written"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("prelit starts");
    let start = Instant::now();
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut first = [0; 1];
    // Nothing is written before everything is decided, and the rest waits for a reader: this is when most is in use.
    std::io::Read::read_exact(&mut stdout, &mut first).expect("an answer");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it waits to write");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    let kilobytes: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    let length = std::io::copy(&mut stdout, &mut std::io::sink()).expect("the rest of the answer");
    assert!(child.wait().expect("it ends").success());
    println!("{} MB in {:?}, peak {} MB, {length} bytes out", size >> 20, start.elapsed(), kilobytes >> 10);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert!(length > many.len() as u64);
    assert!(kilobytes << 10 < 10 * size, "{} MB", kilobytes >> 10);
}

#[test]
fn a_function_refuses_what_is_too_deep_or_too_much() {
    for opening in ["- ", "[", "{a: ", "a:\n"] {
        let body: String = match opening {
            "a:\n" => (0..300).map(|level| format!("{}a:\n", " ".repeat(level + 2))).collect(),
            "- " => format!("  a:\n  {}x\n", opening.repeat(300)),
            _ => format!("  a: {}\n", opening.repeat(300)),
        };
        let error = call(list(&format!("- kind: A\n{body}"))).expect_err("it is too deep");
        assert!(!error.is_empty());
    }
    let mut laughs = String::from("    a0: &a0 [lol]\n");
    for level in 1..30 {
        let previous = format!("*a{}, ", level - 1).repeat(9);
        let _ = writeln!(laughs, "    a{level}: &a{level} [{previous}]");
    }
    let error = call(list(&format!("- kind: A\n  apiVersion: v1\n  x:\n{laughs}"))).expect_err("a bomb");
    assert!(error.contains("aliases stand for too much"), "{error}");
    // One level in every item.
    let across = laughs.replace("    a", "- kind: A\n  apiVersion: v1\n  a");
    let error = call(list(&across)).expect_err("a bomb");
    assert!(error.contains("aliases stand for too much"), "{error}");
}

#[test]
fn a_function_refuses_what_is_no_text() {
    let text = String::from_utf8(list(&item(""))).expect("ours");
    for bytes in [&b"\xff\xfe"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\0"] {
        for at in [0, RESOURCE_LIST.len() + 2, text.len() - 3] {
            let broken = [&text.as_bytes()[..at], bytes, &text.as_bytes()[at..]].concat();
            assert!(call(broken).is_err(), "{bytes:?} at {at}");
        }
    }
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (mark, rest) in [(&b""[..], &little), (b"\xff\xfe", &little), (b"", &big), (b"\xfe\xff", &big)] {
        assert!(call([mark, rest].concat()).is_err());
    }
}

/// A list that was cut off is an error, or the list that it still is.
#[test]
fn every_beginning_of_a_list_has_an_answer() {
    let config = "functionConfig:\n  apiVersion: v1\n  kind: ConfigMap\n  data:\n    OPENLIT_DEFAULT_VERSION: 1.0.0\n";
    let yaml = format!("{RESOURCE_LIST}{}{}{config}", item("x: |\n  é\n"), item("").replace("- api", "-\n  api"));
    let json = String::from_utf8(json_list(2)).expect("ours");
    let json = json.replace("\"v1\",\"kind\":\"List\"", "\"config.kubernetes.io/v1\",\"kind\":\"ResourceList\"");
    for text in [yaml.replace('\n', "\r\n"), yaml, json] {
        let mut answered = 0;
        for end in 0..=text.len() {
            let cut = &text.as_bytes()[..end];
            if let Ok(answer) = call(cut.to_vec()) {
                answered += 1;
                assert!(!answer.is_empty());
                assert_eq!(items_of(&answer), items_of(cut), "{}", String::from_utf8_lossy(cut));
            }
        }
        assert!(answered > 0, "not even all of it has an answer");
    }
}
