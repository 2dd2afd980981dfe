use std::{collections::BTreeMap, fmt};

use quarrel_checkers::{Anomaly, Content, F, Index, Operation, Process, Reply, Site, Step, Time};

use crate::judge::Evidence;

/// The few steps that tell how an anomaly came about, as a person reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// When its first step began, on the run's clock. Rows count from there.
    pub origin: Time,
    /// In order of time.
    pub rows: Vec<TimelineRow>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// When it began, counted from the origin.
    pub at: Time,
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
}

impl Timeline {
    /// The timeline of an anomaly: the steps of its witness, of the operation
    /// that put the stale value into the cache, and of the write that had
    /// overwritten it.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>, anomaly: &Anomaly) -> Self {
        let story = evidence.story(anomaly);
        let names = names(evidence, &story);
        let history = evidence.history();
        let last = anomaly.witness.last().copied();
        let mut steps: Vec<(&Operation, &Step)> = story
            .iter()
            .flat_map(|operation| {
                let steps = operation.steps.iter().map(|position| &history.steps[*position]);
                steps.map(move |step| (*operation, step))
            })
            .collect();
        steps.sort_by_key(|(_, step)| (step.start, step.end));
        let origin = steps.first().map_or(Time::ZERO, |(_, step)| step.start);
        let rows = steps
            .into_iter()
            .map(|(operation, step)| TimelineRow {
                at: Time(step.start.since(origin).as_nanos().try_into().unwrap_or(u64::MAX)),
                who: names.get(&step.process).cloned().unwrap_or_default(),
                call: call(step),
                reply: reply(step),
                note: note(anomaly, operation, step, last),
                process: step.process,
                site: step.site,
            })
            .collect();
        Self { origin, rows }
    }
}

impl fmt::Display for Timeline {
    /// Aligned lines, without indentation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&TimelineRow) -> String| {
            self.rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
        };
        let times = width(|row| format!("t={}", row.at));
        let calls = width(|row| format!("{}: {}", row.who, row.call));
        let replies = width(|row| row.reply.clone());
        for row in &self.rows {
            let at = format!("t={}", row.at);
            let call = format!("{}: {}", row.who, row.call);
            let line =
                format!("{at:times$}  {call:calls$} -> {:replies$}  {}", row.reply, row.note);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Letters in order of appearance, behind what the process does in the story.
fn names(evidence: &Evidence<'_>, story: &[&Operation]) -> BTreeMap<Process, String> {
    let mut names = BTreeMap::new();
    let mut processes: Vec<(Process, bool)> = Vec::new();
    for operation in story {
        let event = &evidence.history().events[operation.invoke.position()];
        let writes = event.op.f == F::Write;
        match processes.iter_mut().find(|(process, _)| *process == event.process) {
            Some((_, any)) => *any |= writes,
            None => processes.push((event.process, writes)),
        }
    }
    for (number, (process, writes)) in processes.into_iter().enumerate() {
        let role = if writes { "Writer" } else { "Reader" };
        let letter = char::from(b'A' + u8::try_from(number % 26).unwrap_or(0));
        names.insert(process, format!("{role} {letter}"));
    }
    names
}

fn call(step: &Step) -> String {
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

fn reply(step: &Step) -> String {
    let mut text = match &step.reply {
        Reply::Pending => "no answer".to_owned(),
        Reply::Found(content) => short(content),
        Reply::Miss => "miss".to_owned(),
        Reply::Done { .. } => "ok".to_owned(),
        Reply::Refused => "refused".to_owned(),
        Reply::Failed { error, .. } => format!("error: {error}"),
    };
    if let Some(lsn) = step.lsn {
        let where_ = if step.site == Site::Replica { "at" } else { "lsn" };
        text += &format!("  {where_} {lsn}");
    }
    text
}

fn short(content: &Content) -> String {
    match content {
        Content::Row { value, version: 0 } => value.to_string(),
        Content::Row { version, .. } => format!("v{version}"),
        other => other.to_string(),
    }
}

fn note(anomaly: &Anomaly, operation: &Operation, step: &Step, last: Option<Index>) -> String {
    let guilty = operation.complete.is_some() && operation.complete == last;
    let is_read = matches!(&step.reply, Reply::Found(Content::Row { .. }));
    if !(guilty && is_read) {
        return String::new();
    }
    match (anomaly.versions_behind, Evidence::version_of(step)) {
        (0, _) | (_, None) => anomaly.class.to_string().to_uppercase(),
        (behind, Some(version)) => format!("STALE, must be v{} or newer", version + behind),
    }
}
