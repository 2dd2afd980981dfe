//! The commands that rules are about, told from others by their names alone.

/// Names that a request of Postgres has where its SQL does not give it one.
const NAMELESS: [&str; 11] = [
    "EMPTY", "EXECUTE", "PARSE", "BIND", "CLOSE", "COPY", "DESCRIBE", "SYNC", "FLUSH", "FUNCTION",
    "STARTUP",
];

/// First words of the names of commands; none: no rule is about any.
#[derive(Debug, Default)]
pub(crate) struct Sought(Vec<Box<[u8]>>);

impl Sought {
    /// Of commands with these names. None: more of a message than its name must
    /// be read to know that it is not one of them.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let words = names.into_iter().map(|name| {
            let word = name.split(' ').next().filter(|word| !word.is_empty())?;
            let is_nameless = NAMELESS.iter().any(|nameless| nameless.eq_ignore_ascii_case(word));
            (!is_nameless).then(|| word.as_bytes().into())
        });
        words.collect::<Option<_>>().map(Self)
    }

    /// Whether it is the first word of a sought name.
    pub(super) fn has(&self, word: &[u8]) -> bool {
        self.0.iter().any(|sought| sought.eq_ignore_ascii_case(word))
    }

    /// Whether the text has one of the words, maybe as a part of another.
    pub(super) fn may_be_in(&self, text: &[u8]) -> bool {
        self.0
            .iter()
            .any(|sought| text.windows(sought.len()).any(|part| part.eq_ignore_ascii_case(sought)))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_sought_by_its_first_word_in_any_case() {
        let sought = Sought::of(["config set", "DEL"]).expect("names");
        assert!(sought.has(b"CONFIG") && sought.has(b"del") && !sought.has(b"DELETE"));
        assert!(sought.may_be_in(b"SELECT 1; delete") && !sought.may_be_in(b"SELECT 1"));
        assert!(Sought::of(["DEL", "Sync"]).is_none());
        assert!(Sought::of([" x"]).is_none());
    }
}
