use std::fmt::Write as _;

/// Text with places for what is known only later: `{key}`, `{primary.host}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<ClientState>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ClientState {
    Text(String),
    Place(String),
}

/// Which places a template may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Where the stores are, and the instance's own port.
    Addresses,
    /// A row's key.
    Key,
    /// A row's key, and the value that it gets.
    KeyAndValue,
}

impl Words {
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Addresses => &ADDRESSES,
            Self::Key => &["key"],
            Self::KeyAndValue => &["key", "value"],
        }
    }
}

const ADDRESSES: [&str; 16] = [
    "port",
    "primary",
    "primary.host",
    "primary.port",
    "primary.user",
    "primary.db",
    "replica",
    "replica.host",
    "replica.port",
    "replica.user",
    "replica.db",
    "cache",
    "cache.host",
    "cache.port",
    "cache.db",
    "instance",
];

impl Template {
    /// Takes a text apart. Braces that enclose no name, as those of JSON do,
    /// are text.
    pub(super) fn parse(text: &str, words: Words) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(name) = name_at(rest) else {
                plain.push('{');
                rest = &rest[1..];
                continue;
            };
            if !words.known().contains(&name) {
                let known: Vec<_> =
                    words.known().iter().map(|word| format!("{{{word}}}")).collect();
                return Err(format!("{{{name}}} is not known here: expected {}", known.join(", ")));
            }
            if !plain.is_empty() {
                parts.push(ClientState::Text(std::mem::take(&mut plain)));
            }
            parts.push(ClientState::Place(name.to_owned()));
            rest = &rest[name.len() + 2..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(ClientState::Text(plain));
        }
        Ok(Self { parts })
    }

    /// Whether it has a place of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, ClientState::Place(place) if place == name))
    }

    /// The text, with what stands at each place.
    #[must_use]
    pub fn fill(&self, mut at: impl FnMut(&str) -> String) -> String {
        self.parts.iter().fold(String::new(), |mut text, part| {
            let _ = match part {
                ClientState::Text(plain) => text.write_str(plain),
                ClientState::Place(name) => text.write_str(&at(name)),
            };
            text
        })
    }
}

/// The name in the braces that `text` begins with.
fn name_at(text: &str) -> Option<&str> {
    let end = text.find('}')?;
    let name = &text[1..end];
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.' || byte == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_json_are_text() {
        let template =
            Template::parse(r#"{"name": "{value}", "of": {"id": {key}}}"#, Words::KeyAndValue);
        let filled = template.unwrap().fill(|name| name.to_uppercase());
        assert_eq!(filled, r#"{"name": "VALUE", "of": {"id": KEY}}"#);
    }

    #[test]
    fn a_place_that_nobody_fills_is_named() {
        let why = Template::parse("GET /{id}", Words::Key).unwrap_err();
        assert_eq!(why, "{id} is not known here: expected {key}");
    }
}
