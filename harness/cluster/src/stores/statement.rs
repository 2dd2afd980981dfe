//! How a statement reaches Postgres.

use std::{fmt::Write as _, sync::Arc};

use smallvec::SmallVec;
use sqlx::{
    AssertSqlSafe,
    postgres::{PgConnection, PgRow},
};

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Prepared once a connection, under a name. The connection must lead to
    /// one server as long as it stands.
    Prepared,
    /// Each as one message, its arguments written out. What stands between us
    /// and the server may give every transaction another server (a pooler in
    /// transaction mode), and a statement that was prepared on one of them
    /// would be unknown, or another client's, on the next.
    Whole,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
enum Argument {
    Number(i64),
    Numbers(Vec<i64>),
    Text(String),
    Texts(Vec<String>),
}

/// One statement with its arguments, ready to be sent.
pub(super) struct Statement {
    /// With `$1`, `$2`, … where arguments belong, and no other dollar.
    template: Arc<str>,
    sending: Sending,
    arguments: SmallVec<[Argument; 4]>,
}

impl Statement {
    pub(super) fn new(template: &Arc<str>, sending: Sending) -> Self {
        Self { template: Arc::clone(template), sending, arguments: SmallVec::new() }
    }

    pub(super) fn number(mut self, number: i64) -> Self {
        self.arguments.push(Argument::Number(number));
        self
    }

    pub(super) fn numbers(mut self, numbers: Vec<i64>) -> Self {
        self.arguments.push(Argument::Numbers(numbers));
        self
    }

    pub(super) fn text(mut self, text: String) -> Self {
        self.arguments.push(Argument::Text(text));
        self
    }

    pub(super) fn texts(mut self, texts: Vec<String>) -> Self {
        self.arguments.push(Argument::Texts(texts));
        self
    }

    /// Sends it and returns all its rows.
    pub(super) async fn rows(
        self,
        connection: &mut PgConnection,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        if self.sending == Sending::Whole {
            let text = written_out(&self.template, &self.arguments)?;
            return sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(connection).await;
        }
        let mut query = sqlx::query(AssertSqlSafe(self.template));
        for argument in self.arguments {
            query = match argument {
                Argument::Number(number) => query.bind(number),
                Argument::Numbers(numbers) => query.bind(numbers),
                Argument::Text(text) => query.bind(text),
                Argument::Texts(texts) => query.bind(texts),
            };
        }
        query.fetch_all(connection).await
    }

    /// Sends it and returns its only row, if it has one.
    pub(super) async fn row(
        self,
        connection: &mut PgConnection,
    ) -> Result<Option<PgRow>, sqlx::Error> {
        Ok(self.rows(connection).await?.into_iter().next())
    }
}

/// The statement with its arguments in place.
fn written_out(template: &str, arguments: &[Argument]) -> Result<String, sqlx::Error> {
    let mut parts = template.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at(digits);
        let number: usize = number.parse().map_err(|_| fault("a dollar without a number"))?;
        let argument = number.checked_sub(1).and_then(|at| arguments.get(at));
        write_literal(&mut text, argument.ok_or_else(|| fault("an argument is missing"))?)?;
        text.push_str(rest);
    }
    Ok(text)
}

fn write_literal(text: &mut String, argument: &Argument) -> Result<(), sqlx::Error> {
    match argument {
        // In brackets: a minus sign must not meet an operator.
        Argument::Number(number) => write!(text, "({number})").expect("a String takes all text"),
        Argument::Numbers(numbers) => {
            let list: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            write!(text, "'{{{}}}'", list.join(",")).expect("a String takes all text");
        }
        Argument::Text(value) => text.push_str(&literal(value)?),
        Argument::Texts(values) => {
            let quote = |value: &String| {
                format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
            };
            let list: Vec<_> = values.iter().map(quote).collect();
            text.push_str(&literal(&format!("{{{}}}", list.join(",")))?);
        }
    }
    Ok(())
}

/// A text as a literal that means the same whatever the session's
/// `standard_conforming_strings` says.
fn literal(value: &str) -> Result<String, sqlx::Error> {
    if value.contains('\0') {
        // It would end the message there.
        return Err(fault("a text with a NUL, which Postgres cannot hold"));
    }
    Ok(format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''")))
}

fn fault(why: &str) -> sqlx::Error {
    sqlx::Error::Encode(why.into())
}

#[cfg(test)]
mod tests {
    use super::{Argument, literal, written_out};

    #[test]
    fn arguments_stand_where_their_numbers_are() {
        let arguments = [Argument::Number(-7), Argument::Text("a".to_owned())];
        let text = written_out("SELECT $2::text, $1::bigint - $1", &arguments).unwrap();
        assert_eq!(text, "SELECT E'a'::text, (-7)::bigint - (-7)");
        let ids = [Argument::Numbers(vec![1, 2])];
        assert_eq!(written_out("= ANY($1::bigint[])", &ids).unwrap(), "= ANY('{1,2}'::bigint[])");
    }

    #[test]
    fn no_text_ends_its_place_in_a_list() {
        let texts = ["a", "\",\"", "\\", "'", "null"].map(ToOwned::to_owned).to_vec();
        let text = written_out("$1::text[]", &[Argument::Texts(texts)]).unwrap();
        let list = r#"E'{"a","\\",\\"","\\\\","\'\'","null"}'::text[]"#.replace("\\'", "'");
        assert_eq!(text, list);
    }

    #[test]
    fn no_text_ends_its_literal() {
        assert_eq!(literal("x'; DROP TABLE y; --").unwrap(), "E'x''; DROP TABLE y; --'");
        assert_eq!(literal("\\'").unwrap(), "E'\\\\'''");
        assert_eq!(literal("$1").unwrap(), "E'$1'");
        assert!(literal("a\0b").is_err());
    }

    #[test]
    fn a_value_that_looks_like_an_argument_stays_a_value() {
        let arguments = [Argument::Text("$2".to_owned()), Argument::Number(3)];
        assert_eq!(written_out("$1 $2", &arguments).unwrap(), "E'$2' (3)");
    }

    #[test]
    fn a_missing_argument_is_an_error() {
        assert!(written_out("$1", &[]).is_err());
        assert!(written_out("$0", &[Argument::Number(1)]).is_err());
    }
}
