//! How values look on their way through an application: `v000000028`.
//!
//! Each is as long as every other, so that none is part of another: it can be
//! found in the bytes of a pickle, a page or a row whose form nobody knows.

use quarrel_checkers::Value;

/// Digits of a token.
const DIGITS: usize = 9;

/// What stands for a value in requests and rows.
pub(super) fn token(value: &Value) -> String {
    match value {
        Value::Int(number) => format!("v{number:0DIGITS$}"),
        other => other.to_string(),
    }
}

/// The value of a whole text; none if it is no token.
pub(super) fn value_of(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('v')?;
    let is_token = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_token.then(|| digits.parse().ok().map(Value::Int))?
}

/// Every value whose token stands somewhere in the bytes, in order.
pub(super) fn values_in(bytes: &[u8]) -> impl Iterator<Item = Value> + '_ {
    let starts = memchr::memchr_iter(b'v', bytes);
    starts.filter_map(|at| {
        let end = at + 1 + DIGITS;
        let text = std::str::from_utf8(bytes.get(at..end)?).ok()?;
        // Ten digits are no token with nine.
        let goes_on = bytes.get(end).is_some_and(u8::is_ascii_digit);
        if goes_on { None } else { value_of(text) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_found_in_any_bytes(
            number in 0i64..1_000_000_000, before in ".{0,20}", after in "[^0-9]{0,20}",
        ) {
            let value = Value::Int(number);
            let text = format!("{before}{}{after}", token(&value));
            prop_assert!(values_in(text.as_bytes()).any(|found| found == value));
            prop_assert_eq!(value_of(&token(&value)), Some(value));
        }
    }

    #[test]
    fn what_is_longer_or_shorter_is_no_token() {
        assert_eq!(values_in(b"v0000000281 v00000002 x").next(), None);
    }
}
