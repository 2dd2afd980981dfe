use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns a text may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// As many as it likes: files and pipes.
    #[default]
    Free,
    /// No more than this.
    Columns(usize),
}

impl Width {
    /// Of the terminal that standard output is, if it is one.
    #[must_use]
    pub fn of_terminal() -> Self {
        terminal_size::terminal_size_of(std::io::stdout())
            .map_or(Self::Free, |(width, _)| Self::Columns(usize::from(width.0)))
    }

    /// What is left beside `used` columns; at least 20, as nothing can be read
    /// in less.
    pub(in crate::report) fn beside(self, used: usize) -> Option<usize> {
        match self {
            Self::Free => None,
            Self::Columns(all) => Some(all.saturating_sub(used).max(20)),
        }
    }
}

/// Columns that a text takes.
pub(in crate::report) fn columns(text: &str) -> usize {
    text.width()
}

/// The text with every control character spelled out: a value from a history
/// must not move the cursor.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Breaks a text between words into lines of at most `rest` columns, the
/// first of at most `first`; a word that is longer than a line is broken
/// anywhere.
pub(super) fn wrap(text: &str, first: Option<usize>, rest: Option<usize>) -> Vec<String> {
    let (Some(first), Some(rest)) = (first, rest) else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let width = if lines.len() == 1 { first } else { rest };
        let line = lines.last_mut().expect("there is always a line");
        let gap = usize::from(!line.is_empty());
        if columns(line) + gap + columns(word) <= width {
            line.push_str(&" "[..gap]);
            line.push_str(word);
        } else {
            lines.extend(pieces(word, rest));
        }
    }
    lines
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in word.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width {
            pieces.push(String::new());
            used = 0;
        }
        pieces.last_mut().expect("there is always a piece").push(c);
        used += wide;
    }
    pieces
}

/// The text cut to `width` columns, with a mark where it was cut.
pub(in crate::report) fn cut(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut shown = pieces(text, width.saturating_sub(1)).swap_remove(0);
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(text in "[ a-zé漢]{0,200}", width in 20usize..90) {
            for line in wrap(&text, Some(width), Some(width)) {
                prop_assert!(columns(&line) <= width, "{line:?}");
            }
            prop_assert!(columns(&cut(&text, Some(width))) <= width);
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z]{1,9}( [a-z]{1,9}){0,30}", width in 20usize..90) {
            let lines = wrap(&text, Some(width), Some(width));
            let joined = lines.join(" ");
            prop_assert_eq!(joined.trim_start(), text);
        }
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
    }
}
