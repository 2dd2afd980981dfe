use std::{sync::Arc, time::Duration};

use futures::{
    SinkExt as _, StreamExt as _,
    channel::{mpsc, oneshot},
    future::join_all,
};
use quarrel_checkers::Process;
use quarrel_strategy::{
    record::Stop,
    strategy::{AgentTurn, Job, WorkEnd, do_job, take_turn},
};

use super::client::{Storm, session};

/// How long an agent rests when it found nothing to do.
const IDLE: Duration = Duration::from_millis(5);
/// How long an agent is away after an error or a crash: an application's
/// supervisor starts it again.
const RESTART: Duration = Duration::from_millis(50);
/// The most jobs that wait in one client's memory; more make the client wait.
const WAITING: usize = 1024;
/// The number of the first client's worker, beyond every standing agent.
const WORKERS: u64 = 1_000;

/// The standing agents of the strategy, running beside the clients.
pub(super) struct Agents {
    over: Stop,
    ends: Vec<oneshot::Receiver<()>>,
}

impl Agents {
    pub(super) fn start(storm: &Arc<Storm>) -> Self {
        let over = Stop::default();
        let agents = 0..storm.plan.strategy.agents().len();
        let ends = agents
            .map(|agent| {
                let (done, end) = oneshot::channel();
                let (storm, over) = (Arc::clone(storm), over.clone());
                let cluster = Arc::clone(&storm.cluster);
                cluster.spawn(Box::pin(async move {
                    stand(&storm, agent, &over).await;
                    // Whoever waited may be gone.
                    let _ = done.send(());
                }));
                end
            })
            .collect();
        Self { over, ends }
    }

    /// Ends them and waits until they have ended.
    pub(super) async fn stop(self) {
        self.over.ask();
        join_all(self.ends).await;
    }
}

/// One agent, from life to life.
async fn stand(storm: &Storm, agent: usize, over: &Stop) {
    let process = Process::Agent(agent as u64);
    let mut own = session(storm, process);
    while !over.asked() {
        let rest = match take_turn(&*storm.plan.strategy, &mut own, agent).await {
            WorkEnd::Done(AgentTurn::Worked) => continue,
            WorkEnd::Done(AgentTurn::Idle) => IDLE,
            WorkEnd::Failed(_) | WorkEnd::Crashed => {
                own = session(storm, process);
                RESTART
            }
        };
        if own.sleep(rest).await.is_err() {
            return;
        }
    }
}

/// Does what one client put off, in the client's own process: it dies with it.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    dead: Stop,
}

impl Worker {
    /// A worker for the client whose process has this number.
    pub(super) fn start(storm: &Arc<Storm>, client: u64) -> Self {
        let (jobs, mut inbox) = mpsc::channel::<Job>(WAITING);
        let dead = Stop::default();
        let (storm, died) = (Arc::clone(storm), dead.clone());
        let cluster = Arc::clone(&storm.cluster);
        cluster.spawn(Box::pin(async move {
            let process = Process::Agent(WORKERS + client);
            let mut own = session(&storm, process);
            // Jobs of one strategy wait equally long, so they are due in the
            // order in which they were put off.
            while let Some(job) = inbox.next().await {
                let wait = job.due.since(own.now());
                if own.sleep(wait).await.is_err() || died.asked() {
                    return;
                }
                match do_job(&*storm.plan.strategy, &mut own, job).await {
                    WorkEnd::Done(_) => {}
                    WorkEnd::Failed(_) => own = session(&storm, process),
                    WorkEnd::Crashed => return,
                }
            }
        }));
        Self { jobs, dead }
    }

    /// Hands jobs over; waits if too many wait already.
    pub(super) async fn give(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            // A worker that crashed took its queue along.
            drop(self.jobs.send(job).await);
        }
    }

    /// Whether it takes jobs no more.
    pub(super) fn is_dead(&self) -> bool {
        self.jobs.is_closed()
    }

    /// The client crashed: what waits is gone.
    pub(super) fn kill(&self) {
        self.dead.ask();
    }
}
