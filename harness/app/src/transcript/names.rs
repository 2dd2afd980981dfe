use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use quarrel_checkers::{Key, Object, Value};

use crate::{
    commits::Announced,
    file::{AppFile, Rows},
    rows::key_of,
    template::Template,
    token::values_in,
};

/// Which rows, and which of the things kept about a row, texts are about.
pub(crate) struct Names {
    rows: Rows,
    entry: Option<Template>,
    announced: Arc<Announced>,
    /// Kinds of names, with the row's number left out, under which a value was
    /// seen: what they name are entries.
    seen: HashSet<String>,
}

impl Names {
    pub(crate) fn new(file: &AppFile, announced: Arc<Announced>) -> Self {
        let (rows, entry) = (file.rows.clone(), file.entry.clone());
        Self { rows, entry, announced, seen: HashSet::new() }
    }

    /// The key that a value was written to, or is going to be.
    pub(super) fn of(&self, value: &Value) -> Option<Key> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).get(value).copied()
    }

    /// The first value of this run that stands in the bytes, and its key.
    pub(super) fn first_in(&self, bytes: &[u8]) -> Option<(Key, Value)> {
        values_in(bytes).find_map(|value| Some((self.of(&value)?, value)))
    }

    /// The keys whose numbers these texts are.
    pub(super) fn keys(&self, texts: &[String]) -> Vec<Key> {
        let numbers = texts.iter().filter_map(|text| text.parse().ok());
        let mut keys: Vec<Key> = numbers.filter_map(|number| key_of(&self.rows, number)).collect();
        keys.dedup();
        keys
    }

    /// What a name in the cache stands for. `value` says that a value of the
    /// run is kept there; `asked` is whose row the request is about, for names
    /// that do not say it.
    pub(super) fn object(
        &mut self,
        name: &str,
        value: Option<Key>,
        asked: Option<Key>,
    ) -> Option<Object> {
        let (named, rest) = self.taken_apart(name);
        let key = named.or(value).or(asked)?;
        if value.is_some() && !self.seen.contains(&rest) {
            self.seen.insert(rest.clone());
        }
        let is_entry = match &self.entry {
            Some(entry) => entry.fill(|_| self.number(key)) == name,
            None => self.seen.contains(&rest),
        };
        let space = if is_entry { String::new() } else { rest };
        Some(Object { space: space.into(), key, version: None })
    }

    fn number(&self, key: Key) -> String {
        crate::rows::number(&self.rows, key).to_string()
    }

    /// The row that a name has the number of, and the name without it.
    fn taken_apart(&self, name: &str) -> (Option<Key>, String) {
        let mut key = None;
        let mut rest = String::with_capacity(name.len());
        let mut left = name;
        while let Some(at) = left.find(|c: char| c.is_ascii_digit()) {
            rest.push_str(&left[..at]);
            left = &left[at..];
            let end = left.find(|c: char| !c.is_ascii_digit()).unwrap_or(left.len());
            let found = left[..end].parse().ok().and_then(|number| key_of(&self.rows, number));
            match found {
                Some(found) if key.is_none_or(|key| key == found) => {
                    key = Some(found);
                    rest.push_str("{key}");
                }
                _ => rest.push_str(&left[..end]),
            }
            left = &left[end..];
        }
        (key, rest + left)
    }
}
