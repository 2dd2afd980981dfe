//! Scanners cut the same parts however the bytes arrive.

use super::*;
use crate::toxic::Stream;

/// What a scanner says about a transcript fed in pieces of `size` bytes:
/// commands, places and summaries; checks that no byte changed.
pub(super) fn scan(
    protocol: Protocol,
    stream: Stream,
    transcript: &[u8],
    size: usize,
    session: &mut Session,
) -> Result<Vec<String>, Lost> {
    let mut scanner = Scanner::new(protocol, stream);
    let mut out = Vec::new();
    let mut said = Vec::new();
    let mut fed = 0;
    for piece in transcript.chunks(size) {
        scanner.feed(piece);
        fed += piece.len();
        loop {
            let part = match scanner.next(session) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(lost) => {
                    out.extend_from_slice(&scanner.take_rest());
                    assert_eq!(out, transcript[..fed], "given up, in pieces of {size}");
                    return Err(lost);
                }
            };
            out.extend_from_slice(&part.data);
            for command in &part.commands {
                said.push(format!("{} {}", command.name, command.keys.join(",")));
            }
            if let Some(summary) = part.summary {
                said.push(summary);
            }
            match part.place {
                Place::Last => {
                    said.push("|".into());
                    session.answered(1);
                }
                Place::Between => said.push("-".into()),
                Place::Inside => {}
            }
        }
    }
    out.extend_from_slice(&scanner.take_rest());
    assert_eq!(out, transcript, "in pieces of {size}");
    Ok(said)
}

pub(super) fn check(protocol: Protocol, stream: Stream, transcript: &[u8], expected: &[&str]) {
    for size in [1, 2, 3, 7, 64, transcript.len()] {
        let mut session = Session::new();
        let said = scan(protocol, stream, transcript, size, &mut session);
        assert_eq!(said.as_deref(), Ok(expected.map_strings().as_slice()), "{size}");
    }
}

trait MapStrings {
    fn map_strings(&self) -> Vec<String>;
}

impl MapStrings for &[&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn requests_of_redis() {
    check(
        Protocol::Redis,
        Stream::Upstream,
        b"*2\r\n$3\r\nDEL\r\n$6\r\nuser:1\r\n*3\r\n$3\r\nset\r\n$1\r\na\r\n$2\r\n\r\n\r\n\
          PING\r\n\r\n*0\r\n*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n\
          *5\r\n$4\r\nEVAL\r\n$1\r\ns\r\n$1\r\n1\r\n$2\r\nk1\r\n$2\r\nv1\r\n",
        &[
            "DEL user:1",
            "|",
            "SET a",
            "|",
            "PING ",
            "|",
            "-",
            "-",
            "CONFIG SET ",
            "|",
            "EVAL k1",
            "|",
        ],
    );
}

#[test]
fn replies_of_redis_in_both_versions() {
    check(
        Protocol::Redis,
        Stream::Downstream,
        b"+OK\r\n$-1\r\n$5\r\na\r\nb\r\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*-1\r\n*0\r\n\
          >2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n%1\r\n+a\r\n#t\r\n\
          |1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n=7\r\ntxt:abc\r\n_\r\n,1.5\r\n(12\r\n-ERR no\r\n",
        &[
            "+OK", "|", "$-1", "|", "$5", "|", "*2", "|", "*-1", "|", "*0", "|", ">2", "-", "%1",
            "|", "|1", "|", "=7", "|", "_", "|", ",1.5", "|", "(12", "|", "-ERR no", "|",
        ],
    );
}

#[test]
fn a_value_longer_than_memory_allows_passes_in_pieces() {
    let len = 3 * LARGEST_HEAD;
    let mut transcript = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${len}\r\n").into_bytes();
    transcript.resize(transcript.len() + len, b'v');
    transcript.extend_from_slice(b"\r\n*1\r\n$4\r\nPING\r\n");
    let mut session = Session::new();
    let said = scan(Protocol::Redis, Stream::Upstream, &transcript, 4096, &mut session);
    assert_eq!(said, Ok((&["SET k", "|", "PING ", "|"][..]).map_strings()));
}

#[test]
fn framing_is_lost_where_replies_cannot_be_told_apart() {
    for (command, reason) in [
        ("MONITOR", "MONITOR"),
        ("CLIENT REPLY OFF", "CLIENT REPLY OFF or SKIP"),
        ("\u{16}\u{3}\u{1}", "the client speaks TLS"),
    ] {
        let mut session = Session::new();
        let transcript = format!("{command}\r\nPING\r\n");
        let lost = scan(Protocol::Redis, Stream::Upstream, transcript.as_bytes(), 5, &mut session);
        assert_eq!(lost, Err(Lost(reason)));
    }
    let mut session = Session::new();
    let on = scan(Protocol::Redis, Stream::Upstream, b"CLIENT REPLY ON\r\n", 5, &mut session);
    assert!(on.is_ok());
}

#[test]
fn giving_up_loses_no_byte() {
    for strange in [b"\x01\x02\x03\x04\x05\x06", b"Z\0\0\0\x03I"] {
        let before = [message(b'1', b""), message(b'2', b"")].concat();
        for copies in 0..4 {
            let transcript =
                [before.repeat(copies), strange.to_vec(), message(b'Z', b"I")].concat();
            for size in 1..=transcript.len() {
                let mut session = Session::new();
                let lost =
                    scan(Protocol::Postgres, Stream::Downstream, &transcript, size, &mut session);
                assert!(lost.is_err(), "{copies} {size}");
            }
        }
    }
    for (stream, strange) in
        [(Stream::Upstream, &b"*1\r\n$x\r\n"[..]), (Stream::Downstream, b"?\r\n")]
    {
        for copies in 0..4 {
            let transcript = [b"*1\r\n$4\r\nPING\r\n".repeat(copies), strange.to_vec()].concat();
            for size in 1..=transcript.len() {
                let lost = scan(Protocol::Redis, stream, &transcript, size, &mut Session::new());
                assert!(lost.is_err(), "{copies} {size}");
            }
        }
    }
}

/// A message of Postgres with a type.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

pub(super) fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0me\0\0";
    let len = u32::try_from(body.len() + 4).expect("short");
    [&len.to_be_bytes()[..], body].concat()
}

