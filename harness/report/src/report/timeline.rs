use std::fmt;

use quarrel_checkers::{
    Anomaly, Content, Index, Kind, Operation, Process, Reply, Site, Step, StepAt, Time, Version,
};
use quarrel_run::judge::{CauseEvidence, Provenance};

use super::{
    names::Names,
    terminal::{Fracture, numeral, printable, shorten, text_columns},
};

/// Rows of a timeline before it is cut around what matters.
const LONG: usize = 18;

/// The few steps that tell how an anomaly came about, as a person reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// When its first step began, on the run's clock. Rows count from there.
    pub origin: Time,
    /// In order of time.
    pub rows: Vec<TimelineRow>,
    /// What its processes are called.
    pub names: Names,
}

/// How much of the story hangs on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Without it the story makes no sense.
    Key,
    /// What happened around it.
    Context,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// When it began, counted from the origin.
    pub at: Time,
    /// When its reply came, counted from the origin.
    pub end: Option<Time>,
    /// Who made it: `Writer A`.
    pub who: String,
    /// What it does, as in a `.race` file: `SELECT replica 7`.
    pub call: String,
    /// What came back.
    pub reply: String,
    /// What a reader should notice.
    pub note: String,
    /// The process.
    pub process: Process,
    /// Where.
    pub site: Site,
    /// How much hangs on it.
    pub weight: Weight,
    /// Whether it is what must not have been seen.
    pub is_wrong: bool,
}

impl Timeline {
    /// The timeline of an anomaly: the steps of its witness, of the operation
    /// that put the stale value into the cache, and of the write that had
    /// overwritten it. An operation whose steps were not recorded, as in an
    /// imported history, is a row itself.
    #[must_use]
    pub fn of(evidence: &CauseEvidence<'_>, anomaly: &Anomaly) -> Self {
        let story = evidence.story(anomaly);
        let names = Names::of_story(evidence, &story);
        let teller = Teller {
            evidence,
            anomaly,
            provenance: evidence.provenance(anomaly),
            last: evidence.guilty(anomaly).and_then(|operation| operation.complete),
            fracture: Fracture::of(evidence, anomaly),
            due: evidence.due(anomaly),
            origin: origin(evidence, &story),
        };
        let mut rows = Vec::new();
        for operation in &story {
            let steps = evidence.steps_of(operation);
            if steps.len() == 0 {
                rows.push(teller.whole(operation, &names));
            }
            for step in steps {
                rows.push(teller.row(operation, &step, &names));
            }
        }
        rows.sort_by_key(|row| (row.at, row.end));
        let origin = teller.origin;
        let shift = |time| since(time, origin);
        for row in &mut rows {
            row.at = shift(row.at);
            row.end = row.end.map(shift);
        }
        Self { origin, rows, names }
    }

    /// Aligned lines of at most `width` columns. A long timeline is cut to
    /// what matters and a step before and after it.
    #[must_use]
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let shown = self.shown();
        let widest = |text: fn(&TimelineRow) -> String| {
            shown.iter().flatten().map(|row| text_columns(&text(row))).max().unwrap_or(0)
        };
        let times = widest(|row| format!("t={}", row.at));
        let calls = widest(TimelineRow::told);
        // An error's text does not push the notes of other rows to the right.
        let replies = widest(|row| row.reply.clone()).min(12);
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(text_columns(text)));
        let mut lines = Vec::new();
        for row in shown {
            let Some(row) = row else {
                lines.push("…".to_owned());
                continue;
            };
            let at = format!("t={}", row.at);
            let told = row.told();
            let left = format!("{at}{}  {told}{}", pad(&at, times), pad(&told, calls));
            let full = format!("{left} -> {}{}  {}", row.reply, pad(&row.reply, replies), row.note);
            let fits = width.is_none_or(|width| text_columns(full.trim_end()) <= width);
            if fits || row.note.is_empty() {
                lines.push(shorten(full.trim_end(), width));
            } else {
                // The note goes below, as it says what to look at.
                lines.push(shorten(&format!("{left} -> {}", row.reply), width));
                let below = format!("{}    {}", " ".repeat(times), row.note);
                lines.push(shorten(&below, width));
            }
        }
        lines
    }

    /// The rows to show; none stands for some that are left out.
    fn shown(&self) -> Vec<Option<&TimelineRow>> {
        if self.rows.len() <= LONG {
            return self.rows.iter().map(Some).collect();
        }
        let is_key = |at: usize| self.rows.get(at).is_some_and(|row| row.weight == Weight::Key);
        let mut shown: Vec<Option<&TimelineRow>> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let near = is_key(at) || is_key(at + 1) || (at > 0 && is_key(at - 1));
            if near {
                shown.push(Some(row));
            } else if !matches!(shown.last(), Some(None)) {
                shown.push(None);
            }
        }
        shown
    }
}

