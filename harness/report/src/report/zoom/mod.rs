//! The picture of one anomaly: its clients, what each store held, and the way
//! that the wrong value took.
//!
//! Time is stretched so that every step can be read: the order is true, the
//! distances are not, and every step says its true time.

mod axis;
mod draw;
mod look;
mod strip;
mod upright;

use std::collections::BTreeSet;

use quarrel_checkers::{Anomaly, F, Key, Operation, Process, Reply, Site, Step, StepAt, Time};
use quarrel_run::{
    judge::{CauseEvidence, Provenance},
    results::LoadedRun,
};

use self::{axis::Stretch, strip::Strip};
use super::{
    names::{Names, client_name},
    plots::escape,
    terminal::{Fracture, numeral, shorten, value_of},
    timeline,
};

/// How many steps fit into a picture.
const MOST_STEPS: usize = 40;

/// A step where it is drawn.
struct StepBox<'a> {
    step: StepAt<'a>,
    lane: usize,
    label: String,
    /// On the way that the wrong value took.
    told: bool,
    /// On the key that the strips are about.
    is_shown: bool,
}

/// An operation where it is drawn.
struct Frame {
    lane: usize,
    begin: Time,
    end: Time,
    label: String,
    guilty: bool,
}

/// One anomaly, laid out.
struct Picture<'a> {
    anomaly: &'a Anomaly,
    way: Option<Provenance<'a>>,
    /// Names from the top: an actor's, its client's.
    lanes: Vec<(String, String)>,
    frames: Vec<Frame>,
    boxes: Vec<StepBox<'a>>,
    strips: Vec<Strip>,
    stretch: Stretch,
    origin: Time,
    /// From the acknowledgement of the newer value to the begin of the read
    /// that missed it.
    stale: Option<(Time, Time)>,
}

/// The picture of an anomaly, as SVG, in two shapes.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Time goes to the right.
    pub lying: String,
    /// Time goes down, for screens that are narrow.
    pub standing: String,
}

/// Draws an anomaly; none if its steps were not recorded, or are too many to be
/// seen. `number` is the anomaly's in its run: names inside the pictures carry
/// it, so that several can stand in one page.
#[must_use]
pub fn zoom(
    run: &LoadedRun,
    evidence: &CauseEvidence<'_>,
    anomaly: &Anomaly,
    number: usize,
) -> Option<Pictures> {
    let picture = Picture::of(run, evidence, anomaly)?;
    Some(Pictures {
        lying: draw::draw(&picture, number),
        standing: upright::draw(&picture, number),
    })
}

impl<'a> Picture<'a> {
    fn of(run: &LoadedRun, evidence: &'a CauseEvidence<'a>, anomaly: &'a Anomaly) -> Option<Self> {
        let story = evidence.story(anomaly);
        let history = evidence.history();
        let steps: usize = story.iter().map(|operation| evidence.steps_of(operation).len()).sum();
        if steps == 0 || steps > MOST_STEPS {
            return None;
        }
        let names = Names::of_story(evidence, &story);
        let way = evidence.provenance(anomaly);
        let mut lanes: Vec<(String, Process)> = Vec::new();
        for operation in &story {
            let process = history.event(operation.invoke).process;
            if !lanes.iter().any(|(_, known)| *known == process) {
                lanes.push((names.of(process), process));
            }
        }
        // Writers come first by name: A before B.
        lanes.sort_by_key(|(name, _)| name.rsplit(' ').next().map(str::to_owned));
        let mut frames = Vec::new();
        let mut boxes = Vec::new();
        let key_of = |step: &Step| step.object.as_ref().map(|object| object.key);
        let told_steps = story.iter().flat_map(|operation| evidence.steps_of(operation));
        let keys: BTreeSet<_> = told_steps.filter_map(|step| key_of(&step)).collect();
        let is_pair = keys.len() > 1;
        for operation in &story {
            let frame = frame(evidence, anomaly, operation, &lanes);
            for step in evidence.steps_of(operation) {
                let told = way.as_ref().is_some_and(|way| {
                    [Some(&way.source), way.fill.as_ref(), way.fetched.as_ref()]
                        .into_iter()
                        .flatten()
                        .any(|known| known.is(&step))
                });
                let key = key_of(&step);
                let label = label(&step, key.filter(|_| is_pair));
                let is_shown = key.is_none() || key == anomaly.key;
                boxes.push(StepBox { step, lane: frame.lane, label, told, is_shown });
            }
            frames.push(frame);
        }
        let clients = run.settings.clients;
        let lanes = lanes.into_iter().map(|(name, process)| (name, client_name(process, clients)));
        let lanes = lanes.collect();
        let origin = frames.iter().map(|frame| frame.begin).min()?;
        let end = frames.iter().map(|frame| frame.end).max()?;
        let stretch = Stretch::of(&frames, &boxes);
        let mut strips = anomaly
            .key
            .map(|key| strip::strips(evidence, &run.probes, key, (origin, end)))
            .unwrap_or_default();
        if let Some(key) = anomaly.key.filter(|_| is_pair) {
            strips.iter_mut().for_each(|strip| strip.name += &format!(" of {key}"));
        }
        let stale = stale(evidence, anomaly, way.as_ref());
        let first = boxes.iter().map(|drawn| drawn.step.start).min().unwrap_or(origin);
        Some(Self { anomaly, way, lanes, frames, boxes, strips, stretch, origin: first, stale })
    }

