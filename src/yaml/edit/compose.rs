//! Two rounds of splices as one: what an injection does to the text from which an old one was taken.

use super::Splice;
use std::collections::VecDeque;
use std::ops::Range;

/// A piece of an edited text.
enum Piece<'p> {
    /// Bytes of the original.
    Kept(Range<usize>),
    /// Text that was put there.
    New(&'p str),
}

/// Splices of a text of `length` bytes that do what `first` does and then, on its result, `second`.
pub fn compose(first: &[Splice], second: &[Splice], length: usize) -> Vec<Splice> {
    let mut middle = pieces(first, length);
    let mut result = Vec::new();
    let mut at = 0;
    for splice in second {
        result.extend(take(&mut middle, splice.range.start - at));
        take(&mut middle, splice.range.len());
        result.push(Piece::New(&splice.text));
        at = splice.range.end;
    }
    result.extend(middle);
    splices(result, length)
}

/// The text that splices make, piece by piece.
fn pieces(splices: &[Splice], length: usize) -> VecDeque<Piece<'_>> {
    let mut pieces = VecDeque::new();
    let mut at = 0;
    for splice in splices {
        pieces.push_back(Piece::Kept(at..splice.range.start));
        pieces.push_back(Piece::New(&splice.text));
        at = splice.range.end;
    }
    pieces.push_back(Piece::Kept(at..length));
    pieces
}

/// Takes the first `bytes` bytes off.
fn take<'p>(pieces: &mut VecDeque<Piece<'p>>, mut bytes: usize) -> Vec<Piece<'p>> {
    let mut taken = Vec::new();
    while bytes > 0 {
        let Some(piece) = pieces.pop_front() else { break };
        let (piece, rest) = piece.split_at(bytes);
        bytes -= piece.len();
        taken.push(piece);
        if rest.len() > 0 {
            pieces.push_front(rest);
        }
    }
    taken
}

/// Pieces as splices of the original.
fn splices(pieces: Vec<Piece<'_>>, length: usize) -> Vec<Splice> {
    let mut splices = Vec::new();
    let mut at = 0;
    let mut text = String::new();
    let end = Piece::Kept(length..length);
    for piece in pieces.into_iter().chain([end]) {
        match piece {
            Piece::New(new) => text.push_str(new),
            Piece::Kept(range) => {
                if range.start > at || !text.is_empty() {
                    splices.push(Splice { range: at..range.start, text: std::mem::take(&mut text) });
                }
                at = range.end;
            }
        }
    }
    splices
}

impl<'p> Piece<'p> {
    fn len(&self) -> usize {
        match self {
            Piece::Kept(range) => range.len(),
            Piece::New(text) => text.len(),
        }
    }

    /// The first `bytes` bytes, or all of it, and the rest.
    fn split_at(self, bytes: usize) -> (Self, Self) {
        let bytes = bytes.min(self.len());
        match self {
            Piece::Kept(range) => {
                let middle = range.start + bytes;
                (Piece::Kept(range.start..middle), Piece::Kept(middle..range.end))
            }
            Piece::New(text) => {
                let (first, rest): (&'p str, &'p str) = text.split_at(bytes);
                (Piece::New(first), Piece::New(rest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Edited;
    use super::*;
    use proptest::prelude::*;

    /// Splices of a text of `length` bytes, from places and lengths in any order.
    fn some_splices(length: usize) -> impl Strategy<Value = Vec<Splice>> {
        prop::collection::vec((0..=length, 0usize..4, "[A-Z]{0,3}"), 0..5).prop_map(move |mut places| {
            places.sort();
            let mut at = 0;
            let mut splices = Vec::new();
            for (start, deleted, text) in places {
                let start = start.max(at);
                at = (start + deleted).min(length);
                splices.push(Splice { range: start..at, text });
            }
            splices
        })
    }

    fn carried_out(text: &str, splices: &[Splice]) -> String {
        Edited { splices: splices.to_vec(), ..Edited::default() }.text(text)
    }

    proptest! {
        #[test]
        fn composed_splices_do_what_both_do(first in some_splices(20), second in some_splices(40)) {
            let original = "abcdefghijklmnopqrst";
            let middle = carried_out(original, &first);
            let second: Vec<Splice> = second.into_iter().filter(|splice| splice.range.end <= middle.len()).collect();
            let both = compose(&first, &second, original.len());
            prop_assert_eq!(carried_out(original, &both), carried_out(&middle, &second));
        }
    }
}
