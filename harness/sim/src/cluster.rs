use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use quarrel_checkers::{Lsn, Site};
use quarrel_strategy::{
    cluster::{
        Boxed, Cluster, ClusterError, ClusterKind, Control, ControlError, Fencing, Impairment,
        Link, Node, Unsupported,
    },
    record::{Clock, VirtualClock},
    stores::{Backend, Port, Request, TimeLimits, Timer},
};

use super::{
    StandStill, Watcher,
    executor::{Executor, locked},
    impair::refusal,
    network::{Answer, Network},
    slot::Route,
};

/// Simulated stores in virtual time: a cluster in one process that obeys a
/// seed.
///
/// ```
/// use std::time::Duration;
///
/// use quarrel_checkers::Key;
/// use quarrel_sim::SimCluster;
/// use quarrel_strategy::{cluster::Cluster, stores::{Request, Response}};
///
/// let cluster = SimCluster::new(7);
/// let mut client = cluster.client();
/// let answer = cluster.run(async { client.call(&Request::PrimaryRead(Key(1))).await });
/// assert_eq!(answer.unwrap(), Ok(Response::Row { row: None, lsn: None }));
/// assert!(cluster.clock().now().as_nanos() > 0, "a call takes simulated time");
/// ```
#[derive(Clone)]
pub struct SimCluster {
    seed: u64,
    clock: VirtualClock,
    network: Arc<Mutex<Network>>,
    executor: Arc<Executor>,
}

impl SimCluster {
    /// Empty stores whose every delay is drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let network = Network::new(seed, TimeLimits::default());
        Self {
            seed,
            clock: network.clock.clone(),
            network: Arc::new(Mutex::new(network)),
            executor: Arc::default(),
        }
    }

    /// Runs `future`, and everything that is spawned on the cluster meanwhile,
    /// until `future` has ended. Time passes as fast as the machine computes.
    ///
    /// # Errors
    ///
    /// When nothing can happen any more and `future` has not ended.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, StandStill> {
        self.executor.run(future, || locked(&self.network).advance())
    }

    fn port(&self, route: Route) -> Backend {
        let slot = locked(&self.network).open(route);
        let network = Arc::clone(&self.network);
        Backend::new(SimPort { network, slot, sleeper: None })
    }
}

struct SimPort {
    network: Arc<Mutex<Network>>,
    slot: usize,
    /// Where its timers run, once it had one.
    sleeper: Option<usize>,
}

impl Port for SimPort {
    fn call<'a>(
        &'a mut self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        let mut sent = Sent::NotYet;
        Box::pin(poll_fn(move |context| {
            let mut network = locked(&self.network);
            if sent == Sent::NotYet {
                // At the first poll, as a future does nothing before it.
                network.send(self.slot, request.clone());
                sent = Sent::Yes;
            }
            network.receive(self.slot, context.waker()).map_or(Poll::Pending, Poll::Ready)
        }))
    }

    fn hear_out(&mut self) -> Boxed<'_, ()> {
        // More than any message takes on links that nobody slows.
        const A_WHILE: Duration = Duration::from_millis(2);
        // Sleeping never fails.
        Box::pin(async move { drop(self.call(&Request::Sleep(A_WHILE)).await) })
    }

    fn hang_up(&mut self) {
        locked(&self.network).world.cache.hang_up(Watcher(self.slot as u64));
    }

    fn timer(&mut self, duration: Duration) -> Timer {
        let open = || locked(&self.network).open(Route::Beside);
        let slot = *self.sleeper.get_or_insert_with(open);
        let network = Arc::clone(&self.network);
        let mut sleeper = SimPort { network, slot, sleeper: None };
        Box::pin(async move {
            // Sleeping never fails.
            drop(sleeper.call(&Request::Sleep(duration)).await);
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    NotYet,
    Yes,
}

impl Cluster for SimCluster {
    fn kind(&self) -> ClusterKind {
        ClusterKind::Sim
    }

    fn pieces(&self) -> Vec<(String, String)> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        vec![
            ("simulated Postgres and Redis".to_owned(), version),
            ("seed".to_owned(), self.seed.to_string()),
        ]
    }

    fn client(&self) -> Backend {
        self.port(Route::Links)
    }

    fn probe(&self) -> Backend {
        self.port(Route::Beside)
    }

    fn supports(&self, control: &Control) -> Result<(), Unsupported> {
        match control {
            Control::Impair { link, impairment } => match refusal(*link, *impairment) {
                None => Ok(()),
                Some(why) => Err(Unsupported {
                    control: control.to_string(),
                    why: why.to_owned(),
                    advice: "--cluster docker or native".to_owned(),
                }),
            },
            _ => Ok(()),
        }
    }

    fn apply<'a>(&'a self, control: &'a Control) -> Boxed<'a, Result<(), ControlError>> {
        Box::pin(async move {
            self.supports(control).map_err(|unsupported| ControlError {
                control: unsupported.control,
                why: unsupported.why,
            })?;
            if let Control::Wait(time) = control {
                // Sleeping never fails.
                drop(self.probe().call(&Request::Sleep(*time)).await);
            }
            apply(&mut locked(&self.network), control);
            Ok(())
        })
    }

    fn timeline(&self) -> Boxed<'_, Result<u64, String>> {
        let timeline = locked(&self.network).world.timeline();
        Box::pin(async move { Ok(u64::from(timeline)) })
    }

    fn received(&self) -> Boxed<'_, Result<Lsn, String>> {
        let received = locked(&self.network).received();
        Box::pin(async move { Ok(received) })
    }

    fn close_lag(&self, link: Link) -> Boxed<'_, Result<Duration, String>> {
        Box::pin(async move {
            let lag = locked(&self.network).conditions.slow_close(Some(link));
            // Sleeping never fails.
            drop(self.probe().call(&Request::Sleep(lag)).await);
            Ok(lag)
        })
    }

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        Box::pin(async { Vec::new() })
    }

    fn spawn(&self, task: Boxed<'static, ()>) {
        self.executor.spawn(task);
    }

    fn drive<'a>(&'a self, work: Boxed<'a, ()>) -> Boxed<'a, Result<(), ClusterError>> {
        Box::pin(async {
            self.run(work).map_err(|still| {
                ClusterError::new(still.to_string(), "another --seed; it is a bug in quarrel")
            })
        })
    }

    fn clock(&self) -> Clock {
        Clock::Virtual(self.clock.clone())
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }
}

