//! No secret is said: a word is planted wherever manifests, configurations and settings can hold one, and
//! no door says it, whatever it says and in whatever form. What `inject` writes holds it where the input did.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests may panic: that is how they fail.

#[path = "support/command.rs"]
mod command;

use command::prelit;
use std::fs;
use std::path::{Path, PathBuf};

/// Stands nowhere else.
const SECRET: &str = "s3cr3tw0rd";

/// Every door, in every form, as talkative as it gets.
const DOORS: &[&[&str]] = &[
    &["inject", "-v"],
    &["inject", "-v", "--strict"],
    &["inject", "-v", "--skip-unparsable"],
    &["remove", "-v"],
    &["check", "-v", "--format", "text"],
    &["check", "-v", "--format", "json"],
    &["check", "-v", "--format", "sarif"],
    &["check", "-v", "--format", "github"],
    &["check", "-v", "--skip-unparsable"],
    &["explain", "-v", "--format", "text"],
    &["explain", "-v", "--format", "json"],
];

/// Runs every door over an input and complains about those that say the secret.
fn complaints(what: &str, directory: &Path, options: &[String], input: &str) -> Vec<String> {
    let mut found = Vec::new();
    for door in DOORS {
        let run = prelit(directory, door, options, &["-"], Some(input.as_bytes()));
        assert!((0..=2).contains(&run.code), "{what}: {door:?}: exit {}: {}", run.code, run.stderr());
        let mut said = vec![("stderr", run.stderr())];
        let stdout = String::from_utf8_lossy(&run.stdout).into_owned();
        match door[0] {
            "check" | "explain" => said.push(("report", stdout)),
            // It is a manifest: what the input does not hold is not in it, and an error leaves it empty.
            _ if run.code == 2 => said.push(("stdout", stdout)),
            _ => {}
        }
        for (where_to, text) in said.iter().filter(|(_, text)| text.contains(SECRET)) {
            found.push(format!("{what}: {door:?}: {where_to}: {text}"));
        }
    }
    found
}

/// An `AutoInstrumentation` with something in its spec.
fn configuration(spec: &str) -> String {
    format!(
        "apiVersion: openlit.io/v1alpha1\nkind: AutoInstrumentation\nmetadata:\n  name: quick\nspec:\n  selector:\n    \
         matchLabels:\n      app: chat\n{spec}"
    )
}

/// A `Deployment` that it selects, with something in its container.
fn workload(container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat\nspec:\n  template:\n    metadata:\n      labels:\n        \
         app: chat\n        openlit.io/instrument: \"true\"\n    spec:\n      containers:\n      - name: app\n        \
         image: python:3.11-slim\n{container}"
    )
}

#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "{} times:\n{}", found.len(), found.join("\n"));
}

/// With the secret for `§`.
fn planted(text: &str) -> String {
    text.replace('§', SECRET)
}

