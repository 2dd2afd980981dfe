//! What must hold for any bytes, whoever sends them: no scanner panics or
//! stands still, and what it hands out is what it was given.
//!
//! An input is a list of records: a byte of flags (bit 0: from the server; bit
//! 1: somebody asks what messages say; bit 2: a request that waits for more is
//! handed out; bit 3: messages are followed where they lie, if nobody asks), the
//! length of what follows in two bytes, and that.

use super::{
    Expects, Framing, Lost, Part, Pending, Place, Protocol, Rest, Scanner, Session, Sought,
};
use crate::attend::WireValue;
use crate::toxic::Stream;

/// One direction.
struct Side {
    stream: Stream,
    scanner: Option<Scanner>,
    given: Vec<u8>,
    passed: Vec<u8>,
    within: Option<u64>,
}

/// Whether messages are followed where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InPlace {
    Yes,
    No,
}

/// Goes over an input.
///
/// # Panics
///
/// If what must hold does not.
pub(crate) fn check(protocol: Protocol, mut input: &[u8]) {
    let mut session = Session::new();
    let mut sides = Stream::BOTH.map(|stream| Side {
        stream,
        scanner: Some(Scanner::new(protocol, stream)),
        given: Vec::new(),
        passed: Vec::new(),
        within: None,
    });
    while let Some((&[flags, high, low], rest)) = input.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (data, rest) = rest.split_at(len);
        input = rest;
        let side = &mut sides[usize::from(flags & 1)];
        session.wanted = flags & 2 != 0;
        let in_place = if flags & 10 == 8 { InPlace::Yes } else { InPlace::No };
        side.feed(data, in_place, &mut session);
        if flags & 4 != 0 {
            side.cut_short(&mut session);
        }
    }
    for mut side in sides {
        side.stop();
        assert_eq!(side.passed, side.given, "bytes of {:?} changed", side.stream);
    }
}

impl Side {
    fn feed(&mut self, data: &[u8], in_place: InPlace, session: &mut Session) {
        self.given.extend_from_slice(data);
        let Some(scanner) = &mut self.scanner else {
            return self.passed.extend_from_slice(data);
        };
        let may_lie = self.within.is_none() && scanner.is_fresh();
        if in_place == InPlace::Yes && may_lie && *session.framing() == Framing::Followed {
            let mut all = vec![0; scanner.kept()];
            scanner.copy_kept(&mut all);
            all.extend_from_slice(data);
            let followed = scanner.follow(&all, session, &Sought::default());
            session.skipped.clear();
            self.passed.extend_from_slice(&all[..followed.passed]);
            if followed.rest == Rest::Waits {
                return;
            }
        } else {
            scanner.feed(data);
        }
        // A part has at least one byte, but for a few that only say something.
        for _ in 0..2 * self.given.len() + 16 {
            if matches!(session.framing(), Framing::Lost(_)) {
                return self.stop();
            }
            let Some(scanner) = &mut self.scanner else { return };
            match scanner.next(session) {
                Ok(None) => return,
                Ok(Some(part)) => self.take(part, session),
                Err(Lost(reason)) => {
                    session.lose(reason);
                    self.stop();
                }
            }
            session.skipped.clear();
        }
        panic!("the scanner stands still");
    }

    fn cut_short(&mut self, session: &mut Session) {
        if let Some(part) = self.scanner.as_mut().and_then(Scanner::cut_short) {
            self.take(part, session);
        }
    }

    fn stop(&mut self) {
        if let Some(mut scanner) = self.scanner.take() {
            self.passed.extend_from_slice(&scanner.take_rest());
        }
    }

