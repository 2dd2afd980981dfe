use anstyle::{AnsiColor, Style};

/// The colours of a report. The stream that it is printed to strips them
/// where they are not wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ink {
    /// Bad news.
    pub bad: Style,
    /// Good news.
    pub good: Style,
    /// What needs care.
    pub warn: Style,
    /// Marks that lead the eye.
    pub mark: Style,
    /// What matters in a line.
    pub strong: Style,
    /// What may be passed over.
    pub faint: Style,
}

impl Ink {
    /// Colours for a terminal.
    #[must_use]
    pub const fn colours() -> Self {
        Self {
            bad: AnsiColor::Red.on_default().bold(),
            good: AnsiColor::Green.on_default().bold(),
            warn: AnsiColor::Yellow.on_default().bold(),
            mark: AnsiColor::Blue.on_default().bold(),
            strong: Style::new().bold(),
            faint: Style::new().dimmed(),
        }
    }

    /// No colours: for files.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }
}