#[test]
fn of_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let packages = "  python:\n    instrumentation:\n      customPackages:";
    let env = "  python:\n    instrumentation:\n      env:\n      - name: A\n";
    let cases = [
        // What is valid, what is not, and what has the wrong type.
        "  otlp:\n    headers: \"Authorization=Bearer §\"\n".to_owned(),
        "  otlp:\n    headers: \"Authorization Bearer §\"\n".to_owned(),
        "  otlp: {headers: \"Authorization Bearer §\", timeout: 0}\n".to_owned(),
        "  otlp: {timeout: 0, headers: \"Authorization Bearer §\"}\n".to_owned(),
        "  otlp: {timeout: {headers: §}}\n".to_owned(),
        "  otlp:\n    headers:\n      Authorization: §\n".to_owned(),
        "  otlp:\n    headers:\n      Authorization: |\n        §\n        §\n".to_owned(),
        "  otlp:\n    headers:\n      \"bad name\": §\n".to_owned(),
        "  otlp:\n    headers:\n      - §\n".to_owned(),
        "  otlp:\n    headers: a=§\n    headersFrom: {secretKeyRef: {name: a, key: b}}\n".to_owned(),
        "  otlp:\n    headrs: Authorization=§\n".to_owned(),
        "  otlp:\n    endpoint: http://user:§@host:4318\n".to_owned(),
        "  otlp:\n    endpoint: http://user:§@host:4317/v1/traces\n".to_owned(),
        "  otlp:\n    endpoint: http://host:4317/v1/traces?key=§\n".to_owned(),
        "  otlp:\n    endpoint: ftp://user:§@host\n".to_owned(),
        "  otlp:\n    endpoint: http://user:§/x@host\n".to_owned(),
        "  otlp:\n    endpoint: http://user:x §@host\n".to_owned(),
        "  otlp:\n    endpoint: user:§@host:4318\n".to_owned(),
        "  otlp:\n    endpoint: ftp://host?key=§\n".to_owned(),
        "  otlp:\n    endpoint: openlit:4318 # §\n".to_owned(),
        format!("{packages} foo @ git+https://user:§@host/foo\n"),
        format!("{packages} --extra-index-url https://user:§@host/simple\n"),
        format!("{packages} \"a, --extra-index-url https://user:§@host/simple\"\n"),
        format!("{packages} a b https://user:§@host/simple\n"),
        format!("{packages} |\n        a b\n        c https://user:§@host/simple\n"),
        format!("{env}        value: §\n"),
        format!("{env}        value: §\n        valueFrom: {{}}\n"),
        format!("{env}        value: [§]\n"),
        format!("{env}        valu: §\n"),
        format!("{env}        value: a\n      - name: A\n        value: §\n"),
        format!("{env}        value: §\n       value: §\n"),
        format!("{env}        value: \"§\n"),
        format!("{env}        value: *a §\n"),
        "  python:\n    instrumentation:\n      initContainer:\n        env:\n        - {name: TARGET_PATH, value: §}\n".to_owned(),
        "  otlp: {headers: a=§, headers: a=§}\n".to_owned(),
        "  otlp:\n    headers: a=§\n    headers: a=§\n".to_owned(),
        "\tkey: §\n".to_owned(),
    ];
    let mut found = Vec::new();
    for case in cases {
        let text = configuration(&planted(&case));
        fs::write(folder.path().join("config.yaml"), &text).unwrap();
        let options = ["--config".to_owned(), "config.yaml".to_owned()];
        found.extend(complaints(&text, folder.path(), &options, &workload("")));
        found.extend(complaints(&text, folder.path(), &[], &format!("{text}---\n{}", workload(""))));
    }
    none(&found);
}

