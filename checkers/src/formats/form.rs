use crate::Value;

/// A piece of EDN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Nil,
    Bool(bool),
    Int(i64),
    /// Without its colon.
    Keyword(String),
    Text(String),
    /// A number that is not whole or too large, a symbol, a character: as it
    /// stands.
    Other(String),
    /// A list, vector or set.
    Sequence(Vec<Form>),
    Map(Vec<(Form, Form)>),
}

impl Form {
    /// The name of a keyword or the content of a text.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Keyword(name) | Self::Text(name) | Self::Other(name) => Some(name),
            _ => None,
        }
    }

    pub(super) const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// As a value in a history. A map is a list of its pairs.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(*n),
            Self::Keyword(name) => Value::Atom(format!(":{name}").into()),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Other(text) => other(text),
            Self::Sequence(items) => Value::List(items.iter().map(Self::value).collect()),
            Self::Map(pairs) => {
                let pair = |(k, v): &(Self, Self)| Value::List([k.value(), v.value()].into());
                Value::List(pairs.iter().map(pair).collect())
            }
        }
    }

    /// As a reader would write it.
    pub(super) fn print(&self) -> String {
        match self {
            Self::Map(pairs) => {
                let pair = |(k, v): &(Self, Self)| format!("{} {}", k.print(), v.print());
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
            Self::Sequence(items) => {
                format!("[{}]", items.iter().map(Self::print).collect::<Vec<_>>().join(" "))
            }
            other => other.value().to_string(),
        }
    }
}

/// A number, `1.5M` as 1.5, or what stands for itself.
fn other(text: &str) -> Value {
    let digits = text.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Value::Atom(text.into());
    }
    Value::number(text.strip_suffix(['M', 'N']).unwrap_or(text))
}
