//! Messages with what varies left out, so that they can be told again in the
//! next execution.

use quarrel_faultproxy::{SqlToken, sql_tokens};

use super::token::values_in;

/// A command of Redis by its keys: values, times and options vary.
pub(super) fn command(name: &str, keys: &[String], row: u64) -> String {
    keys.iter().fold(name.to_owned(), |shape, key| {
        let key = blank(key, row);
        format!("{shape} {key}")
    })
}

/// The text of SQL with its literals and comments left out.
pub(super) fn sql(text: &str, row: u64) -> String {
    let mut shape = String::with_capacity(text.len());
    for token in sql_tokens(text.trim()) {
        match token {
            SqlToken::Text(literal) => {
                let is_value = values_in(literal.as_bytes()).next().is_some();
                shape.push_str(if is_value { "{value}" } else { "?" });
            }
            SqlToken::Number(number) => {
                shape.push_str(if number.parse() == Ok(row) { "{key}" } else { "?" });
            }
            SqlToken::Space(_) | SqlToken::Comment(_) if shape.ends_with(' ') => {}
            SqlToken::Space(_) | SqlToken::Comment(_) => shape.push(' '),
            SqlToken::Sign(sign) => shape.push(sign),
            SqlToken::Quoted(text) | SqlToken::Word(text) | SqlToken::Place(text) => {
                shape.push_str(text);
            }
        }
    }
    // A comment may be the last.
    shape.truncate(shape.trim_end().len());
    shape
}

/// So many hexadecimal digits in a row are a hash.
const HASH: usize = 16;

/// A key with the row's number, and other numbers and hashes, left out. Bytes
/// that are no text are one thing, whatever they are.
pub(super) fn blank(key: &str, row: u64) -> String {
    if key.contains('\u{fffd}') {
        return "{bytes}".to_owned();
    }
    let mut blank = String::with_capacity(key.len());
    let mut rest = key;
    while let Some(first) = rest.chars().next() {
        let run = |is_in: fn(&char) -> bool| rest.chars().take_while(is_in).count();
        let (digits, hash) = (run(char::is_ascii_digit), run(char::is_ascii_hexdigit));
        if digits > 0 && rest[..digits].parse() == Ok(row) {
            blank.push_str("{key}");
            rest = &rest[digits..];
        } else if hash >= HASH {
            blank.push_str("{hash}");
            rest = &rest[hash..];
        } else if digits > 0 {
            blank.push('?');
            rest = &rest[digits..];
        } else {
            blank.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    blank
}

/// Whether a shape is the one that a person wrote, where `*` at the end stands
/// for anything.
pub(super) fn fits(shape: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => shape.starts_with(start),
        None => shape == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_left_out_of_a_shape() {
        let text = "UPDATE  t1 SET name='v000000007', at = '2026-01-01'\n WHERE id = 12 AND n < 13";
        assert_eq!(sql(text, 12), "UPDATE t1 SET name={value}, at = ? WHERE id = {key} AND n < ?");
        assert_eq!(command("SET", &["profile:12:v3".to_owned()], 12), "SET profile:{key}:v?");
        assert_eq!(sql("SELECT $1 FROM t WHERE id = $2", 1), "SELECT $1 FROM t WHERE id = $2");
    }

    #[test]
    fn hashes_are_left_out_of_a_shape() {
        let key = |text: &str| command("GET", &[text.to_owned()], 1_000_001);
        assert_eq!(key("q:9b0aea2d8c31dd7e0c4f"), "GET q:{hash}");
        assert_eq!(key("profile:1000001:v2"), "GET profile:{key}:v?");
        assert_eq!(key("cafe:12"), "GET cafe:?");
    }
}
