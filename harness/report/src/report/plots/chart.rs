use std::fmt::Write as _;

use super::axis::{Scale, tick_ms, trimmed};
use crate::report::view::{Band, PhaseSpan, View};

/// The size of a chart and the space around its plot, in pixels.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 56.0;
/// Where the strip of phases lies, between the names and the plot.
const PHASES: f64 = 42.0;
const PHASES_HEIGHT: f64 = 12.0;
/// Room that a letter takes.
const LETTER: f64 = 6.2;
const BOTTOM: f64 = 34.0;

/// What the numbers on an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Milliseconds.
    Ms,
    /// A share, shown in percent.
    Share,
    /// Things counted.
    Count,
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Ms => tick_ms(value),
            Self::Share => format!("{} %", trimmed(value * 100.0)),
            Self::Count => trimmed(value),
        }
    }
}

/// One picture with two axes, as SVG.
pub(super) struct Chart {
    body: String,
    title: String,
    x: Scale,
    y: Scale,
    /// Where the next entry of the legend goes.
    legend: f64,
}

impl Chart {
    /// Over time, from 0 to `end_ms`.
    pub(super) fn over_time(title: &str, end_ms: f64, y: Scale, unit: Unit) -> Self {
        let x = Scale::linear(0.0, end_ms, LEFT, WIDTH - RIGHT);
        let mut chart = Self::new(title, x, y);
        chart.axes(Unit::Ms, unit, "time since the run began");
        chart
    }

    /// Over any other quantity.
    pub(super) fn over(title: &str, x: Scale, units: (Unit, Unit), y: Scale, label: &str) -> Self {
        let mut chart = Self::new(title, x, y);
        chart.axes(units.0, units.1, label);
        chart
    }

