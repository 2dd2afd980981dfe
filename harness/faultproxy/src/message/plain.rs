//! Finds the borders of messages of Redis where nobody asks what they say:
//! nothing is copied, and a whole pipeline is one part.

use super::follow::Stop;
use super::sought::Sought;

/// Values of values within values: deeper ones go the slow way.
const DEEPEST: usize = 3;

/// A number behind a type, and where its line ends.
fn line(buffer: &[u8], at: usize, kind: u8) -> Result<(usize, usize), Stop> {
    match buffer.get(at) {
        None => return Err(Stop::Short),
        Some(first) if *first != kind => return Err(Stop::Special),
        Some(_) => {}
    }
    let mut number = 0_usize;
    let mut end = at + 1;
    loop {
        match *buffer.get(end).ok_or(Stop::Short)? {
            digit @ b'0'..=b'9' if end - at < 10 => {
                number = number * 10 + usize::from(digit - b'0');
            }
            b'\r' if end > at + 1 => {
                return match buffer.get(end + 1) {
                    Some(b'\n') => Ok((number, end + 2)),
                    Some(_) => Err(Stop::Special),
                    None => Err(Stop::Short),
                };
            }
            _ => return Err(Stop::Special),
        }
        end += 1;
    }
}

/// Whether what follows this command, or its reply, is out of the ordinary, or
/// it brings a script, which is to be known by its digest later.
fn is_special(name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        0 => true,
        4 => is(b"SYNC") || is(b"AUTH") || is(b"EVAL"),
        5 => is(b"HELLO") || is(b"RESET") || is(b"PSYNC"),
        6 => is(b"CLIENT") || is(b"SCRIPT"),
        7 => is(b"MONITOR") || is(b"EVAL_RO"),
        9.. => name[name.len() - 9..].eq_ignore_ascii_case(b"SUBSCRIBE"),
        _ => false,
    }
}

/// Where the command that begins at `at` ends, if its name is none of those
/// that are sought.
fn request(buffer: &[u8], at: usize, sought: &Sought) -> Result<usize, Stop> {
    let (count, mut at) = line(buffer, at, b'*')?;
    for index in 0..count {
        let (len, begin) = line(buffer, at, b'$')?;
        at = begin + len + 2;
        if index == 0 {
            let name = buffer.get(begin..begin + len).ok_or(Stop::Short)?;
            if is_special(name) || sought.has(name) {
                return Err(Stop::Special);
            }
        }
    }
    match count {
        0 => Err(Stop::Special),
        _ if at > buffer.len() => Err(Stop::Short),
        _ => Ok(at),
    }
}

/// Where the value that begins at `at` ends.
fn value(buffer: &[u8], at: usize, depth: usize) -> Result<usize, Stop> {
    match *buffer.get(at).ok_or(Stop::Short)? {
        b'+' | b'-' | b':' => {
            let end = buffer[at..].iter().position(|byte| *byte == b'\n').ok_or(Stop::Short)?;
            Ok(at + end + 1)
        }
        b'$' if buffer.get(at + 1) == Some(&b'-') => {
            match buffer.get(at..at + 5).ok_or(Stop::Short)? {
                b"$-1\r\n" => Ok(at + 5),
                _ => Err(Stop::Special),
            }
        }
        b'$' => {
            let (len, begin) = line(buffer, at, b'$')?;
            let end = begin + len + 2;
            if end <= buffer.len() { Ok(end) } else { Err(Stop::Short) }
        }
        b'*' if depth < DEEPEST => {
            let (count, mut at) = line(buffer, at, b'*')?;
            for _ in 0..count {
                at = value(buffer, at, depth + 1)?;
            }
            Ok(at)
        }
        _ => Err(Stop::Special),
    }
}

/// How many bytes at the front are ordinary commands, how many those are, and
/// why there are no more.
pub(super) fn requests(buffer: &[u8], sought: &Sought) -> (usize, u32, Stop) {
    let (mut at, mut count) = (0, 0);
    loop {
        match request(buffer, at, sought) {
            Ok(end) => (at, count) = (end, count + 1),
            Err(stop) => return (at, count, stop),
        }
    }
}

/// How many bytes at the front are ordinary replies, how many those are, at
/// most `most`, and why there are no more, if not as many.
pub(super) fn replies(buffer: &[u8], most: u32) -> (usize, u32, Option<Stop>) {
    let (mut at, mut count) = (0, 0);
    while count < most {
        match value(buffer, at, 0) {
            Ok(end) => (at, count) = (end, count + 1),
            Err(stop) => return (at, count, Some(stop)),
        }
    }
    (at, count, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_commands_are_counted_up_to_one_that_is_not() {
        let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n";
        for (other, stop) in [
            (&b"*1\r\n$7\r\nmonitor\r\n"[..], Stop::Special),
            (b"PING\r\n", Stop::Special),
            (b"*0\r\n", Stop::Special),
            (b"", Stop::Short),
            (&set[..20], Stop::Short),
            (b"*2\r\n$", Stop::Short),
        ] {
            let all = [set, &set[..], other].concat();
            assert_eq!(requests(&all, &Sought::default()), (2 * set.len(), 2, stop));
        }
        let sought = Sought::of(["set"]).expect("a name");
        assert_eq!(requests(set, &sought), (0, 0, Stop::Special));
        let subscribe = b"*2\r\n$10\r\nPSUBSCRIBE\r\n$1\r\na\r\n";
        assert_eq!(requests(subscribe, &Sought::default()), (0, 0, Stop::Special));
        assert_eq!(requests(b"*99999999999\r\n", &Sought::default()), (0, 0, Stop::Special));
    }

    #[test]
    fn ordinary_replies_are_counted_as_far_as_they_were_asked_for() {
        let all = b"+OK\r\n:1\r\n$-1\r\n*2\r\n$3\r\na\r\n\r\n*0\r\n-ERR\r\n$2\r\nab";
        assert_eq!(replies(all, 9), (all.len() - 6, 5, Some(Stop::Short)));
        assert_eq!(replies(all, 2), (9, 2, None));
        assert_eq!(replies(b">2\r\n", 1), (0, 0, Some(Stop::Special)));
        assert_eq!(replies(b"%1\r\n", 1), (0, 0, Some(Stop::Special)));
    }
}
