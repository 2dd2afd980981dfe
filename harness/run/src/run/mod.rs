//! A storm, its verdict and its results, for whoever calls: the command line,
//! a matrix of storms, a test of a user's own.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use quarrel_checkers::{Key, Value};
//! use quarrel_run::{faults::Fault, run::Run};
//! use quarrel_sim::SimCluster;
//! use quarrel_strategy::{
//!     stores::{Row, StoreError},
//!     strategy::{Session, Strategy},
//! };
//!
//! struct ReplicaOnly;
//!
//! impl Strategy for ReplicaOnly {
//!     async fn read(&self, s: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
//!         s.replica().read(key).await
//!     }
//!     async fn write(&self, s: &mut Session, key: Key, value: Value) -> Result<u64, StoreError> {
//!         s.primary().write(key, value).await
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let run = Run::new("replica-only", ReplicaOnly)
//!     .fault(Fault::parse("replica-lag")?)
//!     .time(Duration::from_secs(2))
//!     .seed(7);
//! let ran = run.on(Arc::new(SimCluster::new(7))).await?;
//! assert!(!ran.held() && ran.verdict.metrics.stale_reads > 0, "{}", ran.verdict.reason);
//! # Ok(())
//! # }
//! ```

mod cut;
mod error;
mod ran;
mod screen;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use quarrel_checkers::CompactHistory;

pub use self::cut::within;
use self::screen::Screen;
pub use self::{error::RunError, ran::Ran};
use crate::{
    faults::{Fault, Schedule},
    judge::{Expectation, judge_nothing, judge_run_and_reads},
    results::{
        Environment, FileError, Journal, LoadedRun, Phases, RunFolder, RunSettings, RunState,
        SCHEMA, checked_out, read_history, write_json, write_json_lines, write_text,
    },
    runner::{Arrivals, Pauses, Plan, Progress, RunPhase, Skew, StormOutcome, storm},
};
use quarrel_strategy::{
    cluster::{Boxed, Cluster, ClusterKind},
    record::{Commit, Recorder, Spoils, Stop},
    strategy::{AnyStrategy, RegisterWorkload, Strategy, WorkloadEntry},
};

/// How long one operation may take on real servers.
const DEADLINE: Duration = Duration::from_secs(5);

/// A run that has not begun: what storms, how, and what it is held to.
#[derive(Clone)]
pub struct Run {
    plan: Plan,
    settings: RunSettings,
    expect: Expectation,
    faults: Vec<Fault>,
    judged_until: Option<Instant>,
    is_redacted: bool,
}

impl Run {
    /// Storms `strategy`, with the defaults of `quarrel run`: the workload
    /// `register`, 16 clients, 2,000 operations a second for 10 seconds, no
    /// fault, held to linearizability. `name` is what its results call it.
    pub fn new(name: &str, strategy: impl Strategy + 'static) -> Self {
        Self::of(name, Arc::new(strategy))
    }

    /// The same of a strategy that was built elsewhere, such as one of a
    /// catalogue.
    #[must_use]
    pub fn of(name: &str, strategy: Arc<dyn AnyStrategy>) -> Self {
        let entry = &RegisterWorkload::ENTRY;
        let rate = 2_000.0;
        let plan = Plan {
            strategy,
            workload: (entry.build)(),
            clients: 16,
            keys: entry.keys,
            first_key: 0,
            skew: Skew(entry.skew.0),
            read_share: entry.reads,
            arrivals: Arrivals::Paced(rate),
            time: Duration::from_secs(10),
            seed: 0,
            pauses: Pauses::default(),
            schedule: Schedule::default(),
            settle: Duration::from_secs(10),
            deadline: Some(DEADLINE),
            probe_every: Duration::from_millis(20),
        };
        let settings = RunSettings {
            schema: SCHEMA,
            began: String::new(),
            strategy: name.to_owned(),
            source: String::new(),
            app: None,
            invalidation: Some(plan.strategy.invalidation()),
            cluster: String::new(),
            expect: String::new(),
            seed: 0,
            workload: entry.name.to_owned(),
            clients: plan.clients,
            keys: plan.keys,
            skew: plan.skew.0,
            reads: plan.read_share,
            arrivals: "paced".to_owned(),
            rate: Some(rate),
            time_ms: 0,
            settle_ms: 0,
            timeout_ms: millis(DEADLINE) / 5,
            faults: Vec::new(),
            options: std::collections::BTreeMap::new(),
            given: None,
            pauses: Pauses::default().to_string(),
            schedule: String::new(),
        };
        Self {
            plan,
            settings,
            expect: Expectation::default(),
            faults: Vec::new(),
            judged_until: None,
            is_redacted: false,
        }
    }

