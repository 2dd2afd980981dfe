//! Just enough SQL to name statements: not a parser, and it never fails.

use super::lexer::{SqlToken, sql_tokens};
use super::{Command, Strength, text};

/// The statements of a query text, named by their first word.
pub(crate) fn statements(sql: &str) -> Vec<Command> {
    split(sql)
        .into_iter()
        .filter_map(|statement| {
            let name = first_word(statement)?.to_uppercase();
            let strength = strength(&name, statement);
            if let Some(open) = before_password(&name, statement) {
                let text = format!("{} (hidden)", text(open.trim().as_bytes()));
                return Some(Command {
                    name,
                    keys: literals(open),
                    text,
                    strength,
                    secret: true,
                    script: None,
                });
            }
            let text = text(statement.trim().as_bytes());
            Some(Command {
                name,
                keys: literals(statement),
                text,
                strength,
                secret: may_take_address(statement),
                script: None,
            })
        })
        .collect()
}

/// A statement that gives a role, a server or a subscription its password, up
/// to that. What such a statement does inside of a `DO`, or sends elsewhere with
/// `dblink`, is no less secret.
fn before_password<'a>(name: &str, statement: &'a str) -> Option<&'a str> {
    const PASSWORD: &str = "PASSWORD";
    // ASCII keeps the positions, whatever else is in the text.
    let upper = statement.to_ascii_uppercase();
    if !matches!(name, "CREATE" | "ALTER" | "DO") && !upper.contains("DBLINK") {
        return None;
    }
    let word = upper.match_indices(PASSWORD).find(|(at, _)| {
        let before = upper[..*at].chars().next_back();
        !before.is_some_and(is_part_of_word)
    });
    let ends = [word.map(|(at, _)| at + PASSWORD.len()), user_in_address(statement)];
    ends.into_iter().flatten().min().map(|end| &statement[..end])
}

/// Whether an address, with the password in it, may come as a parameter.
fn may_take_address(statement: &str) -> bool {
    statement.contains('$') && statement.to_ascii_uppercase().contains("DBLINK")
}

/// Where the user begins in an address such as `postgresql://ann:pw@db/x`.
fn user_in_address(statement: &str) -> Option<usize> {
    statement.match_indices("://").map(|(at, found)| at + found.len()).find(|from| {
        let rest = &statement[*from..];
        let end = rest.find(|c: char| c.is_whitespace() || "/'\"".contains(c));
        let user = rest[..end.unwrap_or(rest.len())].rsplit_once('@');
        user.is_some_and(|(user, _)| user.contains(':'))
    })
}