    /// A time as the timeline prints it.
    fn since_origin(&self, time: Time) -> String {
        let nanos = u64::try_from(time.since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        Time(nanos).to_string()
    }
}

fn frame(
    evidence: &CauseEvidence<'_>,
    anomaly: &Anomaly,
    operation: &Operation,
    lanes: &[(String, Process)],
) -> Frame {
    let history = evidence.history();
    let invoke = history.event(operation.invoke);
    let complete = operation.complete.map(|end| history.event(end));
    let steps = evidence.steps_of(operation);
    let last_step = steps.filter_map(|step| step.end.or(Some(step.start))).max();
    let end = complete.map(|complete| complete.time).or(last_step).unwrap_or(invoke.time);
    let writes = evidence.writes(operation);
    let mut label = match invoke.op.f {
        F::Txn if writes => "write".to_owned(),
        F::Txn => "read".to_owned(),
        ref f => f.to_string(),
    };
    let sides = evidence.sides(operation);
    let keys = invoke.op.key.into_iter().chain(sides.iter().map(|side| side.key));
    let keys: Vec<Key> = keys.collect();
    if !keys.is_empty() {
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        label += &format!(" {}", names.join(" and "));
    }
    let versions = keys.iter().filter_map(|key| evidence.version_on(operation, *key));
    let versions: Vec<String> = versions.map(numeral).collect();
    if !versions.is_empty() {
        label += &format!(" {} {}", if writes { "=" } else { "→" }, versions.join(" and "));
        if let Some(value) = value_of(evidence, operation) {
            label += &format!(" ({value})");
        }
    }
    let guilty = operation.complete.is_some()
        && evidence.guilty(anomaly).is_some_and(|guilty| guilty.invoke == operation.invoke);
    if guilty && anomaly.stale_for > std::time::Duration::ZERO {
        label += "  STALE";
    }
    if guilty && Fracture::of(evidence, anomaly).is_some() {
        label += "  FRACTURED";
    }
    let lane = lanes.iter().position(|(_, process)| *process == invoke.process).unwrap_or(0);
    Frame { lane, begin: invoke.time, end, label, guilty }
}

/// The call and its answer, as short as can be: `SELECT → v98`; with the key
/// where there are several.
fn label(step: &Step, key: Option<Key>) -> String {
    let written = CauseEvidence::number_of(step);
    let answer = match &step.reply {
        Reply::Done { version: Some(version) } => format!(" = v{version}"),
        Reply::Done { .. } => match written {
            Some(version) => format!(" = v{version}"),
            None => String::new(),
        },
        _ => {
            let reply = timeline::reply(step);
            format!(" → {}", shorten(&reply, Some(18)))
        }
    };
    let key = key.map_or_else(String::new, |key| format!(" {key}"));
    format!("{}{key}{answer}", step.verb)
}

fn stale(
    evidence: &CauseEvidence<'_>,
    anomaly: &Anomaly,
    way: Option<&Provenance<'_>>,
) -> Option<(Time, Time)> {
    if anomaly.stale_for.is_zero() {
        return None;
    }
    let history = evidence.history();
    let last = evidence.guilty(anomaly)?;
    let begin = history.event(last.invoke).time;
    let from =
        Time(begin.as_nanos().saturating_sub(u64::try_from(anomaly.stale_for.as_nanos()).ok()?));
    // Without a known way the bracket would point at nothing.
    way.map(|_| (from, begin))
}

/// The store that a step talks to, as an index into the strips.
fn site_row(site: Site) -> Option<usize> {
    match site {
        Site::Cache => Some(0),
        Site::Replica => Some(1),
        Site::Primary => Some(2),
        Site::Client => None,
    }
}

/// A label that may stand in SVG.
fn safe(text: &str) -> String {
    escape(text)
}
