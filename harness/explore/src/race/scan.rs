use quarrel_checkers::{Key, Object, Value};

use super::{ParseRaceError, print::is_word};

/// Reads one line from left to right and knows the column.
pub(super) struct Scanner<'a> {
    line: usize,
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(line: usize, text: &'a str) -> Self {
        let mut scanner = Self { line, text, at: 0 };
        scanner.skip_space();
        scanner
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Where it stands, counted in characters from 1.
    pub(super) fn column(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    /// Complains that something else stands here.
    pub(super) fn expected(&self, expected: impl Into<String>) -> ParseRaceError {
        let found = match self.rest().split_whitespace().next() {
            None => "the end of the line".to_owned(),
            Some(word) => format!("`{word}`"),
        };
        ParseRaceError { line: self.line, column: self.column(), expected: expected.into(), found }
    }

    /// Reads `token` if it stands here: a word stands here only as a whole.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(token) else { return false };
        let ends_in_word = token.chars().next_back().is_some_and(char::is_alphanumeric);
        if ends_in_word && after.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '-') {
            return false;
        }
        self.skip(token.len());
        true
    }

    pub(super) fn need(&mut self, token: &str) -> Result<(), ParseRaceError> {
        if self.take(token) { Ok(()) } else { Err(self.expected(format!("`{token}`"))) }
    }

    /// Reads characters while `wanted` wants them.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.skip(end);
        &rest[..end]
    }

    /// A word without quotes, of letters, digits and `_-./@`.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, ParseRaceError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_word(&format!("a{c}"))).unwrap_or(rest.len());
        if end == 0 || !is_word(&rest[..end]) {
            return Err(self.expected(what));
        }
        self.skip(end);
        Ok(&rest[..end])
    }

    pub(super) fn number(&mut self, what: &str) -> Result<u64, ParseRaceError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..end].parse().map_err(|_| self.expected(what))?;
        self.skip(end);
        Ok(number)
    }

    pub(super) fn key(&mut self) -> Result<Key, ParseRaceError> {
        let what = "a key, which is a whole number below 4294967296";
        let error = self.expected(what);
        let key = self.number(what)?;
        u32::try_from(key).map(|key| Key(key.into())).map_err(|_| error)
    }

    pub(super) fn version(&mut self) -> Result<u64, ParseRaceError> {
        let what = "a version, such as v2";
        if !self.rest().starts_with('v') {
            return Err(self.expected(what));
        }
        self.at += 1;
        self.number(what)
    }

    pub(super) fn value(&mut self) -> Result<Value, ParseRaceError> {
        let what = "a value: a word, a whole number, a text in quotes or nil";
        if self.rest().starts_with('"') {
            return self.quoted().map(|text| Value::from(text.as_str()));
        }
        let rest = self.rest();
        if let Some(digits) = rest.strip_prefix('-') {
            let end = digits.find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| at + 1);
            let number = rest[..end].parse().map_err(|_| self.expected(what))?;
            self.skip(end);
            return Ok(Value::Int(number));
        }
        let word = self.word(what)?;
        Ok(match word.parse::<i64>() {
            Ok(number) => Value::Int(number),
            Err(_) if word == "nil" => Value::Nil,
            Err(_) => Value::from(word),
        })
    }

    pub(super) fn quoted(&mut self) -> Result<String, ParseRaceError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.skip(at + 1);
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.expected("a text that ends with a quote"))
    }

    /// `1`, `marker:1`, `1:v3`, `marker:1:v3`.
    pub(super) fn object(&mut self) -> Result<Object, ParseRaceError> {
        let what = "an object, such as 1, marker:1 or 1:v3";
        let space = if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            String::new()
        } else {
            let rest = self.rest();
            let end = rest.find(':').filter(|&end| end > 0 && is_word(&rest[..end]));
            let end = end.ok_or_else(|| self.expected(what))?;
            self.at += end + 1;
            rest[..end].to_owned()
        };
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let key: u32 = rest[..end].parse().map_err(|_| self.expected(what))?;
        self.at += end;
        let version = if self.rest().starts_with(":v") {
            self.at += 1;
            Some(self.version()?)
        } else {
            self.skip_space();
            None
        };
        Ok(Object { space: space.into(), key: Key(key.into()), version })
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.skip_space();
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }
}
