//! The picture for narrow screens: a step a row, time goes down, what the
//! stores held stands at the right.

use std::fmt::Write as _;

use quarrel_checkers::{Content, Site, Step, Time, millis};

use super::{
    Picture, StepBox,
    look::{Look, stripes},
    safe,
    strip::Piece,
};
use crate::report::terminal::{printable, shorten};

/// In pixels.
const WIDTH: f64 = 348.0;
const HEAD: f64 = 30.0;
const ROW: f64 = 38.0;
/// Between the threads of two actors.
const THREAD: f64 = 14.0;
/// Of all threads, at most.
const THREADS: f64 = 84.0;
/// Of a store, and of all three.
const STORE: f64 = 40.0;
const STORES: f64 = 3.0 * STORE;
/// Letters of a label that fit.
const LETTER: f64 = 6.7;

pub(super) fn draw(picture: &Picture<'_>, number: usize) -> String {
    let mut steps: Vec<&StepBox<'_>> = picture.boxes.iter().collect();
    steps.sort_by_key(|drawn| (drawn.step.start, drawn.step.end));
    let canvas = Upright { body: String::new(), picture, steps, number };
    canvas.whole()
}

struct Upright<'a> {
    body: String,
    picture: &'a Picture<'a>,
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
        let title = safe(&self.picture.anomaly.class.to_string());
        format!(
            concat!(
                r#"<svg class="figure zoom" viewBox="0 0 {w} {h}" role="img" aria-label="{t}, step by step">"#,
                r#"<defs>{s}</defs>{b}</svg>"#
            ),
            w = WIDTH,
            h = height,
            t = title,
            s = stripes(&self.stripes()),
            b = self.body
        )
    }

    /// The name of the stripes of what is old.
    fn stripes(&self) -> String {
        format!("up{}", self.number)
    }

    /// How far down a moment is: below the steps that had ended by then.
    fn depth(&self, time: Time) -> f64 {
        let ended = |step: &Step| step.end.unwrap_or(step.start) <= time;
        let below = self.steps.iter().rposition(|drawn| ended(&drawn.step));
        HEAD + below.map_or(0.0, |row| (row + 1) as f64) * ROW
    }

    fn stores(&mut self) {
        let picture = self.picture;
        for (at, strip) in picture.strips.iter().enumerate() {
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
        let Look { class, fill, weight, texts } = Look::of(piece.held, &self.stripes());
        // Where there is no room, the stripes say by themselves that it is old;
        // the shortest is squeezed.
        let width = |text: &str| text.chars().count() as f64 * LETTER;
        let fits = |text: &&String| width(text) <= STORE - 2.0;
        let text = texts.iter().find(fits).or(texts.last()).map_or("", String::as_str);
        let squeeze = if width(text) > STORE - 4.0 {
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
        for lane in 0..self.picture.lanes.len() {
            let x = self.thread(lane);
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
        let x = self.thread(drawn.lane);
        let site = drawn.step.site;
        let told = if drawn.told { "told" } else { "" };
        let who = self.picture.lanes.get(drawn.lane).map_or("", |(name, _)| name.as_str());
        let left = self.thread(self.picture.lanes.len().saturating_sub(1)) + THREAD;
        let room = ((WIDTH - STORES - left - 4.0) / LETTER) as usize;
        // A write's value stands beside its version, as far as there is room.
        let value = match &drawn.step.argument {
            Some(Content::Row { value, .. }) if site == Site::Primary => {
                format!(" ({})", printable(&value.to_string()))
            }
            _ => String::new(),
        };
        let label = shorten(&format!("{}{value}", drawn.label), Some(room));
        let (note, shout) = self.below(drawn);
        let note = shorten(&note, Some(room.saturating_sub(who.chars().count() + 1)));
        self.put(format_args!(
            r#"<circle class="step {site} {told}" cx="{x:.1}" cy="{:.1}" r="5"/><text class="bold" x="{left:.1}" y="{:.1}">{}<tspan class="tick" dx="6">{}</tspan></text><text class="mono {shout}" x="{left:.1}" y="{:.1}">{}</text>"#,
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
        let at = format!("t={}", self.picture.since_origin(drawn.step.start));
        let source = self.picture.way.as_ref().is_some_and(|way| way.source.is(&drawn.step));
        if source && !self.picture.anomaly.stale_for.is_zero() {
            return (format!("stale {}", millis(self.picture.anomaly.stale_for)), "shout");
        }
        (at, "")
    }

    /// Where the thread of an actor is. Those of many stand close together: the
    /// text beside them needs its room.
    fn thread(&self, lane: usize) -> f64 {
        let apart = (THREADS / self.picture.lanes.len().max(1) as f64).min(THREAD);
        10.0 + lane as f64 * apart
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Anomaly, Class, History, HistoryRef, Key};

    use super::*;
    use crate::report::zoom::axis::{Stretch, tests::step};

    /// Where something stands, from the left.
    fn lefts(svg: &str, before: &str) -> Vec<f64> {
        let number = |text: &str| text.split('"').next().and_then(|number| number.parse().ok());
        svg.split(before).skip(1).filter_map(number).collect()
    }

    #[test]
    fn many_actors_and_long_labels_leave_the_stores_their_room() {
        let steps = (0..40).map(|at| step(at * 10, at * 10 + 5)).collect();
        let history = History { steps, ..History::default() };
        let anomaly = Anomaly {
            class: Class::StaleRead,
            cause: None,
            key: Some(Key(1)),
            witness: Vec::new(),
            stale_for: std::time::Duration::ZERO,
            versions_behind: 0,
            explanation: String::new(),
        };
        for actors in [1, 3, 16, 40] {
            let boxes: Vec<_> = HistoryRef::from(&history)
                .steps()
                .enumerate()
                .map(|(at, step)| StepBox {
                    step,
                    lane: at % actors,
                    label: format!("EVALSHA_OF_A_LONG_NAME {at} → v98"),
                    told: false,
                    is_shown: true,
                })
                .collect();
            let picture = Picture {
                anomaly: &anomaly,
                way: None,
                lanes: (0..actors).map(|at| (format!("Reader {at}"), String::new())).collect(),
                frames: Vec::new(),
                stretch: Stretch::of(&[], &boxes),
                boxes,
                strips: Vec::new(),
                origin: Time(0),
                stale: None,
            };
            let svg = draw(&picture, 1);
            let texts = lefts(&svg, r#"<text class="bold" x=""#);
            let threads = lefts(&svg, r#" cx=""#);
            assert_eq!((texts.len(), threads.len()), (40, 40));
            let stores = WIDTH - STORES;
            // At least a verb and what came of it can be read.
            assert!(texts.iter().all(|x| x + 16.0 * LETTER <= stores), "{actors}: {texts:?}");
            assert!(threads.iter().all(|x| x + 5.0 <= texts[0]), "{actors}: {threads:?}");
            let notes: Vec<_> = svg.split(r#"dx="6">"#).skip(1).collect();
            let longest = notes.iter().map(|note| note.split('<').next().unwrap().chars().count());
            let who = format!("Reader {} ", actors - 1).chars().count();
            let beside = (who + longest.max().unwrap()) as f64 * LETTER;
            assert!(texts[0] + beside <= stores, "{actors}: {notes:?}");
            let labels: Vec<_> = svg.split("EVALSHA").skip(1).collect();
            assert!(labels.iter().all(|label| label.split('<').next().unwrap().ends_with('…')));
        }
    }
}
