//! Extensible Data Notation (github.com/edn-format/edn), as much as
//! histories use: comments, discarded forms, metadata, tags, sets, ratios.

use super::{
    ImportError,
    form::Form,
    jepsen::Reading,
    operation::RawOp,
    position,
    room::{FULL, Room},
};
use crate::Value;

/// Deeper nesting is no history.
const MAX_DEPTH: usize = 64;

/// Bytes that a form takes while it is read: in a list that may have doubled its
/// room for it, and as the value that it becomes.
const FORM: usize = 2 * size_of::<Form>() + 2 * size_of::<Value>() + 32;

/// Reads a history: maps one after the other, or in one list or vector.
pub(super) fn parse(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    let mut reader = Reader::within(text, &reading.room);
    let mut opened = None;
    loop {
        reader.skip_space(0)?;
        let at = reader.at;
        match (reader.peek(), opened) {
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                return Err(reader.fail("expected another operation or the end of the list"));
            }
            (Some(b'(' | b'['), None) => {
                opened = Some(if reader.peek() == Some(b'(') { b')' } else { b']' });
                reader.at += 1;
            }
            (Some(close), Some(expected)) if close == expected => {
                reader.at += 1;
                opened = None;
            }
            _ => {
                let form = reader.form(0)?;
                let here = || position(&text.as_bytes()[..at]);
                let Some(op) = RawOp::of(&form) else {
                    let (line, column) = here();
                    let problem =
                        format!("expected the map of an operation, found {}", form.print());
                    return Err(ImportError { line, column, problem });
                };
                reading.push(op, &here)?;
            }
        }
    }
}

/// Reads forms from a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) at: usize,
    room: Room,
}

impl<'a> Reader<'a> {
    pub(super) fn within(text: &'a str, room: &Room) -> Self {
        Self { text, at: 0, room: room.clone() }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn fail(&self, problem: impl Into<String>) -> ImportError {
        let (line, column) = position(&self.text.as_bytes()[..self.at]);
        ImportError { line, column, problem: problem.into() }
    }

    /// Skips white space, commas, comments and discarded forms.
    pub(super) fn skip_space(&mut self, depth: usize) -> Result<(), ImportError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with(';') {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("#_") {
                self.at += 2;
                self.form(depth + 1)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Reads one form.
    pub(super) fn form(&mut self, depth: usize) -> Result<Form, ImportError> {
        if depth > MAX_DEPTH {
            return Err(self.fail(format!("expected no more than {MAX_DEPTH} nested forms")));
        }
        self.skip_space(depth)?;
        if !self.room.pass(FORM) {
            return Err(self.fail(FULL));
        }
        match self.peek() {
            None => Err(self.fail("expected a form, found the end of the text")),
            Some(b'(') => self.sequence(b')', depth),
            Some(b'[') => self.sequence(b']', depth),
            Some(b'{') => self.map(depth),
            Some(b'"') => {
                let text = self.string()?;
                // Once more as a value.
                match self.room.pass(2 * text.len()) {
                    true => Ok(Form::Text(text)),
                    false => Err(self.fail(FULL)),
                }
            }
            Some(b'#') => self.dispatch(depth),
            Some(b'^') => {
                self.at += 1;
                self.form(depth + 1)?;
                self.form(depth + 1)
            }
            Some(b'\\') => {
                let length = self.rest()[1..].chars().next().map_or(1, |c| 1 + c.len_utf8());
                let rest = &self.rest()[length..];
                let name = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                let text = &self.rest()[..length + name];
                self.at += length + name;
                Ok(Form::Other(text.to_owned()))
            }
            Some(b')' | b']' | b'}') => Err(self.fail("expected a form, found a closing bracket")),
            Some(_) => self.atom(),
        }
    }

    fn sequence(&mut self, close: u8, depth: usize) -> Result<Form, ImportError> {
        self.items(close, depth).map(Form::Sequence)
    }

    /// The forms up to the closing bracket; stands on the opening one.
    fn items(&mut self, close: u8, depth: usize) -> Result<Vec<Form>, ImportError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space(depth)?;
            match self.peek() {
                Some(c) if c == close => {
                    self.at += 1;
                    return Ok(items);
                }
                None => {
                    let close = char::from(close);
                    return Err(self.fail(format!("expected `{close}`, found the end of the text")));
                }
                Some(_) => items.push(self.form(depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Form, ImportError> {
        let start = self.at;
        let items = self.items(b'}', depth)?;
        if items.len() % 2 == 1 {
            self.at = start;
            return Err(self.fail("expected a value for every key of this map"));
        }
        let mut pairs = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            pairs.push((key, value));
        }
        Ok(Form::Map(pairs))
    }

    /// A set, or a tag in front of a form, which is what counts.
    fn dispatch(&mut self, depth: usize) -> Result<Form, ImportError> {
        self.at += 1;
        match self.peek() {
            Some(b'{') => self.sequence(b'}', depth),
            Some(b'#') => self.atom(),
            _ => {
                let rest = self.rest();
                let end = rest.find(is_delimiter).unwrap_or(rest.len());
                if end == 0 {
                    return Err(self.fail("expected the name of a tag"));
                }
                self.at += end;
                self.form(depth + 1)
            }
        }
    }

    fn string(&mut self) -> Result<String, ImportError> {
        let start = self.at;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = characters.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 'u')) => {
                        let digits: String = characters.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        self.at = start;
        Err(self.fail("expected a quotation mark at the end of this text"))
    }

    fn atom(&mut self) -> Result<Form, ImportError> {
        let rest = self.rest();
        let end = rest.find(is_delimiter).unwrap_or(rest.len());
        let token = &rest[..end];
        if token.is_empty() {
            return Err(self.fail("expected a form"));
        }
        self.at += end;
        Ok(match token {
            "nil" => Form::Nil,
            "true" => Form::Bool(true),
            "false" => Form::Bool(false),
            _ => match (token.strip_prefix(':'), token.trim_end_matches('N').parse()) {
                (Some(name), _) => Form::Keyword(name.to_owned()),
                (None, Ok(number)) => Form::Int(number),
                (None, Err(_)) => Form::Other(token.to_owned()),
            },
        })
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';')
}
