//! What both shapes of the picture show alike.

use quarrel_checkers::Version;

use super::strip::Held;

/// Stripes for what is old, under a name of their own in the page.
pub(super) fn stripes(name: &str) -> String {
    format!(
        concat!(
            r#"<pattern id="{name}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">"#,
            r#"<rect class="oldfill" width="7" height="7"/><path class="oldline" d="M0 0v7"/></pattern>"#
        ),
        name = name
    )
}

/// How a piece of a strip is drawn.
pub(super) struct Look {
    /// The class of its box.
    pub(super) class: &'static str,
    /// What the box is filled with, if not as its class says.
    pub(super) fill: String,
    /// The class of its text.
    pub(super) weight: &'static str,
    /// What it may say, the longest first.
    pub(super) texts: Vec<String>,
}

impl Look {
    /// Of what a store held; `stripes` is the name of the stripes.
    pub(super) fn of(held: Held, stripes: &str) -> Self {
        let plain = |class, text: String| Self {
            class,
            fill: String::new(),
            weight: "",
            texts: vec![text],
        };
        match held {
            Held::Fresh(Version { number, .. }) => plain("", format!("v{number}")),
            Held::Old(Version { number, .. }) => Self {
                class: "old",
                fill: format!(r#" fill="url(#{stripes})""#),
                weight: "shout",
                texts: vec![format!("v{number} old"), format!("v{number}")],
            },
            Held::Empty => plain("void", "empty".to_owned()),
            Held::Unknown => plain("void", "?".to_owned()),
        }
    }
}
