//! The anomalies of a run as races, in the folders that describe them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use quarrel_checkers::{Anomaly, Cause, Time};
use quarrel_explore::{
    explore::{Finding, Recording, claim, recorded, shrink_race},
    race::Race,
};
use quarrel_run::{
    judge::CauseEvidence,
    results::{FileError, LoadedRun, RunFolder, text_inside, write_inside},
};
use quarrel_sim::{Claim, Stuck};
use quarrel_strategy::{
    record::Clock,
    strategy::{AnyStrategy, Catalogue, OptionError, Options, UnknownStrategy},
};

use super::Failure;
use crate::output::eprintln;

/// Makes the same strategy again and again.
pub(super) type Making = Box<dyn Fn() -> Arc<dyn AnyStrategy> + Send + Sync>;

/// The race that a history shows: every operation, as it was recorded.
const RECORDED: &str = "recorded.race";
/// The smallest that shows the same.
const MINIMAL: &str = "min.race";

/// The longest that the end of a run is put off by cutting.
pub(super) const LONGEST: Duration = Duration::from_secs(2);

/// What a file names cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakingError {
    #[error(transparent)]
    Strategy(#[from] UnknownStrategy),
    #[error(transparent)]
    Options(#[from] OptionError),
}

pub(super) fn making(
    catalogue: &Catalogue,
    strategy: &str,
    given: &BTreeMap<String, String>,
) -> Result<Making, MakingError> {
    let entry = catalogue.strategy(strategy)?;
    let options = Options::resolve(entry.name, entry.options, given)?;
    let build = entry.build;
    build(&options)?;
    Ok(Box::new(move || build(&options).expect("the same options made a strategy before")))
}

/// The options of a run that are not the defaults.
fn changed(catalogue: &Catalogue, run: &LoadedRun) -> Vec<(String, String)> {
    let settings = &run.settings;
    let Ok(entry) = catalogue.strategy(&settings.strategy) else { return Vec::new() };
    let is_default = |name: &str, value: &str| {
        entry.options.iter().any(|spec| spec.name == name && spec.default == value)
    };
    let options = settings.options.iter().filter(|(name, value)| !is_default(name, value));
    options.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A run, and how to make its strategy: what its races are cut out of.
pub(super) struct Cutter {
    run: LoadedRun,
    anomalies: Vec<Anomaly>,
    making: Making,
    options: Vec<(String, String)>,
}

impl Cutter {
    pub(super) fn new(
        run: LoadedRun,
        anomalies: Vec<Anomaly>,
        catalogue: &Catalogue,
    ) -> Result<Self, Failure> {
        if run.settings.app.is_some() {
            let why = "a race of an application is not cut out of a storm: its messages are not \
                       steps of a strategy that could be performed again";
            return Err(Failure::bad_input(why));
        }
        let making = making(catalogue, &run.settings.strategy, &run.settings.options);
        let making = making.map_err(|error| {
            let path = run.folder.file(RunFolder::SETTINGS);
            Failure::bad_input(format!("{}: {error}", path.display()))
        })?;
        let options = changed(catalogue, &run);
        Ok(Self { run, anomalies, making, options })
    }

    pub(super) fn count(&self) -> usize {
        self.anomalies.len()
    }

    pub(super) fn make(&self) -> &(dyn Fn() -> Arc<dyn AnyStrategy> + Send + Sync) {
        &*self.making
    }

    pub(super) fn into_making(self) -> Making {
        self.making
    }

    /// Anomaly `number`, counted from 1, as a race that shows it in simulation,
    /// and the cause that its steps show there; none if there is no such
    /// anomaly, or nothing that was tried shows it.
    pub(super) fn cut(&self, number: usize) -> Result<Option<(Race, Cause)>, Stuck> {
        match CauseEvidence::new(&self.run.history) {
            Some(evidence) => self.cut_out_of(&evidence, number),
            None => Ok(None),
        }
    }

    /// The same, where the history has been sorted out already.
    fn cut_out_of(
        &self,
        evidence: &CauseEvidence<'_>,
        number: usize,
    ) -> Result<Option<(Race, Cause)>, Stuck> {
        let Some(anomaly) = self.anomaly(number) else { return Ok(None) };
        let cut = recorded(&*self.making, evidence, anomaly)?;
        Ok(cut.map(|Recording { performance, cause, .. }| {
            let race = Race {
                strategy: self.run.settings.strategy.clone(),
                options: self.options.clone(),
                ..performance.race
            };
            (race, cause)
        }))
    }

    /// Why anomaly `number` can be no race, whatever is tried.
    pub(super) fn is_no_race(&self, number: usize) -> Option<String> {
        let class = self.anomaly(number)?.class;
        claim(class).is_none().then(|| {
            let known: Vec<_> =
                Claim::ALL.into_iter().map(|claim| format!("!{}", claim.word())).collect();
            format!(
                "anomaly {number} of {} is of class {class}, which no line of a race can claim; \
                 a race claims one of {}; quarrel report {} shows how it came about",
                self.run.folder.name,
                known.join(", "),
                self.run.folder.called()
            )
        })
    }

    /// Why what was found is not anomaly `number` itself: of another class, on
    /// another key or from another cause.
    pub(super) fn is_another(&self, number: usize, finding: &Finding) -> Option<String> {
        let anomaly = self.anomaly(number)?;
        let keys: Vec<_> = finding.race.keys.iter().map(|setup| setup.key).collect();
        let same_class = claim(anomaly.class) == Some(finding.claim);
        let same_key = anomaly.key.is_none_or(|key| keys.contains(&key));
        let known = anomaly.cause.filter(|cause| *cause != Cause::Unexplained);
        let same_cause = known.is_none_or(|cause| cause == finding.cause);
        (!(same_class && same_key && same_cause)).then(|| {
            let cause = known.map_or_else(String::new, |cause| format!("/{cause}"));
            format!(
                "the smallest race found shows {}, from {}; anomaly {number} is {}{cause}: \
                 another anomaly",
                finding.claim, finding.cause, anomaly.class
            )
        })
    }

    fn anomaly(&self, number: usize) -> Option<&Anomaly> {
        self.anomalies.get(number.checked_sub(1)?)
    }

    fn tells(&self, number: usize) -> String {
        let Some(anomaly) = self.anomaly(number) else { return String::new() };
        let cause = anomaly.cause.map_or_else(String::new, |cause| format!("/{cause}"));
        format!("# Anomaly {number} of run {}: {}{cause}.\n", self.run.folder.name, anomaly.class)
    }

    /// Every race whose anomaly has a folder, and beside the first that can be
    /// shrunk to one that shows the same the smallest.
    fn cut_all(&self, tell: &mpsc::Sender<(String, String)>) {
        let mut recorded_races = Vec::new();
        let Some(evidence) = CauseEvidence::new(&self.run.history) else { return };
        for number in 1..=self.anomalies.len() {
            if !self.run.folder.has(&place(number, RunFolder::TIMELINE)) {
                continue;
            }
            let Ok(Some((race, cause))) = self.cut_out_of(&evidence, number) else { continue };
            let shown = shown(cause);
            let text = format!("{}# Cut out of its history{shown}.\n{race}", self.tells(number));
            if tell.send((place(number, RECORDED), text)).is_err() {
                return;
            }
            recorded_races.push((number, race));
        }
        drop(evidence);
        for (number, race) in recorded_races {
            let Ok(Some(finding)) = shrink_race(&*self.making, &race) else { continue };
            if self.is_another(number, &finding).is_none() {
                let text = self.smallest(number, &finding, None);
                // Nobody waits for it any more if this fails.
                drop(tell.send((place(number, MINIMAL), text)));
                return;
            }
        }
    }

    /// The text of a smallest race; `confirmation` says where it was performed,
    /// and how that went.
    pub(super) fn smallest(
        &self,
        number: usize,
        finding: &Finding,
        confirmation: Option<&str>,
    ) -> String {
        let Finding { race, .. } = finding;
        let mut text = self.tells(number);
        let mut tell = |line: &str| {
            writeln!(text, "# {line}.").expect("a string takes everything");
        };
        tell("Shrunk in simulation");
        tell(&format!("Cause: {}", finding.why()));
        confirmation.into_iter().for_each(tell);
        write!(text, "{race}").expect("a string takes everything");
        text
    }
}

/// The cause that a race shows, where its steps show one.
fn shown(cause: Cause) -> String {
    match cause {
        Cause::Unexplained => String::new(),
        cause => format!("; its steps show {cause}"),
    }
}

/// Writes `recorded.race` beside the anomalies of a run, and `min.race` beside
/// the first, as far as that takes no longer than a moment. What is not written
/// can be made by `quarrel shrink`; nothing here can lose a verdict.
pub(super) fn write_races(cutter: Cutter) {
    if cutter.anomalies.is_empty() {
        return;
    }
    let (tell, told) = mpsc::channel();
    let folder = cutter.run.folder.clone();
    let spawned = thread::Builder::new().name("cut".to_owned()).spawn(move || {
        cutter.cut_all(&tell);
    });
    if let Err(error) = spawned {
        eprintln!("no races were cut out: {error}");
        return;
    }
    let clock = Clock::start();
    let left = || LONGEST.saturating_sub(clock.now().since(Time::ZERO));
    while let Ok((name, text)) = told.recv_timeout(left()) {
        match write_new(&folder.path, &name, &text) {
            Ok(Written::Now | Written::Before) => {}
            Ok(Written::Kept) => {
                eprintln!("kept: {}, which says something else", folder.file(&name).display());
            }
            Err(error) => eprintln!("a race was not written: {error}"),
        }
    }
}

/// The file in which the race of an anomaly is found: the smallest first.
pub(super) fn written(run: &RunFolder, number: usize) -> Option<PathBuf> {
    let names = [MINIMAL, RECORDED].map(|name| place(number, name));
    names.iter().find(|name| run.has(name)).map(|name| run.file(name))
}

/// The file of the race as it was recorded, if there is one.
pub(super) fn written_as_recorded(run: &RunFolder, number: usize) -> Option<PathBuf> {
    let name = place(number, RECORDED);
    run.has(&name).then(|| run.file(&name))
}

/// Where in its run the smallest race of an anomaly goes.
pub(super) fn place_of_smallest(number: usize) -> String {
    place(number, MINIMAL)
}

fn place(number: usize, name: &str) -> String {
    format!("anomalies/{number}/{name}")
}

/// What became of a file that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was not there.
    Now,
    /// It was there, with the same race in it.
    Before,
    /// It was there with another race in it, perhaps somebody's own: it was
    /// left as it was.
    Kept,
}

/// Writes a race to the file `name` of `folder`, unless there is one.
pub(super) fn write_new(folder: &Path, name: &str, text: &str) -> Result<Written, FileError> {
    let there = match text_inside(folder, name) {
        Ok(there) => there,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            write_inside(folder, name, |file| file.write_all(text.as_bytes()))
                .map_err(FileError::io(&folder.join(name)))?;
            return Ok(Written::Now);
        }
        // A link, or something else that was put there.
        Err(_) => return Ok(Written::Kept),
    };
    Ok(if without_comments(&there) == without_comments(text) {
        Written::Before
    } else {
        Written::Kept
    })
}

fn without_comments(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}