#[test]
fn of_a_container_and_what_stands_beside_it() {
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n";
    let cases = [
        workload("        env:\n        - name: A\n          value: §\n"),
        workload("        env:\n        - name: A\n          value: §\n        - name: A\n          value: §\n"),
        workload(
            "        env:\n        - {name: OTEL_EXPORTER_OTLP_HEADERS, value: a=§}\n        - {name: PYTHONPATH, value: [§]}\n",
        ),
        workload("        env: {A: §}\n"),
        workload("        env: §\n"),
        workload("        command: [python, -c, \"token='§'\"]\n"),
        workload("        command: [python, \"-Ictoken='§'\"]\n"),
        workload("        env:\n        - name: A\n          value: §\n          value: §\n"),
        workload("        env: [{name: A, value: §}, {name: B, value: §, value: §}]\n"),
        workload("        env:\n        - name: A\n          value: \"§\n"),
        workload("        env:\n        - name: A\n          value: |\n           §\n          §\n"),
        workload("        env:\n        - name: A\n          value: a: §: §\n"),
        format!("{}{secret}stringData:\n  password: §\n", workload("")),
        format!("{}{secret}stringData:\n  password: §\n  password: §\n", workload("")),
        format!("{}{secret}stringData: {{password: §, password: §}}\n", workload("")),
        format!("{}{secret}data:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n   §\n    §\n", workload("")),
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  stringData:\n    password: §\n    password: §\n- {}",
            workload("").trim_end().replace('\n', "\n  ")
        ),
        "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"kind\": \"Secret\", \"data\": {\"a\": \"§\", \"a\": \"§\"}},\
             {\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"x\": \"openlit.io/instrument\"}]}".to_owned(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let found: Vec<String> =
        cases.iter().flat_map(|case| complaints(case, folder.path(), &[], &planted(case))).collect();
    none(&found);
}

#[test]
fn of_settings() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        "OPENLIT_OTLP_ENDPOINT=ftp://user:§@host\n",
        "export OPENLIT_OTLP_ENDPOINT=\"ftp://user:§@host\"\n",
        "OPENLIT_OTLP_ENDPOINT: ftp://user:§@host\n",
        "{\"OPENLIT_OTLP_ENDPOINT\": \"ftp://user:§@host\", \"LOG_LEVEL\": \"loud\", \"A\": \"§\"}",
        "{\"OTEL_EXPORTER_OTLP_HEADERS\": \"§\", \"LOG_LEVEL\": \"loud\"}",
        "OPENLIT_OTLP_ENDPOINT: http://user:§@host\nLOG_LEVEL: loud\n",
        "OPENLIT_OTLP_HEADERS_SECRET=authorization=Bearer §\n",
        "OPENLIT_OTLP_HEADERS_SECRET: authorization=Bearer §\n",
        "OTEL_EXPORTER_OTLP_HEADERS: \"a=§\\n\"\n",
        "OTEL_EXPORTER_OTLP_HEADERS: [§]\n",
        "OTEL_EXPORTER_OTLP_HEADERS: {a: §}\n",
        "OTEL_EXPORTER_OTLP_HEADERS: §\nOTEL_EXPORTER_OTLP_HEADERS: §\n",
        "OTEL_EXPORTER_OTLP_ENDPOINT: http://user:§@$(X)\n",
        "OPENLIT_API_KEY=§\n",
        "OPENLIT_API_KEY: §\n",
        "A=1\n§\n",
        "A=1\nA=§\n",
        "A=1\n1=§\n",
        "§\n",
        "- §\n",
        "a: \"§\n",
        "apiVersion: v1\nkind: ConfigMap\ndata: §\n",
        "apiVersion: v1\nkind: Secret\nstringData: {A: §}\n",
    ];
    let mut found = Vec::new();
    for case in cases {
        fs::write(folder.path().join("settings"), planted(case)).unwrap();
        let options = ["--settings".to_owned(), "settings".to_owned()];
        found.extend(complaints(case, folder.path(), &options, &workload("")));
    }
    for set in ["OPENLIT_OTLP_ENDPOINT=ftp://user:§@host", "OTEL_EXPORTER_OTLP_HEADERS=a=§", "OPENLIT_API_KEY=§"] {
        let options = ["--set".to_owned(), planted(set)];
        found.extend(complaints(set, folder.path(), &options, &workload("")));
    }
    none(&found);
}

/// The inputs of all goldens, each with the secret in the values of its variables, headers and packages.
#[test]
fn of_the_goldens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let (mut found, mut planted_in) = (Vec::new(), 0);
    for folder in folders(&root) {
        let Some(input) =
            ["input.yaml", "input.json"].iter().find_map(|name| fs::read_to_string(folder.join(name)).ok())
        else {
            continue;
        };
        let copy = tempfile::tempdir().unwrap();
        let mut options = Vec::new();
        for (file, option) in [("config.yaml", "--config"), ("settings.yaml", "--settings")] {
            if let Ok(text) = fs::read_to_string(folder.join(file)) {
                fs::write(copy.path().join(file), with_secrets(&text)).unwrap();
                options.extend([option.to_owned(), file.to_owned()]);
            }
        }
        options.extend(fs::read_to_string(folder.join("args")).unwrap_or_default().lines().map(str::to_owned));
        // What only some doors take would end the others before they say anything.
        options.retain(|option| !["--force", "--strict"].contains(&option.as_str()));
        let input = with_secrets(&input);
        planted_in += usize::from(input.contains(SECRET));
        let name = folder.strip_prefix(&root).unwrap().display().to_string();
        found.extend(complaints(&name, copy.path(), &options, &input));
    }
    assert!(planted_in > 50, "the secret was planted in {planted_in} inputs only");
    none(&found);
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        if directory.join("about.md").is_file() {
            found.push(directory);
            continue;
        }
        let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        open.extend(entries.filter(|path| path.is_dir()));
    }
    found
}

