//! Long random conversations against a reference: whoever wrote them knows
//! where each message ends and which reply is whose. Bytes come in pieces cut
//! anywhere, and somebody asks what messages say, or nobody does, from piece to
//! piece.
//!
//! `SEQUENCES=1000000 cargo test --release -p quarrel-faultproxy --lib reference`
//! tries a million; without it there are a few thousand.

use super::tests::{message, startup};
use super::*;
use crate::toxic::Stream;

/// Splitmix64: fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What both sides say, in an order that can happen: who waits for what.
#[derive(Default)]
struct Script {
    turns: Vec<(Stream, Vec<u8>)>,
    /// Where messages end, by direction, in bytes from the beginning.
    borders: [Vec<usize>; 2],
    sent: [usize; 2],
    /// Where the reply to a request ends, with the request's ordinal.
    replies: Vec<(usize, u64)>,
    /// Where a request ends, with its name.
    requests: Vec<(usize, String)>,
    asked: u64,
}

impl Script {
    /// One message.
    fn say(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.sent[stream.index()] += bytes.len();
        self.borders[stream.index()].push(self.sent[stream.index()]);
        match self.turns.last_mut() {
            Some((last, said)) if *last == stream => said.extend(bytes),
            _ => self.turns.push((stream, bytes)),
        }
    }

    /// The last message ended a request of this name; its ordinal.
    fn asks(&mut self, name: &str) -> u64 {
        self.requests.push((self.sent[Stream::Upstream.index()], name.to_owned()));
        self.asked += 1;
        self.asked
    }

