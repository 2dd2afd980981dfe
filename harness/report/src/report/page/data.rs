use std::collections::BTreeMap;

use quarrel_checkers::{F, HistoryRef, Index, Reply, Site, Step, Time, Value};
use quarrel_run::judge::CauseEvidence;
use serde::Serialize;

use super::{
    outline::{Outline, Scale},
    pack::{Column, deltas, pack_all},
};
use crate::report::{
    logs::{Log, logs},
    names::Names,
    plots::{BINS, Series},
    rows::{OperationEnd, OperationRow},
    terminal::{headline, printable},
    view::{Band, View},
};

/// The most operations that a page carries. Beyond it only those around the
/// anomalies are kept.
pub(super) const MOST: usize = 1_000_000;

/// How far around an anomaly operations are kept when there are too many.
const AROUND_NANOS: u64 = 2_000_000_000;

/// No number: an operation that never ended, a version that is not known.
const NONE: u32 = u32::MAX;

/// What the page's script knows of the run besides its columns.
#[derive(Serialize)]
struct Meta<'a> {
    run: &'a str,
    /// Nanoseconds in a unit of the columns' times.
    unit_ns: u64,
    /// The end of the run, in units.
    end: u32,
    operations: usize,
    steps: usize,
    /// How many operations the run had, if the page carries fewer.
    left_out: usize,
    /// The axis of latencies, if there is an outline of what is left out.
    rest: Option<Scale>,
    lanes: &'a [String],
    /// Names of functions, by number.
    functions: Vec<String>,
    /// What steps do and where, by number, and whether they do it to the other
    /// key of a transaction.
    verbs: Vec<(Site, String, bool)>,
    /// Values that are no whole numbers, by number.
    values: Vec<String>,
    /// Errors of steps, by number.
    errors: Vec<String>,
    faults: Vec<BandMeta<'a>>,
    phases: Vec<PhaseMeta>,
    anomalies: Vec<AnomalyMeta>,
    logs: Vec<Log>,
    series: &'a Series,
    bins: usize,
}

#[derive(Serialize)]
struct BandMeta<'a> {
    fault: &'a str,
    from: u32,
    to: u32,
    observed: Option<u32>,
}

#[derive(Serialize)]
struct PhaseMeta {
    name: &'static str,
    from: u32,
    to: u32,
}

/// An anomaly as a place to jump to.
#[derive(Serialize)]
struct AnomalyMeta {
    class: String,
    cause: String,
    key: Option<u64>,
    text: String,
    from: u32,
    to: u32,
    /// Positions, in the columns, of the operations that tell it.
    story: Vec<u32>,
    /// What its actors are called, by lane.
    actors: Vec<(u16, String)>,
    /// The one that proves it.
    guilty: Option<u32>,
}

/// Which part of a run's operations a page carries, if they are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them, or those near anomalies.
    Whole,
    /// Those that began between two moments.
    Window(Time, Time),
}