/// A text with the secret behind `value:`, `headers:`, in what stands before a host, and in a `Secret` at its end.
fn with_secrets(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = line.replace("http://", &format!("http://user:{SECRET}@"));
        let key = line.trim_start().trim_start_matches("- ");
        let secret = ["value: ", "headers: ", "customPackages: "].iter().find(|name| key.starts_with(**name));
        match secret {
            Some(&"customPackages: ") => out.push_str(&format!(
                "{}customPackages: foo @ https://user:{SECRET}@host/foo",
                &line[..line.len() - key.len()]
            )),
            Some(name) if !key[name.len()..].starts_with(['|', '>', '{', '[', '&', '*']) => {
                out.push_str(&format!("{}{name}a={SECRET}", &line[..line.len() - key.len()]));
            }
            _ => out.push_str(&line),
        }
        out.push('\n');
    }
    if text.contains("\nkind: ") && text.contains("containers:") {
        out.push_str(&format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: {SECRET}\n"
        ));
    }
    out
}

/// The doors of the function.
const FUNCTIONS: &[&[&str]] =
    &[&["fn", "-v"], &["fn", "-v", "--strict"], &["fn", "-v", "--check"], &["fn", "-v", "--remove"]];

/// An item of a list, from a document.
fn item(document: &str) -> String {
    format!("- {}\n", document.trim_end().replace('\n', "\n  "))
}

/// Runs the function and complains if it says the secret: on stderr, or in what it adds to the list. An answer holds
/// it as often as the input did.
fn complaints_of_function(what: &str, directory: &Path, options: &[String], input: &str) -> Vec<String> {
    let mut found = Vec::new();
    for door in FUNCTIONS {
        let run = prelit(directory, door, options, &[], Some(input.as_bytes()));
        assert!((0..=1).contains(&run.code), "{what}: {door:?}: exit {}: {}", run.code, run.stderr());
        let (stdout, stderr) = (String::from_utf8_lossy(&run.stdout).into_owned(), run.stderr());
        let results = stdout.rfind("\nresults:").map_or("", |at| &stdout[at..]);
        // The configuration's own values are injected; what is said of them is not.
        for (where_to, text) in [("stderr", stderr.as_str()), ("results", results)] {
            if text.contains(SECRET) {
                found.push(format!("{what}: {door:?}: {where_to}: {text}"));
            }
        }
        // It is one or the other: an answer, or an error without one.
        assert!(!(stdout.is_empty() && run.code == 0), "{what}: {door:?}: nothing was written");
    }
    found
}