    fn new(title: &str, x: Scale, y: Scale) -> Self {
        let mut body = String::new();
        put(
            &mut body,
            format_args!(r#"<text class="title" x="{LEFT}" y="16">{}</text>"#, escape(title)),
        );
        Self { body, title: title.to_owned(), x, y, legend: LEFT }
    }

    /// The horizontal scale of a chart over another quantity than time, by
    /// magnitude.
    pub(super) fn width_log(low: f64, high: f64) -> Scale {
        Scale::log(low, high, LEFT, WIDTH - RIGHT)
    }

    /// The same, evenly.
    pub(super) fn width_linear(low: f64, high: f64) -> Scale {
        Scale::linear(low, high, LEFT, WIDTH - RIGHT)
    }

    /// The vertical scale from `low` to `high`.
    pub(super) fn height_linear(low: f64, high: f64) -> Scale {
        Scale::linear(low, high, HEIGHT - BOTTOM, TOP)
    }

    /// The same by magnitude.
    pub(super) fn height_log(low: f64, high: f64) -> Scale {
        Scale::log(low, high, HEIGHT - BOTTOM, TOP)
    }

    fn axes(&mut self, x_unit: Unit, y_unit: Unit, label: &str) {
        let bottom = HEIGHT - BOTTOM;
        for tick in self.y.ticks(4) {
            let y = self.y.at(tick);
            put(
                &mut self.body,
                format_args!(
                    r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="tick end" x="{:.1}" y="{:.1}">{}</text>"#,
                    WIDTH - RIGHT,
                    LEFT - 6.0,
                    y + 3.5,
                    y_unit.text(tick)
                ),
            );
        }
        // Half a run or half a read means nothing.
        let whole = |tick: &f64| x_unit != Unit::Count || tick.fract() == 0.0;
        for tick in self.x.ticks(9).into_iter().filter(whole) {
            let x = self.x.at(tick);
            put(
                &mut self.body,
                format_args!(
                    r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{bottom}" y2="{:.1}"/><text class="tick mid" x="{x:.1}" y="{:.1}">{}</text>"#,
                    bottom + 4.0,
                    bottom + 16.0,
                    x_unit.text(tick)
                ),
            );
        }
        put(
            &mut self.body,
            format_args!(
                r#"<line class="axis" x1="{LEFT}" x2="{:.1}" y1="{bottom}" y2="{bottom}"/><text class="tick mid" x="{:.1}" y="{:.1}">{}</text>"#,
                WIDTH - RIGHT,
                (LEFT + WIDTH - RIGHT) / 2.0,
                HEIGHT - 4.0,
                escape(label)
            ),
        );
    }

    /// What the run was doing, and which faults were on.
    pub(super) fn run(&mut self, view: &View<'_>) {
        self.phases(&view.phases);
        self.bands(&view.bands);
    }

    /// What the run was doing: a strip above the plot, and a line down through
    /// it where one phase follows another.
    fn phases(&mut self, phases: &[PhaseSpan]) {
        let x = self.x;
        let place = |phase: &PhaseSpan| {
            let at = |nanos: u64| x.at(nanos as f64 / 1e6);
            (at(phase.from.as_nanos()), at(phase.to.as_nanos()))
        };
        let room = |text: &str| LETTER * text.chars().count() as f64 + 4.0;
        let fits = |phase: &PhaseSpan| place(phase).1 - place(phase).0 >= room(phase.name);
        for (number, phase) in phases.iter().enumerate() {
            let (from, to) = place(phase);
            let (name, what) = (phase.name, phase.what);
            let shade = if number % 2 == 0 { "phase" } else { "phase other" };
            let width = (to - from).max(1.0);
            put(
                &mut self.body,
                format_args!(
                    r#"<rect class="{shade}" x="{from:.1}" y="{PHASES}" width="{width:.1}" height="{PHASES_HEIGHT}"><title>{name}: {what}</title></rect>"#
                ),
            );
            if number > 0 {
                let bottom = HEIGHT - BOTTOM;
                put(
                    &mut self.body,
                    format_args!(
                        r#"<line class="turn" x1="{from:.1}" x2="{from:.1}" y1="{PHASES}" y2="{bottom}"/>"#
                    ),
                );
            }
            if fits(phase) {
                self.phase_name("mid", f64::midpoint(from, to), name);
            }
        }
        // Names of phases that are too short for them stand beside the long
        // one, on the side where they happened.
        let Some(long) = phases.iter().position(fits) else { return };
        let names = |some: &[PhaseSpan]| -> Vec<&str> {
            some.iter().filter(|phase| !fits(phase)).map(|phase| phase.name).collect()
        };
        let (before, after) = (names(&phases[..long]), names(&phases[long..]));
        if !before.is_empty() {
            self.phase_name("end", LEFT - 4.0, &before.join(", "));
        }
        if let Some(first) = phases[long..].iter().find(|phase| !fits(phase)) {
            self.phase_name("end", place(first).0 - 4.0, &format!("{} ▸", after.join(", ")));
        }
    }

    fn phase_name(&mut self, anchor: &str, x: f64, name: &str) {
        let y = PHASES + PHASES_HEIGHT - 2.5;
        put(
            &mut self.body,
            format_args!(r#"<text class="tick {anchor}" x="{x:.1}" y="{y}">{name}</text>"#),
        );
    }

    /// Shades when faults were on: outlined where asked for, filled from where
    /// seen.
    fn bands(&mut self, bands: &[Band]) {
        let height = HEIGHT - BOTTOM - TOP;
        for band in bands {
            let at = |nanos: u64| self.x.at(nanos as f64 / 1e6);
            let (from, to) = (at(band.from.as_nanos()), at(band.to.as_nanos()));
            let name = escape(&band.fault);
            put(
                &mut self.body,
                format_args!(
                    r#"<rect class="asked" x="{from:.1}" y="{TOP}" width="{:.1}" height="{height}"><title>{name}</title></rect>"#,
                    (to - from).max(1.0)
                ),
            );
            if let Some(seen) = band.observed {
                let seen = at(seen.as_nanos());
                put(
                    &mut self.body,
                    format_args!(
                        r#"<rect class="seen" x="{seen:.1}" y="{TOP}" width="{:.1}" height="{height}"><title>{name}, observed</title></rect>"#,
                        (to - seen).max(1.0)
                    ),
                );
            }
        }
        if !bands.is_empty() {
            self.legend_entry("seen box", "fault (outlined: asked for; filled: observed)");
        }
    }

    /// A line through points; a point of no value breaks it.
    pub(super) fn line(
        &mut self,
        class: &str,
        name: &str,
        points: impl Iterator<Item = (f64, Option<f64>)>,
    ) {
        let mut path = String::new();
        let mut pen = 'M';
        for (x, y) in points {
            let Some(y) = y else {
                pen = 'M';
                continue;
            };
            put(&mut path, format_args!("{pen}{:.1} {:.1}", self.x.at(x), self.y.at(y)));
            if pen == 'M' {
                // A value alone among gaps is seen as a dot.
                path.push_str("h0");
            }
            pen = 'L';
        }
        put(&mut self.body, format_args!(r#"<path class="line {class}" d="{path}"/>"#));
        self.legend_entry(class, name);
    }

    /// A cloud of dots, as one path.
    pub(super) fn dots(
        &mut self,
        class: &str,
        name: &str,
        points: impl Iterator<Item = (f64, f64)>,
    ) {
        let mut path = String::new();
        for (x, y) in points {
            put(&mut path, format_args!("M{:.1} {:.1}h0", self.x.at(x), self.y.at(y)));
        }
        if path.is_empty() {
            return;
        }
        put(&mut self.body, format_args!(r#"<path class="dots {class}" d="{path}"/>"#));
        self.legend_entry(&format!("{class} dot"), name);
    }

    /// A bar from zero, between two values on the horizontal axis.
    pub(super) fn bar(&mut self, class: &str, from: f64, to: f64, height: f64, hint: &str) {
        let (left, right) = (self.x.at(from), self.x.at(to));
        let top = self.y.at(height);
        put(
            &mut self.body,
            format_args!(
                r#"<rect class="bar {class}" x="{:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"><title>{}</title></rect>"#,
                left + 0.5,
                (right - left - 1.0).max(1.0),
                HEIGHT - BOTTOM - top,
                escape(hint)
            ),
        );
    }

    /// An interval with whiskers around a value.
    pub(super) fn interval(&mut self, x: f64, value: f64, low: f64, high: f64, hint: &str) {
        let (x, y) = (self.x.at(x), self.y.at(value));
        let (low, high) = (self.y.at(low), self.y.at(high));
        put(
            &mut self.body,
            format_args!(
                r#"<g><title>{}</title><path class="whisker" d="M{x:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8"/><circle class="point" cx="{x:.1}" cy="{y:.1}" r="3.5"/></g>"#,
                escape(hint),
                x - 4.0,
                x - 4.0
            ),
        );
    }

    /// A name in the row of names above the plot.
    pub(super) fn legend_entry(&mut self, class: &str, name: &str) {
        let x = self.legend;
        put(
            &mut self.body,
            format_args!(
                r#"<rect class="key {class}" x="{x:.1}" y="26" width="12" height="10"/><text class="tick" x="{:.1}" y="35">{}</text>"#,
                x + 17.0,
                escape(name)
            ),
        );
        self.legend += 17.0 + LETTER * name.chars().count() as f64 + 18.0;
    }

    /// Says in the middle why there is nothing to see.
    pub(super) fn note(mut self, nothing: Option<&str>) -> Self {
        if let Some(words) = nothing {
            let (x, y) = ((LEFT + WIDTH - RIGHT) / 2.0, f64::midpoint(TOP, HEIGHT - BOTTOM));
            put(
                &mut self.body,
                format_args!(
                    r#"<text class="mid over" x="{x:.1}" y="{y:.1}">{}</text>"#,
                    escape(words)
                ),
            );
        }
        self
    }

    /// The picture, to stand in a page that brings its own style.
    pub(super) fn finish(self) -> String {
        format!(
            r#"<svg class="figure" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">{}</svg>"#,
            escape(&self.title),
            self.body
        )
    }
}

/// The picture as a file of its own.
pub(in crate::report) fn stand_alone(svg: &str) -> String {
    let style = include_str!("../assets/figure.css");
    let head = r#"<svg xmlns="http://www.w3.org/2000/svg" "#;
    let svg = svg.replacen("<svg ", head, 1);
    let body = svg.find('>').map_or(0, |end| end + 1);
    format!("{}<style>{style}</style>{}\n", &svg[..body], &svg[body..])
}

/// Text that may stand in SVG and HTML, in an attribute too.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe
}

fn put(to: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string never fails.
    let _ = to.write_fmt(text);
}
