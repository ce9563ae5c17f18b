//! Block style: whole lines come and go.

use super::{Editor, EntryEdits, Parent, Refusal, Splice};
use crate::value::Value;
use crate::value::edit::EditTree;
use crate::yaml::emit::Block;
use crate::yaml::gaps;
use crate::yaml::tree::{NodeId, NodeKind};
use crate::yaml::was::{self, MARK, MERGED};
use granit_parser::ScalarStyle;
use std::collections::HashSet;
use std::ops::Range;

impl Editor<'_, '_> {
    pub(super) fn block_sequence(&mut self, id: NodeId, edits: &EditTree<'_>) -> Result<(), Refusal> {
        let tree = self.tree;
        let deleted = self.items(id, edits, Parent::BlockItem)?;
        if deleted.is_empty() && edits.inserts.is_empty() {
            return Ok(());
        }
        let items: Vec<NodeId> = tree.children(id).collect();
        self.delete_items(id, &items, &super::marked(items.len(), &deleted))?;
        let Some(&first) = items.first() else { return Ok(()) };
        let column = gaps::column(tree.text, tree.node(first).lead);
        for (&at, new) in &edits.inserts {
            let position = if at == 0 {
                self.before_first_item(id, first)?
            } else {
                let Some(&previous) = items.get(at - 1) else {
                    return Err(self.unsupported(id, "the list has no such item"));
                };
                gaps::after_content(tree.text, tree.node(previous).end, Some(column))
            };
            self.insert_lines(position, |block| {
                for item in new {
                    block.line(column);
                    block.item(item, column);
                }
            })?;
        }
        Ok(())
    }

