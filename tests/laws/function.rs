//! The laws of the function, for any bytes at all: no panic; an answer is a list with the items that were sent,
//! each as the filter gives it; the same twice; removal gives the items back; and a list that is read item by item
//! is decided as one that is read as a whole. Shared by the property tests and the fuzzer.

use super::filter::{EVERYTHING, apply, meaning, options, read_by_another};
use super::manifests::{self, Choices};
use prelit::krm::ResourceList;
use prelit::render::report::{Gate, Report};
use prelit::render::{Action, Failures, Rendered, Run, Source, Survey};
use prelit::yaml::{BlockList, Tree, documents};
use serde_json::{Map, Value as Json};

/// What a function gave.
struct Answer {
    bytes: Vec<u8>,
    rendered: Rendered,
}

/// Any bytes, with and without a configuration: for the fuzzer.
pub fn any_bytes(bytes: &[u8]) {
    for configuration in [None, Some(EVERYTHING)] {
        let Ok(answer) = call(Action::Inject, bytes, configuration) else { continue };
        is_the_same_list(bytes, &answer, configuration);
        is_idempotent(&answer, configuration);
    }
}

/// A stream of made manifests as a list, written in one way of many.
pub fn any_choices(choices: &[u8]) {
    let (shape, rest) = choices.split_at(choices.len().min(8));
    let shape = Shape::new(&mut Choices::new(shape));
    let stream = manifests::stream(rest);
    let newline = if stream.text.contains("\r\n") { "\r\n" } else { "\n" };
    let texts = texts(&stream.text);
    let list = shape.function_list(&texts, newline);
    let configuration = if shape.config == Config::Apart { Some(EVERYTHING) } else { None };

    let answer = must(Action::Inject, list.as_bytes(), configuration);
    is_the_same_list(list.as_bytes(), &answer, configuration);
    is_idempotent(&answer, configuration);
    keeps_line_ends(&list, &answer);
    gives_what_the_filter_gives(&texts, shape.config, &list, &answer);
    comes_back(&list, &answer, stream.has_flow);
    is_decided_as_a_whole(&shape, texts.len(), &list, &answer, configuration);
    is_decided_as_json(&list, &answer, configuration);

    filter_decides_as_a_whole(&shape.plain_list(&texts, newline), Some(EVERYTHING));
}

/// The filter decides a list of the API item by item as it does as a whole. Gives the edited list.
pub fn filter_decides_as_a_whole(list: &str, configuration: Option<&str>) -> Json {
    let whole = list.replacen("items:", "items: &all", 1);
    let [(report, edited), (of_whole, edited_whole)] = [list, &whole].map(|text| {
        let rendered = filtered(Action::Inject, text.as_bytes(), configuration)
            .unwrap_or_else(|failures| panic!("{}\n{text}", said(&failures)));
        let edited = apply(text.as_bytes(), &rendered);
        (rendered.report, value(&edited))
    });
    same_report(&report, &of_whole, list);
    assert_eq!(edited, edited_whole, "piecewise and whole differ\n{list}");
    edited
}

/// The function, too. Gives the answer.
pub fn function_decides_as_a_whole(list: &str, configuration: Option<&str>) -> Json {
    let whole = list.replacen("items:", "items: &all", 1);
    let [answer, of_whole] = [list, &whole].map(|text| must(Action::Inject, text.as_bytes(), configuration));
    is_the_same_list(list.as_bytes(), &answer, configuration);
    same_report(&answer.rendered.report, &of_whole.rendered.report, list);
    let answer = value(&answer.bytes);
    assert_eq!(answer, value(&of_whole.bytes), "piecewise and whole differ\n{list}");
    answer
}

/// Where a function's own configuration stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Config {
    /// In a file.
    Apart,
    None,
    Before,
    Behind,
    /// An `AutoInstrumentation` behind and results before.
    BehindAfterResults,
}

/// How a list is written.
struct Shape {
    config: Config,
    /// Before every dash.
    indent: usize,
    /// Between the dash and what is below it.
    step: usize,
    comments: bool,
    /// Whether comments of the items begin at the margin.
    margin: bool,
    final_newline: bool,
    marker: &'static str,
    items: &'static str,
    kind: (&'static str, &'static str),
}

