use std::fmt::Write as _;

use quarrel_checkers::{Step, StepAt, millis};

use super::{
    Picture, StepBox,
    axis::{LEFT, label_width},
    look::{Look, stripes},
    safe, site_row,
    strip::Piece,
};

/// Heights, in pixels.
const HEAD: f64 = 44.0;
const LANE: f64 = 62.0;
const STRIP: f64 = 24.0;
const STRIP_GAP: f64 = 10.0;
const FOOT: f64 = 40.0;
/// How far from the end of its box a fill's line goes down to the cache.
const FILL_INSET: f64 = 6.0;

/// The whole picture.
pub(super) fn draw(picture: &Picture<'_>, number: usize) -> String {
    let mut canvas = Canvas { body: String::new(), picture, number };
    canvas.silences();
    canvas.lanes();
    canvas.strips();
    canvas.wires();
    canvas.frames();
    canvas.way();
    canvas.strip_labels();
    canvas.boxes();
    canvas.bracket();
    canvas.ticks();
    let height = canvas.floor() + FOOT;
    let title = format!("{}, step by step", safe(&picture.anomaly.class.to_string()));
    format!(
        concat!(
            r#"<svg class="figure zoom" viewBox="0 0 {w:.0} {h:.0}" style="min-width:{m:.0}px" role="img" aria-label="{t}">"#,
            r#"<defs>{s}"#,
            r#"<marker id="head{n}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto" markerUnits="userSpaceOnUse">"#,
            r#"<path class="head" d="M0 0L8 4L0 8z"/></marker>"#,
            r#"<marker id="plainhead{n}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="6" markerHeight="6" orient="auto" markerUnits="userSpaceOnUse">"#,
            r#"<path class="plainhead" d="M0 0L8 4L0 8z"/></marker></defs>{b}</svg>"#
        ),
        w = picture.stretch.width,
        h = height,
        m = picture.stretch.width.min(1600.0) * 0.72,
        t = title,
        s = stripes(&format!("old{number}")),
        n = number,
        b = canvas.body
    )
}

struct Canvas<'a> {
    body: String,
    picture: &'a Picture<'a>,
    /// Keeps the names inside several pictures of one page apart.
    number: usize,
}

