//! Just enough SQL to name statements: not a parser, and it never fails.

use super::{Command, LONGEST_TEXT, text};

/// The statements of a query text, named by their first word.
pub(crate) fn statements(sql: &str) -> Vec<Command> {
    split(sql)
        .into_iter()
        .filter_map(|statement| {
            let name = first_word(statement)?.to_uppercase();
            Some(Command { name, keys: vec![], text: text(statement.trim().as_bytes()) })
        })
        .collect()
}

/// Splits at semicolons outside of quotes and comments.
fn split(sql: &str) -> Vec<&str> {
    let bytes = sql.as_bytes();
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => at = after(sql, at + 1, &[quote]),
            b'-' if bytes[at..].starts_with(b"--") => at = after(sql, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => at = after(sql, at + 2, b"*/"),
            b'$' => at = after_dollar_quote(sql, at),
            b';' => {
                parts.push(&sql[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.push(&sql[start..]);
    parts
}

/// The position after the next `end`, or the end of the text.
fn after(sql: &str, from: usize, end: &[u8]) -> usize {
    let rest = sql.as_bytes().get(from..).unwrap_or_default();
    rest.windows(end.len())
        .position(|window| window == end)
        .map_or(sql.len(), |at| from + at + end.len())
}

/// `$tag$ … $tag$`; a `$1` is none.
fn after_dollar_quote(sql: &str, at: usize) -> usize {
    let rest = &sql.as_bytes()[at + 1..];
    let tag = rest
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .filter(|end| rest[*end] == b'$' && !rest[0].is_ascii_digit());
    match tag {
        Some(end) => {
            let open = at + end + 2;
            let tag = &sql.as_bytes()[at..open];
            after(sql, open, tag)
        }
        None => at + 1,
    }
}

fn first_word(statement: &str) -> Option<&str> {
    let mut rest = statement;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n')?.1;
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

/// Whether `word` stands in `text` on its own, not as a part of a longer one.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && text.len() <= LONGEST_TEXT * 4
        && text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_statement_of_a_query() {
        for (sql, names) in [
            ("COMMIT", vec!["COMMIT"]),
            ("begin; update t set a = ';'; commit;", vec!["BEGIN", "UPDATE", "COMMIT"]),
            ("-- hm; hm\n /* ; */ (select 1)", vec!["SELECT"]),
            ("do $x$ a; b $x$; end", vec!["DO", "END"]),
            ("select $1; select 'it''s;'", vec!["SELECT", "SELECT"]),
            ("", vec![]),
            ("'", vec![]),
            ("$", vec![]),
        ] {
            let found: Vec<String> = statements(sql).into_iter().map(|c| c.name).collect();
            assert_eq!(found, names, "{sql}");
        }
    }

    #[test]
    fn finds_words_and_not_parts_of_them() {
        assert!(has_word("UPDATE t SET v = 2 WHERE id = 17", "17"));
        assert!(!has_word("UPDATE t SET v = 2 WHERE id = 170", "17"));
        assert!(!has_word("", ""));
    }
}
