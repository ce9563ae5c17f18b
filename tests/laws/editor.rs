//! The law of the editor, for any text at all: whatever parses can be edited at any place or is
//! refused; an edit means what was planned; and taking it out gives the bytes back. Shared by the
//! property tests and the fuzzer.

use prelit::value::{Edit, Path, Step, Value};
use prelit::yaml::edit::{Refusal, edit};
use prelit::yaml::{Tree, proof};

/// Texts beyond this size only slow the search.
const MAX_TEXT: usize = 4096;
/// Places that are edited in one text.
const MAX_PLACES: usize = 64;

/// Edits a text at every place, one at a time, and all lists and maps at once.
pub fn edits_everywhere(text: &str) {
    if text.len() > MAX_TEXT {
        return;
    }
    let Ok(tree) = Tree::parse(text) else { return };
    let Ok(value) = tree.value() else { return };
    let mut places = Vec::new();
    collect(&value, &Path::ROOT, &mut places);
    places.truncate(MAX_PLACES);
    for (edits, undo) in &places {
        there_and_back(text, edits, undo);
    }
}

/// An edit and what takes it out again.
type Place = (Vec<Edit>, Vec<Edit>);

fn item() -> Value<'static> {
    Value::map([("name", Value::text("on")), ("value", Value::text("a: \"b\" # c"))])
}

fn collect(value: &Value<'_>, at: &Path, places: &mut Vec<Place>) {
    match value {
        Value::List(items) => {
            let insert = |at_index: usize| Edit::Insert { list: at.clone(), at: at_index, items: vec![item(), item()] };
            let last = items.len();
            places.push((
                vec![insert(0), insert(last)],
                (0..2).chain(last + 2..last + 4).map(|index| Edit::Delete { at: at.index(index) }).collect(),
            ));
            if items.is_empty() {
                places.pop();
            }
            for (index, item) in items.iter().enumerate() {
                collect(item, &at.index(index), places);
            }
        }
        Value::Map(map) => {
            if map.get("prelit").is_none() && !map.is_empty() {
                let add = Edit::Add { map: at.clone(), key: "prelit".to_owned(), value: Value::List(vec![item()]) };
                places.push((vec![add], vec![Edit::Delete { at: at.key("prelit") }]));
            }
            for (key, value) in map.iter() {
                collect(value, &at.key(key.to_owned()), places);
            }
        }
        Value::Scalar(scalar) if !value.is_null() && !scalar.as_str().is_empty() => {
            let prefix = Edit::Prefix { scalar: at.clone(), text: "/a:".to_owned() };
            places.push((vec![prefix], vec![Edit::Cut { scalar: at.clone(), bytes: 3 }]));
        }
        Value::Scalar(_) if value.is_null() => {
            let insert = Edit::Insert { list: at.clone(), at: 0, items: vec![item()] };
            // An entry is taken out as a whole; an item stays, and what was put into it goes.
            let ours = match at.steps().last() {
                Some(Step::Index(_)) => at.index(0),
                _ => at.clone(),
            };
            places.push((vec![insert], vec![Edit::Delete { at: ours }]));
        }
        Value::Scalar(_) => {}
    }
}

fn there_and_back(text: &str, edits: &[Edit], undo: &[Edit]) {
    let Some(there) = carried_out(text, edits, true) else { return };
    let tree = Tree::parse(&there).expect("what was proven parses");
    let Some(back) = carried_out(&there, undo, false) else { return };
    // A mark that was there before may lie about what stood in its place; what it says is brought back.
    if text.contains("prelit:was") {
        return;
    }
    // Between brackets there is no room for a mark: there the meaning comes back, in block style the bytes.
    if text.contains(['{', '[']) {
        let original = Tree::parse(text).expect("it parsed before");
        let back = Tree::parse(&back).expect("what was proven parses");
        let (original, back) = (original.value().expect("small"), back.value().expect("small"));
        let undone = prelit::value::edit::apply(tree.value().expect("small"), undo).expect("it fitted");
        assert!(original == back || undone == back, "the meaning did not come back\n{text}\n---\n{there}");
    } else {
        assert_eq!(back, text, "the bytes did not come back from\n{there}");
    }
}

/// The edited text; none where the edit is refused.
fn carried_out(text: &str, edits: &[Edit], must_fit: bool) -> Option<String> {
    let tree = Tree::parse(text).expect("it parsed before");
    let edited = match edit(&tree, edits) {
        Ok(edited) => edited,
        Err(Refusal::Misfit(error)) if must_fit => panic!("{error}\n{text}"),
        Err(_) => return None,
    };
    let result = edited.text(text);
    let value = tree.value().expect("it was a value before");
    if let Err(error) = proof::prove(value, edits, &edited, &result) {
        panic!("{error}\n--- before\n{text}\n--- after\n{result}\n--- edits\n{edits:?}");
    }
    Some(result)
}