    /// A run that was worked out elsewhere: `settings` say what `plan` does.
    #[must_use]
    pub const fn planned(plan: Plan, settings: RunSettings, expect: Expectation) -> Self {
        Self { plan, settings, expect, faults: Vec::new(), judged_until: None, is_redacted: false }
    }

    /// What clients do, on as many keys, as unevenly and with as many reads as
    /// is usual for it.
    #[must_use]
    pub fn workload(mut self, entry: &WorkloadEntry) -> Self {
        self.plan.workload = (entry.build)();
        self.plan.keys = entry.keys;
        self.plan.skew = Skew(entry.skew.0);
        self.plan.read_share = entry.reads;
        self.settings.workload = entry.name.to_owned();
        self
    }

    /// One more fault, in bouts that the seed draws.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// How long the storm lasts.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.plan.time = time;
        self
    }

    /// Whether clients now and then stand still between two steps.
    #[must_use]
    pub const fn pauses(mut self, pauses: Pauses) -> Self {
        self.plan.pauses = pauses;
        self
    }

    /// Decides every draw.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// How many clients at once.
    #[must_use]
    pub const fn clients(mut self, clients: u64) -> Self {
        self.plan.clients = clients;
        self
    }

    /// How many keys.
    #[must_use]
    pub const fn keys(mut self, keys: u64) -> Self {
        self.plan.keys = keys;
        self
    }

    /// The guarantee that it is held to.
    #[must_use]
    pub const fn expect(mut self, expect: Expectation) -> Self {
        self.expect = expect;
        self
    }

    /// From its first moment on nothing of an application's rows, statements,
    /// headers and messages comes into its folder, or is judged: tokens stand for
    /// them, the same for what is equal.
    #[must_use]
    pub const fn redacted(mut self) -> Self {
        self.is_redacted = true;
        self
    }

    /// Until when it must be judged. What is not decided by then is undecided,
    /// its history is not read, and `quarrel check` decides it at leisure.
    #[must_use]
    pub const fn judged_until(mut self, until: Option<Instant>) -> Self {
        self.judged_until = until;
        self
    }

    /// Runs on `cluster`, which stays up. What happens goes to a folder that
    /// is removed with the returned value, unless [`Ran::keep`] keeps it: a
    /// long run needs no more memory than a short one.
    ///
    /// # Errors
    ///
    /// When the storm cannot begin, or its history cannot be kept.
    pub fn on(self, cluster: Arc<dyn Cluster>) -> Boxed<'static, Result<Ran, RunError>> {
        Box::pin(async move {
            let parent = tempfile::tempdir().map_err(FileError::io(&std::env::temp_dir()))?;
            let folder =
                RunFolder::create(parent.path(), &self.settings.strategy, Timestamp::now())?;
            let ran = self.in_folder(folder, &cluster, Stop::default(), &|_| {}).await?;
            Ok(ran.until_dropped(parent))
        })
    }

    /// The same in `folder`, where it stays; `stop` ends it early, `tell` hears
    /// how far it is.
    ///
    /// # Errors
    ///
    /// As [`Run::on`].
    pub fn in_folder<'a>(
        self,
        folder: RunFolder,
        cluster: &'a Arc<dyn Cluster>,
        stop: Stop,
        tell: &'a (dyn Fn(Progress) + Send + Sync),
    ) -> Boxed<'a, Result<Ran, RunError>> {
        Box::pin(async move {
            // Lists tell a run that goes on from one that was killed.
            let hold = folder.hold()?;
            match self.held_in(folder.clone(), cluster, stop, tell).await {
                // Its verdict has still to be written.
                Ok(ran) => Ok(ran.holding(hold)),
                Err(error) => {
                    RunState::stop(&folder, &error);
                    Err(error)
                }
            }
        })
    }

    async fn held_in(
        mut self,
        folder: RunFolder,
        cluster: &Arc<dyn Cluster>,
        stop: Stop,
        tell: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ran, RunError> {
        self.settle_on(&**cluster);
        let Self { plan, settings, expect, judged_until, is_redacted, .. } = self;
        let screen =
            if is_redacted { Screen::before(&settings, &folder)? } else { Screen::default() };
        let settings = screen.settings(settings);
        let toml = toml::to_string_pretty(&settings)?;
        write_text(&folder.file(RunFolder::SETTINGS), &toml)?;
        let environment = screen.environment(environment(&**cluster));
        write_json(&folder.file(RunFolder::ENVIRONMENT), &environment)?;

        let recorder = Arc::new(Recorder::journaled(cluster.clock()));
        let workload = Arc::clone(&plan.workload);
        let plan_time = plan.time;
        let history = folder.file(RunFolder::HISTORY);
        let journal = Journal::start_behind(screen.veil(), &history, Arc::clone(&recorder))?;
        let mut ended = None;
        let work = Box::pin(async {
            let recorder = Arc::clone(&recorder);
            ended = Some(storm(Arc::clone(cluster), plan, recorder, None, stop, tell).await);
        });
        let driven = cluster.drive(work).await;
        let journaled = journal.finish();
        driven?;
        let outcome = screen.outcome(ended.ok_or(RunError::NoEnd)??);
        tell(Progress {
            phase: RunPhase::Judge,
            elapsed: outcome.heal_began.since(outcome.storm_began),
            total: plan_time,
            events: recorder.events(),
        });
        let commits = cluster.commits().await;
        if let Err(why) = &commits {
            recorder.fail(why, Spoils::Evidence);
        }
        let commits = screen.commits(commits.ok().flatten().unwrap_or_default());
        let mut saved = save_behind(&screen, &folder, &outcome, &**cluster).await;
        if saved.is_ok() && !commits.is_empty() {
            saved = write_json_lines(&folder.file(Commit::FILE), &commits);
        }
        let run = LoadedRun {
            folder,
            settings,
            history: CompactHistory::default(),
            truncated: journaled.is_err(),
            receipts: outcome.receipts,
            probes: outcome.probes,
            // What the journal's end met comes after the storm.
            failure: recorder.failure().map(|failure| screen.failure(failure)),
        };
        let judging = {
            let mut run = run.clone();
            move || {
                // What is judged is what anybody can judge again.
                let path = run.folder.file(RunFolder::HISTORY);
                let (history, truncated) = read_history(&path, &commits)?;
                run.history = history;
                run.truncated |= truncated;
                let (verdict, stale) = judge_run_and_reads(&run, expect, &*workload);
                Ok::<_, FileError>((run, verdict, stale))
            }
        };
        let judged = within(judged_until, judging).transpose()?;
        let is_judged = judged.is_some();
        let (run, verdict, stale) = judged.unwrap_or_else(|| {
            let verdict = judge_nothing(&run, expect);
            (run, verdict, Vec::new())
        });
        let kept = journaled.map_err(RunError::from).and(saved.map_err(RunError::from));
        let ran = Ran::new(run, verdict, outcome.unloaded, kept).with_reads(stale);
        Ok(if is_judged { ran } else { ran.unjudged() })
    }

    /// Draws what is still open, and writes down what all of it came to.
    fn settle_on(&mut self, cluster: &dyn Cluster) {
        let Self { plan, settings, expect, faults, .. } = self;
        if !faults.is_empty() {
            plan.schedule = Schedule::periodic(faults, plan.time, plan.seed);
            settings.faults = faults.iter().map(ToString::to_string).collect();
        }
        if cluster.kind() == ClusterKind::Sim {
            // The simulator ends every call, and real time means nothing to it.
            plan.deadline = None;
        }
        settings.began = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        settings.cluster = cluster.kind().to_string();
        settings.expect = expect.to_string();
        settings.seed = plan.seed;
        settings.clients = plan.clients;
        settings.keys = plan.keys;
        settings.skew = plan.skew.0;
        settings.reads = plan.read_share;
        settings.time_ms = millis(plan.time);
        settings.settle_ms = millis(plan.settle);
        settings.pauses = plan.pauses.to_string();
        settings.schedule = plan.schedule.to_string();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the run runs on. Its clock starts when this is written down.
fn environment(cluster: &dyn Cluster) -> Environment {
    let folder = std::env::current_dir().ok();
    Environment {
        commit: folder.and_then(|folder| checked_out(&folder)),
        clock_zero: (cluster.kind() != ClusterKind::Sim).then(Timestamp::now),
        pieces: cluster.pieces().into_iter().collect(),
    }
}

/// Writes down what a storm brought besides its history.
///
/// # Errors
///
/// When the system says no.
pub fn save<'a>(
    folder: &'a RunFolder,
    outcome: &'a StormOutcome,
    cluster: &'a dyn Cluster,
) -> Boxed<'a, Result<(), FileError>> {
    Box::pin(async move { save_behind(&Screen::default(), folder, outcome, cluster).await })
}

