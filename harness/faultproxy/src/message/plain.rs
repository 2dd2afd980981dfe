//! Finds the borders of messages of Redis where nobody asks what they say:
//! nothing is copied, and a whole pipeline is one part.

/// Values of values within values: deeper ones go the slow way.
const DEEPEST: usize = 3;

/// A number behind a type, and where its line ends.
fn line(buffer: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    if *buffer.get(at)? != kind {
        return None;
    }
    let mut number = 0_usize;
    let mut end = at + 1;
    loop {
        match *buffer.get(end)? {
            digit @ b'0'..=b'9' if end - at < 10 => {
                number = number * 10 + usize::from(digit - b'0');
            }
            b'\r' if end > at + 1 && *buffer.get(end + 1)? == b'\n' => {
                return Some((number, end + 2));
            }
            _ => return None,
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

/// Where the command that begins at `at` ends; None if it is not all there, or
/// not an ordinary one.
fn request(buffer: &[u8], at: usize) -> Option<usize> {
    let (count, mut at) = line(buffer, at, b'*')?;
    for index in 0..count {
        let (len, begin) = line(buffer, at, b'$')?;
        at = begin + len + 2;
        if index == 0 && is_special(buffer.get(begin..begin + len)?) {
            return None;
        }
    }
    (count > 0 && at <= buffer.len()).then_some(at)
}

/// Where the value that begins at `at` ends; None if it is not all there, or
/// not an ordinary one.
fn value(buffer: &[u8], at: usize, depth: usize) -> Option<usize> {
    match *buffer.get(at)? {
        b'+' | b'-' | b':' => {
            let end = buffer[at..].iter().position(|byte| *byte == b'\n')?;
            Some(at + end + 1)
        }
        b'$' if buffer.get(at + 1) == Some(&b'-') => {
            (buffer.get(at..at + 5)? == b"$-1\r\n").then_some(at + 5)
        }
        b'$' => {
            let (len, begin) = line(buffer, at, b'$')?;
            let end = begin + len + 2;
            (end <= buffer.len()).then_some(end)
        }
        b'*' if depth < DEEPEST => {
            let (count, mut at) = line(buffer, at, b'*')?;
            for _ in 0..count {
                at = value(buffer, at, depth + 1)?;
            }
            Some(at)
        }
        _ => None,
    }
}

/// How many bytes at the front are ordinary commands, and how many those are.
pub(super) fn requests(buffer: &[u8]) -> (usize, u32) {
    let (mut at, mut count) = (0, 0);
    while let Some(end) = request(buffer, at) {
        at = end;
        count += 1;
    }
    (at, count)
}

/// How many bytes at the front are ordinary replies, and how many those are, at
/// most `most`.
pub(super) fn replies(buffer: &[u8], most: u32) -> (usize, u32) {
    let (mut at, mut count) = (0, 0);
    while count < most
        && let Some(end) = value(buffer, at, 0)
    {
        at = end;
        count += 1;
    }
    (at, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_commands_are_counted_up_to_one_that_is_not() {
        let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n";
        for other in
            [&b"*1\r\n$7\r\nmonitor\r\n"[..], b"PING\r\n", b"*0\r\n", &set[..20], b"*2\r\n$"]
        {
            let all = [set, &set[..], other].concat();
            assert_eq!(requests(&all), (2 * set.len(), 2));
        }
        assert_eq!(requests(b"*2\r\n$10\r\nPSUBSCRIBE\r\n$1\r\na\r\n"), (0, 0));
        assert_eq!(requests(b"*99999999999\r\n"), (0, 0));
    }

    #[test]
    fn ordinary_replies_are_counted_as_far_as_they_were_asked_for() {
        let all = b"+OK\r\n:1\r\n$-1\r\n*2\r\n$3\r\na\r\n\r\n*0\r\n-ERR\r\n$2\r\nab";
        assert_eq!(replies(all, 9), (all.len() - 6, 5));
        assert_eq!(replies(all, 2), (9, 2));
        assert_eq!(replies(b">2\r\n", 1), (0, 0));
        assert_eq!(replies(b"%1\r\n", 1), (0, 0));
    }
}
