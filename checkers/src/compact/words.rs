use std::borrow::Cow;

use rustc_hash::FxHashMap;

/// Words that come again and again, by number: verbs, names, errors.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    all: Vec<Cow<'static, str>>,
    numbers: FxHashMap<Cow<'static, str>, u32>,
}

impl Words {
    /// The number of a word; `kept` is what is kept of it, if it is new.
    pub(super) fn number(&mut self, word: &str, kept: impl FnOnce() -> Cow<'static, str>) -> u64 {
        if let Some(number) = self.numbers.get(word) {
            return u64::from(*number);
        }
        let number = u32::try_from(self.all.len()).expect("a history has < 2^32 words");
        let word = kept();
        self.all.push(word.clone());
        self.numbers.insert(word, number);
        u64::from(number)
    }

    /// The number of a word that somebody else has.
    pub(super) fn number_of(&mut self, word: &str) -> u64 {
        self.number(word, || Cow::Owned(word.to_owned()))
    }

    pub(super) fn word(&self, number: u64) -> &Cow<'static, str> {
        let at = usize::try_from(number).expect("a word has a number of 32 bits");
        &self.all[at]
    }
}
