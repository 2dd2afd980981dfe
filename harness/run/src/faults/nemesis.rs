use std::{sync::Arc, time::Duration};

use futures::future::{Either, select};
use quarrel_checkers::{Time, Value};
use quarrel_strategy::{
    cluster::{Cluster, Unsupported},
    record::{Recorder, Stop},
    stores::{Backend, Request},
};

use super::{Change, Excuses, Fault, Lookout, Receipt, Schedule, Strike, Strikes, recovered};

/// The longest that a healed cluster may take to work again.
const RECOVERY: Duration = Duration::from_secs(30);

/// Injects and heals faults by a schedule, and collects their receipts.
pub struct Nemesis {
    cluster: Arc<dyn Cluster>,
    recorder: Arc<Recorder>,
    /// Where faults that strike clients are told; without, they cannot be
    /// injected.
    strikes: Option<Arc<Strikes>>,
    /// Where it is told which stores may be silent.
    excuses: Arc<Excuses>,
    /// Tells time and sleeps, on whatever clock the cluster has.
    sleeper: Backend,
    receipts: Vec<Receipt>,
    /// The faults that are on.
    active: Vec<Active>,
}

/// A fault that is on.
struct Active {
    fault: Fault,
    /// The place of its receipt.
    receipt: usize,
    lookout: Lookout,
}

/// The longest that the end of a fault may take to show.
const END: Duration = Duration::from_secs(5);

