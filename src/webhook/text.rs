//! Texts as others take them: the API server, logs, receivers of telemetry. All of them bound how long one is.

/// A text on one line, of so many bytes at most.
pub fn one_line(text: &str, most: usize) -> String {
    shortened(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(), most)
}

/// A text of so many bytes at most.
pub fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = most.saturating_sub('…'.len_utf8());
        text.truncate((0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_two_characters() {
        assert_eq!(shortened("a\nb".to_owned(), 3), "a\nb");
        assert_eq!(one_line("a\nb\u{1b}", 9), "a b ");
        for most in 3..12 {
            let cut = shortened("é".repeat(9), most);
            assert!(cut.len() <= most && cut.ends_with('…'), "{cut}");
        }
    }
}