fn apply(network: &mut Network, control: &Control) {
    match *control {
        Control::Latency { link, latency, jitter } => {
            network.conditions.slow(link, latency, jitter);
        }
        Control::Cut(link) => {
            network.conditions.cut(link);
            network.break_calls(|_, over| over == Some(link));
            if link == Link::ReplicaPrimary {
                network.stop_streaming();
            }
        }
        Control::DropReplies(link) => {
            network.conditions.drop_replies(link);
            match link {
                Link::ReplicaPrimary => network.stop_streaming(),
                // What is told comes the same way as replies.
                Link::ClientCache => network.world.cache.mail().swallow(),
                Link::ClientPrimary | Link::ClientReplica => {}
            }
        }
        Control::Impair { link, impairment } => {
            network.conditions.impair(link, impairment);
            match (link, impairment) {
                (Link::ReplicaPrimary, _) => network.impair_stream(impairment),
                (Link::ClientCache, Impairment::Reset) => network.world.cache.hang_up_all(),
                (Link::ClientCache, Impairment::Bandwidth { kb_per_s: 0 }) => {
                    network.world.cache.mail().hold();
                }
                _ => {}
            }
        }
        Control::Restore(link) => {
            network.conditions.restore(link);
            if link == Link::ReplicaPrimary {
                network.mend_stream();
            }
            if link == Link::ClientCache {
                network.world.cache.mail().release();
            }
            network.carry();
        }
        Control::Kill(node) => {
            network.conditions.kill(node);
            network.break_calls(|site, _| super::network::node_of(site) == Some(node));
            network.stop_streaming();
        }
        Control::Start(node) => {
            if network.conditions.revive(node) && node == Node::Cache {
                // What Redis has after a crash is its last snapshot.
                network.world.cache.restore();
            }
            network.carry();
        }
        Control::Freeze(node) => network.conditions.freeze(node),
        Control::Thaw(node) => {
            network.conditions.revive(node);
            network.go_on(node);
            network.carry();
        }
        Control::PauseReplay => network.conditions.pause_replay(),
        Control::ResumeReplay => {
            network.conditions.resume_replay();
            network.plan_replay();
        }
        Control::ApplyDelay(delay) => {
            network.conditions.set_delay(delay);
            network.plan_replay();
        }
        _ => apply_beyond_links(network, control),
    }
}

/// What is done to the cache and to who is primary.
fn apply_beyond_links(network: &mut Network, control: &Control) {
    match *control {
        Control::WipeCache => network.world.cache.wipe(network.clock.now()),
        Control::SaveCache => network.world.cache.save(),
        Control::LimitCache(spare) => {
            let limit = spare.map(|spare| network.cache_bytes() + spare);
            network.conditions.limit_cache(limit);
        }
        // It has waited already.
        Control::Wait(_) => {}
        Control::Promote(fencing) => {
            network.replay_received();
            if fencing == Fencing::Fenced {
                network.conditions.kill(Node::Primary);
                network.break_calls(|site, _| site == Site::Primary);
            }
        }
        Control::Switch => {
            network.fail_over();
            network.conditions.revive(Node::Primary);
            network.break_calls(|site, _| site == Site::Primary);
        }
        Control::Rejoin => network.world.rejoin(),
        _ => unreachable!("{control} is done above"),
    }
}