#[test]
fn of_a_function() {
    let folder = tempfile::tempdir().unwrap();
    let annotated = "  annotations:\n    config.kubernetes.io/path: a.yaml\n";
    let secret = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n{annotated}");
    let with = |item_texts: &[String], behind: &str| {
        let items: String = item_texts.iter().map(|text| item(text)).collect();
        format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n{items}{behind}")
    };
    let config = |spec: &str| format!("functionConfig:\n  {}\n", configuration(spec).trim_end().replace('\n', "\n  "));
    let settings = |data: &str| format!("functionConfig:\n  apiVersion: v1\n  kind: ConfigMap\n{data}");
    let env = "        env:\n        - name: A\n";
    let lists = [
        // What the function is given.
        config("  otlp:\n    headers: Authorization=Bearer §\n"),
        config("  otlp:\n    headers: Authorization Bearer §\n"),
        config("  otlp: {timeout: 0, headers: Authorization Bearer §}\n"),
        config("  otlp:\n    headers:\n      Authorization: §\n"),
        config("  otlp:\n    headers: a=§\n    headers: a=§\n"),
        config("  otlp:\n    headers: \"a=§\n"),
        config("  otlp:\n    headrs: §\n    endpoint: ftp://user:§@host\n"),
        config("  python:\n    instrumentation:\n      env:\n      - {name: A, value: [§]}\n"),
        settings("  data:\n    OTEL_EXPORTER_OTLP_HEADERS: a=§\n"),
        settings("  data:\n    OTEL_EXPORTER_OTLP_HEADERS: [§]\n"),
        settings("  data:\n    OTEL_EXPORTER_OTLP_HEADERS: §\n    LOG_LEVEL: loud\n"),
        settings("  data:\n    OPENLIT_OTLP_ENDPOINT: ftp://user:§@host\n"),
        settings("  data: {OPENLIT_API_KEY: §, OPENLIT_DEFAULT_VERSION: [§]}\n"),
        settings("  data:\n    OPENLIT_API_KEY: |\n      §\n     §\n"),
        settings("  data: §\n"),
        "functionConfig: §\n".to_owned(),
        "functionConfig:\n  apiVersion: v1\n  kind: Secret\n  stringData: {OPENLIT_API_KEY: §}\n".to_owned(),
        "results: §\n".to_owned(),
    ]
    .map(|behind| with(&[workload("")], &behind))
    .into_iter()
    // What stands in the items.
    .chain(
        [
            vec![workload(&format!("{env}          value: §\n"))],
            vec![workload(&format!("{env}          value: §\n          value: §\n"))],
            vec![workload(&format!("{env}          value: [§]\n        - {{name: PYTHONPATH, value: [§]}}\n"))],
            vec![workload("        env: {A: §}\n")],
            vec![workload(&format!("{env}          value: \"§\n"))],
            vec![workload(&format!("{env}          value: a: §: §\n"))],
            vec![workload(&format!("{env}          value: *§\n"))],
            vec![workload("        command: [python, \"-Ictoken='§'\"]\n")],
            vec![workload(""), format!("{secret}stringData:\n  password: §\n")],
            vec![workload(""), workload(""), format!("{secret}stringData:\n  password: §\n")],
            vec![workload(""), format!("{secret}stringData: {{password: §, password: §}}\n")],
            vec![workload(""), format!("{secret}stringData:\n  password: \"§\n   §\n")],
            vec![workload(""), format!("{secret}data:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n   §\n    §\n")],
            vec![workload(""), format!("{secret}data:\n  key: |\n    a\n§\n")],
            vec!["§".to_owned()],
            vec!["[§]".to_owned(), workload("")],
            vec![configuration("  otlp:\n    headers: Authorization Bearer §\n"), workload("")],
            vec![configuration("  otlp: {headers: [§]}\n"), workload("")],
        ]
        .map(|items| with(&items, "")),
    )
    .chain([
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: §\n".to_owned(),
        "apiVersion: v1\nkind: Secret\nstringData: {a: §}\n".to_owned(),
        "§".to_owned(),
        "{\"apiVersion\":\"config.kubernetes.io/v1\",\"kind\":\"ResourceList\",\"items\":[{\"kind\":\"Secret\",\"data\":{\"a\":\"§\",\"a\":\"§\"}}]}".to_owned(),
        "{\"apiVersion\":\"config.kubernetes.io/v1\",\"kind\":\"ResourceList\",\"items\":[{\"kind\":\"Secret\",\"data\":{\"a\":\"§".to_owned(),
    ]);
    let mut found = Vec::new();
    for list in lists {
        let list = planted(&list);
        found.extend(complaints_of_function(&list, folder.path(), &[], &list));
        // Cut off in the midst of it, and read as a whole.
        let cut = list.rfind(SECRET).unwrap() + SECRET.len() / 2;
        found.extend(complaints_of_function(&list, folder.path(), &[], &list[..cut]));
        let whole = list.replacen("items:\n", "items: &all\n", 1);
        found.extend(complaints_of_function(&whole, folder.path(), &[], &whole));
    }
    let list = with(&[workload("")], "");
    for settings in
        ["OTEL_EXPORTER_OTLP_HEADERS: \"a=§\\n\"\n", "OPENLIT_API_KEY: §\n", "OTEL_EXPORTER_OTLP_HEADERS: [§]\n"]
    {
        fs::write(folder.path().join("settings"), planted(settings)).unwrap();
        let options = ["--settings".to_owned(), "settings".to_owned()];
        found.extend(complaints_of_function(settings, folder.path(), &options, &list));
    }
    for set in ["OPENLIT_OTLP_ENDPOINT=ftp://user:§@host", "OTEL_EXPORTER_OTLP_HEADERS=a=§", "OPENLIT_API_KEY=§"] {
        let options = ["--set".to_owned(), planted(set)];
        found.extend(complaints_of_function(set, folder.path(), &options, &list));
    }
    none(&found);
}