/// The data that a page carries: element names and their text.
pub(super) struct Data {
    /// As JSON that may stand in a script element.
    pub(super) meta: String,
    /// Packed columns.
    pub(super) columns: Vec<(&'static str, String)>,
}

/// Numbers for names, in order of first appearance.
#[derive(Default)]
struct Numbers {
    known: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Numbers {
    fn of(&mut self, name: String) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(NONE);
        *self.known.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }
}

/// Collects what a page carries.
pub(super) fn data(view: &View<'_>, series: &Series, part: Part, most: usize) -> Data {
    let unit_ns = (view.end.as_nanos() / u64::from(NONE - 1)).max(999) + 1;
    let unit = |time: Time| u32::try_from(time.as_nanos() / unit_ns).unwrap_or(NONE - 1);
    let is_kept = kept(view, part, most);
    let places: Vec<u32> =
        (0u32..).zip(&is_kept).filter(|(_, kept)| **kept).map(|(place, _)| place).collect();
    let outline =
        (places.len() < view.rows.len()).then(|| Outline::of(view, &is_kept, unit, unit(view.end)));
    let history = HistoryRef::from(&view.run.history);
    let steps = history.step_count() * places.len() / view.rows.len().max(1);
    let mut columns = Columns::with_capacity(unit_ns, places.len(), steps);
    for place in &places {
        columns.operation(view, &view.rows.get(*place as usize));
    }
    let anomalies = anomalies(view, &places, unit);
    let meta = Meta {
        run: &view.verdict.run,
        unit_ns,
        end: unit(view.end),
        operations: places.len(),
        steps: columns.step_verb.len(),
        left_out: view.rows.len() - places.len(),
        rest: outline.as_ref().map(|outline| outline.scale),
        lanes: &view.lanes,
        functions: std::mem::take(&mut columns.functions.names),
        verbs: std::mem::take(&mut columns.verbs),
        values: std::mem::take(&mut columns.values.names),
        errors: std::mem::take(&mut columns.errors.names),
        faults: view.bands.iter().map(|band| fault(band, unit)).collect(),
        phases: (view.phases.iter())
            .map(|phase| PhaseMeta { name: phase.name, from: unit(phase.from), to: unit(phase.to) })
            .collect(),
        anomalies,
        logs: logs(view),
        series,
        bins: BINS,
    };
    let mut packed = columns.packed();
    packed.extend(outline.iter().flat_map(Outline::packed));
    Data { meta: for_script(&meta), columns: packed }
}

/// The anomalies, with the places of their operations among those of the page,
/// which are at `places` of the view's rows.
fn anomalies(
    view: &View<'_>,
    places: &[u32],
    unit: impl Fn(Time) -> u32 + Copy,
) -> Vec<AnomalyMeta> {
    let position = |invoke: &Index| {
        let found = places
            .binary_search_by_key(invoke, |place| view.rows.invoke_at(*place as usize))
            .ok()?;
        u32::try_from(found).ok()
    };
    (view.evidence.iter())
        .flat_map(|evidence| {
            view.verdict.anomalies.iter().map(|anomaly| {
                let story = evidence.story(anomaly);
                let history = evidence.history();
                let begins = story.iter().map(|op| history.event(op.invoke).time);
                let ends = story.iter().filter_map(|op| Some(history.event(op.complete?).time));
                let guilty = evidence.guilty(anomaly);
                let names = Names::of_story(evidence, &story);
                let at_lanes = story.iter().filter_map(|operation| {
                    let place = *places.get(position(&operation.invoke)? as usize)?;
                    let row = view.rows.get(place as usize);
                    Some((row.lane, names.of(view.process_of(&row))))
                });
                AnomalyMeta {
                    class: anomaly.class.to_string(),
                    cause: anomaly.cause.map_or_else(String::new, |cause| cause.to_string()),
                    key: anomaly.key.map(|key| key.0),
                    text: headline(Some(evidence), anomaly),
                    from: begins.min().map_or(0, unit),
                    to: ends.max().map_or(0, unit),
                    story: story.iter().filter_map(|op| position(&op.invoke)).collect(),
                    actors: at_lanes.collect(),
                    guilty: guilty.and_then(|operation| position(&operation.invoke)),
                }
            })
        })
        .collect()
}

fn fault(band: &Band, unit: impl Fn(Time) -> u32) -> BandMeta<'_> {
    BandMeta {
        fault: &band.fault,
        from: unit(band.from),
        to: unit(band.to),
        observed: band.observed.map(unit),
    }
}

