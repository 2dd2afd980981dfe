//! What is wider than a narrow screen: it scrolls, also by keyboard.

use maud::{Markup, html};

/// Something that may be too wide. It takes the focus, so that arrows scroll it,
/// and has a name for those who come upon it by ear.
pub(crate) fn scroller(name: &str, inside: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(name) { (inside) } }
}

/// Text as it was written, line by line.
pub(super) fn verbatim(name: &str, text: &str) -> Markup {
    html! { pre tabindex="0" role="group" aria-label=(name) { code { (text) } } }
}
