use std::collections::BTreeMap;

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
        // At each moment, since when what ends there needs how much room.
        let mut moments: BTreeMap<Time, Vec<Room>> = BTreeMap::new();
        for frame in frames {
            moments.entry(frame.begin).or_default();
            let room = label_width(&frame.label) + 12.0;
            moments.entry(frame.end).or_default().push((frame.begin, room));
        }
        for drawn in boxes {
            let end = drawn.step.end.unwrap_or(drawn.step.start);
            moments.entry(drawn.step.start).or_default();
            moments.entry(end).or_default().push((drawn.step.start, label_width(&drawn.label)));
        }
        let mut points: Vec<(Time, f64)> = Vec::new();
        let mut x = LEFT;
        // How far right what took no time at all reaches.
        let mut reach = LEFT;
        for (time, ends) in moments {
            if let Some((before, _)) = points.last() {
                let ms = time.since(*before).as_secs_f64() * 1e3;
                // A moment later is a bit to the right, a second later not
                // much further.
                x += 5.0 + (9.0 * (1.0 + ms).ln()).min(64.0);
            }
            x = x.max(reach);
            for (begin, room) in &ends {
                let began = points.binary_search_by_key(begin, |(known, _)| *known);
                x = x.max(began.map_or(LEFT, |at| points[at].1 + room));
            }
            let at_once = ends.iter().filter(|(begin, _)| *begin == time).map(|(_, room)| *room);
            reach = at_once.fold(x, |reach, room| reach.max(x + room));
            points.push((time, x));
        }
        let used = x.max(reach) - LEFT;
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

#[cfg(test)]
pub(super) mod tests {
    use std::borrow::Cow;

    use quarrel_checkers::{History, HistoryRef, Process, Reply, Site, Step};

    use super::*;

    pub(in super::super) fn step(from: u64, to: u64) -> Step {
        Step {
            operation: None,
            process: Process::Client(0),
            start: Time(from),
            end: Some(Time(to)),
            site: Site::Cache,
            verb: Cow::Borrowed("GET"),
            object: None,
            argument: None,
            reply: Reply::Miss,
            lsn: None,
        }
    }

    #[test]
    fn every_box_has_room_for_its_label_though_the_next_begins_when_it_ends() {
        let steps = vec![step(5, 9), step(9, 9), step(9, 12), step(12, 900_000_000)];
        let history = History { steps, ..History::default() };
        let boxes: Vec<_> = HistoryRef::from(&history)
            .steps()
            .map(|step| StepBox {
                step,
                lane: 0,
                label: "SELECT → v98".to_owned(),
                told: false,
                is_shown: true,
            })
            .collect();
        let stretch = Stretch::of(&[], &boxes);
        let needed = label_width("SELECT → v98");
        for step in history.steps.iter().filter(|step| step.end != Some(step.start)) {
            let width = stretch.at(step.end.unwrap()) - stretch.at(step.start);
            assert!(width >= needed, "{step:?}: {width}");
        }
    }
}
