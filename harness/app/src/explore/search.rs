use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Anomaly, Cause, Guarantee, JudgeOptions, Key, Process, Validity, judge};
use quarrel_run::judge::{CauseEvidence, find_causes};
use quarrel_strategy::{
    cluster::Boxed,
    record::{Commit, Stop},
};
use tokio::time::Instant;

use super::{
    executor::{Choices, Execution, Executor, Lost, Role, Warmth},
    race::{AppRace, MessageLine},
    report::{AppFinding, AppReport, Replayed, Space},
    tree::{Next, Pushes, Reduction, Tree},
};
use crate::{App, AppFile, file::Instances};

/// How many requests there are at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clients {
    /// Each writes once.
    pub writers: usize,
    /// Each reads once.
    pub readers: usize,
}

impl Clients {
    pub(super) fn roles(self) -> Vec<Role> {
        let writers = std::iter::repeat_n(Role::Writer, self.writers);
        writers.chain(std::iter::repeat_n(Role::Reader, self.readers)).collect()
    }

    /// Instances that a search with so many needs: one each, and an auditor's.
    #[must_use]
    pub const fn instances(self) -> u64 {
        (self.writers + self.readers + 1) as u64
    }
}

/// What ends a search.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most executions of one space.
    pub executions: usize,
    /// The longest that all of it may take.
    pub time: Duration,
    /// How often a break is performed again before it is told.
    pub replays: usize,
    /// What may be chosen besides the order of requests.
    pub choices: Choices,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            executions: 20_000,
            time: Duration::from_secs(300),
            replays: 20,
            choices: Choices::default(),
        }
    }
}

/// Rounds of requests before the first execution: pools fill, statements get
/// prepared, lazy imports are done.
const WARM_UP: usize = 14;
/// Attempts at an execution that came to no end.
const ATTEMPTS: usize = 3;
/// Orders with few switches come first: most breaks need two.
const FEW: [usize; 3] = [0, 1, 2];

/// Searches the spaces of these clients, with the row cached nowhere and
/// cached before, until something breaks.
///
/// # Errors
///
/// When the application does not do what it does alone, or cannot be followed.
pub fn explore_app<'a>(
    app: &'a Arc<App>,
    spaces: &'a [Clients],
    limits: &'a Limits,
    stop: &'a Stop,
) -> Boxed<'a, Result<AppReport, String>> {
    Box::pin(async move {
        let start = Instant::now();
        let mut report = AppReport::new(&app.file, &limits.choices);
        for clients in spaces {
            for warmth in [Warmth::Cold, Warmth::Warm] {
                let searched = Search { app, clients: *clients, warmth, limits, stop, start };
                let (space, finding) = searched.run().await.map_err(|lost| lost.to_string())?;
                report.spaces.push(space);
                if let Some(finding) = finding {
                    report.finding = Some(finding);
                    return Ok(report);
                }
                if stop.asked() {
                    return Ok(report);
                }
            }
        }
        Ok(report)
    })
}

struct Search<'a> {
    app: &'a Arc<App>,
    clients: Clients,
    warmth: Warmth,
    limits: &'a Limits,
    stop: &'a Stop,
    start: Instant,
}

