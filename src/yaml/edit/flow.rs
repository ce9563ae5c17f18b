//! Flow style and JSON: entries between brackets come and go, with their commas.

use super::{Editor, EntryEdits, Parent, Refusal, Splice};
use crate::value::Value;
use crate::value::edit::EditTree;
use crate::yaml::emit::{self, Place};
use crate::yaml::gaps;
use crate::yaml::tree::NodeId;
use std::ops::Range;

/// What is put between brackets: an item, or an entry with its key.
struct Part<'v> {
    key: Option<&'v str>,
    value: &'v Value<'v>,
}

/// How the entries of a collection are laid out.
struct Layout {
    /// The blanks before entries, where each begins a line.
    indent: Option<String>,
    /// Whether values are written over several lines.
    pretty: bool,
}

impl Editor<'_, '_> {
    pub(super) fn flow_sequence(&mut self, id: NodeId, edits: &EditTree<'_>) -> Result<(), Refusal> {
        let tree = self.tree;
        self.refuse_braceless(id)?;
        let deleted = self.items(id, edits, Parent::Flow)?;
        if deleted.is_empty() && edits.inserts.is_empty() {
            return Ok(());
        }
        let spans = self.spans(id, tree.children(id).map(|item| tree.node(item).start..tree.node(item).end));
        self.flow_delete(&spans, &super::marked(spans.len(), &deleted));
        for (&at, new) in &edits.inserts {
            let parts: Vec<Part<'_>> = new.iter().map(|value| Part { key: None, value }).collect();
            self.flow_insert(id, &spans, at, &parts)?;
        }
        Ok(())
    }

