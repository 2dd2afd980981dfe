//! Where literals and comments of an SQL text are.

/// A piece of an SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A literal of text, with its quotes.
    Text(&'a str),
    /// A whole number that is no part of a name.
    Number(&'a str),
    /// White space, a comment, or both.
    Space,
    /// Anything else, a character at a time.
    Sign(char),
}

/// The pieces of a text, in order: what PostgreSQL 17's manual, section 4.1,
/// says of constants and comments.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text.trim();
    let mut before = ' ';
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (piece, len) = piece(rest, first, before);
        before = rest[..len].chars().next_back().unwrap_or(' ');
        rest = &rest[len..];
        Some(piece)
    })
}

/// The piece that a text begins with, and its length.
fn piece(text: &str, first: char, before: char) -> (Piece<'_>, usize) {
    let number = || text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let space = space(text);
    let quoted = match first {
        _ if is_part_of_a_name(before) => None,
        '\'' => Some(after_quotes(text, 1, Escapes::None)),
        'e' | 'E' if text[1..].starts_with('\'') => Some(after_quotes(text, 2, Escapes::Backslash)),
        'b' | 'B' | 'x' | 'X' | 'n' | 'N' if text[1..].starts_with('\'') => {
            Some(after_quotes(text, 2, Escapes::None))
        }
        'u' | 'U' if text[1..].starts_with("&'") => Some(after_quotes(text, 3, Escapes::None)),
        '$' => after_dollars(text),
        _ => None,
    };
    match quoted {
        Some(len) => (Piece::Text(&text[..len]), len),
        None if space > 0 => (Piece::Space, space),
        None if first.is_ascii_digit() && !is_part_of_a_name(before) => {
            (Piece::Number(&text[..number()]), number())
        }
        None => (Piece::Sign(first), first.len_utf8()),
    }
}

/// What a backslash does in a literal.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    None,
    Backslash,
}

/// Behind the quote that ends the literal whose content begins at `from`; a
/// quote that is doubled stands for itself.
fn after_quotes(text: &str, from: usize, escapes: Escapes) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes == Escapes::Backslash => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    // It may have ended behind a backslash.
    text.len()
}

/// `$tag$ … $tag$`; a `$1` is none.
fn after_dollars(text: &str) -> Option<usize> {
    let tag = text[1..].find('$').map(|end| &text[..end + 2])?;
    let name = &tag[1..tag.len() - 1];
    let is_tag = !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let end = || text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len());
    is_tag.then(end)
}

/// How much white space and comments a text begins with.
fn space(text: &str) -> usize {
    let mut rest = text;
    loop {
        let before = rest.len();
        rest = rest.trim_start();
        if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        }
        if rest.len() == before {
            return text.len() - rest.len();
        }
    }
}

/// Comments in comments are allowed.
fn after_comment(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        let (open, close) = (rest.find("/*"), rest.find("*/"));
        match (open, close) {
            (Some(open), close) if close.is_none_or(|close| open < close) => {
                depth += 1;
                rest = &rest[open + 2..];
            }
            (_, Some(close)) => {
                depth -= 1;
                rest = &rest[close + 2..];
            }
            _ => return "",
        }
        if depth == 0 {
            return rest;
        }
    }
}

fn is_part_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is left of a text.
    fn shape(text: &str) -> String {
        pieces(text)
            .map(|piece| match piece {
                Piece::Text(_) => '?',
                Piece::Number(_) => '#',
                Piece::Space => ' ',
                Piece::Sign(sign) => sign,
            })
            .collect()
    }

    #[test]
    fn literals_of_every_kind_are_found() {
        for (text, expected) in [
            ("a = 'x' AND b", "a = ? AND b"),
            ("a = 'it''s' AND b", "a = ? AND b"),
            (r"a = 'C:\' AND b", "a = ? AND b"),
            (r"a = E'it\'s' AND b", "a = ? AND b"),
            ("a = $$it's$$ AND b", "a = ? AND b"),
            ("a = $q$ $$ $q$ AND b", "a = ? AND b"),
            ("a = $1 AND b = $2", "a = $1 AND b = $2"),
            ("a = X'1F' AND b = U&'d\\0061t'", "a = ? AND b = ?"),
            ("date '2026-01-01'", "date ?"),
            ("a1 = 12 -- a comment: 'x'\n AND b", "a1 = #   AND b"),
            ("a /* traceparent='00-1' /* b */ */ b", "a b"),
            ("a = 'open", "a = ?"),
            (r"a = E'open\", "a = ?"),
        ] {
            let squeezed = shape(text).replace("  ", " ").replace("  ", " ");
            assert_eq!(squeezed, expected.replace("  ", " ").replace("  ", " "), "{text}");
        }
    }

    proptest! {
        /// No part of a literal is left, however it is written.
        #[test]
        fn nothing_of_a_literal_is_left(secret in "[a-z'\\\\$; -]{0,12}", after in "[a-z ]{0,8}") {
            let doubled = secret.replace('\'', "''");
            let escaped = secret.replace('\\', "\\\\").replace('\'', "\\'");
            for literal in [
                format!("'{doubled}'"),
                format!("E'{escaped}'"),
                format!("$zq$Q{secret}Q$zq$"),
            ] {
                let text = format!("SELECT {literal} {after}x");
                let expected = format!("SELECT ? {after}x");
                prop_assert_eq!(shape(&text), shape(&expected.replace('?', "''")), "{}", text);
            }
        }

        #[test]
        fn any_text_ends(text in any::<String>()) {
            prop_assert!(pieces(&text).count() <= text.len());
        }
    }
}
