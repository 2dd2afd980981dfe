//! `jepsen.log` and `history.txt`.
//!
//! Four forms of log lines are known, differing in what stands before the
//! operation; the operation itself is always process, type, function, value
//! and perhaps an error, between tabs or spaces. So whatever logger wrote the
//! line, the operation begins at a process that is followed by a type.

use super::{ImportError, edn::Reader, form::Form, jepsen::Reading, operation::RawOp};

const TYPES: [&str; 4] = [":invoke", ":ok", ":fail", ":info"];

/// Reads the operations out of a log; other lines are counted and left out.
pub(super) fn parse(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    for (number, line) in text.lines().enumerate() {
        let message = message(line);
        let line = message.as_deref().unwrap_or(line);
        match start(line) {
            Some(at) => columns(line, at, number + 1, reading)?,
            None => reading.skip_line(line, number + 1),
        }
    }
    Ok(())
}

/// Reads columns of text; every line is an operation.
pub(super) fn parse_columns(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    for (number, line) in text.lines().enumerate() {
        if !line.trim().is_empty() {
            columns(line, 0, number + 1, reading)?;
        }
    }
    Ok(())
}

/// Whether a line of structured logging holds an operation.
pub(super) fn is_operation(line: &[u8]) -> bool {
    let text = std::str::from_utf8(line).ok();
    text.and_then(message).is_some_and(|message| start(&message).is_some())
}

/// Longer lines are no structured logging: as a tree they would take many times
/// their length.
const MOST_STRUCTURED: usize = 1 << 20;

/// The message of a line of structured logging.
fn message(line: &str) -> Option<String> {
    if line.len() > MOST_STRUCTURED || !line.trim_start().starts_with('{') {
        return None;
    }
    let json: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(json.get("message")?.as_str()?.to_owned())
}

/// Where the process stands that is followed by a type.
fn start(line: &str) -> Option<usize> {
    let mut previous: Option<(usize, &str)> = None;
    let mut from = 0;
    for token in line.split([' ', '\t']) {
        let at = from;
        from += token.len() + 1;
        if token.is_empty() {
            continue;
        }
        if TYPES.contains(&token) {
            return previous.filter(|(_, process)| is_process(process)).map(|(at, _)| at);
        }
        previous = Some((at, token));
    }
    None
}

fn is_process(token: &str) -> bool {
    token == ":nemesis" || token.bytes().all(|b| b.is_ascii_digit())
}

/// Reads an operation from the columns of a line.
fn columns(line: &str, at: usize, number: usize, reading: &mut Reading) -> Result<(), ImportError> {
    let here = |error: ImportError| ImportError { line: number, ..error };
    let mut reader = Reader::within(line, &reading.room);
    reader.at = at;
    let mut fields = Vec::new();
    while fields.len() < 5 {
        reader.skip_space(0).map_err(here)?;
        if reader.peek().is_none() {
            break;
        }
        let field = reader.at;
        match reader.form(0) {
            Ok(form) => fields.push(form),
            // An error is free text and need not be EDN.
            Err(_) if fields.len() == 4 => {
                fields.push(Form::Text(line[field..].trim().to_owned()));
                break;
            }
            Err(error) => return Err(here(error)),
        }
    }
    let mut fields = fields.into_iter();
    let mut next = || fields.next();
    let op = RawOp {
        process: next().as_ref().map(Form::value),
        kind: next().as_ref().map(Form::value),
        f: next().as_ref().map(Form::value),
        value: next().as_ref().map(Form::value).unwrap_or_default(),
        error: next().filter(|form| !form.is_nil()).as_ref().map(Form::print),
        ..RawOp::default()
    };
    reading.push(op, &|| (number, at + 1))
}
