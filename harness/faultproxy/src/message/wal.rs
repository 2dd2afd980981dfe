//! WAL on a replication stream:
//! <https://www.postgresql.org/docs/current/protocol-replication.html>.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A position in the WAL of Postgres, written `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalPosition(pub u64);

impl fmt::Display for WalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for WalPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let halves = text.split_once('/').and_then(|(high, low)| {
            let high = u32::from_str_radix(high, 16).ok()?;
            let low = u32::from_str_radix(low, 16).ok()?;
            Some((u64::from(high) << 32) | u64::from(low))
        });
        halves.map(Self).ok_or_else(|| format!("{text} is no LSN; write it as 16/B374D848"))
    }
}

impl Serialize for WalPosition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Type and length of a CopyData message.
const COPY_HEADER: usize = 5;
/// `w`, start, end of the server's WAL, clock.
const WAL_HEADER: usize = 25;

/// What a replication stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Replication {
    /// Pages of WAL, which can be cut anywhere.
    #[default]
    Physical,
    /// Changes, one to a message, which cannot.
    Logical,
}

/// The WAL in one XLogData message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wal {
    /// The position of its first byte …
    pub(crate) start: WalPosition,
    /// … and the one after its last.
    pub(crate) end: WalPosition,
    pub(crate) kind: Replication,
}

impl Wal {
    /// The WAL in a whole CopyData message, if it carries any.
    pub(crate) fn of(message: &[u8], kind: Replication) -> Option<Self> {
        let body = message.get(COPY_HEADER..)?;
        if body.len() < WAL_HEADER || body[0] != b'w' {
            return None;
        }
        let start = u64::from_be_bytes(body[1..9].try_into().expect("eight bytes"));
        let len = (body.len() - WAL_HEADER) as u64;
        Some(Self {
            start: WalPosition(start),
            // A logical change has one position, not an extent.
            end: WalPosition(match kind {
                Replication::Logical => start,
                Replication::Physical => start.saturating_add(len),
            }),
            kind,
        })
    }

    /// Cuts a message of pages so that the first one ends at `at`, which must
    /// lie inside: a receiver takes WAL in pieces of any size.
    pub(crate) fn cut(self, message: &Bytes, at: WalPosition) -> (Bytes, (Bytes, Self)) {
        let split = usize::try_from(at.0 - self.start.0).expect("inside of one message");
        let (head, data) = message.split_at(COPY_HEADER + WAL_HEADER);
        let assemble = |start: WalPosition, data: &[u8]| {
            let mut out = BytesMut::with_capacity(head.len() + data.len());
            out.put_u8(head[0]);
            let len = 4 + WAL_HEADER + data.len();
            out.put_u32(u32::try_from(len).expect("shorter than the whole"));
            out.put_u8(b'w');
            out.put_u64(start.0);
            out.put_slice(&head[COPY_HEADER + 9..]);
            out.put_slice(data);
            out.freeze()
        };
        let rest = Self { start: at, ..self };
        (assemble(self.start, &data[..split]), (assemble(at, &data[split..]), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: u64, data: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(b'd');
        out.put_u32(u32::try_from(4 + WAL_HEADER + data.len()).expect("short"));
        out.put_u8(b'w');
        out.put_u64(start);
        out.put_u64(start + 999);
        out.put_u64(77);
        out.put_slice(data);
        out.freeze()
    }

    #[test]
    fn cutting_keeps_every_byte_and_its_position() {
        let whole = message(0x1_0000_0010, b"abcdef");
        let wal = Wal::of(&whole, Replication::Physical).expect("it is WAL");
        assert_eq!(wal.end, WalPosition(0x1_0000_0016));
        let (first, (second, rest)) = wal.cut(&whole, WalPosition(0x1_0000_0012));
        assert_eq!(first, message_with_end(0x1_0000_0010, b"ab"));
        assert_eq!(second, message_with_end(0x1_0000_0012, b"cdef"));
        assert_eq!(Wal::of(&second, Replication::Physical), Some(rest));
    }

    #[test]
    fn a_logical_change_has_a_position_and_no_extent() {
        let wal = Wal::of(&message(16, b"BEGIN 5"), Replication::Logical).expect("it is WAL");
        assert_eq!((wal.start, wal.end), (WalPosition(16), WalPosition(16)));
        let keepalive = [&b"d\0\0\0\x16k"[..], &[0; 17]].concat();
        assert_eq!(Wal::of(&keepalive, Replication::Physical), None);
    }

    /// As [`message`], with the server's end and clock of the uncut one.
    fn message_with_end(start: u64, data: &[u8]) -> Bytes {
        let mut out = BytesMut::from(message(start, data).as_ref());
        out[14..22].copy_from_slice(&(0x1_0000_0010u64 + 999).to_be_bytes());
        out.freeze()
    }

    #[test]
    fn positions_read_as_postgres_writes_them() {
        assert_eq!("16/B374D848".parse(), Ok(WalPosition(0x16_B374_D848)));
        assert_eq!(WalPosition(0x16_B374_D848).to_string(), "16/B374D848");
        assert!("16".parse::<WalPosition>().is_err());
        assert!("1/100000000".parse::<WalPosition>().is_err());
    }
}
