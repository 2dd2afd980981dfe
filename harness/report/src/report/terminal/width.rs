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

    /// Of the terminal that standard error is, if it is one.
    #[must_use]
    pub fn of_notes() -> Self {
        terminal_size::terminal_size_of(std::io::stderr())
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

/// Columns that a text takes; colours take none.
pub(in crate::report) fn columns(text: &str) -> usize {
    if !text.contains(ESCAPE) {
        return text.width();
    }
    let mut pen = Pen::default();
    text.chars().map(|c| pen.columns(c)).sum()
}

/// What begins a colour.
const ESCAPE: char = '\u{1b}';

/// Tells letters from the sequences (`ESC [ … m`) that colour them.
#[derive(Default)]
struct Pen {
    is_in_sequence: bool,
}

impl Pen {
    /// How many columns the next character takes.
    fn columns(&mut self, c: char) -> usize {
        self.is_in_sequence |= c == ESCAPE;
        let wide = if self.is_in_sequence { 0 } else { c.width().unwrap_or(0) };
        self.is_in_sequence &= c != 'm';
        wide
    }
}

/// The text with every line that is too long broken between words. What follows
/// is indented: to the column that the line has behind a gap of two spaces, as
/// tables do, or by two more than the line. What people copy, a command or JSON
/// in a line of its own, stays in one piece.
#[must_use]
pub fn fit(text: &str, width: Width) -> String {
    let Width::Columns(all) = width else { return text.to_owned() };
    let mut fitted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let is_copied = COPIED.iter().any(|begin| line.trim_start().starts_with(begin));
        if is_copied || columns(line) <= all {
            fitted.push_str(line);
        } else {
            let (lead, body, hang) = hanging(line, all / 2);
            let (first, rest) = (width.beside(columns(lead)), width.beside(hang));
            fitted.push_str(lead);
            let gap = format!("\n{:hang$}", "");
            fitted.push_str(&wrap(body, first, rest).join(&gap));
        }
        fitted.push_str(end);
    }
    fitted
}

/// How lines begin that people copy.
const COPIED: &[&str] =
    &["{", "[", "quarrel ", "cargo ", "psql ", "redis-cli ", "curl ", "toxiproxy-cli "];

/// What a line begins with, what may be broken of it, and how far what follows
/// is indented: at most `most` columns.
fn hanging(line: &str, most: usize) -> (&str, &str, usize) {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let is_gap = |at: &usize| line[..*at].ends_with("  ") && !line[*at..].starts_with(' ');
    let mut ends = line.char_indices().map(|(at, _)| at).filter(|at| *at > indent).filter(is_gap);
    let column = ends.rfind(|at| columns(&line[..*at]) <= most);
    match column {
        Some(at) => (&line[..at], &line[at..], columns(&line[..at])),
        None => (&line[..indent], &line[indent..], (indent + 2).min(most)),
    }
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
    let mut pen = Pen::default();
    for c in word.chars() {
        let wide = pen.columns(c);
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

    proptest! {
        #[test]
        fn what_is_printed_fits_and_loses_no_word(
            words in prop::collection::vec("[a-z]{1,12}", 1..30),
            gaps in prop::collection::vec(1usize..4, 30),
            indent in 0usize..9,
            width in 44usize..90,
        ) {
            let gapped = words.iter().zip(&gaps).map(|(word, gap)| format!("{word}{:gap$}", ""));
            let line = format!("{:indent$}{}", "", gapped.collect::<String>());
            let fitted = fit(line.trim_end(), Width::Columns(width));
            for line in fitted.lines() {
                prop_assert!(columns(line) <= width, "{fitted}");
            }
            prop_assert!(fitted.split_whitespace().eq(words.iter().map(String::as_str)));
        }
    }

    #[test]
    fn what_follows_stands_under_its_column() {
        let fitted = |line: &str| fit(line, Width::Columns(45));
        assert_eq!(
            fitted("redis-cut   the link to the cache breaks, and comes back after a while\n"),
            "redis-cut   the link to the cache breaks, and\n            comes back after a while\n"
        );
        assert_eq!(
            fitted("  = searched: all orders of 2 writers and 2 readers, 1 operation each\n"),
            "  = searched: all orders of 2 writers and 2\n    readers, 1 operation each\n"
        );
        let copied = "  quarrel run cache-aside --cluster external --primary postgres://db/shop\n";
        assert_eq!(fitted(copied), copied);
        let coloured = "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: what is wrong here is told in red ink, and at length";
        assert_eq!(
            fitted(coloured),
            "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: what is wrong here is told in red ink,\n  and at length"
        );
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
    }
}
