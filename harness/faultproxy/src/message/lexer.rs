//! The tokens of an SQL text, as section 4.1 of PostgreSQL 17's manual says:
//! <https://www.postgresql.org/docs/17/sql-syntax-lexical.html>.
//!
//! It takes `standard_conforming_strings` to be on, as it is by default, and it
//! never fails: what does not end, ends with the text.

/// A token of an SQL text, with all of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlToken<'a> {
    /// A literal of text in any of its forms, with its quotes and what stands
    /// before them: `'it''s'`, `E'it\'s'`, `U&'…'`, `X'1F'`, `$tag$…$tag$`.
    Text(&'a str),
    /// A name in double quotes.
    Quoted(&'a str),
    /// A key word, or a name without quotes.
    Word(&'a str),
    /// A number without its sign.
    Number(&'a str),
    /// A place for a parameter: `$1`.
    Place(&'a str),
    /// White space.
    Space(&'a str),
    /// A comment, with those that are nested in it.
    Comment(&'a str),
    /// Anything else, a character at a time.
    Sign(char),
}

/// The tokens of a text, in order. Together they are the whole text.
pub fn sql_tokens(text: &str) -> impl Iterator<Item = SqlToken<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let token = token(rest, first);
        rest = &rest[token.len()..];
        Some(token)
    })
}

impl SqlToken<'_> {
    /// How many bytes it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text)
            | Self::Quoted(text)
            | Self::Word(text)
            | Self::Number(text)
            | Self::Place(text)
            | Self::Space(text)
            | Self::Comment(text) => text.len(),
            Self::Sign(sign) => sign.len_utf8(),
        }
    }

    /// The text that a literal stands for: without its quotes, and without what
    /// makes quotes and backslashes a part of it. None of another token.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let Self::Text(text) = self else { return None };
        if text.starts_with('$') {
            let tag = &text[..text[1..].find('$')? + 2];
            let inner = &text[tag.len()..];
            return Some(inner.strip_suffix(tag).unwrap_or(inner).to_owned());
        }
        let open = text.find('\'')?;
        let escape = text.starts_with(['e', 'E']).then_some('\\');
        let mut value = String::new();
        let mut rest = text[open + 1..].chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\'' if rest.next_if_eq(&'\'').is_none() => break,
                c if Some(c) == escape => value.extend(rest.next().map(escaped)),
                c => value.push(c),
            }
        }
        Some(value)
    }
}

/// What a character stands for behind a backslash. Codes of characters are left
/// as they are written.
const fn escaped(c: char) -> char {
    match c {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

fn token(text: &str, first: char) -> SqlToken<'_> {
    let run = |is_in: fn(char) -> bool| text.find(|c| !is_in(c)).unwrap_or(text.len());
    if let Some(len) = literal(text, first) {
        return SqlToken::Text(&text[..len]);
    }
    match first {
        '"' => SqlToken::Quoted(&text[..after_quotes(text, 1, '"', Backslash::IsPlain)]),
        'u' | 'U' if text[1..].starts_with("&\"") => {
            SqlToken::Quoted(&text[..after_quotes(text, 3, '"', Backslash::IsPlain)])
        }
        '$' if digits(&text[1..]) > 0 => SqlToken::Place(&text[..=digits(&text[1..])]),
        '-' if text.starts_with("--") => {
            SqlToken::Comment(&text[..text.find(['\n', '\r']).unwrap_or(text.len())])
        }
        '/' if text.starts_with("/*") => SqlToken::Comment(&text[..after_comment(text)]),
        first if is_space(first) => SqlToken::Space(&text[..run(is_space)]),
        first if begins_a_word(first) => SqlToken::Word(&text[..run(is_in_word)]),
        _ => match number(text) {
            0 => SqlToken::Sign(first),
            len => SqlToken::Number(&text[..len]),
        },
    }
}

/// The length of the literal of text that a text begins with, if it does.
fn literal(text: &str, first: char) -> Option<usize> {
    let quoted = |before: usize, backslash| Some(after_quotes(text, before, '\'', backslash));
    match first {
        '\'' => quoted(1, Backslash::IsPlain),
        'e' | 'E' if text[1..].starts_with('\'') => quoted(2, Backslash::Escapes),
        'b' | 'B' | 'x' | 'X' | 'n' | 'N' if text[1..].starts_with('\'') => {
            quoted(2, Backslash::IsPlain)
        }
        'u' | 'U' if text[1..].starts_with("&'") => quoted(3, Backslash::IsPlain),
        '$' => after_dollars(text),
        _ => None,
    }
}

/// What a backslash does in a literal.
#[derive(Clone, Copy, PartialEq)]
enum Backslash {
    IsPlain,
    Escapes,
}

/// Behind the quote that ends what begins at `from`; a quote that is doubled
/// stands for itself.
fn after_quotes(text: &str, from: usize, quote: char, backslash: Backslash) -> usize {
    let mut rest = text[from..].char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if c == quote && rest.next_if(|(_, next)| *next == quote).is_none() {
            return from + at + 1;
        }
        if c == '\\' && backslash == Backslash::Escapes {
            rest.next();
        }
    }
    text.len()
}

/// Behind `$tag$ … $tag$`.
fn after_dollars(text: &str) -> Option<usize> {
    let tag = text[1..].find('$').map(|end| &text[..end + 2])?;
    let name = &tag[1..tag.len() - 1];
    let is_tag = name.is_empty()
        || name.starts_with(begins_a_word) && name.chars().all(|c| c != '$' && is_in_word(c));
    let end = || text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len());
    is_tag.then(end)
}

/// Behind a comment; comments in comments are allowed.
fn after_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a number: digits, a fraction, an exponent; 0 if it is none.
fn number(text: &str) -> usize {
    let mut len = digits(text);
    if text[len..].starts_with('.') && (len > 0 || digits(&text[1..]) > 0) {
        len += 1 + digits(&text[len + 1..]);
    }
    if len > 0 && text[len..].starts_with(['e', 'E']) {
        let sign = usize::from(text[len + 1..].starts_with(['+', '-']));
        let exponent = digits(&text[len + 1 + sign..]);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Whatever is not ASCII is part of a name, white space of other scripts too.
const fn begins_a_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

const fn is_in_word(c: char) -> bool {
    begins_a_word(c) || c.is_ascii_digit() || c == '$'
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