impl fmt::Display for Timeline {
    /// All rows, aligned, without indentation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines(None) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl TimelineRow {
    fn told(&self) -> String {
        format!("{}: {}", self.who, self.call)
    }
}

struct Teller<'a> {
    evidence: &'a CauseEvidence<'a>,
    anomaly: &'a Anomaly,
    provenance: Option<Provenance<'a>>,
    /// The event by which the anomaly is proved.
    last: Option<Index>,
    fracture: Option<Fracture>,
    /// The write that should have been seen.
    due: Option<&'a Operation>,
    /// When the story begins.
    origin: Time,
}

/// When the first step of a story began.
fn origin(evidence: &CauseEvidence<'_>, story: &[&Operation]) -> Time {
    let history = evidence.history();
    let begins = story.iter().map(|operation| {
        let steps = evidence.steps_of(operation).map(|step| step.start);
        steps.min().unwrap_or(history.event(operation.invoke).time)
    });
    begins.min().unwrap_or(Time::ZERO)
}

fn since(time: Time, origin: Time) -> Time {
    Time(u64::try_from(time.since(origin).as_nanos()).unwrap_or(u64::MAX))
}

impl Teller<'_> {
    fn row(&self, operation: &Operation, step: &StepAt<'_>, names: &Names) -> TimelineRow {
        TimelineRow {
            at: step.start,
            end: step.end,
            who: names.of(step.process),
            call: call(step),
            reply: reply(step),
            note: self.note(operation, step),
            process: step.process,
            site: step.site,
            weight: self.weight(operation, step),
            is_wrong: self.is_wrong(operation, step),
        }
    }

    /// An operation without steps.
    fn whole(&self, operation: &Operation, names: &Names) -> TimelineRow {
        let history = self.evidence.history();
        let invoke = history.event(operation.invoke);
        let complete = operation.complete.map(|end| history.event(end));
        let mut call = invoke.op.f.to_string();
        if let Some(key) = invoke.op.key {
            call += &format!(" {key}");
        }
        if !invoke.op.value.is_nil() {
            call += &format!(" = {}", printable(&invoke.op.value.to_string()));
        }
        let reply = match &complete {
            None => "no answer".to_owned(),
            Some(end) if end.kind == Kind::Fail => "failed".to_owned(),
            Some(end) if end.kind == Kind::Info => "unknown".to_owned(),
            Some(end) if end.op.value == invoke.op.value => "ok".to_owned(),
            Some(end) => printable(&end.op.value.to_string()),
        };
        let is_last = operation.complete.is_some() && operation.complete == self.last;
        TimelineRow {
            at: invoke.time,
            end: complete.map(|end| end.time),
            who: names.of(invoke.process),
            call,
            reply,
            note: if is_last { self.verdict(None) } else { String::new() },
            process: invoke.process,
            site: Site::Client,
            weight: Weight::Key,
            is_wrong: is_last,
        }
    }

    fn note(&self, operation: &Operation, step: &StepAt<'_>) -> String {
        let mut notes = Vec::new();
        if let Some(lsn) = step.lsn {
            let word = if step.site == Site::Replica { "at" } else { "lsn" };
            notes.push(format!("{word} {lsn}"));
        }
        if let Some(behind) = self.behind(step) {
            notes.push(behind);
        }
        if self.is_wrong(operation, step) {
            notes.push(self.verdict(self.evidence.version_of(step)));
        }
        notes.join(", ")
    }

    /// Whether the step brought what the operation that proves the anomaly saw.
    fn is_wrong(&self, operation: &Operation, step: &StepAt<'_>) -> bool {
        let guilty = operation.complete.is_some() && operation.complete == self.last;
        guilty && self.provenance.as_ref().is_some_and(|way| way.source.is(step))
    }

    /// What is wrong with the row that proves the anomaly.
    fn verdict(&self, version: Option<Version>) -> String {
        if let Some(Fracture { seen: [_, (other, seen)], written: [missed, _] }) = &self.fracture {
            let [missed, seen] = [*missed, *seen].map(numeral);
            return format!("FRACTURED, must be {missed} beside {seen} of key {other}");
        }
        if let Some(due) = version.and(self.told_due()) {
            return format!("STALE: {due}");
        }
        match (self.anomaly.versions_behind, version) {
            (0, _) | (_, None) => self.anomaly.class.to_string().replace('-', " ").to_uppercase(),
            (behind, Some(version)) => {
                // A number says how many came after it on its own timeline only.
                let newer = self.provenance.as_ref().and_then(|way| way.newer.as_ref());
                let newer = newer.and_then(|step| self.evidence.version_of(step));
                let least = newer.filter(|newer| newer.timeline > version.timeline);
                let counted = Version { number: version.number + behind, ..version };
                format!("STALE, must be {} or newer", numeral(least.unwrap_or(counted)))
            }
        }
    }

    /// Which write should have been seen, and since when.
    fn told_due(&self) -> Option<String> {
        let due = self.due?;
        let version = self.evidence.version_on(due, self.anomaly.key?)?;
        let event = self.evidence.history().event(self.evidence.acknowledged(due)?);
        Some(format!(
            "{} was acknowledged at t={}",
            numeral(version),
            since(event.time, self.origin)
        ))
    }

    /// How many writes the replica had not replayed when it was read.
    fn behind(&self, step: &Step) -> Option<String> {
        if step.site != Site::Replica {
            return None;
        }
        let found = self.evidence.version_of(step)?;
        let key = step.object.as_ref()?.key;
        let count = self
            .evidence
            .steps_on(key)
            .filter(|write| {
                write.site == Site::Primary
                    && write.end.is_some_and(|end| end <= step.start)
                    && matches!(write.reply, Reply::Done { version: Some(_) })
                    && self.evidence.version_of(write) > Some(found)
            })
            .count();
        match count {
            0 => None,
            1 => Some("one write behind".to_owned()),
            2 => Some("two writes behind".to_owned()),
            n => Some(format!("{n} writes behind")),
        }
    }

    fn weight(&self, operation: &Operation, step: &StepAt<'_>) -> Weight {
        let guilty = operation.complete.is_some() && operation.complete == self.last;
        let on_the_way = self.provenance.as_ref().is_some_and(|way| {
            let steps =
                [Some(&way.source), way.fill.as_ref(), way.fetched.as_ref(), way.newer.as_ref()];
            let is_newer =
                way.newer.as_ref().is_some_and(|newer| newer.operation == step.operation);
            let is_due = self.due.is_some_and(|due| due.invoke == operation.invoke);
            is_newer || is_due || steps.into_iter().flatten().any(|known| known.is(step))
        });
        if guilty || on_the_way { Weight::Key } else { Weight::Context }
    }
}

