use std::borrow::Cow;

use rustc_hash::FxHashMap;

/// Words that come again and again, by number: verbs, names, errors.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    all: Vec<Cow<'static, str>>,
    numbers: FxHashMap<Cow<'static, str>, u32>,
    /// What their letters take.
    text_bytes: usize,
}

impl Words {
    /// The number of a word; `kept` is what is kept of it, if it is new.
    pub(super) fn number(&mut self, word: &str, kept: impl FnOnce() -> Cow<'static, str>) -> u64 {
        if let Some(number) = self.numbers.get(word) {
            return u64::from(*number);
        }
        let number = u32::try_from(self.all.len()).expect("a history has < 2^32 words");
        let word = kept();
        // Once by its number, and once by itself.
        self.text_bytes += 2 * word.len();
        self.all.push(word.clone());
        self.numbers.insert(word, number);
        u64::from(number)
    }

    /// The bytes that they take.
    pub(super) fn heap_bytes(&self) -> usize {
        let entry = size_of::<(Cow<'static, str>, u32)>() + 1;
        let list = self.all.capacity() * size_of::<Cow<'static, str>>();
        list + self.numbers.capacity() * entry + self.text_bytes
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