#[test]
fn requests_of_postgres_simple_and_extended() {
    let bind = [
        &b"\0s1\0"[..],
        &[0, 1, 0, 1, 0, 2],
        &[0, 0, 0, 4, 0, 0, 0, 42],
        &[255, 255, 255, 255],
        &[0, 0],
    ]
    .concat();
    let transcript = [
        startup(),
        message(b'p', b"secret\0"),
        message(b'Q', b"BEGIN; COMMIT\0"),
        message(b'P', b"s1\0UPDATE t SET v = $1\0\0\0"),
        message(b'D', b"Ss1\0"),
        message(b'S', b""),
        message(b'P', b"s2\0SELECT 1\0\0\0"),
        message(b'H', b""),
        message(b'Q', b";\0"),
        message(b'B', &bind),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
        message(b'X', b""),
    ]
    .concat();
    check(
        Protocol::Postgres,
        Stream::Upstream,
        &transcript,
        &[
            "STARTUP ",
            "|",
            "-",
            "BEGIN ",
            "COMMIT ",
            "|",
            "PARSE ",
            "|",
            "PARSE ",
            "|",
            "EMPTY ",
            "|",
            "UPDATE 42",
            "|",
            "-",
        ],
    );
}

#[test]
fn a_statement_with_a_password_keeps_it_however_it_is_sent() {
    for sql in
        [&b"SELECT dblink_connect($1 || ' password=' || $2)"[..], b"SELECT dblink_connect($1, $2)"]
    {
        let transcript = [
            startup(),
            message(b'P', &[&b"s\0"[..], sql, b"\0\0\0"].concat()),
            message(b'D', b"Ss\0"),
            message(b'S', b""),
            message(b'B', b"\0s\0\0\0\0\x02\0\0\0\x01a\0\0\0\x06sesame\0\0"),
            message(b'H', b""),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
            message(b'Q', b"SELECT 1\0"),
        ]
        .concat();
        let (mut session, mut told) = (Session::new(), Vec::new());
        let mut scanner = Scanner::new(Protocol::Postgres, Stream::Upstream);
        scanner.feed(&transcript);
        while let Some(part) = scanner.next(&mut session).expect("it is followed") {
            let shown = format!("{:?} {:?}", part.commands, part.group.map(|group| group.steps));
            assert!(!shown.contains("sesame"), "{shown}");
            let secret = part.commands.iter().any(|command| command.secret);
            told.push((part.commands[0].name.clone(), secret));
        }
        let told: Vec<_> = told.iter().map(|(name, secret)| (name.as_str(), *secret)).collect();
        let hidden = [("PARSE", true), ("BIND", true), ("SELECT", true)];
        assert_eq!(told, [&[("STARTUP", false)][..], &hidden, &[("SELECT", false)]].concat());
    }
}