    pub(super) fn flow_mapping(&mut self, id: NodeId, edits: &EditTree<'_>) -> Result<(), Refusal> {
        let tree = self.tree;
        self.refuse_braceless(id)?;
        let EntryEdits { deleted, mut added } = self.entries(id, edits, false)?;
        added.extend(edits.adds.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone(), false)));
        if deleted.is_empty() && added.is_empty() {
            return Ok(());
        }
        let entries: Vec<(NodeId, NodeId)> = tree.entries(id).collect();
        let indexes: Vec<usize> =
            deleted.iter().filter_map(|own| entries.binary_search_by_key(own, |(key, _)| *key).ok()).collect();
        let ends = entries.iter().map(|(key, value)| {
            let (key, value) = (tree.node(*key), tree.node(*value));
            key.start..value.end.max(key.end)
        });
        let spans = self.spans(id, ends);
        self.flow_delete(&spans, &super::marked(spans.len(), &indexes));
        if added.is_empty() {
            return Ok(());
        }
        let parts: Vec<Part<'_>> = added.iter().map(|(key, value, _)| Part { key: Some(key), value }).collect();
        self.flow_insert(id, &spans, spans.len(), &parts)
    }

    /// Puts a value in the place of a null, an alias or nothing between brackets. There is no room for
    /// a mark: what stood there is gone.
    pub(super) fn write_out_in_flow(&mut self, id: NodeId, value: &Value<'_>) -> Result<(), Refusal> {
        let tree = self.tree;
        let node = tree.node(id);
        self.done.written_over.push(node.start);
        let mut text = String::new();
        if node.is_empty() && tree.text[..node.start].ends_with(':') {
            text.push(' ');
        } else if node.is_empty() {
            // `{a, b}`: the key, which stands right before its value, gets its colon now.
            let key = tree.node(id.saturating_sub(1));
            if tree.text[key.start..key.end].contains('\n') {
                return Err(self.unsupported(id, "a key over several lines gets no value; write it on one line"));
            }
            text.push_str(": ");
        }
        let layout = self.layout_of_value(id);
        self.write_part(&mut text, &Part { key: None, value }, &layout, node.start);
        self.done.splices.push(Splice { range: node.start..node.end, text });
        Ok(())
    }

    /// A mapping of one pair in a sequence can do without braces; a place is missing there.
    fn refuse_braceless(&self, id: NodeId) -> Result<(), Refusal> {
        if matches!(self.tree.text.as_bytes().get(self.tree.node(id).start), Some(b'{' | b'[')) {
            Ok(())
        } else {
            Err(self.unsupported(id, "a pair without braces in a flow list is not edited; write {key: value}"))
        }
    }

    /// The spans of the entries, their anchors and tags included.
    fn spans(&self, id: NodeId, inner: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
        let text = self.tree.text;
        let mut at = self.tree.node(id).start + 1;
        inner
            .map(|span| {
                at = gaps::skip_blank(text, at);
                if text.as_bytes().get(at) == Some(&b',') {
                    at = gaps::skip_blank(text, at + 1);
                }
                let start = at.min(span.start);
                at = span.end;
                start..span.end
            })
            .collect()
    }

    fn flow_insert(
        &mut self,
        id: NodeId,
        spans: &[Range<usize>],
        at: usize,
        parts: &[Part<'_>],
    ) -> Result<(), Refusal> {
        let text = self.tree.text;
        let layout = self.layout(id, spans);
        let newline = self.tree.newline(self.tree.node(id).start);
        let comma = if self.style.spaced { ", " } else { "," };
        // What separates entries, and begins the next.
        let between = layout.indent.as_ref().map_or_else(|| comma.to_owned(), |indent| format!(",{newline}{indent}"));
        let mut written = String::new();
        for (index, part) in parts.iter().enumerate() {
            written.push_str(if index > 0 { &between } else { "" });
            self.write_part(&mut written, part, &layout, spans.first().map_or(0, |span| span.start));
        }
        if at > spans.len() {
            return Err(self.unsupported(id, "the list has no such item"));
        }
        let Some(previous) = at.checked_sub(1).and_then(|index| spans.get(index)) else {
            if let Some(first) = spans.first() {
                self.insert(first.start, format!("{written}{between}"));
            } else {
                self.done.written_over.push(self.tree.node(id).start);
                let (before, after) = self.around_first(id, &layout, newline);
                self.insert(self.tree.node(id).start + 1, format!("{before}{written}{after}"));
            }
            return Ok(());
        };
        // A comment behind the previous entry stays with it.
        let comma_after = self.comma_after(previous.end);
        let comment = gaps::comment_on_line(text, comma_after.map_or(previous.end, |comma| comma + 1))
            .or_else(|| gaps::comment_on_line(text, previous.end));
        match (comment, &layout.indent) {
            (Some(comment), Some(indent)) => {
                if comma_after.is_none() {
                    self.insert(previous.end, ",".to_owned());
                }
                let end = if comma_after.is_some() { "," } else { "" };
                self.insert(comment.end, format!("{newline}{indent}{written}{end}"));
            }
            _ => self.insert(previous.end, format!("{between}{written}")),
        }
        Ok(())
    }

    /// The offset of the comma behind an entry.
    fn comma_after(&self, end: usize) -> Option<usize> {
        let at = gaps::skip_blank(self.tree.text, end);
        (self.tree.text.as_bytes().get(at) == Some(&b',')).then_some(at)
    }

    fn flow_delete(&mut self, spans: &[Range<usize>], deleted: &[bool]) {
        let text = self.tree.text;
        let mut index = 0;
        while index < spans.len() {
            if !deleted[index] {
                index += 1;
                continue;
            }
            let first = index;
            while index < spans.len() && deleted[index] {
                index += 1;
            }
            let run = spans[first].start..spans[index - 1].end;
            let Some(previous) = first.checked_sub(1).map(|at| &spans[at]) else {
                // The first ones: up to the next that stays, or to the closing bracket.
                let end = spans
                    .get(index)
                    .map_or_else(|| self.comma_after(run.end).map_or(run.end, |comma| comma + 1), |next| next.start);
                self.delete(run.start..end);
                continue;
            };
            let gap = previous.end..run.start;
            if !text[gap.clone()].contains('#') {
                self.delete(previous.end..run.end);
                continue;
            }
            // A comment stands between: it stays, and so does the comma, if one is needed there.
            let line = self.tree.line_start(run.start);
            let line_break = if text[..line].ends_with("\r\n") { line - 2 } else { line.saturating_sub(1) };
            if let Some(comma) = self.comma_after(run.end) {
                self.delete(line_break..comma + 1);
            } else {
                if let Some(comma) = self.comma_after(previous.end) {
                    self.delete(comma..comma + 1);
                }
                self.delete(line_break..run.end);
            }
        }
    }

    /// How the entries of a collection are laid out.
    fn layout(&self, id: NodeId, spans: &[Range<usize>]) -> Layout {
        let text = self.tree.text;
        match spans.last() {
            Some(span) if gaps::begins_line(text, span.start) => {
                let indent = text[self.tree.line_start(span.start)..span.start].to_owned();
                let pretty = self.style.json || spans.iter().any(|span| text[span.clone()].contains('\n'));
                Layout { indent: Some(indent), pretty }
            }
            Some(_) => Layout { indent: None, pretty: false },
            None => {
                let pretty = self.layout_of_value(id).pretty;
                let indent = pretty.then(|| format!("{}{}", self.own_indent(id), self.tree.unit()));
                Layout { indent, pretty }
            }
        }
    }

    /// The blanks before the line that a node begins on.
    fn own_indent(&self, id: NodeId) -> &str {
        let line = self.tree.line_start(self.tree.node(id).start);
        &self.tree.text[line..gaps::skip_spaces(self.tree.text, line)]
    }

    /// How a value is laid out whose key or item begins a line: JSON goes on over several lines.
    fn layout_of_value(&self, id: NodeId) -> Layout {
        let begins = self.tree.line_start(self.tree.node(id).start) > 0;
        Layout { indent: None, pretty: self.style.json && begins && !self.own_indent(id).is_empty() }
    }

    /// What comes before and after the first entries of an empty collection.
    fn around_first(&self, id: NodeId, layout: &Layout, newline: &str) -> (String, String) {
        let Some(indent) = &layout.indent else { return (String::new(), String::new()) };
        let node = self.tree.node(id);
        let closed_below = self.tree.text[node.start..node.end].contains('\n');
        let after = if closed_below { String::new() } else { format!("{newline}{}", self.own_indent(id)) };
        (format!("{newline}{indent}"), after)
    }

    fn write_part(&self, out: &mut String, part: &Part<'_>, layout: &Layout, at: usize) {
        let place = if self.style.json { Place::Json } else { Place::Flow };
        if layout.pretty && self.style.json {
            let text = self.tree.text;
            let line = self.tree.line_start(at.min(text.len()));
            let own = &text[line..gaps::skip_spaces(text, line)];
            let indent = layout.indent.as_deref().unwrap_or(own);
            let newline = self.tree.newline(at);
            match part.key {
                Some(key) => emit::pretty_entry(out, key, part.value, indent, self.tree.unit(), newline),
                None => emit::pretty(out, part.value, indent, self.tree.unit(), newline),
            }
            return;
        }
        match part.key {
            Some(key) => emit::flow_entry(out, key, part.value, place, self.style.spaced),
            None => emit::flow(out, part.value, place, self.style.spaced),
        }
    }
}