    /// The last message ended the reply to a request.
    fn answers(&mut self, request: u64) {
        self.replies.push((self.sent[Stream::Downstream.index()], request));
    }
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn word(random: &mut Random) -> Vec<u8> {
    let len = if random.one_in(2_000) { LARGEST_HEAD + 9 } else { random.below(14) };
    (0..len).map(|_| b"\r\n$*>+:-0129ax"[random.below(14)]).collect()
}

/// A value of RESP; `version` 3 has all types.
fn value(random: &mut Random, version: usize, depth: usize) -> Vec<u8> {
    let many = |kind: char, pairs: usize, random: &mut Random| {
        let count = random.below(4);
        let mut out = format!("{kind}{count}\r\n").into_bytes();
        for _ in 0..count * pairs {
            out.extend(value(random, version, depth + 1));
        }
        out
    };
    match random.below(if version == 3 { 18 } else { 10 }) {
        0 => b"+OK\r\n".to_vec(),
        1 => b"-ERR is no\r\n".to_vec(),
        2 => format!(":{}\r\n", random.next() as i64).into_bytes(),
        3 => b"$-1\r\n".to_vec(),
        4 => b"*-1\r\n".to_vec(),
        5 if depth < 5 => many('*', 1, random),
        10 if depth < 5 => many('%', 2, random),
        11 if depth < 5 => many('~', 1, random),
        12 => b"_\r\n".to_vec(),
        13 => b"#t\r\n".to_vec(),
        14 => b",1.5e3\r\n".to_vec(),
        15 => b"(349285734985739845739\r\n".to_vec(),
        16 => b"=7\r\ntxt:a\r\n\r\n".to_vec(),
        // Attributes come before the value that they belong to.
        17 if depth < 5 => [&b"|1\r\n+a\r\n:1\r\n"[..], &value(random, 3, depth + 1)].concat(),
        _ => bulk(&word(random)),
    }
}

fn redis(random: &mut Random) -> Script {
    let mut script = Script::default();
    let version = 2 + random.below(2);
    for _ in 0..random.below(8) {
        let mut waiting = Vec::new();
        for _ in 0..=random.below(9) {
            let names = ["GET", "SET", "del", "MSET", "EVAL", "CLIENT", "XSUBSCRIB", "PING"];
            let name = names[random.below(names.len())];
            if random.one_in(12) {
                script.say(Stream::Upstream, b"PING\r\n".to_vec());
                waiting.push(script.asks("PING"));
                continue;
            }
            let words = random.below(4);
            let mut request = format!("*{}\r\n", words + 1).into_bytes();
            request.extend(bulk(name.as_bytes()));
            for _ in 0..words {
                request.extend(bulk(&word(random)));
            }
            script.say(Stream::Upstream, request);
            let named = if name == "CLIENT" { "" } else { name };
            waiting.push(script.asks(&named.to_uppercase()));
        }
        for request in waiting {
            if version == 3 && random.one_in(6) {
                let push = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n".to_vec();
                script.say(Stream::Downstream, push);
            }
            script.say(Stream::Downstream, value(random, version, 0));
            script.answers(request);
        }
    }
    script
}

fn rows(random: &mut Random, kind: u8, script: &mut Script) {
    for _ in 0..random.below(5) {
        let row = [&b"\0\x01\0\0\0\x05"[..], b"hello", &word(random)].concat();
        script.say(Stream::Downstream, message(kind, &row));
    }
}

const ERROR: &[u8] = b"SERROR\0VERROR\0C22012\0\0";

/// What a server says in between.
fn aside(random: &mut Random, script: &mut Script) {
    match random.below(12) {
        0 => script.say(Stream::Downstream, message(b'N', b"SNOTICE\0Mhello\0\0")),
        1 => script.say(Stream::Downstream, message(b'S', b"a\0b\0")),
        2 => script.say(Stream::Downstream, message(b'A', b"\0\0\0\x01c\0p\0")),
        _ => {}
    }
}

fn simple_query(random: &mut Random, script: &mut Script) {
    use Stream::{Downstream, Upstream};
    script.say(Upstream, message(b'Q', b"UPDATE t SET v = 1\0"));
    let request = script.asks("UPDATE");
    aside(random, script);
    match random.below(5) {
        0 => script.say(Downstream, message(b'E', ERROR)),
        1 => {
            script.say(Downstream, message(b'H', b"\0\0\0"));
            rows(random, b'd', script);
            script.say(Downstream, message(b'c', b""));
            script.say(Downstream, message(b'C', b"COPY 3\0"));
        }
        2 => {
            script.say(Downstream, message(b'G', b"\0\0\0"));
            for _ in 0..random.below(4) {
                script.say(Upstream, message(b'd', &word(random)));
            }
            script.say(Upstream, message(b'c', b""));
            script.asks("COPY DONE");
            script.say(Downstream, message(b'C', b"COPY 3\0"));
        }
        _ => {
            script.say(Downstream, message(b'T', b"\0\0"));
            rows(random, b'D', script);
            script.say(Downstream, message(b'C', b"SELECT 3\0"));
        }
    }
    script.say(Downstream, message(b'Z', b"I"));
    script.answers(request);
}

/// Groups of messages of the extended protocol, sent before any reply.
fn pipeline(random: &mut Random, script: &mut Script) {
    use Stream::{Downstream, Upstream};
    let mut replies: Vec<(u64, Vec<Vec<u8>>)> = Vec::new();
    let mut skipping = false;
    for at in 0..=random.below(5) {
        let is_last = at == 4 || random.one_in(3);
        let end = if is_last || random.one_in(2) { b'S' } else { b'H' };
        let (mut reply, mut count) = (Vec::new(), 0);
        for _ in 0..random.below(6) {
            count += 1;
            let kind = b"PBDEC"[random.below(5)];
            let (sent, answer) = match kind {
                b'P' => (message(b'P', b"s\0SELECT $1\0\0\0"), message(b'1', b"")),
                b'B' => (message(b'B', b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0"), message(b'2', b"")),
                b'D' => (message(b'D', b"Ss\0"), message(b't', b"\0\0")),
                b'E' => (message(b'E', b"\0\0\0\0\0"), message(b'D', b"\0\0")),
                _ => (message(b'C', b"Ss\0"), message(b'3', b"")),
            };
            script.say(Upstream, sent);
            if skipping {
                continue;
            }
            if random.one_in(15) {
                skipping = true;
                reply.push(message(b'E', ERROR));
                continue;
            }
            reply.push(answer);
            match kind {
                b'D' => reply.push(message(b'n', b"")),
                b'E' => reply.push(message(b"Cs"[random.below(2)], b"SELECT 1\0")),
                _ => {}
            }
        }
        script.say(Upstream, message(end, b""));
        let request = script.asks("");
        if end == b'S' {
            skipping = false;
            reply.push(message(b'Z', b"T"));
        }
        if end == b'S' || (count > 0 && !reply.is_empty()) {
            replies.push((request, reply));
        }
        if is_last {
            break;
        }
    }
    // The last one may have been a Flush, after which a server skips on.
    script.say(Upstream, message(b'S', b""));
    let request = script.asks("SYNC");
    replies.push((request, vec![message(b'Z', b"I")]));
    for (request, messages) in replies {
        for message in messages {
            script.say(Downstream, message);
        }
        script.answers(request);
    }
}

fn postgres(random: &mut Random) -> Script {
    let mut script = Script::default();
    script.say(Stream::Upstream, startup());
    let request = script.asks("STARTUP");
    script.say(Stream::Downstream, message(b'R', &[0; 4]));
    script.say(Stream::Downstream, message(b'S', b"TimeZone\0UTC\0"));
    script.say(Stream::Downstream, message(b'Z', b"I"));
    script.answers(request);
    for _ in 0..random.below(6) {
        aside(random, &mut script);
        if random.one_in(2) {
            simple_query(random, &mut script);
        } else {
            pipeline(random, &mut script);
        }
    }
    script.say(Stream::Upstream, message(b'X', b""));
    script
}

/// One direction of a connection, as its gate treats it.
struct Wire<'a> {
    script: &'a Script,
    stream: Stream,
    scanner: Scanner,
    passed: Vec<u8>,
    request: Option<u64>,
    /// Of these commands somebody asks what they say, always.
    sought: Sought,
    /// So many of them were met.
    found: usize,
}

/// The same for both protocols.
const SOUGHT: [&str; 2] = ["DEL", "update"];

impl Wire<'_> {
    fn take(&mut self, piece: &[u8], session: &mut Session) -> Result<(), String> {
        let follows = !session.wanted && self.request.is_none() && self.scanner.is_fresh();
        if !follows {
            session.wanted |= !self.sought.is_empty();
            self.scanner.feed(piece);
            return self.scan(session);
        }
        let kept = self.scanner.kept();
        let mut data = vec![0; kept];
        self.scanner.copy_kept(&mut data);
        data.extend_from_slice(piece);
        let followed = self.scanner.follow(&data, session, &self.sought);
        session.skipped.clear();
        self.passed.extend_from_slice(&data[..followed.passed]);
        let borders = &self.script.borders[self.stream.index()];
        if followed.passed > 0 && borders.binary_search(&self.passed.len()).is_err() {
            return Err(format!("followed to {}, within a message", self.passed.len()));
        }
        match followed.rest {
            Rest::Special => {
                session.wanted = !self.sought.is_empty();
                self.scan(session)
            }
            Rest::Waits => Ok(()),
        }
    }

    fn scan(&mut self, session: &mut Session) -> Result<(), String> {
        loop {
            let part = self.scanner.next(session).map_err(|lost| lost.0.to_owned())?;
            session.skipped.clear();
            let part = match part {
                Some(part) => part,
                None => match (!session.wanted).then(|| self.scanner.cut_short()).flatten() {
                    Some(part) => part,
                    None => return Ok(()),
                },
            };
            self.passed.extend_from_slice(&part.data);
            match self.stream {
                Stream::Upstream => self.request(&part, session)?,
                Stream::Downstream => self.reply(&part, session)?,
            }
        }
    }

    fn request(&mut self, part: &Part, session: &mut Session) -> Result<(), String> {
        if part.place == Place::Between {
            return Ok(());
        }
        let ordinal = self.request.unwrap_or_else(|| session.number(part.run));
        if self.request.is_none() {
            let command = part.commands.first().cloned().unwrap_or_default();
            let (expects, run) = (part.expects, part.run);
            session.ask(Pending { ordinal, command, expects, run, ..Pending::default() });
        } else if part.place == Place::Last && part.group.is_some() {
            session.close(ordinal, part.expects);
        }
        let steps = part.group.as_ref().map_or(&[][..], |group| &group.steps);
        if steps.iter().any(|step| matches!(step, GroupMessage::CopyDone)) {
            session.end_copy();
        }
        self.request = (part.place == Place::Inside).then_some(ordinal);
        if part.place != Place::Last {
            return Ok(());
        }
        let named = |command: &Command| SOUGHT.iter().any(|name| command.is(name));
        self.found += part.commands.iter().filter(|command| named(command)).count();
        let last = ordinal + u64::from(part.run.max(1)) - 1;
        let end = self.passed.len();
        match self.script.requests.get(usize::try_from(last).expect("few") - 1) {
            Some((border, name)) if *border == end => match part.commands.first() {
                Some(command) if !name.is_empty() && command.name != *name => {
                    Err(format!("request {last} is {name}, not {}", command.name))
                }
                _ => Ok(()),
            },
            other => Err(format!("request {last} ends at {end}, not {other:?}")),
        }
    }

    fn reply(&mut self, part: &Part, session: &mut Session) -> Result<(), String> {
        let Some(front) = session.pending.front().filter(|_| part.place == Place::Last) else {
            return Ok(());
        };
        let last = front.ordinal + u64::from(part.run.max(1)) - 1;
        let end = self.passed.len();
        session.answered(part.run);
        let replies = &self.script.replies;
        match replies.binary_search_by_key(&end, |(border, _)| *border) {
            Ok(at) if replies[at].1 == last => Ok(()),
            Ok(at) => Err(format!("the reply to {} was taken for that to {last}", replies[at].1)),
            Err(_) => Err(format!("a reply ended at {end}, where none ends")),
        }
    }
}

/// Cuts both sides into pieces, the replies now and then late.
fn converse(random: &mut Random, protocol: Protocol, script: &Script) -> Result<(), String> {
    let mut session = Session::new();
    // Nobody asks, or always somebody; for some commands; or now and then.
    let asking = random.below(4);
    let wire = |stream| Wire {
        script,
        stream,
        scanner: Scanner::new(protocol, stream),
        passed: Vec::new(),
        request: None,
        sought: if asking == 2 { Sought::of(SOUGHT).expect("names") } else { Sought::default() },
        found: 0,
    };
    let mut wires = [wire(Stream::BOTH[0]), wire(Stream::BOTH[1])];
    let mut said = [Vec::new(), Vec::new()];
    let largest = [3, 17, 200, 4_096][random.below(4)];
    for (stream, bytes) in &script.turns {
        said[stream.index()].extend_from_slice(bytes);
        let largest = if bytes.len() > 20_000 { 50_000 } else { largest };
        let mut left = &bytes[..];
        while !left.is_empty() {
            let piece;
            (piece, left) = left.split_at((1 + random.below(largest)).min(left.len()));
            session.wanted = match asking {
                0 | 2 => false,
                1 => true,
                _ => random.one_in(2),
            };
            wires[stream.index()].take(piece, &mut session)?;
        }
    }
    for (wire, said) in wires.iter_mut().zip(&said) {
        let rest = wire.scanner.take_rest();
        wire.passed.extend_from_slice(&rest);
        if wire.passed != *said {
            return Err(format!("bytes {} changed", wire.stream.name()));
        }
    }
    let all = script.requests.iter().filter(|(_, name)| matches!(&**name, "DEL" | "UPDATE"));
    if matches!(asking, 1 | 2) && wires[0].found != all.clone().count() {
        return Err(format!("{} commands found, not {}", wires[0].found, all.count()));
    }
    if session.upcoming() - 1 != script.asked {
        return Err(format!("{} requests, not {}", session.upcoming() - 1, script.asked));
    }
    session.skip();
    if !session.pending.is_empty() {
        return Err(format!("{:?} wait in the end", session.pending));
    }
    Ok(())
}

fn try_all(protocol: Protocol, write: fn(&mut Random) -> Script) {
    let wanted = std::env::var("SEQUENCES").ok();
    let sequences: u64 = wanted.map_or(4_000, |all| all.parse().expect("SEQUENCES is a number"));
    for seed in 0..sequences {
        let mut random = Random(seed);
        let script = write(&mut random);
        if let Err(why) = converse(&mut random, protocol, &script) {
            panic!("{protocol:?}, sequence {seed}: {why}");
        }
    }
}

#[test]
fn conversations_with_redis_are_followed_as_the_reference_says() {
    try_all(Protocol::Redis, redis);
}

#[test]
fn conversations_with_postgres_are_followed_as_the_reference_says() {
    try_all(Protocol::Postgres, postgres);
}
