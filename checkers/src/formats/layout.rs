//! Lines of one file look alike: where the fields of one stand, and what is
//! between them, is so in the next one too. So it is learned from a line and only
//! compared in those that follow, many bytes at a time; names are not looked up
//! again.

use super::plain::{Cursor, Field, Fields, PlainEvent};

/// Layouts that are kept: invocations may have other fields than completions.
const KEPT: usize = 4;

/// The layouts met last.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    known: Vec<Layout>,
    /// The one that fitted last.
    last: usize,
    /// The one to be forgotten next.
    oldest: usize,
}

impl Layouts {
    /// Reads a line with the fields in any order, with or without an index and
    /// a time; anything unusual gives none, and a reader of JSON must be asked.
    #[inline]
    pub(crate) fn read<'a>(&mut self, line: &'a [u8]) -> Option<PlainEvent<'a>> {
        let last = self.known.get(self.last).and_then(|layout| layout.read(line));
        if last.is_some() { last } else { self.other(line) }
    }

    fn other<'a>(&mut self, line: &'a [u8]) -> Option<PlainEvent<'a>> {
        for (at, layout) in self.known.iter().enumerate().filter(|(at, _)| *at != self.last) {
            if let Some(event) = layout.read(line) {
                self.last = at;
                return Some(event);
            }
        }
        let (layout, event) = Layout::learn(line)?;
        if self.known.len() < KEPT {
            self.last = self.known.len();
            self.known.push(layout);
        } else {
            self.last = self.oldest;
            self.known[self.oldest] = layout;
            self.oldest = (self.oldest + 1) % KEPT;
        }
        Some(event)
    }
}

/// What stands before each field, and behind the last.
#[derive(Debug, Default)]
struct Layout {
    fields: Vec<(Literal, Field)>,
    end: Literal,
}

impl Layout {
    fn learn(line: &[u8]) -> Option<(Self, PlainEvent<'_>)> {
        let mut layout = Self::default();
        let mut from = 0;
        let event = PlainEvent::read_loosely(line, |field, begin, end| {
            layout.fields.push((Literal::of(&line[from..begin]), field));
            from = end;
        })?;
        layout.end = Literal::of(&line[from..]);
        Some((layout, event))
    }

    #[inline]
    fn read<'a>(&self, line: &'a [u8]) -> Option<PlainEvent<'a>> {
        let mut cursor = Cursor { line, at: 0 };
        let mut fields = Fields::default();
        for (literal, field) in &self.fields {
            literal.step_over(&mut cursor)?;
            fields.read(*field, &mut cursor)?;
        }
        self.end.step_over(&mut cursor)?;
        fields.event().filter(|_| cursor.at == line.len())
    }
}

/// Bytes that stand in every line of a layout.
#[derive(Debug, Default)]
struct Literal {
    bytes: Box<[u8]>,
    /// The first sixteen of them, and which bits of those count.
    word: u128,
    mask: u128,
}

const WORD: usize = size_of::<u128>();

impl Literal {
    fn of(bytes: &[u8]) -> Self {
        let mut word = [0; WORD];
        let length = bytes.len().min(WORD);
        word[..length].copy_from_slice(&bytes[..length]);
        let mut mask = [0; WORD];
        mask[..length].fill(0xFF);
        let (word, mask) = (u128::from_le_bytes(word), u128::from_le_bytes(mask));
        Self { bytes: bytes.into(), word, mask }
    }

    #[inline]
    fn step_over(&self, cursor: &mut Cursor<'_>) -> Option<()> {
        let rest = &cursor.line[cursor.at..];
        let is_here = match rest.first_chunk::<WORD>() {
            // A comparison of any length is a call, which costs as much again.
            Some(chunk) if self.bytes.len() <= WORD => {
                u128::from_le_bytes(*chunk) & self.mask == self.word
            }
            _ => rest.starts_with(&self.bytes),
        };
        cursor.at += self.bytes.len();
        is_here.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(event: &PlainEvent<'_>) -> String {
        let PlainEvent { index, time, process, kind, f, key, value, version, timeline } = event;
        format!(
            "{index:?} {time:?} {process} {kind:?} {f} {key:?} {} {version:?} {timeline:?}",
            value.value()
        )
    }

    fn lines() -> impl Strategy<Value = String> {
        let field = prop::sample::select(vec![
            "\"process\": 3",
            "\"process\":12",
            "\"type\": \"ok\"",
            "\"type\":\"invoke\"",
            "\"f\": \"read\"",
            "\"f\":\"write\"",
            "\"value\": 5",
            "\"value\":null",
            "\"value\": \"a b\"",
            "\"value\": [1]",
            "\"value\": 1.5",
            "\"index\": 70",
            "\"time\":800",
            "\"node name of some length\": true",
            "\"error\": null",
            "\"key\":01",
        ]);
        let separator = prop::sample::select(vec![",", ", ", ",  ", ""]);
        (
            prop::collection::vec(field, 2..7),
            separator,
            prop::sample::select(vec!["}", " }", "}\r", "}x"]),
        )
            .prop_map(|(fields, separator, end)| format!("{{{}{end}", fields.join(separator)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        /// Whatever stood in the lines before, a line is read as it is without them.
        #[test]
        fn what_was_learned_changes_no_line(lines in prop::collection::vec(lines(), 1..12), order in prop::collection::vec(any::<prop::sample::Index>(), 20)) {
            let mut layouts = Layouts::default();
            for at in order {
                let line = &lines[at.index(lines.len())];
                let alone = PlainEvent::read_loosely(line.as_bytes(), |_, _, _| {});
                let learned = layouts.read(line.as_bytes());
                prop_assert_eq!(alone.as_ref().map(shown), learned.as_ref().map(shown), "{}", line);
            }
        }
    }

    #[test]
    fn a_line_like_the_last_is_read_by_its_layout() {
        let line = |n: u64| format!("{{\"type\": \"ok\", \"f\": \"read\", \"process\": {n}}}");
        let mut layouts = Layouts::default();
        assert!(layouts.read(line(7).as_bytes()).is_some());
        let next = line(123_456);
        let read = layouts.known[0].read(next.as_bytes()).expect("it looks the same");
        assert_eq!(read.process, 123_456);
        assert_eq!(layouts.known.len(), 1);
    }
}