impl Shape {
    fn new(choices: &mut Choices<'_>) -> Shape {
        Shape {
            config: choices.one(&[
                Config::Apart,
                Config::None,
                Config::Before,
                Config::Behind,
                Config::BehindAfterResults,
            ]),
            indent: choices.one(&[0, 2, 0, 4, 1]),
            step: choices.one(&[2, 2, 4]),
            comments: choices.once_in(3),
            margin: choices.once_in(3),
            final_newline: !choices.once_in(3),
            marker: choices.one(&["", "", "# first\n", "---\n", "\u{feff}", "# c\n---\n"]),
            items: choices.one(&["items:", "items:", "items: # all of them", "items:  "]),
            kind: choices.one(&[("v1", "List"), ("apps/v1", "DeploymentList"), ("v1", "PodList")]),
        }
    }

    fn function_list(&self, texts: &[&str], newline: &str) -> String {
        let config = EVERYTHING.trim_end().replace('\n', "\n  ");
        let config = format!("functionConfig:\n  {config}\n");
        let head = format!("{}apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n", self.marker);
        let before = match self.config {
            Config::Before => config.as_str(),
            Config::BehindAfterResults => "results: # of others\n- message: \"§\"\n  severity: info\n",
            _ => "",
        };
        let behind = if matches!(self.config, Config::Behind | Config::BehindAfterResults) { &config } else { "" };
        self.list(&format!("{head}{before}"), texts, behind, newline)
    }

    /// A list of the API, whose items may leave out what it says of them.
    fn plain_list(&self, texts: &[&str], newline: &str) -> String {
        let (version, kind) = self.kind;
        let said = [format!("apiVersion: {version}"), format!("kind: {}", kind.trim_end_matches("List"))];
        let without = |text: &&str| {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let is_said = said.iter().all(|said| lines.iter().any(|line| line.trim_end() == said));
            let kept = lines.into_iter().filter(|line| !is_said || !said.iter().any(|said| line.trim_end() == said));
            kept.collect::<String>()
        };
        let texts: Vec<String> = texts.iter().map(without).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.list(&format!("apiVersion: {version}\nkind: {kind}\n"), &texts, "metadata: {}\n", newline)
    }

    fn list(&self, head: &str, texts: &[&str], behind: &str, newline: &str) -> String {
        let mut list = format!("{head}{}\n", self.items).replace('\n', newline);
        for text in texts {
            if self.comments {
                list.push_str(&format!("# between{newline}{newline}"));
            }
            for (number, line) in text.split_inclusive('\n').enumerate() {
                let is_comment = line.starts_with('#');
                let lead = match number {
                    0 => format!("{}-{}", " ".repeat(self.indent), " ".repeat(self.step - 1)),
                    _ if line.trim().is_empty() || is_comment && self.margin => String::new(),
                    _ => " ".repeat(self.indent + self.step),
                };
                list.push_str(&lead);
                list.push_str(line);
            }
            if !list.ends_with('\n') {
                list.push_str(newline);
            }
        }
        list.push_str(&behind.replace('\n', newline));
        if !self.final_newline {
            list.truncate(list.len() - newline.len());
        }
        list
    }
}

/// The documents of a stream that hold something.
fn texts(stream: &str) -> Vec<&str> {
    documents(stream.as_bytes())
        .map(|document| &stream[document.text])
        .filter(|text| text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')))
        .collect()
}

/// Asks the function as the command does.
fn call(action: Action, bytes: &[u8], configuration: Option<&str>) -> Result<Answer, Failures> {
    let list = ResourceList::read("<stdin>", bytes)?;
    let configs: Vec<Source<'_>> = configuration.iter().map(|text| source(text.as_bytes())).collect();
    let rendered = list.render(options(action), &configs)?;
    let items = rendered.report.items(Gate::Done);
    let splices = list.answer(rendered.splices.clone(), &list.results(&items, false))?;
    let bytes = apply(bytes, &Rendered { splices, report: Report::default() });
    drop(items);
    Ok(Answer { bytes, rendered })
}

#[track_caller]
fn must(action: Action, bytes: &[u8], configuration: Option<&str>) -> Answer {
    call(action, bytes, configuration)
        .unwrap_or_else(|failures| panic!("{}\n{}", said(&failures), String::from_utf8_lossy(bytes)))
}

/// Asks the filter.
fn filtered(action: Action, bytes: &[u8], configuration: Option<&str>) -> Result<Rendered, Failures> {
    let configs: Vec<Source<'_>> = configuration.iter().map(|text| source(text.as_bytes())).collect();
    let source = source(bytes);
    let survey = Survey::of(&source, &options(action))?;
    Run::new(options(action), &configs, vec![survey])?.render(&source)
}

fn source(bytes: &[u8]) -> Source<'_> {
    Source { name: "made.yaml", bytes, lenient: false, left_alone: None }
}