impl Nemesis {
    /// A nemesis that has not done anything yet.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, recorder: Arc<Recorder>) -> Self {
        let sleeper = cluster.probe();
        Self {
            cluster,
            recorder,
            strikes: None,
            excuses: Arc::default(),
            sleeper,
            receipts: Vec::new(),
            active: Vec::new(),
        }
    }

    /// The same, able to strike the clients behind `strikes`.
    #[must_use]
    pub fn striking(mut self, strikes: Arc<Strikes>) -> Self {
        self.strikes = Some(strikes);
        self
    }

    /// The same, telling `excuses` what is on.
    #[must_use]
    pub fn excusing(mut self, excuses: Arc<Excuses>) -> Self {
        self.excuses = excuses;
        self
    }

    /// Whether the cluster can carry every fault of `schedule`.
    ///
    /// # Errors
    ///
    /// Names the first fault that it cannot bring about, with advice.
    pub fn supports(cluster: &dyn Cluster, schedule: &Schedule) -> Result<(), Unsupported> {
        schedule.steps.iter().try_for_each(|step| {
            let mut controls = step.fault.inject().into_iter().chain(step.fault.heal());
            // Who asked knows the fault, and not what it is made of.
            let named = |refused| Unsupported { control: step.fault.to_string(), ..refused };
            controls.try_for_each(|control| cluster.supports(&control)).map_err(named)
        })
    }

    /// Follows the schedule from `start` on, until `over` is asked. Dropping the future leaves faults
    /// behind: call [`Nemesis::finish`] in every case.
    pub async fn follow(&mut self, schedule: &Schedule, start: Time, over: &Stop) {
        for step in &schedule.steps {
            self.wait_until(start + step.at, over).await;
            if over.asked() {
                return;
            }
            match step.change {
                Change::Inject => {
                    let until = schedule
                        .steps
                        .iter()
                        .find(|other| {
                            other.change == Change::Heal
                                && other.fault == step.fault
                                && other.at > step.at
                        })
                        .map_or(step.at, |heal| heal.at);
                    self.inject(&step.fault, start + until).await;
                }
                Change::Heal => self.heal(&step.fault).await,
            }
        }
    }

    /// Heals what is still on, waits until the cluster works again, and hands
    /// out the receipts.
    pub async fn finish(mut self) -> Vec<Receipt> {
        while let Some(first) = self.active.first() {
            let fault = first.fault.clone();
            self.heal(&fault).await;
        }
        if !self.receipts.is_empty() {
            let cluster = Arc::clone(&self.cluster);
            // What is lost does not come back.
            let limit = if self.recorder.failure().is_some() { Duration::ZERO } else { RECOVERY };
            let seen = self.bounded(recovered(&*cluster), limit).await;
            let now = self.recorder.now();
            if let Some(last) = self.receipts.last_mut() {
                match seen {
                    Some(_) => last.recovered = Some(now),
                    None => last.errors.push(format!("no recovery within {RECOVERY:?}")),
                }
            }
        }
        self.receipts
    }

    async fn inject(&mut self, fault: &Fault, until: Time) {
        self.recorder.nemesis("inject", Value::from(fault.to_string().as_str()));
        let mut receipt = Receipt {
            fault: fault.to_string(),
            injected: self.recorder.now(),
            observed: None,
            evidence: None,
            healed: None,
            recovered: None,
            errors: Vec::new(),
        };
        let (cluster, recorder) = (Arc::clone(&self.cluster), Arc::clone(&self.recorder));
        self.excuses.begin(fault);
        let mut lookout = Lookout::prepare(fault.sign(), &*cluster).await;
        for control in fault.inject() {
            if let Err(error) = self.cluster.apply(&control).await {
                receipt.errors.push(error.to_string());
            }
        }
        if let Some(strike) = fault.strike() {
            match &self.strikes {
                Some(strikes) => strikes.begin(strike),
                None => receipt.errors.push("there are no clients to strike".to_owned()),
            }
        }
        self.recorder.nemesis("injected", Value::from(fault.to_string().as_str()));
        let limit = until.since(self.recorder.now());
        let evidence = match fault.strike() {
            Some(strike) => self.struck(strike, limit).await,
            None => {
                let watch = lookout.observe(&*cluster, recorder.clock());
                self.bounded(watch, limit).await.flatten()
            }
        };
        if let Some(evidence) = evidence {
            receipt.observed = Some(self.recorder.now());
            receipt.evidence = Some(evidence);
        }
        let place = self.receipts.len();
        self.active.push(Active { fault: fault.clone(), receipt: place, lookout });
        self.receipts.push(receipt);
    }

    async fn heal(&mut self, fault: &Fault) {
        let Some(at) = self.active.iter().position(|active| active.fault == *fault) else {
            return;
        };
        let Active { receipt, mut lookout, .. } = self.active.remove(at);
        self.recorder.nemesis("heal", Value::from(fault.to_string().as_str()));
        for control in fault.heal() {
            if let Err(error) = self.cluster.apply(&control).await {
                self.receipts[receipt].errors.push(error.to_string());
            }
        }
        if let (Some(strike), Some(strikes)) = (fault.strike(), &self.strikes) {
            let times = strikes.count(strike);
            if times > 0 {
                self.receipts[receipt].evidence = Some(evidence_of(strike, times));
            }
            strikes.end(strike);
        }
        self.recorder.nemesis("healed", Value::from(fault.to_string().as_str()));
        let cluster = Arc::clone(&self.cluster);
        let ended = self.bounded(lookout.ended(&*cluster), END).await;
        self.excuses.end(fault);
        let now = self.recorder.now();
        let receipt = &mut self.receipts[receipt];
        match ended {
            Some(Ok(Some(evidence))) => {
                receipt.observed = Some(now);
                receipt.evidence = Some(evidence);
            }
            Some(Ok(None)) => {}
            Some(Err(why)) => receipt.errors.push(why),
            None => receipt.errors.push(format!("its end did not show within {END:?}")),
        }
        receipt.healed = Some(now);
    }

    /// Waits until a client is struck.
    async fn struck(&mut self, strike: Strike, limit: Duration) -> Option<String> {
        let strikes = Arc::clone(self.strikes.as_ref()?);
        let end = self.recorder.now() + limit;
        while self.recorder.now() < end {
            let times = strikes.count(strike);
            if times > 0 {
                return Some(evidence_of(strike, times));
            }
            // Sleeping never fails.
            drop(self.sleeper.call(&Request::Sleep(Duration::from_millis(5))).await);
        }
        None
    }

    async fn wait_until(&mut self, time: Time, over: &Stop) {
        let slice = Duration::from_millis(50);
        while self.recorder.now() < time && !over.asked() {
            let duration = time.since(self.recorder.now()).min(slice);
            // Sleeping never fails.
            drop(self.sleeper.call(&Request::Sleep(duration)).await);
        }
    }

    /// What `future` returns, if it does within `limit`.
    async fn bounded<T>(&mut self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
        let sleep = Request::Sleep(limit);
        let limit = std::pin::pin!(self.sleeper.call(&sleep));
        match select(std::pin::pin!(future), limit).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        }
    }
}

fn evidence_of(strike: Strike, times: u64) -> String {
    match strike {
        Strike::Crash => format!("{times} clients or agents died between two steps"),
        Strike::Pause(pause) => format!("clients stood still {times} times for {pause:?}"),
        Strike::GiveUp(limit) => format!("clients gave up {times} calls after {limit:?}"),
        Strike::Manual(_) => format!("{times} rows were changed by hand"),
    }
}
