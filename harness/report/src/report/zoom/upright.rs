//! The picture for narrow screens: a step a row, time goes down, what the
//! stores held stands at the right.

use std::fmt::Write as _;

use quarrel_checkers::{Site, Step, Time, Version, millis};

use super::{
    Scene, StepBox, safe,
    strip::{Held, Piece},
};

/// In pixels.
const WIDTH: f64 = 348.0;
const HEAD: f64 = 30.0;
const ROW: f64 = 38.0;
/// Between the threads of two actors.
const THREAD: f64 = 14.0;
/// Of a store, and of all three.
const STORE: f64 = 40.0;
const STORES: f64 = 3.0 * STORE;
/// Letters of a label that fit.
const LETTER: f64 = 6.7;

pub(super) fn draw(scene: &Scene<'_>, number: usize) -> String {
    let mut steps: Vec<&StepBox<'_>> = scene.boxes.iter().collect();
    steps.sort_by_key(|drawn| (drawn.step.start, drawn.step.end));
    let canvas = Upright { body: String::new(), scene, steps, number };
    canvas.whole()
}

struct Upright<'a> {
    body: String,
    scene: &'a Scene<'a>,
    /// From the top.
    steps: Vec<&'a StepBox<'a>>,
    number: usize,
}

impl Upright<'_> {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string never fails.
        let _ = self.body.write_fmt(text);
    }

    fn whole(mut self) -> String {
        let height = HEAD + self.steps.len() as f64 * ROW + 8.0;
        self.stores();
        self.threads(height);
        for row in 0..self.steps.len() {
            self.row(row);
        }
        let number = self.number;
        let title = safe(&self.scene.anomaly.class.to_string());
        format!(
            concat!(
                r#"<svg class="figure zoom" viewBox="0 0 {w} {h}" role="img" aria-label="{t}, step by step">"#,
                r#"<defs><pattern id="up{n}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">"#,
                r#"<rect class="oldfill" width="7" height="7"/><path class="oldline" d="M0 0v7"/></pattern></defs>{b}</svg>"#
            ),
            w = WIDTH,
            h = height,
            t = title,
            n = number,
            b = self.body
        )
    }

    /// How far down a moment is: below the steps that had ended by then.
    fn depth(&self, time: Time) -> f64 {
        let ended = |step: &Step| step.end.unwrap_or(step.start) <= time;
        let below = self.steps.iter().rposition(|drawn| ended(&drawn.step));
        HEAD + below.map_or(0.0, |row| (row + 1) as f64) * ROW
    }

    fn stores(&mut self) {
        let scene = self.scene;
        for (at, strip) in scene.strips.iter().enumerate() {
            let left = WIDTH - STORES + at as f64 * STORE;
            let name = strip.name.split(' ').next().unwrap_or_default();
            self.put(format_args!(
                r#"<text class="tick mid" x="{:.1}" y="20" textLength="{:.1}" lengthAdjust="spacingAndGlyphs">{}</text>"#,
                left + STORE / 2.0,
                STORE - 4.0,
                safe(name)
            ));
            for piece in &strip.pieces {
                self.piece(piece, left);
            }
        }
    }

    fn piece(&mut self, piece: &Piece, left: f64) {
        let (top, bottom) = (self.depth(piece.from), self.depth(piece.to));
        if bottom <= top {
            return;
        }
        let (class, text, weight) = match piece.held {
            Held::Fresh(Version { number, .. }) => ("", format!("v{number}"), ""),
            Held::Old(Version { number, .. }) => ("old", format!("v{number} old"), "shout"),
            Held::Empty => ("void", "empty".to_owned(), ""),
            Held::Unknown => ("void", "?".to_owned(), ""),
        };
        let fill = match piece.held {
            Held::Old(_) => format!(r#" fill="url(#up{})""#, self.number),
            _ => String::new(),
        };
        // Where there is no room, the stripes say by themselves that it is old.
        let is_too_long = text.len() as f64 * LETTER > STORE - 2.0;
        let text = match text.split(' ').next() {
            Some(short) if is_too_long => short.to_owned(),
            _ => text,
        };
        let squeeze = if text.len() as f64 * LETTER > STORE - 4.0 {
            format!(r#" textLength="{:.1}" lengthAdjust="spacingAndGlyphs""#, STORE - 6.0)
        } else {
            String::new()
        };
        self.put(format_args!(
            r#"<rect class="strip {class}"{fill} x="{:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/><text class="mono mid over {weight}" x="{:.1}" y="{:.1}"{squeeze}>{text}</text>"#,
            left + 1.0,
            STORE - 2.0,
            bottom - top,
            left + STORE / 2.0,
            top + 16.0
        ));
    }

    fn threads(&mut self, height: f64) {
        for lane in 0..self.scene.lanes.len() {
            let x = thread(lane);
            self.put(format_args!(
                r#"<path class="lane" d="M{x:.1} {:.1}V{:.1}"/>"#,
                HEAD - 4.0,
                height - 6.0
            ));
        }
    }

    fn row(&mut self, row: usize) {
        let drawn = self.steps[row];
        let top = HEAD + row as f64 * ROW;
        let x = thread(drawn.lane);
        let class = match drawn.step.site {
            Site::Cache => "cache",
            Site::Replica => "replica",
            Site::Primary => "primary",
            Site::Client => "client",
        };
        let told = if drawn.told { "told" } else { "" };
        let who = self.scene.lanes.get(drawn.lane).map_or("", |(name, _)| name.as_str());
        let left = thread(self.scene.lanes.len());
        let room = ((WIDTH - STORES - left - 4.0) / LETTER) as usize;
        let label: String = drawn.label.chars().take(room).collect();
        let (note, shout) = self.below(drawn);
        self.put(format_args!(
            r#"<circle class="step {class} {told}" cx="{x:.1}" cy="{:.1}" r="5"/><text class="bold" x="{left:.1}" y="{:.1}">{}<tspan class="tick" dx="6">{}</tspan></text><text class="mono {shout}" x="{left:.1}" y="{:.1}">{}</text>"#,
            top + 14.0,
            top + 13.0,
            safe(who),
            safe(&note),
            top + 28.0,
            safe(&label)
        ));
    }

    /// When a step was; of the one that saw what it must not have, how stale
    /// that was.
    fn below(&self, drawn: &StepBox<'_>) -> (String, &'static str) {
        let at = format!("t={}", self.scene.since_origin(drawn.step.start));
        let source = self.scene.way.as_ref().is_some_and(|way| way.source.is(&drawn.step));
        if source && !self.scene.anomaly.stale_for.is_zero() {
            return (format!("stale for {}", millis(self.scene.anomaly.stale_for)), "shout");
        }
        (at, "")
    }
}

/// Where the thread of an actor is.
fn thread(lane: usize) -> f64 {
    10.0 + lane as f64 * THREAD
}