    fn take(&mut self, part: Part, session: &mut Session) {
        self.passed.extend_from_slice(&part.data);
        // What is told of replies is read from whatever there is.
        drop(WireValue::parse(&part.data));
        drop(crate::attend::outcomes(&part.data));
        if part.place == Place::Between {
            return;
        }
        let last = part.place == Place::Last;
        if self.stream == Stream::Downstream {
            if last {
                session.answered(part.run);
            }
            return;
        }
        let begins = self.within.is_none();
        let ordinal = self.within.unwrap_or_else(|| session.number(part.run));
        self.within = (!last).then_some(ordinal);
        if begins {
            session.ask(Pending {
                ordinal,
                command: part.commands.into_iter().next().unwrap_or_default(),
                expects: part.expects,
                run: part.run,
                ..Pending::default()
            });
        } else if part.group.is_some() && last && part.expects != Expects::Nothing {
            session.close(ordinal, part.expects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    /// Recorded conversations of real clients and servers.
    fn corpus(protocol: Protocol) -> Vec<(PathBuf, Vec<u8>)> {
        let name = match protocol {
            Protocol::Redis => "redis",
            Protocol::Postgres => "postgres",
        };
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        let files = std::fs::read_dir(folder).expect("it is part of the source");
        let mut paths: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
        paths.sort();
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).expect("readable");
            (path, bytes)
        };
        paths.into_iter().map(read).collect()
    }

    #[test]
    fn recorded_conversations_are_followed_to_their_ends() {
        for protocol in [Protocol::Redis, Protocol::Postgres] {
            let all = corpus(protocol);
            assert!(all.len() >= 8, "{protocol:?}: {}", all.len());
            for (_, bytes) in all {
                check(protocol, &bytes);
                check(protocol, &in_place(bytes));
            }
        }
    }

    /// The same with nobody asking, and messages followed where they lie.
    fn in_place(mut input: Vec<u8>) -> Vec<u8> {
        let mut at = 0;
        while let Some(&[flags, high, low]) = input.get(at..at + 3) {
            input[at] = flags & !2 | 8;
            at += 3 + usize::from(u16::from_be_bytes([high, low]));
        }
        input
    }

    /// A way to damage an input.
    #[derive(Debug, Clone)]
    enum Damage {
        Byte(prop::sample::Index, u8),
        Cut(prop::sample::Index),
        Twice(prop::sample::Index, prop::sample::Index),
        Leave(prop::sample::Index, prop::sample::Index),
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let at = any::<prop::sample::Index>;
        prop_oneof![
            4 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
            1 => at().prop_map(Damage::Cut),
            2 => (at(), at()).prop_map(|(from, to)| Damage::Twice(from, to)),
            2 => (at(), at()).prop_map(|(from, to)| Damage::Leave(from, to)),
        ]
    }

    fn apply(input: &mut Vec<u8>, damage: &Damage) {
        if input.is_empty() {
            return;
        }
        let range = |from: &prop::sample::Index, to: &prop::sample::Index| {
            let (from, to) = (from.index(input.len()), to.index(input.len()));
            from.min(to)..from.max(to)
        };
        match damage {
            Damage::Byte(at, byte) => {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            Damage::Cut(at) => input.truncate(at.index(input.len())),
            Damage::Twice(from, to) => {
                let range = range(from, to);
                let copy = input[range.clone()].to_vec();
                input.splice(range.end..range.end, copy);
            }
            Damage::Leave(from, to) => drop(input.drain(range(from, to))),
        }
        input.truncate(64 << 10);
    }

    fn cases() -> u32 {
        let asked = std::env::var("FUZZ_CASES").ok();
        asked.map_or(2_000, |cases| cases.parse().expect("FUZZ_CASES is a number"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(cases()))]

        /// `FUZZ_CASES=1000000` for as many.
        #[test]
        fn damaged_conversations_neither_break_nor_change(
            postgres in any::<bool>(),
            which in any::<prop::sample::Index>(),
            damages in prop::collection::vec(damage(), 1..12),
        ) {
            let protocol = if postgres { Protocol::Postgres } else { Protocol::Redis };
            let all = corpus(protocol);
            let mut input = all[which.index(all.len())].1.clone();
            for damage in &damages {
                apply(&mut input, damage);
            }
            check(protocol, &input);
            check(protocol, &in_place(input));
        }

        #[test]
        fn any_bytes_neither_break_nor_change(
            postgres in any::<bool>(),
            input in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            check(if postgres { Protocol::Postgres } else { Protocol::Redis }, &input);
        }
    }
}
