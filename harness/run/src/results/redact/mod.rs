//! What a run says, without what an application's rows, statements and headers
//! hold.
//!
//! All text that is shown goes through one place, the [`Redactor`]. It does not
//! look for secrets, which nobody can recognise: it keeps what it knows (the
//! words of quarrel, SQL, Redis and the servers' logs, in `words.txt`; short
//! numbers, versions and times), and everything else becomes a token. A text
//! that it has never seen cannot pass, whatever it is.

mod copy;
mod veil;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use quarrel_checkers::Value;

pub use copy::{RedactError, redacted_copy};
pub(crate) use veil::Veil;

/// Words that say nothing of anybody's data.
static WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("words.txt").split_whitespace().collect());

/// Signs outside of ASCII that quarrel prints itself.
const SIGNS: &str = "×→←≤≥·–—…✓✗│└├─●○";

/// The longest number that is taken for a count or a time. Longer ones may be
/// somebody's.
const DIGITS: usize = 4;

/// What the calls of a transaction are called in its value: `["r", 7, "Alex"]`.
const CALLS: [&str; 5] = ["r", "read", "w", "write", "append"];

/// What may stand behind a number, and makes it a time, an amount or an order.
const UNITS: [&str; 14] =
    ["ns", "us", "µs", "ms", "s", "m", "min", "h", "kb", "mb", "gb", "st", "nd", "th"];

/// Puts tokens in place of texts: `redacted-1`, `redacted-2`, in the order in
/// which they first come. The same text gets the same token, so that it shows
/// what is equal; a token tells nothing of its text, not even to somebody who
/// guesses it.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    seen: HashMap<String, usize>,
}

impl Redactor {
    /// What stands for the whole of a text.
    pub fn token(&mut self, text: &str) -> String {
        let next = self.seen.len() + 1;
        let number = match self.seen.get(text) {
            Some(number) => *number,
            None => *self.seen.entry(text.to_owned()).or_insert(next),
        };
        format!("redacted-{number}")
    }

    /// Whether a value that is no list has been replaced by a token.
    fn has_token(&self, value: &Value) -> bool {
        match value {
            Value::Int(number) => self.seen.contains_key(&of_number(*number)),
            Value::Text(text) | Value::Atom(text) => self.seen.contains_key(&**text),
            Value::Nil | Value::Bool(_) | Value::List(_) => false,
        }
    }

    /// A text of which only what is known is left.
    pub fn text(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(len) = style(rest) {
                shown.push_str(&rest[..len]);
                rest = &rest[len..];
                continue;
            }
            let is_word = |c: char| is_of_a_word(c) == is_of_a_word(first);
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if !is_of_a_word(first) || is_known(part) {
                shown.push_str(part);
            } else {
                shown.push_str(&self.token(part));
            }
            rest = after;
        }
        shown
    }

    /// What a command prints: a text, or JSON, of which names of fields and
    /// texts are treated as texts are.
    pub fn printed(&mut self, text: &str) -> String {
        let is_json = text.starts_with(['{', '[']);
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) if is_json => format!("{:#}\n", self.json(json)),
            _ => self.text(text),
        }
    }

    fn json(&mut self, json: serde_json::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match json {
            Json::String(text) => Json::String(self.text(&text)),
            Json::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Json::Object(fields) => Json::Object(
                fields.into_iter().map(|(name, of)| (self.text(&name), self.json(of))).collect(),
            ),
            Json::Number(_) | Json::Bool(_) | Json::Null => json,
        }
    }

    /// A value. Numbers and counts (`42#9`) are kept if clients of the run wrote
    /// them: quarrel chose those.
    pub(crate) fn value(&mut self, value: &Value, own: &HashSet<Value>) -> Value {
        match value {
            Value::Nil => Value::Nil,
            Value::Bool(is) => Value::Bool(*is),
            Value::Int(_) if own.contains(value) => value.clone(),
            Value::Text(text) if is_count(text) && own.contains(value) => value.clone(),
            // A number is another value than the text of its digits.
            Value::Int(number) => self.token(&of_number(*number)).as_str().into(),
            Value::Text(text) if CALLS.contains(&&**text) => value.clone(),
            Value::Text(text) => self.token(text).as_str().into(),
            Value::Atom(text) => Value::Atom(Arc::from(self.token(text))),
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.value(item, own)).collect())
            }
        }
    }
}

