//! A run of which everything that is an application's was left out, in a folder
//! of its own. Whatever is made of a run (its page, its trace, its races, what
//! `serve` shows) is made of such a folder as of any other, and can show no more
//! than is in it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use quarrel_checkers::{
    Content, Event, F, History, Kind, Object, Op, Probe, Reply, Step, Time, Value,
};

use super::{
    super::{
        Environment, FileError, LoadedRun, MOST_BYTES, Phases, RunFolder, RunSettings, line,
        read_json_lines, write_json, write_json_lines, write_text,
    },
    DIGITS, Redactor,
};
use quarrel_strategy::record::{Commit, EnvironmentFailure, Record};

use crate::faults::{Fault, Receipt, Schedule};

/// A run could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// There is something already.
    #[error("{} exists; name another folder", .0.display())]
    Exists(PathBuf),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// How many logs of servers a run has at most.
const LOGS: usize = 64;

/// What a redacted run says of itself.
const NOTE: &str = "What an application's rows, statements, headers and messages hold was replaced \
                    by tokens (redacted-1, redacted-2, ...); the same text has the same token.\n";

/// Copies a run into `root`, under its own name, without what is an
/// application's. What can be made anew is not copied.
///
/// Kept are times, keys, versions, log positions, numbers that clients of the
/// run wrote (quarrel chose them), and the names of the strategy or application,
/// of its workload and of its faults.
///
/// # Errors
///
/// When such a folder exists, or the system says no.
pub fn redacted_copy(run: &LoadedRun, root: &Path) -> Result<RunFolder, RedactError> {
    let path = root.join(&run.folder.name);
    fs::create_dir_all(root).map_err(FileError::io(root))?;
    match fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(RedactError::Exists(path));
        }
        made => made.map_err(FileError::io(&path))?,
    }
    let folder = RunFolder { path, ..run.folder.clone() };
    let own = written(&run.history);
    let copied = Copier { redactor: Redactor::default(), own, from: run, to: &folder }.copy();
    if let Err(error) = copied {
        // Half a copy would stand in the way of the next; the error says why.
        drop(fs::remove_dir_all(&folder.path));
        return Err(error.into());
    }
    Ok(folder)
}

/// What clients wrote.
fn written(history: &History) -> HashSet<Value> {
    fn collect(value: &Value, own: &mut HashSet<Value>) {
        match value {
            Value::List(items) => items.iter().for_each(|item| collect(item, own)),
            one => {
                own.insert(one.clone());
            }
        }
    }
    let mut own = HashSet::new();
    for event in history.events.iter().filter(|event| event.kind == Kind::Invoke) {
        collect(&event.op.value, &mut own);
    }
    own
}

struct Copier<'a> {
    redactor: Redactor,
    own: HashSet<Value>,
    from: &'a LoadedRun,
    to: &'a RunFolder,
}