impl Search<'_> {
    async fn run(&self) -> Result<(Space, Option<AppFinding>), Lost> {
        let roles = self.clients.roles();
        let mut executor = executor(self.app, &roles, &self.limits.choices).await?;
        let mut space = Space::new(self.clients, self.warmth);
        let began = Instant::now();
        let mut found = None;
        let mut pushes = Pushes::None;
        for reduction in FEW.map(Reduction::Switches).into_iter().chain([Reduction::Sleep]) {
            let is_last = reduction == Reduction::Sleep;
            let mut tree = Tree::new(reduction, pushes);
            if is_last {
                space.executions_of_all = 0;
            }
            loop {
                if self.is_over(&space) {
                    space.cut = true;
                    break;
                }
                let Some(execution) = self.once(&mut executor, &mut tree, &mut space).await? else {
                    break;
                };
                space.count(&execution);
                space.executions_of_all += usize::from(is_last && execution.is_complete);
                if execution.is_complete
                    && let Some(anomaly) = broken(&execution)
                {
                    space.first_break = Some((space.executions, began.elapsed()));
                    found = Some((execution, anomaly));
                    break;
                }
                space.pushes = executor.pushes();
                if space.pushes > 0 && pushes == Pushes::None {
                    // What was left out so far may not have been the same.
                    pushes = Pushes::Seen;
                    space.executions_of_all = 0;
                    tree = Tree::new(reduction, pushes);
                    continue;
                }
                if !tree.backtrack() {
                    space.exhausted = is_last;
                    break;
                }
            }
            if found.is_some() || space.cut || space.nondeterministic.is_some() {
                break;
            }
        }
        space.took = began.elapsed();
        let Some((execution, anomaly)) = found else { return Ok((space, None)) };
        let anomaly = self.explained(&execution).await?.unwrap_or(anomaly);
        let lines = MessageLine::of(&execution, &roles);
        let replayed = replay(&mut executor, self.warmth, &lines, self.limits.replays).await?;
        let finding = AppFinding {
            race: AppRace {
                app: self.app.file.path.clone(),
                clients: self.clients,
                warmth: self.warmth,
                replies: self.limits.choices.replies,
                lines,
            },
            audited: execution.audited.clone(),
            held: execution.held.clone(),
            anomaly,
            replayed,
        };
        Ok((space, Some(finding)))
    }

    /// What an execution broke, with its cause: one that its messages show, if
    /// there is one.
    async fn explained(&self, execution: &Execution) -> Result<Option<Anomaly>, Lost> {
        let commits = self.app.fleet().commits.so_far().await;
        let commits = commits.map_err(|error| Lost::Broken(error.to_string()))?;
        let mut history = execution.history.clone();
        Commit::tell(&commits, &mut history);
        // With the order in which the primary committed it is told what was
        // stale; without, only that it cannot be.
        let judged = |history| judge(history, &[], &JudgeOptions::default()).anomalies;
        let mut anomalies = judged(&history);
        if anomalies.is_empty() {
            anomalies = judged(&execution.history);
        }
        find_causes(&history, self.app.file.invalidation, &mut anomalies);
        let auditor = Process::Client((self.clients.writers + self.clients.readers) as u64);
        let evidence = CauseEvidence::new(&history);
        // What stays wrong counts more than what was wrong in passing.
        let stays = |anomaly: &Anomaly| {
            let guilty = evidence.as_ref().and_then(|evidence| evidence.guilty(anomaly));
            guilty.is_some_and(|read| history.events[read.invoke.position()].process == auditor)
        };
        let rank = |anomaly: &Anomaly| (anomaly.cause == Some(Cause::Unexplained), !stays(anomaly));
        Ok(anomalies.iter().min_by_key(|anomaly| rank(anomaly)).cloned())
    }

    fn is_over(&self, space: &Space) -> bool {
        self.stop.asked()
            || space.executions >= self.limits.executions
            || self.start.elapsed() > self.limits.time
    }

    /// One execution; none if an application that does not repeat itself
    /// leaves no way to go on.
    async fn once(
        &self,
        executor: &mut Executor,
        tree: &mut Tree,
        space: &mut Space,
    ) -> Result<Option<Execution>, Lost> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match executor.perform(self.warmth, tree).await {
                Ok(execution) => return Ok(Some(execution)),
                Err(Lost::Broken(why)) => return Err(Lost::Broken(why)),
                Err(lost) => {
                    space.lost += 1;
                    last = lost.to_string();
                }
            }
        }
        space.nondeterministic = Some(last);
        Ok(None)
    }
}

/// An executor whose instances have seen requests before.
pub(super) async fn executor(
    app: &Arc<App>,
    roles: &[Role],
    choices: &Choices,
) -> Result<Executor, Lost> {
    if app.file.instances == Instances::Shared {
        return Err(Lost::Broken(
            "with one shared instance it is not certain whose request caused a message: \
             explore with instances = \"per-client\""
                .to_owned(),
        ));
    }
    let auditor = roles.len() as u64;
    let rows = app.reserve(u64::MAX >> 40);
    for round in 0..WARM_UP as u64 {
        let key = Key(rows + round);
        let value = app.unused_value();
        app.insert(auditor, key, &value).await?;
        app.replicated(auditor, key, &value).await?;
        for client in 0..=auditor {
            app.ask(client, key).await?;
            app.change(client, key, &app.unused_value()).await?;
            app.ask(client, key).await?;
        }
    }
    Executor::new(Arc::clone(app), roles.to_vec(), rows + WARM_UP as u64, choices)
}

/// What an execution broke, if it did.
fn broken(execution: &Execution) -> Option<Anomaly> {
    let judgement = judge(&execution.history, &[], &JudgeOptions::default());
    if judgement.validity(Guarantee::Linearizable) != Validity::Invalid {
        return None;
    }
    judgement.anomalies.into_iter().next()
}

/// Performs the same order again, so often.
async fn replay(
    executor: &mut Executor,
    warmth: Warmth,
    lines: &[MessageLine],
    times: usize,
) -> Result<Replayed, Lost> {
    let mut replayed = Replayed { times, same: 0, broken: 0, other: None };
    for _ in 0..times {
        let order = |depth: usize, enabled: &[super::tree::Choice]| {
            let line = lines.get(depth);
            let at = enabled.iter().position(|choice| line.is_some_and(|line| line.is(choice)));
            at.map_or(Next::Diverged, Next::Go)
        };
        match executor.perform_by(warmth, order).await {
            Ok(execution) => {
                replayed.same += 1;
                replayed.broken += usize::from(broken(&execution).is_some());
            }
            Err(Lost::Broken(why)) => return Err(Lost::Broken(why)),
            Err(lost) => replayed.other = Some(lost.to_string()),
        }
    }
    Ok(replayed)
}

/// Performs an order on an application again.
///
/// # Errors
///
/// When the application cannot be followed.
pub fn replay_app<'a>(
    app: &'a Arc<App>,
    race: &'a AppRace,
    times: usize,
) -> Boxed<'a, Result<Replayed, String>> {
    Box::pin(async move {
        let run = async {
            let mut executor = executor(app, &race.clients.roles(), &race.choices()).await?;
            replay(&mut executor, race.warmth, &race.lines, times).await
        };
        run.await.map_err(|lost| lost.to_string())
    })
}

/// What is said of the file that was explored.
pub(super) fn subject(file: &AppFile) -> String {
    format!("{} ({})", file.name, file.path.display())
}
