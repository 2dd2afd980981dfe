//! Histories drawn as they are drawn on paper.
//!
//! ```text
//! A: [w1@1]  [w2@2]
//! B:                  [r1]
//! C:    [c1>3?]              [7:r nil]
//! ```
//!
//! A line is a process, from 0, whatever name stands before the colon. A
//! bracket opens where an operation begins and closes where it ends; a column
//! is a millisecond, counted from the colon, and everything in one column is
//! concurrent. Inside stand
//! an optional key and a colon (key 0 if there is none), `r`, `w` or `c` for
//! read, write and compare-and-set (`old>new`), the value (`nil`, a whole
//! number or a word), `@` and the version, behind a version perhaps `t` and the
//! primary's timeline, and `?` if the outcome is unknown or
//! `!` if it surely failed. Spaces stretch an operation. A bracket that never
//! closes is an operation that never completed. Text behind `#` is a comment.
//!
//! ```
//! use quarrel_checkers::{Guarantee, JudgeOptions, Validity, judge, notation};
//!
//! let history = notation::parse(
//!     "A: [w1]  [w2]
//!      B:             [r1]  # two has been acknowledged
//!     ",
//! )?;
//! let judgement = judge(&history, &[], &JudgeOptions::default());
//! assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
//! # Ok::<(), notation::NotationError>(())
//! ```

use crate::{Event, F, History, Index, Key, Kind, Op, Process, Time, Value};

/// The text is no history in the notation. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: expected {expected}")]
pub struct NotationError {
    /// Where.
    pub line: usize,
    /// Where in it.
    pub column: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

/// Reads a drawing.
///
/// # Errors
///
/// Where it is not as the [module](self) says.
pub fn parse(text: &str) -> Result<History, NotationError> {
    let mut events: Vec<(usize, Kind, u64, Event)> = Vec::new();
    let mut process = 0;
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        let fail = |column: usize, expected| NotationError { line: at + 1, column, expected };
        let colon = line.find(':').ok_or_else(|| fail(1, "a name and a colon"))?;
        if line[..colon].contains('[') {
            return Err(fail(1, "a name and a colon"));
        }
        let mut from = colon + 1;
        while let Some(open) = line[from..].find('[').map(|n| from + n) {
            reject(&line[from..open], from).map_err(|column| fail(column, "a bracket"))?;
            let close = line[open..].find(']').map(|n| open + n);
            let inside = &line[open + 1..close.unwrap_or(line.len())];
            let (kind, asked, answered, timeline) = operation(inside)
                .ok_or_else(|| fail(open + 2, "an operation, as in w1 or 7:r2@3"))?;
            let process = Process::Client(process);
            let mut push = |column: usize, kind, op, timeline| {
                let column = column - colon;
                let time = Time::from_millis(column as u64);
                let index = Index(0);
                let event = Event { index, time, process, kind, op, timeline, error: None };
                events.push((column, kind, at as u64, event));
            };
            push(open, Kind::Invoke, asked, None);
            if let Some(close) = close {
                push(close, kind, answered, timeline);
            }
            from = close.map_or(line.len(), |close| close + 1);
        }
        reject(&line[from..], from).map_err(|column| fail(column, "a bracket"))?;
        process += 1;
    }
    // Invocations come before completions of the same instant.
    events.sort_by_key(|&(column, kind, line, _)| (column, kind != Kind::Invoke, line));
    let mut history = History::default();
    for (.., event) in events {
        history.push(event.time, event.process, event.kind, event.op, event.error);
        if let Some(timeline) = event.timeline {
            history.on_timeline(timeline);
        }
    }
    Ok(history)
}

/// The column, from 1, of something else than spaces.
fn reject(between: &str, from: usize) -> Result<(), usize> {
    between.find(|c: char| !c.is_whitespace()).map_or(Ok(()), |at| Err(from + at + 1))
}