fn said(failures: &Failures) -> String {
    failures.0.iter().map(|failure| format!("{:?} {}\n", failure.position, failure.message)).collect()
}

/// The only document of a stream, as it is parsed.
fn only_text(bytes: &[u8]) -> &str {
    let text = documents(bytes)
        .map(|document| std::str::from_utf8(&bytes[document.text]).expect("it was read"))
        .find(|text| text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '%'])));
    text.expect("it was read")
}

/// What we read of the only document of a stream.
#[track_caller]
fn value(bytes: &[u8]) -> Json {
    let text = only_text(bytes);
    let tree = Tree::parse(text).unwrap_or_else(|error| panic!("{error} at {}\n{text}", error.offset));
    tree.value().unwrap_or_else(|error| panic!("{error} at {}\n{text}", error.offset)).to_json()
}

fn items(list: &Json) -> &[Json] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A list without what a function may change.
fn around(list: &Json) -> Map<String, Json> {
    let mut around = list.as_object().expect("a list is a map").clone();
    around.remove("items");
    around.remove("results");
    around
}

/// Whether the text refused something, so that it depends on how the list is written what is done.
fn refuses(report: &Report) -> bool {
    use prelit::api::Reason;
    report.remarks.iter().any(|remark| matches!(remark.reason, Reason::SharedAnchor | Reason::UnsupportedYaml))
}

