use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quarrel_checkers::{Process, Reply};
use quarrel_strategy::{
    faults::Strike,
    strategy::{Call, Gate, Passage},
};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// One step in so many is struck: often enough to hit each kind of step within
/// seconds, seldom enough for most operations to end well.
const ONE_IN: u32 = 60;

/// Strikes clients: a gate at each of their steps, which the nemesis arms.
pub struct Strikes {
    inner: Option<Arc<dyn Gate>>,
    state: Mutex<State>,
}

struct State {
    random: ChaCha8Rng,
    /// What is on, and how often it struck.
    active: Vec<(Strike, u64)>,
}

impl Strikes {
    /// None yet, in front of the gate `inner`. `seed` decides who is struck.
    #[must_use]
    pub fn new(inner: Option<Arc<dyn Gate>>, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed ^ 0x5354_5249_4b45);
        Self { inner, state: Mutex::new(State { random, active: Vec::new() }) }
    }

    /// Begins.
    pub fn begin(&self, strike: Strike) {
        self.lock().active.push((strike, 0));
    }

    /// Ends.
    pub fn end(&self, strike: Strike) {
        self.lock().active.retain(|(active, _)| *active != strike);
    }

    /// How often it has struck since it began.
    #[must_use]
    pub fn count(&self, strike: Strike) -> u64 {
        let state = self.lock();
        state.active.iter().find(|(active, _)| *active == strike).map_or(0, |(_, count)| *count)
    }

    /// How long between two manual changes, while there are any.
    #[must_use]
    pub fn manual(&self) -> Option<Duration> {
        self.lock().active.iter().find_map(|(strike, _)| match strike {
            Strike::Manual(every) => Some(*every),
            _ => None,
        })
    }

    /// A row was changed by hand.
    pub fn changed_by_hand(&self) {
        self.note(|strike| matches!(strike, Strike::Manual(_)));
    }

    fn note(&self, which: impl Fn(Strike) -> bool) {
        for (strike, count) in &mut self.lock().active {
            *count += u64::from(which(*strike));
        }
    }

    fn decide(&self) -> Passage {
        let mut state = self.lock();
        let State { random, active } = &mut *state;
        for (strike, count) in active {
            let passage = match strike {
                Strike::Manual(_) => continue,
                // Counted when the client does give up.
                Strike::GiveUp(limit) => return Passage::GiveUpAfter(*limit),
                Strike::Crash | Strike::Pause(_) if random.random_range(0..ONE_IN) != 0 => continue,
                Strike::Crash => Passage::Crash,
                Strike::Pause(duration) => Passage::Delay(*duration),
            };
            *count += 1;
            return passage;
        }
        Passage::Proceed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Strikes {
    fn enter<'a>(
        &'a self,
        process: Process,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Passage> + Send + 'a>> {
        Box::pin(async move {
            match &self.inner {
                Some(inner) => match inner.enter(process, call).await {
                    Passage::Proceed => self.decide(),
                    other => other,
                },
                None => self.decide(),
            }
        })
    }

    fn leave(&self, process: Process, call: &Call, reply: &Reply) {
        if let Reply::Failed { error, .. } = reply
            && error.starts_with("the client gave up")
        {
            self.note(|strike| matches!(strike, Strike::GiveUp(_)));
        }
        if let Some(inner) = &self.inner {
            inner.leave(process, call, reply);
        }
    }

    fn finished(&self, process: Process) {
        if let Some(inner) = &self.inner {
            inner.finished(process);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_strikes_before_it_began_nor_after_it_ended() {
        let strikes = Strikes::new(None, 7);
        let crashes = || (0..1_000).filter(|_| strikes.decide() == Passage::Crash).count();
        assert_eq!(crashes(), 0);
        strikes.begin(Strike::Crash);
        let during = crashes();
        assert!((4..50).contains(&during), "{during}");
        assert_eq!(strikes.count(Strike::Crash), during as u64);
        strikes.end(Strike::Crash);
        assert_eq!(crashes(), 0);
    }

    #[test]
    fn giving_up_is_counted_when_it_happens() {
        let limit = Duration::from_millis(5);
        let strikes = Strikes::new(None, 7);
        strikes.begin(Strike::GiveUp(limit));
        assert_eq!(strikes.decide(), Passage::GiveUpAfter(limit));
        assert_eq!(strikes.count(Strike::GiveUp(limit)), 0);
    }
}