impl Canvas<'_> {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string never fails.
        let _ = self.body.write_fmt(text);
    }

    fn lane_top(lane: usize) -> f64 {
        HEAD + lane as f64 * LANE
    }

    fn strip_top(&self, row: usize) -> f64 {
        HEAD + self.picture.lanes.len() as f64 * LANE + 8.0 + row as f64 * (STRIP + STRIP_GAP)
    }

    fn floor(&self) -> f64 {
        self.strip_top(self.picture.strips.len())
    }

    /// From left to right, the box of a step.
    fn span(&self, drawn: &StepBox<'_>) -> (f64, f64) {
        let from = self.picture.stretch.at(drawn.step.start);
        let to = self.picture.stretch.at(drawn.step.end.unwrap_or(drawn.step.start));
        (from, to.max(from + label_width(&drawn.label)))
    }

    fn drawn(&self, step: &StepAt<'_>) -> Option<&StepBox<'_>> {
        self.picture.boxes.iter().find(|drawn| drawn.step.is(step))
    }

    fn silences(&mut self) {
        let floor = self.floor();
        for (from, to, silence) in self.picture.stretch.silences() {
            let middle = f64::midpoint(from, to);
            self.put(format_args!(
                r#"<path class="gap" d="M{middle:.1} {:.1}V{floor:.1}"/><text class="tick mid" x="{middle:.1}" y="{:.1}">⋯ {} ⋯</text>"#,
                HEAD - 4.0,
                floor + 30.0,
                millis(silence)
            ));
        }
    }

    fn lanes(&mut self) {
        let right = self.picture.stretch.width - 8.0;
        for (lane, (name, who)) in self.picture.lanes.iter().enumerate() {
            let top = Self::lane_top(lane);
            self.put(format_args!(
                r#"<text class="bold" x="8" y="{:.1}">{}</text><text class="tick" x="8" y="{:.1}">{}</text><path class="lane" d="M8 {:.1}H{right:.1}"/>"#,
                top + 32.0,
                safe(name),
                top + 47.0,
                safe(who),
                top + LANE - 2.0
            ));
        }
    }

    fn strips(&mut self) {
        for row in 0..self.picture.strips.len() {
            let strip = &self.picture.strips[row];
            let top = self.strip_top(row);
            self.put(format_args!(
                r#"<rect class="key {}" x="8" y="{:.1}" width="4" height="{STRIP}"/><text class="bold" x="18" y="{:.1}">{}</text>"#,
                strip.class,
                top,
                top + 16.0,
                safe(&strip.name)
            ));
            for piece in &strip.pieces {
                self.piece(piece, top);
            }
        }
    }

    fn look(&self, piece: &Piece) -> Look {
        Look::of(piece.held, &format!("old{}", self.number))
    }

    fn piece(&mut self, piece: &Piece, top: f64) {
        let (from, to) = (self.picture.stretch.at(piece.from), self.picture.stretch.at(piece.to));
        let Look { class, fill, .. } = self.look(piece);
        self.put(format_args!(
            r#"<rect class="strip {class}"{fill} x="{from:.1}" y="{top:.1}" width="{:.1}" height="{STRIP}"/>"#,
            (to - from).max(1.0)
        ));
    }

    /// What each store held, over the lines that cross the strips.
    fn strip_labels(&mut self) {
        let crossing = self.crossings();
        for row in 0..self.picture.strips.len() {
            let top = self.strip_top(row);
            for piece in &self.picture.strips[row].pieces {
                let (from, to) =
                    (self.picture.stretch.at(piece.from), self.picture.stretch.at(piece.to));
                let Look { weight, texts, .. } = self.look(piece);
                let fits = |text: &String| label_width(text) - 6.0 <= to - from;
                let Some(text) = texts.into_iter().find(fits) else { continue };
                let x = clear_of(&crossing, from, to, label_width(&text));
                self.put(format_args!(
                    r#"<text class="mono mid over {weight}" x="{x:.1}" y="{:.1}">{text}</text>"#,
                    top + 16.0
                ));
            }
        }
    }

    /// Where lines go down to the stores, or up from them.
    fn crossings(&self) -> Vec<f64> {
        let middle = |drawn: &StepBox<'_>| {
            let (from, to) = self.span(drawn);
            f64::midpoint(from, to)
        };
        let mut all: Vec<f64> = self.picture.boxes.iter().map(middle).collect();
        let fill = self.picture.way.as_ref().and_then(|way| self.drawn(way.fill.as_ref()?));
        all.extend(fill.map(|drawn| self.span(drawn).1 - FILL_INSET));
        all
    }

    /// Thin lines from steps to the stores that they talk to.
    fn wires(&mut self) {
        for drawn in self.picture.boxes.iter().filter(|drawn| !drawn.told && drawn.is_shown) {
            let Some(row) = site_row(drawn.step.site) else { continue };
            let (from, to) = self.span(drawn);
            let x = f64::midpoint(from, to);
            let top = Self::lane_top(drawn.lane) + 53.0;
            let bottom = self.strip_top(row);
            let number = self.number;
            let is_change = Self::changes(&drawn.step);
            let (start, end) = if is_change { (top, bottom) } else { (bottom, top) };
            self.put(format_args!(
                r#"<path class="wire" marker-end="url(#plainhead{number})" d="M{x:.1} {start:.1}V{end:.1}"/>"#
            ));
        }
    }

    fn changes(step: &Step) -> bool {
        step.argument.is_some() || !matches!(&*step.verb, "GET" | "SELECT")
    }

    fn frames(&mut self) {
        for frame in &self.picture.frames {
            let (from, to) =
                (self.picture.stretch.at(frame.begin), self.picture.stretch.at(frame.end));
            let top = Self::lane_top(frame.lane);
            let class = if frame.guilty { "guilty" } else { "" };
            let shout = if frame.guilty { "shout" } else { "" };
            self.put(format_args!(
                r#"<rect class="op {class}" x="{:.1}" y="{:.1}" width="{:.1}" height="34" rx="4"/><text class="tick over {shout}" x="{:.1}" y="{:.1}">{}</text>"#,
                from - 3.0,
                top + 18.0,
                (to - from + 6.0).max(8.0),
                from,
                top + 13.0,
                safe(&frame.label)
            ));
        }
    }

    fn boxes(&mut self) {
        for drawn in &self.picture.boxes {
            let (from, to) = self.span(drawn);
            let top = Self::lane_top(drawn.lane) + 23.0;
            let site = drawn.step.site;
            let told = if drawn.told { "told" } else { "" };
            let hint = format!(
                "t={}: {}, {}",
                self.picture.since_origin(drawn.step.start),
                drawn.label,
                site
            );
            self.put(format_args!(
                r#"<g><title>{}</title><rect class="step {site} {told}" x="{from:.1}" y="{top:.1}" width="{:.1}" height="24" rx="3"/><text class="mono mid" x="{:.1}" y="{:.1}">{}</text></g>"#,
                safe(&hint),
                to - from,
                f64::midpoint(from, to),
                top + 16.0,
                safe(&drawn.label)
            ));
        }
    }

    /// The way of the wrong value: out of the store it was fetched from, into
    /// the cache, and out of it.
    fn way(&mut self) {
        let Some(way) = &self.picture.way else { return };
        let middle = |canvas: &Self, step: &StepAt<'_>| {
            let drawn = canvas.drawn(step)?;
            let (from, to) = canvas.span(drawn);
            Some((f64::midpoint(from, to), Self::lane_top(drawn.lane) + 47.0, from, to))
        };
        let mut arrows: Vec<String> = Vec::new();
        let up = |canvas: &Self, step: &StepAt<'_>| {
            let (x, bottom, ..) = middle(canvas, step)?;
            let top = canvas.strip_top(site_row(step.site)?);
            Some(format!("M{x:.1} {:.1}V{bottom:.1}", top + STRIP / 2.0))
        };
        if let Some(fetched) = &way.fetched {
            arrows.extend(up(self, fetched));
            let pair = way.fill.as_ref().and_then(|fill| {
                let (.., right) = middle(self, fetched)?;
                let (_, bottom, left, _) = middle(self, fill)?;
                Some(format!("M{right:.1} {:.1}H{left:.1}", bottom - 12.0))
            });
            arrows.extend(pair);
        }
        let through = way.fill.as_ref().and_then(|fill| {
            // The cache holds it when the step ends.
            let (_, bottom, _, right) = middle(self, fill)?;
            let x = right - FILL_INSET;
            let (to, end, ..) = middle(self, &way.source)?;
            let cache = self.strip_top(0) + STRIP - 3.0;
            Some(format!("M{x:.1} {bottom:.1}V{cache:.1}H{to:.1}V{end:.1}"))
        });
        match through {
            Some(path) => arrows.push(path),
            None => arrows.extend(up(self, &way.source)),
        }
        for path in arrows {
            let number = self.number;
            self.put(format_args!(
                r#"<path class="way" marker-end="url(#head{number})" d="{path}"/>"#
            ));
        }
    }

    fn bracket(&mut self) {
        let Some((from, to)) = self.picture.stale else { return };
        let (left, right) = (self.picture.stretch.at(from), self.picture.stretch.at(to));
        let text = format!("stale for {}", millis(self.picture.anomaly.stale_for));
        let y = HEAD - 14.0;
        let middle = f64::midpoint(left, right).max(LEFT + label_width(&text) / 2.0);
        self.put(format_args!(
            r#"<path class="bracket" d="M{left:.1} {:.1}V{y:.1}H{right:.1}V{:.1}"/><text class="shout mid" x="{middle:.1}" y="{:.1}">{text}</text>"#,
            y + 8.0,
            y + 8.0,
            y - 6.0
        ));
    }

    /// True times below the strips, where there is room for them.
    fn ticks(&mut self) {
        let floor = self.floor();
        let mut times: Vec<_> = self.picture.boxes.iter().map(|drawn| drawn.step.start).collect();
        times.sort_unstable();
        let mut free = LEFT - 20.0;
        for time in times {
            let x = self.picture.stretch.at(time);
            let text = format!("t={}", self.picture.since_origin(time));
            if x < free {
                continue;
            }
            free = x + label_width(&text);
            self.put(format_args!(
                r#"<path class="axis" d="M{x:.1} {floor:.1}v5"/><text class="tick" x="{x:.1}" y="{:.1}">{text}</text>"#,
                floor + 16.0
            ));
        }
    }
}

/// The middle of a label in a piece, as near to the piece's own as no line
/// crosses; where that cannot be, the piece's own.
fn clear_of(crossing: &[f64], from: f64, to: f64, width: f64) -> f64 {
    let middle = f64::midpoint(from, to);
    let half = width / 2.0;
    let is_clear = |x: f64| crossing.iter().all(|line| (line - x).abs() >= half);
    let shifts = (0..40).flat_map(|step| [f64::from(step) * 8.0, f64::from(step) * -8.0]);
    shifts
        .map(|shift| middle + shift)
        .filter(|x| x - half >= from && x + half <= to)
        .find(|x| is_clear(*x))
        .unwrap_or(middle)
}
