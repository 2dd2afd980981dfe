//! Random requests and replies of both protocols.

use super::tests::*;
use super::*;
use crate::toxic::Stream;

/// A request of Redis and an answer to it.
fn exchange() -> impl proptest::strategy::Strategy<Value = (Vec<u8>, Vec<u8>)> {
    use proptest::prelude::*;
    let packed = |words: Vec<Vec<u8>>| {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            out.extend(format!("${}\r\n", word.len()).bytes());
            out.extend(word);
            out.extend(b"\r\n");
        }
        out
    };
    let name = prop::sample::select(vec!["GET", "set", "CLIENT", "hello", "AUTH", "XSUBSCRIB"]);
    let word = prop_oneof![
        9 => prop::collection::vec(prop::sample::select(b"\r\n$*a+".to_vec()), 0..12),
        1 => Just(vec![b'v'; LARGEST_HEAD + 7]),
    ];
    let ask = (name, prop::collection::vec(word.clone(), 0..4))
        .prop_map(move |(name, words)| packed([vec![name.as_bytes().to_vec()], words].concat()));
    let ask = prop_oneof![9 => ask, 1 => Just(b"PING\r\n".to_vec())];
    let leaf = prop_oneof![
        Just(b"+OK\r\n".to_vec()),
        Just(b"-ERR no\r\n".to_vec()),
        Just(b":12\r\n".to_vec()),
        Just(b"$-1\r\n".to_vec()),
        Just(b"*0\r\n".to_vec()),
        Just(b"_\r\n".to_vec()),
        word.prop_map(|word| {
            [format!("${}\r\n", word.len()).as_bytes(), &word, b"\r\n"].concat()
        }),
    ];
    let answer = leaf.prop_recursive(5, 12, 3, |inner| {
        prop::collection::vec(inner, 0..3)
            .prop_map(|all| [format!("*{}\r\n", all.len()).into_bytes(), all.concat()].concat())
    });
    (ask, answer)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// However the bytes come, and whoever asks when, each request has its
    /// answer, and no byte changes.
    #[test]
    fn requests_and_replies_stay_paired(
        exchanges in proptest::collection::vec(exchange(), 1..20),
        sizes in proptest::collection::vec((1_usize..200, proptest::bool::ANY), 1..50),
    ) {
        let mut session = Session::new();
        let mut replied = 0;
        let mut asked = 0;
        for stream in [Stream::Upstream, Stream::Downstream] {
            let bytes: Vec<u8> = exchanges
                .iter()
                .flat_map(|(ask, answer)| match stream {
                    Stream::Upstream => ask.clone(),
                    Stream::Downstream => answer.clone(),
                })
                .collect();
            let mut scanner = Scanner::new(Protocol::Redis, stream);
            let (mut fed, mut passed, mut within) = (0, Vec::new(), false);
            for (size, wanted) in sizes.iter().cycle() {
                // Large values come in large pieces.
                let size = if bytes.len() > 100_000 { size * 500 } else { *size };
                let piece = &bytes[fed..bytes.len().min(fed + size)];
                fed += piece.len();
                scanner.feed(piece);
                session.wanted = *wanted;
                while let Some(part) = scanner.next(&mut session).expect("it is RESP") {
                    let run = part.run.max(1);
                    let is_last = part.place == Place::Last;
                    if stream == Stream::Upstream && !within {
                        let ordinal = session.number(part.run);
                        let command = part.commands.first().cloned().unwrap_or_default();
                        let expects = part.expects;
                        asked += run;
                        let pending =
                            Pending { ordinal, command, expects, run, ..Pending::default() };
                        session.ask(pending);
                    } else if stream == Stream::Downstream && is_last {
                        replied += run;
                        session.answered(part.run);
                    }
                    within = part.place == Place::Inside;
                    passed.extend_from_slice(&part.data);
                }
                if fed == bytes.len() {
                    break;
                }
            }
            passed.extend_from_slice(&scanner.take_rest());
            proptest::prop_assert!(passed == bytes, "bytes changed");
        }
        let count = u32::try_from(exchanges.len()).expect("few");
        proptest::prop_assert_eq!((asked, replied), (count, count));
        proptest::prop_assert!(session.pending.is_empty());
    }
}

/// What a client of Postgres sends before it waits.
#[derive(Debug, Clone)]
enum Sent {
    Query {
        fails: bool,
    },
    /// Messages, the one at which the server fails if any, what ends it.
    Group {
        messages: Vec<u8>,
        fails_at: usize,
        end: u8,
    },
}

