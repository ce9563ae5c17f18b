//! Colour, where there is a terminal that takes it, and text from manifests made harmless.

use anstream::{AutoStream, ColorChoice};
use std::borrow::Cow;

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style(bool);

impl Style {
    /// No colour.
    pub const PLAIN: Style = Style(false);

    /// What stdout takes.
    pub fn of_stdout() -> Self {
        Style(AutoStream::choice(&std::io::stdout()) != ColorChoice::Never)
    }

    /// What stderr takes.
    pub fn of_stderr() -> Self {
        Style(AutoStream::choice(&std::io::stderr()) != ColorChoice::Never)
    }

    /// Whether there is colour.
    pub fn coloured(self) -> bool {
        self.0
    }

    /// Weighty.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For errors.
    pub fn bold_red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// For findings and what is edited.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// For warnings and what is stale.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// For what is well.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what matters less.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text without characters that steer a terminal or turn the direction of writing.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if steers(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
    Cow::Owned(out)
}

fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(plain("chat"), "chat");
        assert_eq!(plain("a\x1b[2J\nb\u{202e}"), "a\\u{1b}[2J\\nb\\u{202e}");
    }
}