/// The answer is a list of as many items, each as the filter gives it, and of what stood around them.
fn is_the_same_list(bytes: &[u8], answer: &Answer, configuration: Option<&str>) {
    let shown =
        || format!("{}\n--- answer\n{}", String::from_utf8_lossy(bytes), String::from_utf8_lossy(&answer.bytes));
    let (before, after) = (value(bytes), value(&answer.bytes));
    assert_eq!(around(&before), around(&after), "something beside the items changed\n{}", shown());
    assert_eq!(items(&before).len(), items(&after).len(), "items came or went\n{}", shown());
    let earlier = before["results"].as_array().map_or(&[][..], Vec::as_slice);
    let results = after["results"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(results.starts_with(earlier), "results of others were lost\n{}", shown());
    // Another reader sees as much; what it cannot read of the input is not for it to judge.
    if let Some(theirs) = read_by_another(only_text(bytes)) {
        let read = read_by_another(only_text(&answer.bytes));
        let read = read.unwrap_or_else(|| panic!("another reader cannot read the answer\n{}", shown()));
        assert_eq!(around(&theirs), around(&read), "another reader sees something beside the items\n{}", shown());
        assert_eq!(items(&theirs).len(), items(&read).len(), "another reader sees other items\n{}", shown());
        let kept = items(&before).iter().zip(items(&after)).map(|(before, after)| before == after);
        for (index, kept) in kept.enumerate() {
            let same = items(&theirs)[index] == items(&read)[index];
            assert!(!kept || same, "another reader sees item {index} change\n{}", shown());
        }
    }
    // The items that choose one another are not the same when each stands alone.
    if refuses(&answer.rendered.report) || memchr::memmem::find(bytes, b"AutoInstrumentation").is_some() {
        return;
    }
    for (before, after) in items(&before).iter().zip(items(&after)) {
        let alone = before.to_string();
        if let Ok(rendered) = filtered(Action::Inject, alone.as_bytes(), configuration) {
            let expected = value(&apply(alone.as_bytes(), &rendered));
            assert!(*after == expected, "an item is not as the filter gives it\n{}\n{expected}\n{after}", shown());
        }
    }
}

fn is_idempotent(answer: &Answer, configuration: Option<&str>) {
    let again = must(Action::Inject, &answer.bytes, configuration);
    let (once, twice) = (String::from_utf8_lossy(&answer.bytes), String::from_utf8_lossy(&again.bytes));
    assert!(once == twice, "twice is not once\n{once}\n--- twice\n{twice}");
}

/// Where every line ends with CR LF, every line that is added does.
fn keeps_line_ends(list: &str, answer: &Answer) {
    let bare = |text: &str| text.replace("\r\n", "").contains(['\r', '\n']);
    let text = String::from_utf8_lossy(&answer.bytes);
    assert!(!list.contains("\r\n") || bare(list) || !bare(&text), "bare line ends\n{text:?}");
}

/// The items are the documents of the stream, each as the filter gives it there.
fn gives_what_the_filter_gives(texts: &[&str], config: Config, list: &str, answer: &Answer) {
    let configuration = if config == Config::None { None } else { Some(EVERYTHING) };
    let after = value(&answer.bytes);
    assert_eq!(items(&after).len(), texts.len(), "items came or went\n{list}");
    for (text, item) in texts.iter().zip(items(&after)) {
        let rendered = filtered(Action::Inject, text.as_bytes(), configuration)
            .unwrap_or_else(|failures| panic!("{}\n{text}", said(&failures)));
        let expected = value(&apply(text.as_bytes(), &rendered));
        assert!(*item == expected, "the filter gives another item\n{list}\n---\n{expected}\n{item}");
    }
}

/// Removal gives the items back: their bytes, or what they mean where anything stands between brackets.
fn comes_back(list: &str, answer: &Answer, has_flow: bool) {
    let removed = must(Action::Remove, &answer.bytes, None);
    let removed = String::from_utf8(removed.bytes).expect("text stays text");
    let bytes_of_items = |text: &str| {
        let text = only_text(text.as_bytes());
        let list = BlockList::of(text, "items").map(|list| list.items)?;
        Some(text[list.first()?.start..list.last()?.end].trim_end().to_owned())
    };
    let (before, after) = (bytes_of_items(list), bytes_of_items(&removed));
    let same =
        before == after && (before.is_some() || items(&value(list.as_bytes())) == items(&value(removed.as_bytes())));
    if same || has_flow && meaning_of_items(list) == meaning_of_items(&removed) {
        return;
    }
    panic!("removal does not give the items back\n{list}\n--- removed\n{removed}");
}

fn meaning_of_items(list: &str) -> Vec<Vec<Option<Json>>> {
    items(&value(list.as_bytes())).iter().map(|item| meaning(item.to_string().as_bytes())).collect()
}

/// A list that lines do not take apart is decided as one that they do.
fn is_decided_as_a_whole(shape: &Shape, count: usize, list: &str, answer: &Answer, configuration: Option<&str>) {
    const ANCHOR: &str = " &all";
    let at = list.find("items:").expect("ours") + "items:".len();
    let whole = [&list[..at], ANCHOR, &list[at..]].concat();
    assert_eq!(BlockList::of(only_text(whole.as_bytes()), "items"), None, "{whole}");
    let of_whole = must(Action::Inject, whole.as_bytes(), configuration);
    same_report(&answer.rendered.report, &of_whole.rendered.report, list);
    assert_eq!(value(&answer.bytes), value(&of_whole.bytes), "piecewise and whole differ\n{list}");
    // An item is written as its own first lines are; that is to be seen where there is only one.
    if count == 1 && matches!(shape.config, Config::Apart | Config::None) {
        let moved = |splice: &prelit::render::Splice| {
            let by = if splice.range.start >= at { ANCHOR.len() } else { 0 };
            (splice.range.start + by..splice.range.end + by, splice.text.clone())
        };
        let expected: Vec<_> = answer.rendered.splices.iter().map(moved).collect();
        let found: Vec<_> =
            of_whole.rendered.splices.iter().map(|splice| (splice.range.clone(), splice.text.clone())).collect();
        assert_eq!(expected, found, "piecewise and whole are written differently\n{list}");
    }
}

/// The same list as JSON gives the same items.
fn is_decided_as_json(list: &str, answer: &Answer, configuration: Option<&str>) {
    if refuses(&answer.rendered.report) {
        return;
    }
    let json = value(list.as_bytes()).to_string();
    let of_json = must(Action::Inject, json.as_bytes(), configuration);
    let read: Result<Json, _> = serde_json::from_slice(&of_json.bytes);
    assert!(read.is_ok(), "the answer to JSON is no JSON\n{}", String::from_utf8_lossy(&of_json.bytes));
    let (expected, found) = (value(&answer.bytes), value(&of_json.bytes));
    assert!(items(&expected) == items(&found), "as JSON it is another list\n{list}\n{expected}\n{found}");
}

/// The same was decided at the same places.
fn same_report(one: &Report, other: &Report, list: &str) {
    let rows = |report: &Report| -> Vec<String> {
        report.rows.iter().map(|row| format!("{row:?}").replace("made.yaml", "<stdin>")).collect()
    };
    let mut remarks = [one, other]
        .map(|report| -> Vec<String> { report.remarks.iter().map(|remark| format!("{remark:?}")).collect() });
    remarks[0].sort();
    remarks[1].sort();
    assert_eq!(rows(one), rows(other), "piecewise and whole are decided differently\n{list}");
    assert_eq!(remarks[0], remarks[1], "piecewise and whole are remarked on differently\n{list}");
}