    pub(super) fn block_mapping(&mut self, id: NodeId, edits: &EditTree<'_>, parent: Parent) -> Result<(), Refusal> {
        let tree = self.tree;
        let EntryEdits { deleted, mut added } = self.entries(id, edits, true)?;
        if !deleted.is_empty() {
            self.delete_entries(id, &deleted.into_iter().collect())?;
        }
        added.extend(edits.adds.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone(), false)));
        if added.is_empty() {
            return Ok(());
        }
        let node = tree.node(id);
        let column = gaps::column(tree.text, node.start);
        // Comments that are indented deeper than what the mapping hangs on belong to it, and stay above.
        let above = match parent {
            Parent::BlockEntry { key, .. } => Some(gaps::column(tree.text, tree.node(key).start)),
            Parent::BlockItem => Some(gaps::column(tree.text, node.lead)),
            Parent::Root | Parent::Flow => None,
        };
        let position = gaps::after_content(tree.text, node.end, above);
        let style = self.style;
        self.style = style.within(tree, id);
        self.insert_lines(position, |block| {
            for (key, value, merged) in &added {
                block.line(column);
                if *merged {
                    block.marked_entry(key, value, column, &[MARK, MERGED]);
                } else {
                    block.entry(key, value, column);
                }
            }
        })?;
        self.style = style;
        Ok(())
    }

    /// Puts a value in the place of a null, an alias or an empty collection, whose text is kept behind a mark.
    pub(super) fn write_out_in_block(&mut self, id: NodeId, value: &Value<'_>, parent: Parent) -> Result<(), Refusal> {
        let tree = self.tree;
        let node = tree.node(id);
        let block = crate::yaml::emit::is_block(value);
        let mut before = String::new();
        if node.is_empty() {
            before.push(' ');
        }
        if !block {
            crate::yaml::emit::flow(&mut before, value, crate::yaml::emit::Place::Block, true);
            before.push(' ');
        }
        before.push_str(MARK);
        if !node.is_empty() {
            before.push(' ');
        }
        self.insert(if node.is_empty() { node.lead + 1 } else { node.start }, before);
        if !block {
            return Ok(());
        }
        // The value's lines stand below its key, or at the column of its dash plus two.
        let (column, key) = match parent {
            Parent::BlockEntry { key, mapping } => (gaps::column(tree.text, tree.node(key).start), Some(mapping)),
            _ => (gaps::column(tree.text, node.lead), None),
        };
        let position = gaps::after_content(tree.text, node.end, Some(column));
        let style = self.style;
        if let Some(mapping) = key {
            self.style = self.style.within(tree, mapping);
        }
        self.insert_lines(position, |block| match key {
            Some(_) => block.below_key(value, column),
            None => block.lines(value, column + 2),
        })?;
        self.style = style;
        Ok(())
    }

    /// Right below the key or dash that introduces a sequence, above the comments of its first item.
    fn before_first_item(&self, id: NodeId, first: NodeId) -> Result<usize, Refusal> {
        let text = self.tree.text;
        let dash = self.tree.node(first).lead;
        if !gaps::begins_line(text, dash) {
            return Err(self.unsupported(
                first,
                "a list that begins behind another indicator is not edited; begin it on a line of its own",
            ));
        }
        // Only properties (`&a`) and comments stand between: after the last line that holds anything but a comment.
        let mut position = if self.tree.node(id).lead < dash {
            gaps::next_line(text, self.tree.node(id).lead)
        } else {
            gaps::line_start(text, dash)
        };
        let mut line = position;
        while line < gaps::line_start(text, dash) {
            let content = text[line..gaps::line_end(text, line)].trim();
            line = gaps::next_line(text, line);
            if !content.is_empty() && !content.starts_with('#') {
                position = line;
            }
        }
        Ok(position)
    }

    /// Inserts whole lines at the start of a line, or after a last line that has no line break.
    fn insert_lines(&mut self, position: usize, write: impl FnOnce(&mut Block<'_>)) -> Result<(), Refusal> {
        let text = self.tree.text;
        if position == text.len() && self.ends_in_kept_blanks() {
            return Err(self.unsupported(
                self.tree.len() - 1,
                "a block text that keeps its blank lines ends in blanks; end the file with a line break",
            ));
        }
        let newline = self.tree.newline(position);
        let mut lines = String::new();
        write(&mut Block { out: &mut lines, style: self.style, newline });
        // Every line was begun with a line break; it belongs at its end, unless the text has none there.
        if gaps::line_start(text, position) == position {
            lines.drain(..newline.len());
            lines.push_str(newline);
        }
        self.insert(position, lines);
        Ok(())
    }

    /// Whether the text's last line is nothing but blanks and part of a `|+`: a line break behind it would be
    /// one more blank line.
    fn ends_in_kept_blanks(&self) -> bool {
        let text = self.tree.text;
        let last_line = &text[gaps::line_start(text, text.len())..];
        if last_line.is_empty() || !last_line.trim_start_matches([' ', '\t']).is_empty() {
            return false;
        }
        let last = self.tree.node(self.tree.len() - 1);
        let is_block = matches!(last.kind, NodeKind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. });
        is_block && text[..last.start].rsplit(['|', '>']).next().is_some_and(|header| header.contains('+'))
    }

    /// Deletes items of a block sequence.
    fn delete_items(&mut self, id: NodeId, items: &[NodeId], deleted: &[bool]) -> Result<(), Refusal> {
        let spans: Vec<Range<usize>> = items
            .iter()
            .map(|item| {
                let item = self.tree.node(*item);
                item.lead..item.end
            })
            .collect();
        self.delete_spans(id, &spans, deleted)
    }

    /// Deletes entries of a block mapping.
    fn delete_entries(&mut self, id: NodeId, keys: &HashSet<NodeId>) -> Result<(), Refusal> {
        let tree = self.tree;
        let mut spans = Vec::new();
        let mut deleted = Vec::new();
        for (key, value) in tree.entries(id) {
            spans.push(tree.node(key).start..tree.node(value).end);
            deleted.push(keys.contains(&key));
        }
        self.delete_spans(id, &spans, &deleted)
    }

    /// Deletes whole lines: those of the items or entries of a block collection that are marked. What
    /// begins behind another indicator gives its place to the next that stays.
    fn delete_spans(&mut self, id: NodeId, spans: &[Range<usize>], deleted: &[bool]) -> Result<(), Refusal> {
        if !deleted.contains(&true) {
            return Ok(());
        }
        let Some(stays) = deleted.iter().position(|deleted| !deleted) else {
            return Err(self.unsupported(id, "nothing would be left of it; delete the key that it stands under"));
        };
        let text = self.tree.text;
        for (index, span) in spans.iter().enumerate().filter(|(index, _)| deleted[*index]) {
            if gaps::begins_line(text, span.start) {
                self.delete(gaps::line_start(text, span.start)..gaps::next_line(text, span.end));
            } else if index == 0 {
                self.delete(span.start..spans[stays].start);
            } else {
                return Err(self.unsupported(id, "what does not begin its line is not deleted"));
            }
        }
        Ok(())
    }

    /// The lines of a block collection, from its first to its last.
    pub(super) fn block_lines(&self, id: NodeId) -> Range<usize> {
        let tree = self.tree;
        let node = tree.node(id);
        let start = tree.children(id).next().map_or(node.start, |first| tree.node(first).lead.min(node.start));
        gaps::line_start(tree.text, start)..gaps::next_line(tree.text, node.end)
    }

    /// Where the mark that belongs to a value stands, if there is one.
    pub(super) fn mark(&self, value: NodeId) -> Option<was::Was> {
        was::find(self.tree, value)
    }
}

/// Joins deletions that adjoin. Where the text has no last line break and its last lines go, the
/// line break before them goes too.
pub(super) fn join_deletions(text: &str, splices: Vec<Splice>) -> Vec<Splice> {
    let mut joined: Vec<Splice> = Vec::with_capacity(splices.len());
    for splice in splices {
        match joined.last_mut() {
            Some(last) if splice.text.is_empty() && last.text.is_empty() && splice.range.start <= last.range.end => {
                last.range.end = last.range.end.max(splice.range.end);
            }
            _ => joined.push(splice),
        }
    }
    if let Some(last) = joined.last_mut() {
        let range = &mut last.range;
        let whole_lines = range.start > 0 && text.as_bytes()[range.start - 1] == b'\n';
        if last.text.is_empty()
            && range.start < range.end
            && range.end == text.len()
            && !text.ends_with('\n')
            && whole_lines
        {
            range.start -= if text[..range.start].ends_with("\r\n") { 2 } else { 1 };
        }
    }
    joined
}
