use quarrel_checkers::Time;

use super::{Frame, StepBox};

/// Where the picture begins, right of the names of its lanes.
pub(super) const LEFT: f64 = 104.0;
/// Columns are stretched to this width if they need less.
const WIDE: f64 = 980.0;
/// Space right of the last moment.
const RIGHT: f64 = 22.0;
/// The width of a letter of a label, in pixels.
const LETTER: f64 = 6.7;

/// Times and where they are drawn: in order, with room for every label.
pub(super) struct Stretch {
    /// In order of time and of place.
    points: Vec<(Time, f64)>,
    /// The whole picture.
    pub(super) width: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    FrameBegin,
    BoxBegin,
    BoxEnd,
    FrameEnd,
}

/// From when on, how much width.
type Room = (Time, f64);

/// How wide a label is drawn.
pub(super) fn label_width(label: &str) -> f64 {
    label.chars().count() as f64 * LETTER + 10.0
}

impl Stretch {
    /// Finds room for every label: a box is at least as wide as its own, and
    /// long silences are cut short.
    pub(super) fn of(frames: &[Frame], boxes: &[StepBox<'_>]) -> Self {
        // What ends needs room since its begin.
        let mut edges: Vec<(Time, Edge, Option<Room>)> = Vec::new();
        for frame in frames {
            edges.push((frame.begin, Edge::FrameBegin, None));
            let room = label_width(&frame.label) + 12.0;
            edges.push((frame.end, Edge::FrameEnd, Some((frame.begin, room))));
        }
        for drawn in boxes {
            let end = drawn.step.end.unwrap_or(drawn.step.start);
            edges.push((drawn.step.start, Edge::BoxBegin, None));
            edges.push((end, Edge::BoxEnd, Some((drawn.step.start, label_width(&drawn.label)))));
        }
        edges.sort_by_key(|(time, edge, _)| (*time, *edge));
        let mut points: Vec<(Time, f64)> = Vec::new();
        let mut x = LEFT;
        for (time, _, opened) in edges {
            if let Some((before, _)) = points.last() {
                let ms = time.since(*before).as_secs_f64() * 1e3;
                // A moment later is a bit to the right, a second later not
                // much further.
                x += 5.0 + (9.0 * (1.0 + ms).ln()).min(64.0);
            }
            if let Some((begin, room)) = opened {
                let began = points.iter().find(|(known, _)| *known == begin);
                x = x.max(began.map_or(LEFT, |(_, began)| *began) + room);
            }
            points.push((time, x));
        }
        let used = x - LEFT;
        let target = WIDE - LEFT - RIGHT;
        let factor = if used > 0.0 && used < target { target / used } else { 1.0 };
        for (_, x) in &mut points {
            *x = LEFT + (*x - LEFT) * factor;
        }
        Self { points, width: (LEFT + used * factor + RIGHT).max(WIDE) }
    }

    /// Where a time is drawn: between its neighbours, in proportion.
    pub(super) fn at(&self, time: Time) -> f64 {
        let after = self.points.partition_point(|(known, _)| *known < time);
        let Some(&(right, x_right)) = self.points.get(after) else {
            return self.points.last().map_or(LEFT, |(_, x)| *x);
        };
        if right == time || after == 0 {
            return x_right;
        }
        let (left, x_left) = self.points[after - 1];
        let span = right.since(left).as_secs_f64();
        x_left + (x_right - x_left) * time.since(left).as_secs_f64() / span.max(f64::MIN_POSITIVE)
    }

    /// Silences worth a word: from where to where, and how long.
    pub(super) fn silences(&self) -> Vec<(f64, f64, std::time::Duration)> {
        let (Some((first, _)), Some((last, _))) = (self.points.first(), self.points.last()) else {
            return Vec::new();
        };
        let whole = last.since(*first);
        self.points
            .windows(2)
            .map(|pair| (pair[0].1, pair[1].1, pair[1].0.since(pair[0].0)))
            .filter(|(_, _, silence)| *silence * 8 > whole)
            .collect()
    }
}