/// The same, of an outcome that is behind the screen already.
async fn save_behind(
    screen: &Screen,
    folder: &RunFolder,
    outcome: &StormOutcome,
    cluster: &dyn Cluster,
) -> Result<(), FileError> {
    write_json_lines(&folder.file(RunFolder::RECEIPTS), &outcome.receipts)?;
    write_json_lines(&folder.file(RunFolder::PROBES), &outcome.probes)?;
    let phases =
        Phases { storm: outcome.storm_began, heal: outcome.heal_began, last: outcome.final_began };
    write_json(&folder.file(Phases::FILE), &phases)?;
    if let Some(failure) = &outcome.failure {
        write_json(&folder.file(LoadedRun::FAILURE), failure)?;
    }
    let logs = folder.file("logs");
    std::fs::create_dir_all(&logs).map_err(FileError::io(&logs))?;
    for (node, text) in cluster.logs().await {
        let name = format!("{}.log", screen.text(node.to_string()));
        write_text(&logs.join(name), &screen.text(text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::RunOutcome;
    use quarrel_sim::{SimCluster, subjects};

    /// Between the judge's word and the file that says it nobody killed it.
    #[tokio::test]
    async fn a_run_goes_on_until_its_verdict_can_be_written() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(scratch.path(), "x", Timestamp::UNIX_EPOCH).unwrap();
        let cluster: Arc<dyn Cluster> = Arc::new(SimCluster::new(1));
        let run = Run::of("primary-only", subjects::primary_only()).time(Duration::from_secs(1));
        let ran = run.in_folder(folder.clone(), &cluster, Stop::default(), &|_| {}).await.unwrap();
        let outcome = || RunState::of(&folder, None).line().outcome.clone();
        assert_eq!(outcome(), "running");
        let verdict = ran.verdict.clone();
        drop(ran);
        assert_eq!(outcome(), "killed");
        write_json(&folder.file(RunFolder::VERDICT), &verdict).unwrap();
        assert_eq!(outcome(), verdict.outcome.to_string());
    }

    /// Nothing is found, and nothing held, where nobody had the time to look;
    /// the history is kept.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a verdict takes real time")]
    async fn what_nobody_had_the_time_to_judge_is_undecided() {
        let run = Run::of("primary-only", subjects::primary_only()).time(Duration::from_secs(1));
        let run = run.judged_until(Some(Instant::now()));
        let ran = run.on(Arc::new(SimCluster::new(1))).await.unwrap();
        assert!(!ran.is_judged() && !ran.held());
        let verdict = &ran.verdict;
        assert_eq!((verdict.outcome, verdict.outcome.exit_code()), (RunOutcome::Undecided, 2));
        assert!(verdict.reason.starts_with("linearizable is undecided: the time"));
        assert!(
            verdict.ladder.iter().all(|rung| rung.validity == quarrel_checkers::Validity::Unknown)
        );
        let (history, truncated) =
            read_history(&ran.run.folder.file(RunFolder::HISTORY), &[]).unwrap();
        assert!(history.event_count() > 0 && !truncated);
    }
}
