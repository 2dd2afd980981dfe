//! A name for each request, as Toxiproxy gives it: twelve bytes (seconds, what
//! tells this process from others, a counter) in twenty letters and digits.

use axum::http::{HeaderName, HeaderValue};
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");

/// The digits of RFC 4648's base32hex, in lower case: ids sort by their time.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RequestId(String);

impl RequestId {
    pub(super) fn next() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        static PROCESS: OnceLock<u64> = OnceLock::new();
        // The standard library's only source of randomness.
        let random = || std::hash::RandomState::new().build_hasher().finish();
        let process = PROCESS.get_or_init(random).to_be_bytes();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let seconds = seconds.to_be_bytes();
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&seconds[4..]);
        bytes[4..9].copy_from_slice(&process[..5]);
        bytes[9..].copy_from_slice(&counter[1..]);
        Self(digits(bytes))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        Self::try_from(id.0).expect("letters and digits fit a header")
    }
}

fn digits(bytes: [u8; 12]) -> String {
    let mut padded = [0; 16];
    padded[..12].copy_from_slice(&bytes);
    // 96 bits are nineteen digits and one bit.
    let number = u128::from_be_bytes(padded);
    let digit = |index: u32| DIGITS[usize::try_from(number >> (123 - 5 * index) & 31).unwrap_or(0)];
    (0..20).map(|index| char::from(digit(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twenty_digits_and_no_two_are_equal() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| RequestId::next().0).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 20 && id.bytes().all(|b| DIGITS.contains(&b))));
    }

    #[test]
    fn bytes_are_written_as_base32hex_writes_them() {
        // RFC 4648: "foobar" is CPNMUOJ1E8.
        let id = digits(*b"foobarfoobar");
        assert_eq!(&id[..9], "cpnmuoj1e");
        assert_eq!(digits([0xff; 12]), "vvvvvvvvvvvvvvvvvvvg");
    }
}
