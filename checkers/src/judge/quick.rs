//! The judgement of a file in which nothing is wrong, while it is read.
//!
//! Of a history without versions whose keys are all linearizable, all that
//! [`judge`](super::judge) says follows from counts that a pass over its lines
//! gathers, and so does not need the history. Whatever is out of the ordinary gives
//! none, and the file has to be read and judged as others are.

use std::{io::BufRead, time::Duration};

use super::{
    JudgeOptions, Judgement, Order, ladder,
    phases::PhaseTally,
    tally::{Hit, Tally},
};
use crate::{
    Time,
    formats::{plain::PlainEvent, room::Room},
    register::{Listener, gather},
};

/// What a file came to that was judged while it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct QuickJudgement {
    /// The same as [`judge`](super::judge) gives.
    pub judgement: Judgement,
    /// Events of the history.
    pub events: u64,
    /// Completed reads that began after a write of their key had been
    /// acknowledged.
    pub reads_at_risk: u64,
    /// What was assumed, as [`Imported::assumptions`](crate::formats::Imported).
    pub assumptions: Vec<String>,
}

/// Judges a file of [JSON lines](crate::formats::Format::JsonLines) while it is
/// read, if it has only reads and writes of whole numbers, all keys are
/// linearizable and nothing about it is out of the ordinary. Else none: then
/// [`read`](crate::formats::read) and [`judge`](super::judge) say what it is, and
/// what is wrong with it. Memory grows with operations, 60 bytes for each, and not
/// with the length of lines; `most_memory` bounds it.
///
/// ```
/// use quarrel_checkers::{Guarantee, JudgeOptions, judge_json_lines};
///
/// let file = r#"{"process": 0, "type": "invoke", "f": "write", "value": 1}
/// {"process": 0, "type": "ok", "f": "write", "value": 1}
/// {"process": 1, "type": "invoke", "f": "read", "value": null}
/// {"process": 1, "type": "ok", "f": "read", "value": 1}
/// "#;
/// let quick = judge_json_lines(file.as_bytes(), &JudgeOptions::default(), None).unwrap();
/// assert_eq!(quick.judgement.strongest, Guarantee::Linearizable);
/// // That a read missed a write is for `judge` to explain.
/// let stale = file.replace(r#""f": "read", "value": 1"#, r#""f": "read", "value": null"#);
/// assert_eq!(judge_json_lines(stale.as_bytes(), &JudgeOptions::default(), None), None);
/// ```
#[must_use]
pub fn judge_json_lines(
    input: impl BufRead,
    options: &JudgeOptions,
    most_memory: Option<u64>,
) -> Option<QuickJudgement> {
    if options.order != Order::Recorded {
        return None;
    }
    let mut counts = Counts::new(options);
    let streamed = gather(input, &Room::of(most_memory), &mut counts).ok()?;
    let is_plain = !counts.is_odd && streamed.conflict.is_none() && streamed.truncated.is_none();
    if !is_plain || streamed.events == 0 {
        return None;
    }
    let mut tally = counts.tally;
    tally.metrics.keys = counts.acknowledged.len() as u64;
    tally.finish(options);
    let ladder = ladder::rungs(&tally, options);
    let strongest = ladder::strongest(&ladder);
    let judgement = Judgement { ladder, strongest, anomalies: Vec::new(), metrics: tally.metrics };
    let mut assumptions = vec!["the file is JSON lines".to_owned()];
    if counts.is_timed == Some(false) {
        assumptions.push(crate::formats::WITHOUT_TIMES.to_owned());
    }
    let (events, reads_at_risk) = (streamed.events, streamed.reads_at_risk);
    Some(QuickJudgement { judgement, events, reads_at_risk, assumptions })
}

struct Counts {
    tally: Tally,
    risk_window: Option<Duration>,
    /// By key: when the last write of it was acknowledged.
    acknowledged: Vec<Option<Time>>,
    /// Whether events have times; none have, or all.
    is_timed: Option<bool>,
    last: Time,
    /// Whether there was something that takes a whole judgement.
    is_odd: bool,
}

impl Counts {
    fn new(options: &JudgeOptions) -> Self {
        Self {
            tally: Tally::of(&PhaseTally::new(&[])),
            risk_window: options.risk_window,
            acknowledged: Vec::new(),
            is_timed: None,
            last: Time::ZERO,
            is_odd: false,
        }
    }
}

impl Listener for Counts {
    /// When it began, and how long before that the last write of the key had been
    /// acknowledged.
    type Begun = (Time, Option<Duration>);

    const WANTS_VALID: bool = true;

    fn event(&mut self, event: &PlainEvent<'_>, at: u64) {
        let is_timed = event.time.is_some();
        let now = Time(event.time.unwrap_or(at));
        self.is_odd |= event.version.is_some()
            || event.timeline.is_some()
            || event.index.is_some_and(|index| index != at)
            || self.is_timed.is_some_and(|others| others != is_timed)
            || now < self.last;
        (self.is_timed, self.last) = (Some(is_timed), now);
    }

    fn other(&mut self) {
        self.is_odd = true;
    }

    fn has_enough(&self) -> bool {
        self.is_odd
    }

    fn begins(&mut self, key: u32, _: &PlainEvent<'_>) -> Self::Begun {
        let key = key as usize;
        if key >= self.acknowledged.len() {
            self.acknowledged.resize(key + 1, None);
        }
        (self.last, self.acknowledged[key].map(|acknowledged| self.last.since(acknowledged)))
    }

    fn acknowledged(&mut self, key: u32, _: &PlainEvent<'_>) {
        self.acknowledged[key as usize] = Some(self.last);
        self.tally.metrics.writes += 1;
    }

    fn answered(&mut self, (begin, since): Self::Begun) {
        let at_risk = since.filter(|since| self.risk_window.is_none_or(|window| *since <= window));
        self.tally.completed(begin, Hit::No);
        self.tally.read(begin, at_risk, None, Hit::No);
    }

    fn left_open(&mut self) {
        self.tally.metrics.indeterminate_writes += 1;
    }
}