/// How much a statement can change. Words in its texts and comments count,
/// too: they make it stronger at most.
fn strength(name: &str, statement: &str) -> Strength {
    let upper = statement.to_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| has_word(&upper, word));
    let writes = || has(&["INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "CREATE", "EXECUTE"]);
    match name {
        "COMMIT" | "END" => Strength::Commit,
        "PREPARE" if has(&["TRANSACTION"]) => Strength::Commit,
        "ROLLBACK" | "ABORT" => Strength::Rollback,
        "BEGIN" | "START" | "SAVEPOINT" | "RELEASE" | "SET" | "RESET" | "SHOW" | "DISCARD"
        | "DEALLOCATE" | "PREPARE" | "LISTEN" | "UNLISTEN" | "CLOSE" => Strength::Session,
        "SELECT" | "VALUES" | "TABLE" if has(&["FOR"]) && has(&["UPDATE", "SHARE"]) => {
            if has(&["INTO"]) { Strength::Write } else { Strength::Lock }
        }
        "SELECT" | "VALUES" | "TABLE" if !has(&["INTO"]) => Strength::Read,
        "WITH" | "EXPLAIN" | "DECLARE" if !writes() => Strength::Read,
        // The cursor's query may lock what is fetched.
        "FETCH" | "MOVE" => Strength::Lock,
        "COPY" if !has(&["FROM", "PROGRAM"]) && !writes() => Strength::Read,
        _ => Strength::Write,
    }
}

/// Splits at semicolons outside of quotes and comments.
fn split(sql: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for token in sql_tokens(sql) {
        if token == SqlToken::Sign(';') {
            parts.push(&sql[start..at]);
            start = at + 1;
        }
        at += token.len();
    }
    parts.push(&sql[start..]);
    parts
}

/// The literals of a statement, as the values that they stand for: texts
/// without their quotes, numbers with their sign.
fn literals(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    // What a minus is when a number follows it: a sign, or between two values.
    let (mut sign, mut is_behind_value) = ("", false);
    for token in sql_tokens(sql) {
        match token {
            SqlToken::Space(_) | SqlToken::Comment(_) => continue,
            SqlToken::Sign('-') if !is_behind_value => {
                sign = "-";
                continue;
            }
            SqlToken::Number(number) => found.push(format!("{sign}{number}")),
            SqlToken::Text(_) => found.extend(token.literal()),
            _ => {}
        }
        is_behind_value = !matches!(token, SqlToken::Sign(sign) if !matches!(sign, ')' | ']'));
        sign = "";
    }
    found
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The word that a statement begins with, behind comments and brackets.
fn first_word(statement: &str) -> Option<&str> {
    let mut tokens = sql_tokens(statement).skip_while(|token| {
        matches!(token, SqlToken::Space(_) | SqlToken::Comment(_) | SqlToken::Sign('('))
    });
    match tokens.next() {
        Some(SqlToken::Word(word)) => Some(word),
        _ => None,
    }
}

/// Whether `word` stands in `text` on its own, not as a part of a longer one.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
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
            (r"select E'\'; drop', '\'; end", vec!["SELECT", "END"]),
            ("/* a /* b */ ; */ begin; commit", vec!["BEGIN", "COMMIT"]),
            ("select \"a;b\"\"\"; end", vec!["SELECT", "END"]),
            ("", vec![]),
            ("'", vec![]),
            ("$", vec![]),
        ] {
            let found: Vec<String> = statements(sql).into_iter().map(|c| c.name).collect();
            assert_eq!(found, names, "{sql}");
        }
    }

    #[test]
    fn literals_are_read_as_the_values_they_stand_for() {
        for (sql, values) in [
            ("UPDATE t SET v = 'it''s', n = -3 WHERE id = 17", vec!["it's", "-3", "17"]),
            ("SELECT $1, $2 FROM t1 WHERE a2 = 3.5e-2", vec!["3.5e-2"]),
            (r"SELECT E'a\'b\\', 'c\'", vec!["a'b\\", "c\\"]),
            ("SELECT $q$ it's $q$, \"7\", 5-2 -- 9", vec![" it's ", "5", "2"]),
            ("SELECT 'it', $$'$$, 'ends", vec!["it", "'", "ends"]),
            ("(-1)", vec!["-1"]),
            ("a /* '1' /* 2 */ 3 */ = - 4", vec!["-4"]),
            (r"SELECT E'a\nb', x'1F', U&'d', .5", vec!["a\nb", "1F", "d", ".5"]),
            ("SELECT 1.", vec!["1."]),
            ("SELECT name'x'", vec!["x"]),
        ] {
            assert_eq!(literals(sql), values, "{sql}");
        }
    }

    #[test]
    fn passwords_are_hidden() {
        for (sql, shown) in [
            ("ALTER ROLE ann PASSWORD 'sesame'", "ALTER ROLE ann PASSWORD (hidden)"),
            (
                "create user ann password 'sesame' valid until 'x'",
                "create user ann password (hidden)",
            ),
            (
                "CREATE SUBSCRIPTION s CONNECTION 'host=a password=sesame' PUBLICATION p",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a password (hidden)",
            ),
            (
                "CREATE SUBSCRIPTION s CONNECTION 'postgresql://ann:sesame@db/x' PUBLICATION p",
                "CREATE SUBSCRIPTION s CONNECTION 'postgresql:// (hidden)",
            ),
            (
                "DO $$BEGIN ALTER ROLE a PASSWORD 'sesame'; END$$",
                "DO $$BEGIN ALTER ROLE a PASSWORD (hidden)",
            ),
            (
                "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'sesame')",
                "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password (hidden)",
            ),
            (
                "SELECT dblink_connect('c', 'host=a password=sesame')",
                "SELECT dblink_connect('c', 'host=a password (hidden)",
            ),
            (
                "/* x */ alter role a encrypted Password E'ses' 'ame'",
                "/* x */ alter role a encrypted Password (hidden)",
            ),
        ] {
            let found = statements(sql);
            assert_eq!((found[0].text.as_str(), found[0].secret), (shown, true));
            assert!(!found[0].keys.iter().any(|key| key.contains("sesame")), "{found:?}");
        }
        assert!(!statements("SELECT 1 FROM users WHERE password = 'x'")[0].secret);
    }

    #[test]
    fn a_statement_is_as_strong_as_what_it_may_do() {
        for (sql, strength) in [
            ("begin", Strength::Session),
            ("SELECT 1", Strength::Read),
            ("SELECT 1 FROM t FOR UPDATE", Strength::Lock),
            ("WITH a AS (DELETE FROM t RETURNING 1) SELECT 1", Strength::Write),
            ("FETCH 1 FROM c", Strength::Lock),
            ("COPY t TO STDOUT", Strength::Read),
            ("COPY t FROM STDIN", Strength::Write),
            ("PREPARE TRANSACTION 'x'", Strength::Commit),
            ("end", Strength::Commit),
            ("ROLLBACK TO a", Strength::Rollback),
            ("VACUUM", Strength::Write),
        ] {
            assert_eq!(statements(sql)[0].strength, strength, "{sql}");
        }
    }

    #[test]
    fn finds_words_and_not_parts_of_them() {
        assert!(has_word("UPDATE t SET v = 2 WHERE id = 17", "17"));
        assert!(!has_word("UPDATE t SET v = 2 WHERE id = 170", "17"));
        assert!(!has_word("", ""));
    }
}