fn sent() -> impl proptest::strategy::Strategy<Value = Sent> {
    use proptest::prelude::*;
    let messages = prop::collection::vec(prop::sample::select(b"PBDEC".to_vec()), 0..5);
    let end = prop::sample::select(b"SH".to_vec());
    prop_oneof![
        1 => proptest::bool::ANY.prop_map(|fails| Sent::Query { fails }),
        3 => (messages, 0_usize..12, end)
            .prop_map(|(messages, fails_at, end)| Sent::Group { messages, fails_at, end }),
    ]
}

/// What a server does with it: the bytes both ways, how many requests get a
/// reply, and how many are skipped.
fn served(all: &[Sent]) -> (Vec<u8>, Vec<u8>, u32, u32) {
    let (mut up, mut down) = (startup(), [message(b'R', &[0; 4]), message(b'Z', b"I")].concat());
    let (mut replied, mut skipped, mut skipping) = (1, 0, false);
    let error = message(b'E', b"SERROR\0VERROR\0C22012\0\0");
    for one in all {
        match one {
            Sent::Query { fails } => {
                up.extend(message(b'Q', b"SELECT 1\0"));
                if skipping {
                    skipped += 1;
                    continue;
                }
                let answer = if *fails { error.clone() } else { message(b'C', b"SELECT 1\0") };
                down.extend([message(b'T', b"\0\0"), answer, message(b'Z', b"I")].concat());
                replied += 1;
            }
            Sent::Group { messages, fails_at, end } => {
                let begun_skipping = skipping;
                for (at, kind) in messages.iter().enumerate() {
                    up.extend(match kind {
                        b'P' => message(b'P', b"s\0SELECT $1\0\0\0"),
                        b'B' => message(b'B', b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0"),
                        b'D' => message(b'D', b"Ss\0"),
                        b'E' => message(b'E', b"\0\0\0\0\0"),
                        _ => message(b'C', b"Ss\0"),
                    });
                    if skipping {
                        continue;
                    }
                    if at == *fails_at {
                        skipping = true;
                        down.extend(&error);
                        continue;
                    }
                    down.extend(match kind {
                        b'P' => message(b'1', b""),
                        b'B' => message(b'2', b""),
                        b'D' => [message(b't', b"\0\0"), message(b'n', b"")].concat(),
                        b'E' => [message(b'D', b"\0\0"), message(b'C', b"SELECT 1\0")].concat(),
                        _ => message(b'3', b""),
                    });
                }
                up.extend(message(*end, b""));
                if *end == b'S' {
                    skipping = false;
                    down.extend(message(b'Z', b"I"));
                    replied += 1;
                } else if !messages.is_empty() {
                    (replied, skipped) = if begun_skipping {
                        (replied, skipped + 1)
                    } else {
                        (replied + 1, skipped)
                    };
                }
            }
        }
    }
    (up, down, replied, skipped)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    #[test]
    fn requests_and_replies_of_postgres_stay_paired(
        mut all in proptest::collection::vec(sent(), 0..12),
        sizes in proptest::collection::vec((1_usize..60, proptest::bool::ANY), 1..20),
    ) {
        all.push(Sent::Group { messages: vec![], fails_at: 9, end: b'S' });
        let (up, down, replies, skips) = served(&all);
        let mut session = Session::new();
        let mut request = None;
        let (mut replied, mut skipped) = (0, 0);
        for (stream, bytes) in [(Stream::Upstream, up), (Stream::Downstream, down)] {
            let mut scanner = Scanner::new(Protocol::Postgres, stream);
            let (mut fed, mut passed) = (0, 0);
            for (size, wanted) in sizes.iter().cycle() {
                let piece = &bytes[fed..bytes.len().min(fed + size)];
                fed += piece.len();
                scanner.feed(piece);
                session.wanted = *wanted;
                loop {
                    let part = match scanner.next(&mut session).expect("it is Postgres") {
                        Some(part) => part,
                        // Nobody asks, so what there is goes on.
                        None => match (!wanted).then(|| scanner.cut_short()).flatten() {
                            Some(part) => part,
                            None => break,
                        },
                    };
                    passed += part.data.len();
                    skipped += session.skipped.drain(..).count();
                    if stream == Stream::Upstream {
                        let begun = request.unwrap_or_else(|| session.number(0));
                        if request.is_none() {
                            let (ordinal, expects) = (begun, part.expects);
                            session.ask(Pending { ordinal, expects, ..Pending::default() });
                        } else if part.place == Place::Last {
                            session.close(begun, part.expects);
                        }
                        request = (part.place == Place::Inside).then_some(begun);
                    } else if part.place == Place::Last {
                        replied += 1;
                        session.answered(1);
                    }
                }
                if fed == bytes.len() {
                    break;
                }
            }
            proptest::prop_assert_eq!(passed, bytes.len());
        }
        proptest::prop_assert_eq!((replied, skipped), (replies, skips as usize));
        proptest::prop_assert!(session.pending.is_empty(), "{:?}", session.pending);
    }
}