#[test]
fn replies_of_postgres_end_when_it_is_ready_for_more() {
    let transcript = [
        message(b'R', &[0, 0, 0, 0]),
        message(b'S', b"a\0b\0"),
        message(b'Z', b"I"),
        message(b'N', b"SNOTICE\0\0"),
        message(b'T', b"\0\0"),
        message(b'C', b"UPDATE 1\0"),
        message(b'Z', b"I"),
        message(b'E', b"SERROR\0VERROR\0C40001\0Mno\0\0"),
        message(b'Z', b"E"),
    ]
    .concat();
    check_replies(
        &[Expects::Ready; 3],
        &transcript,
        &["", "|", "-", "UPDATE 1", "|", "ERROR 40001", "|"],
    );
}

pub(super) fn counted(total: u32, sync: group::Sync) -> Expects {
    Expects::Counted(group::Counted::new(Some(total), sync))
}

/// Checks what is said of the replies to requests that end in these ways.
pub(super) fn check_replies(asked: &[Expects], transcript: &[u8], expected: &[&str]) {
    for size in [1, 2, 3, 7, 64, transcript.len()] {
        let mut session = Session::new();
        for expects in asked {
            let ordinal = session.number(1);
            session.ask(Pending { ordinal, expects: *expects, ..Pending::default() });
        }
        let said = scan(Protocol::Postgres, Stream::Downstream, transcript, size, &mut session);
        assert_eq!(said.as_deref(), Ok(expected.map_strings().as_slice()), "{size}");
        assert!(session.pending.is_empty(), "{size}: {:?}", session.pending);
    }
}

#[test]
fn a_reply_to_a_flush_ends_with_the_last_message_it_asked_for() {
    use group::Sync::{No, Yes};
    let transcript = [
        message(b'1', b""),
        message(b't', b"\0\0"),
        message(b'n', b""),
        message(b'2', b""),
        message(b'D', b"\0\0"),
        message(b'C', b"SELECT 1\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    let asked = [counted(2, No), counted(2, No), counted(0, Yes)];
    check_replies(&asked, &transcript, &["", "|", "SELECT 1", "|", "", "|"]);
}

#[test]
fn an_error_ends_the_reply_and_what_is_skipped_has_none() {
    use group::Sync::{No, Yes};
    let transcript =
        [message(b'1', b""), message(b'E', b"SERROR\0VERROR\0C22012\0\0"), message(b'Z', b"I")]
            .concat();
    let asked = [counted(3, No), counted(2, No), Expects::Ready, counted(1, Yes)];
    check_replies(&asked, &transcript, &["ERROR 22012", "|", "", "|"]);
}

#[test]
fn a_copy_by_the_extended_protocol_swallows_the_sync_in_front_of_it() {
    use group::Sync::Yes;
    let transcript = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'G', b"\0\0\0"),
        message(b'C', b"COPY 2\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    let mut session = Session::new();
    let ask = |session: &mut Session, expects| {
        let ordinal = session.number(1);
        session.ask(Pending { ordinal, expects, ..Pending::default() });
    };
    ask(&mut session, counted(3, Yes));
    // Sent before the server asks for data, and ignored by it.
    ask(&mut session, counted(0, Yes));
    session.end_copy();
    ask(&mut session, counted(0, Yes));
    let said = scan(Protocol::Postgres, Stream::Downstream, &transcript, 5, &mut session);
    assert_eq!(said, Ok((&["COPY 2", "|", "", "|"][..]).map_strings()));
    assert!(session.pending.is_empty());
}

#[test]
fn an_encrypted_connection_of_postgres_is_not_followed() {
    let request = [0, 0, 0, 8, 4, 210, 22, 47];
    let mut session = Session::new();
    scan(Protocol::Postgres, Stream::Upstream, &request, 3, &mut session).expect("followed");
    let refused = scan(Protocol::Postgres, Stream::Downstream, b"N", 1, &mut session);
    assert_eq!(refused, Ok(vec!["-".to_owned()]));
    scan(Protocol::Postgres, Stream::Upstream, &request, 3, &mut session).expect("followed");
    let accepted = scan(Protocol::Postgres, Stream::Downstream, b"S", 1, &mut session);
    assert_eq!(accepted, Err(Lost("the connection is encrypted (TLS)")));
}