/// JSON in which nothing can end a script element or begin a comment.
fn for_script(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("our own types are JSON");
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Which operations the page carries, of those of the run in order of their
/// begin: all if that is no more than `most`; else those in the window that was
/// asked for, or those near anomalies, as near as is needed to be that few.
pub(in crate::report) fn kept(view: &View<'_>, part: Part, most: usize) -> Vec<bool> {
    let count = |is_kept: &[bool]| is_kept.iter().filter(|kept| **kept).count();
    let window = |from: Time, to: Time| -> Vec<bool> {
        view.rows.iter().map(|row| from <= row.start && row.start <= to).collect()
    };
    let mut is_kept = match part {
        Part::Whole if view.rows.len() <= most => return vec![true; view.rows.len()],
        Part::Whole => {
            let moments = moments(view);
            let mut around = AROUND_NANOS;
            loop {
                let is_kept = near(view, &moments, around);
                if count(&is_kept) <= most || around == 0 {
                    break is_kept;
                }
                around /= 2;
            }
        }
        Part::Window(from, to) => window(from, to),
    };
    let mut room = most;
    for kept in &mut is_kept {
        *kept &= room > 0;
        room -= usize::from(*kept);
    }
    is_kept
}

/// When the operations of anomalies' stories began and ended, in order.
fn moments(view: &View<'_>) -> Vec<u64> {
    let Some(evidence) = &view.evidence else { return Vec::new() };
    let history = evidence.history();
    let time = |index: Index| history.event(index).time.as_nanos();
    let stories = view.verdict.anomalies.iter().flat_map(|anomaly| evidence.story(anomaly));
    let mut moments: Vec<u64> = stories
        .flat_map(|operation| [Some(operation.invoke), operation.complete])
        .flatten()
        .map(time)
        .collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn near(view: &View<'_>, moments: &[u64], around: u64) -> Vec<bool> {
    let is_near = |row: OperationRow| {
        let time = row.start.as_nanos();
        let at = moments.partition_point(|moment| moment.saturating_add(around) < time);
        moments.get(at).is_some_and(|moment| moment.saturating_sub(around) <= time)
    };
    view.rows.iter().map(is_near).collect()
}

/// Columns while they grow.
#[derive(Default)]
struct Columns {
    unit_ns: u64,
    functions: Numbers,
    values: Numbers,
    errors: Numbers,
    verbs: Vec<(Site, String, bool)>,
    start: Vec<u32>,
    duration: Vec<u32>,
    lane: Vec<u16>,
    process: Vec<u32>,
    flags: Vec<u8>,
    key: Vec<u32>,
    beside: Vec<u32>,
    beside_version: Vec<u32>,
    version: Vec<u32>,
    value: Vec<u32>,
    stale: Vec<u32>,
    steps: Vec<u16>,
    step_start: Vec<u32>,
    step_duration: Vec<u32>,
    step_verb: Vec<u8>,
    step_reply: Vec<u8>,
    step_version: Vec<u32>,
    step_lsn: Vec<u32>,
}

impl Columns {
    /// Empty, with room for as many operations and steps: each column would
    /// double its room else, all at about the same time.
    fn with_capacity(unit_ns: u64, operations: usize, steps: usize) -> Self {
        Self {
            unit_ns,
            start: Vec::with_capacity(operations),
            duration: Vec::with_capacity(operations),
            lane: Vec::with_capacity(operations),
            process: Vec::with_capacity(operations),
            flags: Vec::with_capacity(operations),
            key: Vec::with_capacity(operations),
            beside: Vec::with_capacity(operations),
            beside_version: Vec::with_capacity(operations),
            version: Vec::with_capacity(operations),
            value: Vec::with_capacity(operations),
            stale: Vec::with_capacity(operations),
            steps: Vec::with_capacity(operations),
            step_start: Vec::with_capacity(steps),
            step_duration: Vec::with_capacity(steps),
            step_verb: Vec::with_capacity(steps),
            step_reply: Vec::with_capacity(steps),
            step_version: Vec::with_capacity(steps),
            step_lsn: Vec::with_capacity(steps),
            ..Self::default()
        }
    }

    fn units(&self, nanos: u128) -> u32 {
        u32::try_from(nanos / u128::from(self.unit_ns)).unwrap_or(NONE - 1)
    }

    /// Flags: bits 0–1 the function (0 read, 1 write, 2 other), 2–3 the
    /// ending, 4–5 where a read's value came from (0 not known, 1 cache, 2
    /// replica, 3 primary), 6 whether the value is a number of `values`.
    fn operation(&mut self, view: &View<'_>, row: &OperationRow) {
        let steps = view.steps_of(row);
        let function = match row.f {
            F::Read => 0,
            F::Write => 1,
            _ => 2,
        };
        self.functions.of(row.f.to_string());
        let ending = match row.ending {
            OperationEnd::Ok => 0,
            OperationEnd::Failed => 1,
            OperationEnd::Unknown => 2,
        };
        let source = match row.source {
            Some(Site::Cache) => 1,
            Some(Site::Replica) => 2,
            Some(Site::Primary) => 3,
            Some(Site::Client) | None => 0,
        };
        let (value, is_text) = match &view.value_of(row) {
            Value::Nil => (NONE, 0),
            Value::Int(number) => match u32::try_from(*number) {
                Ok(number) if number < NONE => (number, 0),
                _ => (self.values.of(number.to_string()), 1),
            },
            other => (self.values.of(printable(&other.to_string())), 1),
        };
        self.start.push(self.units(u128::from(row.start.as_nanos())));
        self.duration.push(row.duration().map_or(NONE, |took| self.units(took.as_nanos())));
        self.lane.push(row.lane);
        self.process.push(match view.process_of(row) {
            quarrel_checkers::Process::Client(number) => u32::try_from(number).unwrap_or(NONE),
            _ => NONE,
        });
        self.flags.push(function | ending << 2 | source << 4 | is_text << 6);
        self.key.push(row.key.map_or(NONE, |key| u32::try_from(key.0).unwrap_or(NONE)));
        let beside = row.beside;
        self.beside.push(beside.map_or(NONE, |(key, _)| u32::try_from(key.0).unwrap_or(NONE)));
        self.beside_version.push(version(beside.and_then(|(_, version)| version)));
        self.version.push(version(row.version));
        self.value.push(value);
        self.stale.push(row.stale.map_or(0, |stale| self.units(stale.as_nanos()).max(1)));
        self.steps.push(u16::try_from(steps.len()).unwrap_or(u16::MAX));
        for step in steps.take(usize::from(u16::MAX)) {
            self.step(&step, row);
        }
    }

    fn step(&mut self, step: &Step, row: &OperationRow) {
        self.step_start.push(self.units(step.start.since(row.start).as_nanos()));
        let took = step.end.map(|end| end.since(step.start).as_nanos());
        self.step_duration.push(took.map_or(NONE, |took| self.units(took)));
        let space = step.object.as_ref().map_or("", |object| object.space.as_ref());
        let verb =
            if space.is_empty() { step.verb.to_string() } else { format!("{} {space}", step.verb) };
        let beside = row
            .beside
            .is_some_and(|(key, _)| step.object.as_ref().is_some_and(|object| object.key == key));
        let entry = (step.site, verb, beside);
        let known = self.verbs.iter().position(|verb| *verb == entry);
        let number = known.unwrap_or_else(|| {
            self.verbs.push(entry);
            self.verbs.len() - 1
        });
        self.step_verb.push(u8::try_from(number).unwrap_or(u8::MAX));
        let (reply, error) = match &step.reply {
            Reply::Pending => (0, None),
            Reply::Found(_) => (1, None),
            Reply::Miss => (2, None),
            Reply::Done { .. } => (3, None),
            Reply::Refused => (4, None),
            Reply::Failed { error, .. } => (5, Some(error)),
            Reply::Gap => (6, None),
        };
        self.step_reply.push(reply);
        // A failed step has no version; the column says what the error was.
        self.step_version.push(match error {
            Some(error) => self.errors.of(printable(error)),
            None => version(CauseEvidence::number_of(step)),
        });
        self.step_lsn.push(step.lsn.map_or(0, |lsn| lsn.0 as u32));
    }

    fn packed(self) -> Vec<(&'static str, String)> {
        use Column::{Byte, Half, Wide};
        pack_all(vec![
            ("start", Wide(deltas(&self.start))),
            ("duration", Wide(self.duration)),
            ("lane", Half(self.lane)),
            ("process", Wide(self.process)),
            ("flags", Byte(self.flags)),
            ("key", Wide(self.key)),
            ("beside", Wide(self.beside)),
            ("version", Wide(self.version)),
            ("besideVersion", Wide(self.beside_version)),
            ("value", Wide(self.value)),
            ("stale", Wide(self.stale)),
            ("steps", Half(self.steps)),
            ("stepStart", Wide(self.step_start)),
            ("stepDuration", Wide(self.step_duration)),
            ("stepVerb", Byte(self.step_verb)),
            ("stepReply", Byte(self.step_reply)),
            ("stepVersion", Wide(self.step_version)),
            ("stepLsn", Wide(self.step_lsn)),
        ])
    }
}

fn version(version: Option<u64>) -> u32 {
    version.map_or(NONE, |version| u32::try_from(version).unwrap_or(NONE))
}
