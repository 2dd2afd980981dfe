use quarrel_checkers::Value;

use super::token::value_of;

/// What an application answered to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// There is no such row, or it has no value.
    Absent,
    /// A value.
    Value(Value),
    /// Something in which no value could be found.
    Unreadable(String),
}

impl Answer {
    /// What a text is: only what quarrel wrote can be in a row of its own.
    pub(super) fn of(text: &str) -> Self {
        value_of(text).map_or_else(
            || {
                let shown: String = text.chars().take(60).collect();
                Self::Unreadable(format!("`{shown}` is no value that quarrel wrote"))
            },
            Self::Value,
        )
    }
}