/// A step's call as in a `.race` file: `SELECT replica 7`, `SET 7 = v1`.
pub(super) fn call(step: &Step) -> String {
    let mut text = step.verb.to_string();
    if step.verb == "SELECT" {
        text += &format!(" {}", step.site);
    }
    if let Some(object) = &step.object {
        text += &format!(" {object}");
    }
    match (&step.argument, &step.reply) {
        // The primary numbers a row only when it is written.
        (Some(Content::Row { .. }), Reply::Done { version: Some(version) }) => {
            text += &format!(" = v{version}");
        }
        (Some(content), _) => text += &format!(" = {}", short(content)),
        (None, _) => {}
    }
    text
}

/// What came back to a step: `miss`, `v1`, `ok`.
pub(super) fn reply(step: &Step) -> String {
    match &step.reply {
        Reply::Pending => "no answer".to_owned(),
        Reply::Found(content) => short(content),
        Reply::Miss => "miss".to_owned(),
        Reply::Done { .. } => "ok".to_owned(),
        Reply::Refused => "refused".to_owned(),
        Reply::Gap => "gap".to_owned(),
        Reply::Failed { error, .. } => format!("error: {}", printable(error)),
    }
}

fn short(content: &Content) -> String {
    match content {
        Content::Row { value, version: 0 } => printable(&value.to_string()),
        Content::Row { version, .. } => format!("v{version}"),
        other => printable(&other.to_string()),
    }
}
