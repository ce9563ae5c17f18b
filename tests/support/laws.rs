//! What holds for every golden folder, whatever it shows.

use super::expect::{Expectation, ROWS, entries, text_of};
use super::folder::{Folder, difference};
use super::manifest;
use serde_json::Value;
use std::collections::HashSet;

/// The laws that a folder breaks.
pub fn broken(folder: &Folder, output: &[u8], report: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut law = |broken: Option<String>| complaints.extend(broken);
    law(twice_is_once(folder, output));
    law(remove_restores(folder, output));
    law(check_agrees(folder, output));
    law(the_rest_is_untouched(folder, output, report));
    law(line_ends_stay(folder, output));
    law(edits_are_insertions(folder, output));
    law(manifest::documents(output).iter().find_map(inadmissible));
    complaints
}

/// Inject twice = inject once.
fn twice_is_once(folder: &Folder, output: &[u8]) -> Option<String> {
    let again = folder.over(&["inject"], output);
    match again.code {
        0 if again.stdout == output => None,
        0 => Some(format!("law: inject twice = inject once\n{}", difference(output, &again.stdout))),
        code => Some(format!("law: inject twice = inject once: the second run ends with {code}\n{}", again.stderr())),
    }
}

/// Remove after inject = the input; where the input had an earlier injection, the input without it.
fn remove_restores(folder: &Folder, output: &[u8]) -> Option<String> {
    let original = match folder.bytes() {
        Some(bytes) if !is_injected(&bytes) => bytes,
        _ => folder.over_input(&["remove"]).stdout,
    };
    let removed = folder.over(&["remove"], output);
    if removed.code != 0 {
        return Some(format!("law: remove after inject: exit {}\n{}", removed.code, removed.stderr()));
    }
    let same = removed.stdout == original
        || folder.has(|line| matches!(line, Expectation::RemoveEquivalent))
            && stripped(&removed.stdout) == stripped(&original);
    (!same).then(|| format!("law: remove after inject = the original\n{}", difference(&original, &removed.stdout)))
}

/// `check` fails before `inject` changes something, and passes after it.
fn check_agrees(folder: &Folder, output: &[u8]) -> Option<String> {
    let changed = folder.bytes().is_none_or(|input| input != output);
    let wanted = folder.expectations.iter().find_map(|line| match line {
        Expectation::ExitOfCheck(code) => Some(*code),
        _ => None,
    });
    if let Some(wanted) = wanted.or(changed.then_some(0)) {
        let after = folder.over(&["check"], output);
        if after.code != wanted {
            let said = String::from_utf8_lossy(&after.stdout);
            let code = after.code;
            return Some(format!("law: check after inject: exit {code} and not {wanted}\n{said}{}", after.stderr()));
        }
    }
    if changed {
        let before = folder.over_input(&["check"]);
        return (before.code != 1).then(|| format!("law: check before inject: exit {} and not 1", before.code));
    }
    None
}

/// LF or CRLF, and the last newline or none.
fn line_ends_stay(folder: &Folder, output: &[u8]) -> Option<String> {
    let input = folder.bytes()?;
    let ends = |bytes: &[u8]| {
        let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).collect();
        let crlf = lines.iter().filter(|line| line.ends_with(b"\r\n")).count();
        (crlf > 0, crlf < lines.len(), bytes.ends_with(b"\n"))
    };
    (ends(&input) != ends(output) && !input.is_empty())
        .then(|| "law: lines end as those of the input do, and so does the file".to_owned())
}

/// Where nothing was done, nothing is changed.
fn the_rest_is_untouched(folder: &Folder, output: &[u8], report: &Value) -> Option<String> {
    let idle = |row: &Value| matches!(text_of(row, "state"), "skipped" | "current" | "edited");
    let touched = folder.bytes().is_some_and(|input| input != output);
    (touched && entries(report, ROWS).all(idle)).then(|| {
        "law: what is not selected comes out byte for byte, and no row says that something was done".to_owned()
    })
}

/// Every byte of the input is still there, in its order: whatever was done was inserted.
pub fn edits_are_insertions(folder: &Folder, output: &[u8]) -> Option<String> {
    let input = folder.bytes()?;
    if is_injected(&input) || folder.has(|line| matches!(line, Expectation::RemoveEquivalent)) {
        return None;
    }
    let mut rest = output.iter();
    let lost = input.iter().position(|byte| !rest.any(|other| other == byte))?;
    let line = input[..lost].split(|byte| *byte == b'\n').count();
    Some(format!("law: every edit is an insertion: something of line {line} of the input is gone"))
}

/// What the API server would refuse: names or mount paths that stand twice, mounts without a volume,
/// our variables referred to before they are defined.
fn inadmissible(value: &Value) -> Option<String> {
    let names = |list: &str, key: &'static str| -> Vec<&str> {
        let items = value.get(list).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.get(key).and_then(Value::as_str)).collect()
    };
    for (list, key) in
        [("containers", "name"), ("initContainers", "name"), ("volumes", "name"), ("volumeMounts", "mountPath")]
    {
        let mut seen = HashSet::new();
        if let Some(twice) = names(list, key).into_iter().find(|name| !seen.insert(*name)) {
            return Some(format!("law: what comes out is admissible: {list} has {twice} twice"));
        }
    }
    let volumes = names("volumes", "name");
    let ours = "instrumentation-packages";
    if value.get("initContainers").is_some() && value.to_string().contains(ours) && !volumes.contains(&ours) {
        return Some("law: what comes out is admissible: a mount without its volume".to_owned());
    }
    let mut defined = HashSet::new();
    for entry in value.get("env").and_then(Value::as_array).into_iter().flatten() {
        let used = text_of(entry, "value").split("$(OPENLIT_").skip(1).filter_map(|rest| rest.split(')').next());
        if let Some(early) = used.map(|name| format!("OPENLIT_{name}")).find(|name| !defined.contains(name)) {
            return Some(format!("law: what comes out is admissible: {early} is used before it is defined"));
        }
        defined.insert(text_of(entry, "name").to_owned());
    }
    match value {
        Value::Object(map) => map.values().find_map(inadmissible),
        Value::Array(items) => items.iter().find_map(inadmissible),
        _ => None,
    }
}

fn is_injected(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains("openlit.io/injection")
}

/// The documents without empty lists, empty maps and nulls: what JSON and flow style may lose.
fn stripped(bytes: &[u8]) -> Vec<Value> {
    fn strip(value: Value) -> Value {
        let is_something = |value: &Value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        match value {
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| (key, strip(value)))
                .filter(|(_, value)| is_something(value))
                .collect(),
            Value::Array(items) => items.into_iter().map(strip).collect(),
            scalar => scalar,
        }
    }
    manifest::documents(bytes).into_iter().map(strip).collect()
}

impl Folder {
    fn has(&self, wanted: impl Fn(&Expectation) -> bool) -> bool {
        self.expectations.iter().any(wanted)
    }
}
