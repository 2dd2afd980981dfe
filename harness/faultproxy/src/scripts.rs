//! Scripts of Redis by their digests: what `EVALSHA` runs is known where its
//! text was seen before, in an `EVAL` or a `SCRIPT LOAD` on any connection of
//! this fault proxy. A digest tells its text whatever server knows it.

use crate::link::lock;
use crate::message::{Command, Script};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Bytes of texts that are kept; the oldest are forgotten first.
const MOST_KEPT: usize = 8 << 20;
/// Digests of unknown scripts that are told of, each once.
const MOST_UNKNOWN: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Scripts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    texts: BTreeMap<String, Arc<str>>,
    /// Their digests, oldest first.
    order: VecDeque<String>,
    bytes: usize,
    unknown: Vec<String>,
}

impl Scripts {
    /// Takes note of the scripts that commands bring, and gives those that
    /// name one its text; the digests of those that are met for the first time
    /// and not known.
    pub(crate) fn resolve(&self, commands: &mut [Command]) -> Vec<String> {
        let mut unknown = Vec::new();
        for command in commands {
            match &command.script {
                None | Some(Script::Known(_)) => {}
                Some(Script::Given(text)) => {
                    lock(&self.0).note(text);
                    // The command's own text has it.
                    command.script = None;
                }
                Some(Script::Digest(digest)) => {
                    let mut state = lock(&self.0);
                    match state.texts.get(digest).cloned() {
                        Some(text) => command.script = Some(Script::Known(text)),
                        None if state.is_news(digest) => unknown.push(digest.clone()),
                        None => {}
                    }
                }
            }
        }
        unknown
    }
}

impl State {
    fn note(&mut self, text: &[u8]) {
        let digest = sha1_smol::Sha1::from(text).digest().to_string();
        if self.texts.contains_key(&digest) {
            return;
        }
        let text: Arc<str> = String::from_utf8_lossy(text).into();
        self.unknown.retain(|unknown| *unknown != digest);
        self.bytes += text.len();
        self.texts.insert(digest.clone(), text);
        self.order.push_back(digest);
        while self.bytes > MOST_KEPT {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.texts.remove(&oldest).map_or(0, |text| text.len());
        }
    }

    fn is_news(&mut self, digest: &str) -> bool {
        if self.unknown.len() >= MOST_UNKNOWN || self.unknown.iter().any(|known| known == digest) {
            return false;
        }
        self.unknown.push(digest.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Command {
        let script = Script::Given(bytes::Bytes::copy_from_slice(text.as_bytes()));
        Command { script: Some(script), ..Command::default() }
    }

    fn named(digest: &str) -> Command {
        Command { script: Some(Script::Digest(digest.into())), ..Command::default() }
    }

    /// Of `return 1`, as `SCRIPT LOAD` answers it.
    const DIGEST: &str = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";

    #[test]
    fn a_digest_is_known_once_its_text_was_seen() {
        let scripts = Scripts::default();
        let mut command = [named(DIGEST)];
        assert_eq!(scripts.resolve(&mut command), [DIGEST]);
        assert_eq!(scripts.resolve(&mut command), [""; 0]);
        assert_eq!(scripts.resolve(&mut [given("return 1")]), [""; 0]);
        assert_eq!(scripts.resolve(&mut command), [""; 0]);
        assert_eq!(command[0].script, Some(Script::Known("return 1".into())));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let scripts = Scripts::default();
        scripts.resolve(&mut [given("return 1")]);
        for n in 0..20 {
            scripts.resolve(&mut [given(&format!("{n}{}", "x".repeat(1 << 20)))]);
        }
        let state = lock(&scripts.0);
        assert!(state.bytes <= MOST_KEPT && state.texts.len() == state.order.len());
        assert!(!state.texts.contains_key(DIGEST));
    }
}
