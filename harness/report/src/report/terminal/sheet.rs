use std::fmt::Write as _;

use anstyle::Style;

use super::{
    Ink, Width,
    width::{columns, cut as shorten, wrap},
};

/// Lines of text of a given width and ink.
pub(in crate::report) struct Sheet {
    pub(in crate::report) text: String,
    pub(in crate::report) width: Width,
    pub(in crate::report) ink: Ink,
}

impl Sheet {
    pub(in crate::report) const fn new(width: Width, ink: Ink) -> Self {
        Self { text: String::new(), width, ink }
    }

    /// Columns beside `used`; none if there is no limit.
    pub(in crate::report) fn room(&self, used: usize) -> Option<usize> {
        self.width.beside(used)
    }

    /// A line as it is.
    pub(in crate::report) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A paragraph behind a `lead`; its further lines are indented by `hang`
    /// columns.
    pub(in crate::report) fn item(
        &mut self,
        lead: (Style, &str),
        body: (Style, &str),
        hang: usize,
    ) {
        let (lead_style, lead) = lead;
        let (body_style, body) = body;
        let hang = match self.width {
            Width::Columns(all) => hang.min(all.saturating_sub(24)),
            Width::Free => hang,
        };
        let rest = self.width.beside(hang);
        // A lead that leaves no room stands in a line of its own.
        let is_alone = matches!(self.width, Width::Columns(all) if columns(lead) + 20 > all);
        let first = if is_alone { rest } else { self.width.beside(columns(lead)) };
        let mut lead = Some(lead);
        if is_alone {
            let alone = shorten(lead.take().unwrap_or_default().trim_end(), self.width.beside(0));
            self.paint(lead_style, &alone, body_style, "");
        }
        for line in wrap(body, first, rest) {
            match lead.take() {
                Some(lead) => self.paint(lead_style, lead, body_style, &line),
                None => self.paint(Style::new(), &" ".repeat(hang), body_style, &line),
            }
        }
    }

    fn paint(&mut self, lead_style: Style, lead: &str, body_style: Style, body: &str) {
        let lead = if body.is_empty() { lead.trim_end() } else { lead };
        // Writing to a string never fails.
        let _ =
            writeln!(self.text, "{lead_style}{lead}{lead_style:#}{body_style}{body}{body_style:#}");
    }
}
