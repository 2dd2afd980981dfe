//! Values of RESP, read from bytes that may have been cut.

use bytes::Bytes;

/// Deeper nesting is cut.
const DEEPEST: usize = 32;

/// A value of RESP2 or RESP3.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WireValue {
    /// `$-1`, `*-1` or `_`.
    Nil,
    /// `+`.
    Simple(String),
    /// `-` or `!`.
    Error(String),
    /// `:`.
    Integer(i64),
    /// `#`.
    Boolean(bool),
    /// `,` or `(`, as it was written.
    Number(String),
    /// `$`, or `=` with its three letters and colon.
    Bulk(Bytes),
    /// `*`, `~` or `>`.
    Array(Vec<Self>),
    /// `%`.
    Map(Vec<(Self, Self)>),
    /// The bytes end within this value. Of a bulk string, what there is.
    Cut(Bytes),
}

impl WireValue {
    /// Reads one value; None if not even its first line is there.
    #[must_use]
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let mut rest = bytes.clone();
        read(&mut rest, 0)
    }

    /// The bytes of a string of either kind.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Number(text) => Some(text.as_bytes()),
            Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn line(rest: &mut Bytes) -> Option<Bytes> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let mut line = rest.split_to(end + 1);
    line.truncate(end);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    Some(line)
}

fn read(rest: &mut Bytes, depth: usize) -> Option<WireValue> {
    let line = line(rest)?;
    let (kind, said) = line.split_first()?;
    let text = || String::from_utf8_lossy(said).into_owned();
    let count = || -> Option<usize> { std::str::from_utf8(said).ok()?.parse().ok() };
    if depth == DEEPEST {
        return Some(WireValue::Cut(Bytes::new()));
    }
    // What was promised may be more than there is, and more than fits.
    let mut elements = |wanted: usize| {
        let mut found = Vec::new();
        while found.len() < wanted {
            let Some(value) = read(rest, depth + 1) else {
                found.push(WireValue::Cut(Bytes::new()));
                break;
            };
            found.push(value);
        }
        found
    };
    Some(match kind {
        b'+' => WireValue::Simple(text()),
        b'-' => WireValue::Error(text()),
        b':' => text().parse().map_or_else(|_| WireValue::Number(text()), WireValue::Integer),
        b'#' => WireValue::Boolean(said == b"t"),
        b',' | b'(' => WireValue::Number(text()),
        b'*' | b'~' | b'>' => {
            count().map_or(WireValue::Nil, |count| WireValue::Array(elements(count)))
        }
        b'%' => {
            let mut flat = elements(count()?.saturating_mul(2)).into_iter();
            let mut pairs = Vec::new();
            while let Some(key) = flat.next() {
                pairs.push((key, flat.next().unwrap_or(WireValue::Cut(Bytes::new()))));
            }
            WireValue::Map(pairs)
        }
        // Attributes say something about the value behind them.
        b'|' => {
            elements(count()?.saturating_mul(2));
            return read(rest, depth);
        }
        b'$' | b'=' | b'!' => match count() {
            None => WireValue::Nil,
            Some(len) if len > rest.len() => WireValue::Cut(rest.split_off(0)),
            Some(len) => {
                let string = rest.split_to(len);
                let _line_end = rest.split_to(rest.len().min(2));
                match kind {
                    b'!' => WireValue::Error(String::from_utf8_lossy(&string).into_owned()),
                    _ => WireValue::Bulk(string),
                }
            }
        },
        _ => WireValue::Nil,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static [u8]) -> WireValue {
        WireValue::parse(&Bytes::from_static(text)).expect("a value")
    }

    fn bulk(text: &'static [u8]) -> WireValue {
        WireValue::Bulk(Bytes::from_static(text))
    }

    #[test]
    fn values_of_both_versions_are_read() {
        assert_eq!(parse(b"$5\r\na\r\nbc\r\n"), bulk(b"a\r\nbc"));
        assert_eq!(parse(b"$-1\r\n"), WireValue::Nil);
        let pairs = vec![(WireValue::Simple("a".into()), WireValue::Boolean(true))];
        assert_eq!(parse(b"%1\r\n+a\r\n#t\r\n"), WireValue::Map(pairs));
        assert_eq!(parse(b"|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n"), bulk(b"v"));
        assert_eq!(
            parse(b">2\r\n+x\r\n*1\r\n:-4\r\n"),
            WireValue::Array(vec![
                WireValue::Simple("x".into()),
                WireValue::Array(vec![WireValue::Integer(-4)])
            ])
        );
    }

    #[test]
    fn what_was_cut_is_said_to_be_and_kept() {
        let cut = |text: &'static [u8]| WireValue::Cut(Bytes::from_static(text));
        assert_eq!(parse(b"$10\r\nabc"), cut(b"abc"));
        assert_eq!(
            parse(b"*1000000000\r\n:1\r\n"),
            WireValue::Array(vec![WireValue::Integer(1), cut(b"")])
        );
        assert_eq!(WireValue::parse(&Bytes::from_static(b"$1")), None);
    }
}