/// Each of these names every field, so that none that is new is forgotten.
impl Copier<'_> {
    fn copy(mut self) -> Result<(), FileError> {
        let LoadedRun { folder, settings, history, truncated: _, receipts, probes, failure } =
            self.from;
        let settings = self.settings(settings);
        let text = toml::to_string(&settings).expect("settings were read from such a file");
        write_text(&self.to.file(RunFolder::SETTINGS), &text)?;
        self.history(history)?;
        let receipts: Vec<_> = receipts.iter().map(|receipt| self.receipt(receipt)).collect();
        write_json_lines(&self.to.file(RunFolder::RECEIPTS), &receipts)?;
        let probes: Vec<_> = probes.iter().map(|probe| self.probe(probe)).collect();
        write_json_lines(&self.to.file(RunFolder::PROBES), &probes)?;
        let commits = read_json_lines::<Commit>(&folder.file(Commit::FILE))?;
        if !commits.is_empty() {
            let commits: Vec<_> = commits.iter().map(|commit| self.commit(commit)).collect();
            write_json_lines(&self.to.file(Commit::FILE), &commits)?;
        }
        if let Some(EnvironmentFailure { at, what, spoils }) = failure {
            let failure =
                EnvironmentFailure { at: *at, what: self.redactor.text(what), spoils: *spoils };
            write_json(&self.to.file(LoadedRun::FAILURE), &failure)?;
        }
        let environment = self.environment(Environment::of(folder));
        write_json(&self.to.file(RunFolder::ENVIRONMENT), &environment)?;
        if let Some(phases) = Phases::of(folder) {
            write_json(&self.to.file(Phases::FILE), &phases)?;
        }
        self.logs()?;
        write_text(&self.to.file("REDACTED"), NOTE)
    }

    fn settings(&mut self, settings: &RunSettings) -> RunSettings {
        let RunSettings {
            schema,
            began,
            strategy,
            source,
            app,
            invalidation,
            cluster,
            expect,
            seed,
            workload,
            clients,
            keys,
            skew,
            reads,
            arrivals,
            rate,
            time_ms,
            settle_ms,
            timeout_ms,
            faults,
            options,
            given,
            pauses,
            schedule,
        } = settings;
        let began = match began.parse::<Timestamp>() {
            Ok(time) => time.to_string(),
            Err(_) => self.redactor.text(began),
        };
        let schedule = match schedule.parse::<Schedule>() {
            Ok(schedule) => schedule.to_string(),
            Err(_) => self.redactor.text(schedule),
        };
        RunSettings {
            schema: *schema,
            began,
            strategy: strategy.clone(),
            // Of a strategy it is the place in its crate.
            source: if app.is_some() { self.redactor.text(source) } else { source.clone() },
            app: app.as_deref().map(|app| self.redactor.text(app)),
            invalidation: *invalidation,
            cluster: cluster.clone(),
            expect: expect.clone(),
            seed: *seed,
            workload: workload.clone(),
            clients: *clients,
            keys: *keys,
            skew: *skew,
            reads: *reads,
            arrivals: self.redactor.text(arrivals),
            rate: *rate,
            time_ms: *time_ms,
            settle_ms: *settle_ms,
            timeout_ms: *timeout_ms,
            faults: faults.iter().map(|fault| self.fault(fault)).collect(),
            options: self.texts(options),
            given: given.as_ref().map(|given| self.texts(given)),
            pauses: self.redactor.text(pauses),
            schedule,
        }
    }

    fn texts(&mut self, texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let shown = |(name, value): (&String, &String)| (name.clone(), self.redactor.text(value));
        texts.iter().map(shown).collect()
    }

    fn fault(&mut self, fault: &str) -> String {
        match Fault::parse(fault) {
            Ok(fault) => fault.to_string(),
            Err(_) => self.redactor.text(fault),
        }
    }

    fn receipt(&mut self, receipt: &Receipt) -> Receipt {
        let Receipt { fault, injected, observed, evidence, healed, recovered, errors } = receipt;
        Receipt {
            fault: self.fault(fault),
            injected: *injected,
            observed: *observed,
            evidence: evidence.as_deref().map(|text| self.redactor.text(text)),
            healed: *healed,
            recovered: *recovered,
            errors: errors.iter().map(|text| self.redactor.text(text)).collect(),
        }
    }

    fn probe(&mut self, probe: &Probe) -> Probe {
        let value = self.value(&probe.value);
        let Probe { start, end, site, key, value: _, version, phase } = *probe;
        Probe { start, end, site, key, value, version, phase }
    }

    fn commit(&mut self, commit: &Commit) -> Commit {
        let Commit { key, value, version } = commit;
        Commit { key: *key, value: self.value(value), version: *version }
    }

    fn environment(&mut self, environment: Environment) -> Environment {
        let Environment { commit, clock_zero, pieces } = environment;
        let is_commit = |text: &String| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Environment { commit: commit.filter(is_commit), clock_zero, pieces: self.texts(&pieces) }
    }

    fn value(&mut self, value: &Value) -> Value {
        self.redactor.value(value, &self.own)
    }

    fn event(&mut self, event: &Event) -> Event {
        let Event { index, time, process, kind, op, timeline, error } = event;
        let Op { f, key, value, version } = op;
        let f = match f {
            F::Other(name) => F::Other(self.redactor.text(name).into()),
            known => known.clone(),
        };
        Event {
            index: *index,
            time: *time,
            process: *process,
            kind: *kind,
            op: Op { f, key: *key, value: self.value(value), version: *version },
            timeline: *timeline,
            error: error.as_deref().map(|error| self.redactor.text(error)),
        }
    }

    fn step(&mut self, step: &Step) -> Step {
        let Step { operation, process, start, end, site, verb, object, argument, reply, lsn } =
            step;
        let object = object.as_ref().map(|Object { space, key, version }| Object {
            space: Cow::Owned(self.redactor.text(space)),
            key: *key,
            version: *version,
        });
        Step {
            operation: *operation,
            process: *process,
            start: *start,
            end: *end,
            site: *site,
            verb: Cow::Owned(self.redactor.text(verb)),
            object,
            argument: argument.as_ref().map(|content| self.content(content)),
            reply: match reply {
                Reply::Found(content) => Reply::Found(self.content(content)),
                Reply::Failed { certainty, error } => {
                    Reply::Failed { certainty: *certainty, error: self.redactor.text(error) }
                }
                Reply::Done { version } => Reply::Done { version: *version },
                Reply::Pending => Reply::Pending,
                Reply::Miss => Reply::Miss,
                Reply::Refused => Reply::Refused,
                Reply::Gap => Reply::Gap,
            },
            lsn: *lsn,
        }
    }

    fn content(&mut self, content: &Content) -> Content {
        match content {
            Content::Row { value, version } => {
                Content::Row { value: self.value(value), version: *version }
            }
            Content::Marker => Content::Marker,
            Content::Tombstone(version) => Content::Tombstone(*version),
            // Of a strategy it is a lease or a counter, which quarrel chose; of an
            // application it may be anybody's, as a number in a text is.
            Content::Number(number) => {
                let is_short = number.to_string().len() <= DIGITS;
                let is_shown = self.from.settings.app.is_none() || is_short;
                if is_shown { Content::Number(*number) } else { Content::Marker }
            }
        }
    }

    /// Writes the history in order of time, as a journal does.
    fn history(&mut self, history: &History) -> Result<(), FileError> {
        let path = self.to.file(RunFolder::HISTORY);
        let file = File::create_new(&path).map_err(FileError::io(&path))?;
        let mut stream = zstd::stream::Encoder::new(file, 1).map_err(FileError::io(&path))?;
        let mut lines = Vec::new();
        let mut steps = history.steps.iter().peekable();
        for event in &history.events {
            while let Some(step) = steps.next_if(|step| ended(step) <= event.time) {
                line::append(&Record::Step(self.step(step)), &mut lines);
            }
            line::append(&Record::Event(self.event(event)), &mut lines);
            stream.write_all(&lines).map_err(FileError::io(&path))?;
            lines.clear();
        }
        for step in steps {
            line::append(&Record::Step(self.step(step)), &mut lines);
        }
        if self.from.truncated {
            // A line without its end: the copy breaks off where the run did.
            lines.push(b'{');
        }
        stream
            .write_all(&lines)
            .and_then(|()| stream.finish())
            .and_then(|file| file.sync_data())
            .map_err(FileError::io(&path))
    }

    fn logs(&mut self) -> Result<(), FileError> {
        let Ok(entries) = fs::read_dir(self.from.folder.file("logs")) else { return Ok(()) };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(LOGS).collect();
        names.sort_unstable();
        for name in names {
            let Ok(text) = self.log(&name) else { continue };
            let shown = self.redactor.text(&text);
            self.to.write(&format!("logs/{}", self.redactor.text(&name)), &shown)?;
        }
        Ok(())
    }

    fn log(&self, name: &str) -> io::Result<String> {
        use io::Read as _;
        let file = self.from.folder.open(&format!("logs/{name}"))?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// When a step is written into a journal: at its end.
fn ended(step: &Step) -> Time {
    step.end.unwrap_or(step.start)
}