/// What a number is called among the texts that have tokens.
fn of_number(number: i64) -> String {
    format!("\0{number}")
}

/// The length of a terminal's style (`ESC [ 1 ; 31 m`) at the beginning of a
/// text.
fn style(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\x1b[")?;
    let end = numbers.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    (end <= 2 * DIGITS && numbers[end..].starts_with('m')).then_some(end + 3)
}

/// `42#9`: a number, and whose it is.
fn is_count(text: &str) -> bool {
    text.contains('#') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'#')
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii() && !c.is_whitespace() && !SIGNS.contains(c)
}

fn is_known(word: &str) -> bool {
    // A letter names a client (`Writer A`) or a time (`t=3ms`).
    if word.len() == 1 {
        return word.is_ascii();
    }
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        let unit = word[digits..].to_lowercase();
        return digits <= DIGITS && (unit.is_empty() || UNITS.contains(&&*unit));
    }
    let lower = word.to_ascii_lowercase();
    WORDS.contains(&*lower) || is_version(&lower)
}

/// `v27`, and `v000000028`, as quarrel gives values to applications.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|digits| {
        let is_padded = digits.len() == 9 && digits.starts_with("0");
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && (!digits.is_empty() && digits.len() <= DIGITS || is_padded)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_known_stays_and_what_is_not_becomes_a_token() {
        let mut redactor = Redactor::default();
        let mut shown = |text: &str| redactor.text(text);
        assert_eq!(
            shown("  t=0.77ms  Writer A: DEL 18   -> ok at 0/39F8, v27"),
            "  t=0.77ms  Writer A: DEL 18   -> ok at 0/redacted-1, v27"
        );
        assert_eq!(
            shown("ERROR:  duplicate key: Key (mail)=(bob@example.com) exists"),
            "ERROR:  duplicate key: Key (redacted-2)=(redacted-3@redacted-4.redacted-5) exists"
        );
        assert_eq!(shown("bob, 4111111111111111"), "redacted-3, redacted-6");
        assert_eq!(shown("\x1b[1;31merror\x1b[0m: bob"), "\x1b[1;31merror\x1b[0m: redacted-3");
        assert_eq!(shown("SELECT name FROM t1"), "SELECT name FROM redacted-7");
        assert_eq!(shown("{\"key\": \"grüße\"}"), "{\"key\": \"redacted-8\"}");
    }

    proptest! {
        /// Every word of it is one that was known before it came.
        #[test]
        fn nothing_unknown_passes(text in "[^\x1b]*") {
            let shown = Redactor::default().text(&text);
            for word in shown.split(|c| !is_of_a_word(c)).filter(|word| !word.is_empty()) {
                // The numbers of tokens count up from one.
                let is_number = word.parse::<usize>().is_ok_and(|number| number <= text.len());
                prop_assert!(is_known(word) || is_number, "{word} of {text}");
            }
        }

        /// What was equal is equal, and nothing else is.
        #[test]
        fn tokens_stand_for_one_text_each(texts in prop::collection::vec("[a-c]{0,2}", 0..20)) {
            let mut redactor = Redactor::default();
            let tokens: Vec<_> = texts.iter().map(|text| redactor.token(text)).collect();
            for (a, one) in texts.iter().zip(&tokens) {
                for (b, other) in texts.iter().zip(&tokens) {
                    prop_assert_eq!(a == b, one == other);
                }
            }
        }
    }
}