/// What stands in a bracket: how it ended, the invocation, the completion, and
/// the timeline.
fn operation(text: &str) -> Option<(Kind, Op, Op, Option<u32>)> {
    let text = text.trim();
    let (key, text) = text.split_once(':').unwrap_or(("0", text));
    let key = Key(key.trim().parse().ok()?);
    let (kind, text) = match text.trim() {
        text if text.ends_with('?') => (Kind::Info, text.trim_end_matches('?')),
        text if text.ends_with('!') => (Kind::Fail, text.trim_end_matches('!')),
        text => (Kind::Ok, text),
    };
    let (text, version) = match text.trim().split_once('@') {
        Some((text, version)) => (text, Some(version.trim())),
        None => (text.trim(), None),
    };
    let (version, timeline) = match version.map(|version| version.split_once('t')) {
        Some(Some((version, timeline))) => (Some(version), Some(timeline.parse().ok()?)),
        _ => (version, None),
    };
    let version = match version {
        None => None,
        Some("") if timeline.is_some() => None,
        Some(number) => Some(number.parse().ok()?),
    };
    let mut characters = text.chars();
    let f = match characters.next()? {
        'r' => F::Read,
        'w' => F::Write,
        'c' => F::Cas,
        _ => return None,
    };
    let text = characters.as_str().trim();
    let value = if f == F::Cas {
        let (old, new) = text.split_once('>')?;
        Value::List([value(old)?, value(new)?].into())
    } else {
        value(text)?
    };
    let op = |value| Op { f: f.clone(), key: Some(key), value, version: None };
    let asked = op(if f == F::Read { Value::Nil } else { value.clone() });
    let answered = Op { version, ..op(value) };
    Some((kind, asked, answered, timeline))
}

fn value(text: &str) -> Option<Value> {
    let text = text.trim();
    match text {
        "nil" => Some(Value::Nil),
        _ if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '-') => {
            Some(text.parse().map_or_else(|_| Value::from(text), Value::Int))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_says() {
        let history = parse("A: [w1@4]\nB:   [7:r nil ]  [c1>x?]  [w2").unwrap();
        let lines: Vec<String> = history
            .events
            .iter()
            .map(|e| {
                format!(
                    "{} {} {:?} {} {}",
                    e.time.0 / 1_000_000,
                    e.process,
                    e.kind,
                    e.op.f,
                    e.op.value
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "2 0 Invoke write 1",
                "4 1 Invoke read nil",
                "7 0 Ok write 1",
                "13 1 Ok read nil",
                "16 1 Invoke cas [1 x]",
                "22 1 Info cas [1 x]",
                "25 1 Invoke write 2",
            ]
        );
        assert_eq!(history.events[2].op.version, Some(4));
        assert_eq!(history.events[1].op.key, Some(Key(7)));
        assert!(history.operations().is_ok());
    }

    /// One line for each operation: what was asked, how it ended, what came back.
    fn told(drawing: &str) -> Vec<String> {
        let history = parse(drawing).unwrap();
        let shown = |event: &Event| match event.op.version {
            Some(version) => format!("{}@{version}", event.op.value),
            None => event.op.value.to_string(),
        };
        let mut told = Vec::new();
        for operation in history.operations().unwrap() {
            let asked = &history.events[operation.invoke.position()];
            let end = operation.complete.map(|end| &history.events[end.position()]);
            let end =
                end.map_or_else(|| "open".to_owned(), |e| format!("{:?} {}", e.kind, shown(e)));
            let key = asked.op.key.map_or(0, |key| key.0);
            told.push(format!("{} {key} {}: {end}", asked.op.f, shown(asked)));
        }
        told
    }

    #[test]
    fn every_form_of_an_operation_is_understood() {
        let all = "A: [w1] [w-2@3] [3:wabc?] [w4!] [r1] [r nil] [ r nil@0 ] [7: r5@6] [c1>2] [c1>2!]\n\
                   # nothing\n\nB: [c nil>a-b?] # [w9]\nC: [w5";
        assert_eq!(
            told(all),
            [
                "write 0 1: Ok 1",
                "cas 0 [nil a-b]: Info [nil a-b]",
                "write 0 5: open",
                "write 0 -2: Ok -2@3",
                "write 3 abc: Info abc",
                "write 0 4: Fail 4",
                "read 0 nil: Ok 1",
                "read 0 nil: Ok nil",
                "read 0 nil: Ok nil@0",
                "read 7 nil: Ok 5@6",
                "cas 0 [1 2]: Ok [1 2]",
                "cas 0 [1 2]: Fail [1 2]",
            ]
        );
    }

    #[test]
    fn says_where_it_is_wrong() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(error("A [w1]"), "line 1, column 1: expected a name and a colon");
        assert_eq!(error("A: [w1] x"), "line 1, column 9: expected a bracket");
        assert_eq!(error("A:  x [w1]"), "line 1, column 5: expected a bracket");
        assert_eq!(error("A [w1]: [w1]"), "line 1, column 1: expected a name and a colon");
        for wrong in ["[]", "[w]", "[w1.5]", "[x:w1]", "[w1@x]", "[c1]", "[c1>]", "[r]"] {
            let expected = "expected an operation, as in w1 or 7:r2@3";
            assert_eq!(error(&format!("A: {wrong}")), format!("line 1, column 5: {expected}"));
        }
        assert_eq!(
            error("\nA: [q1]"),
            "line 2, column 5: expected an operation, as in w1 or 7:r2@3"
        );
    }
}
