use std::{fmt, str::FromStr, time::Duration};

use quarrel_strategy::strategy::parse_duration;
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Fault, FaultError};

/// Which way a schedule's step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The fault begins.
    Inject,
    /// It ends.
    Heal,
}

/// One thing that happens to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleStep {
    /// When, counted from the first operation of the storm.
    pub at: Duration,
    /// What.
    pub fault: Fault,
    /// Begins or ends.
    pub change: Change,
}

/// When which faults strike.
///
/// It prints as lines and parses from them:
///
/// ```
/// use quarrel_run::faults::Schedule;
///
/// let text = "seed 7\nt=500ms inject redis-cut\nt=2s heal redis-cut\n";
/// let schedule: Schedule = text.parse().unwrap();
/// assert_eq!(schedule.steps.len(), 2);
/// assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// What it was drawn from.
    pub seed: u64,
    /// In order of time.
    pub steps: Vec<ScheduleStep>,
}

/// Not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseScheduleError {
    /// A line of another form.
    #[error("line {line}: expected `t=TIME inject|heal FAULT`, found `{found}`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// A fault that is none.
    #[error("line {line}: {source}")]
    Fault {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: FaultError,
    },
}

impl Schedule {
    /// Every fault strikes again and again during `time`: about 60 % of it is
    /// fault, in bouts of one to two seconds (shorter if `time` is short), with
    /// rests between. Bouts are shorter than a cache entry usually lives: an
    /// entry whose invalidation was lost must outlive the fault to be read.
    /// Several faults have schedules of their own and
    /// overlap. The last bout ends before `time` does.
    #[must_use]
    pub fn periodic(faults: &[Fault], time: Duration, seed: u64) -> Self {
        let mut steps = Vec::new();
        for (number, fault) in faults.iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64));
            let bout = time.mul_f64(0.3).clamp(Duration::from_millis(200), Duration::from_secs(2));
            let mut at = time.mul_f64(0.05);
            loop {
                let on = bout.mul_f64(random.random_range(0.7..=1.0));
                let off = bout.mul_f64(random.random_range(0.4..=0.6));
                if at + on > time.mul_f64(0.98) {
                    break;
                }
                let drawn = fault.draw(&mut random);
                steps.push(ScheduleStep { at, fault: drawn.clone(), change: Change::Inject });
                steps.push(ScheduleStep { at: at + on, fault: drawn, change: Change::Heal });
                at += on + off;
            }
        }
        steps.sort_by_key(|step| step.at);
        Self { seed, steps }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for ScheduleStep { at, fault, change } in &self.steps {
            let change = match change {
                Change::Inject => "inject",
                Change::Heal => "heal",
            };
            writeln!(f, "t={}ms {change} {fault}", at.as_millis())?;
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut schedule = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line_number = number + 1;
            let bad = || ParseScheduleError::Line { line: line_number, found: line.to_owned() };
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                ["seed", seed] => schedule.seed = seed.parse().map_err(|_| bad())?,
                [at, change, fault] => {
                    let at = at.strip_prefix("t=").and_then(parse_duration).ok_or_else(bad)?;
                    let change = match change {
                        "inject" => Change::Inject,
                        "heal" => Change::Heal,
                        _ => return Err(bad()),
                    };
                    let fault = Fault::parse(fault).map_err(|source| {
                        ParseScheduleError::Fault { line: line_number, source }
                    })?;
                    schedule.steps.push(ScheduleStep { at, fault, change });
                }
                _ => return Err(bad()),
            }
        }
        schedule.steps.sort_by_key(|step| step.at);
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_bout_is_healed_before_the_end(seed: u64, seconds in 1u64..60, count in 1usize..4) {
            let faults = vec![Fault::parse("replica-lag=20ms..200ms").unwrap(); count];
            let time = Duration::from_secs(seconds);
            let schedule = Schedule::periodic(&faults, time, seed);
            prop_assert!(schedule.steps.len() >= 2 * count);
            prop_assert!(schedule.steps.iter().all(|step| step.at < time));
            let count = |change| schedule.steps.iter().filter(|step| step.change == change).count();
            prop_assert_eq!(count(Change::Inject), count(Change::Heal));
        }

        #[test]
        fn a_schedule_survives_being_printed(seed: u64) {
            let faults = [Fault::parse("replica-lag=20ms..200ms,via=link").unwrap(), Fault::parse("redis-cut").unwrap()];
            let printed = Schedule::periodic(&faults, Duration::from_secs(20), seed).to_string();
            let parsed: Schedule = printed.parse().unwrap();
            prop_assert_eq!(parsed.to_string(), printed);
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = "seed 1\nt=5s break redis-cut".parse::<Schedule>().unwrap_err().to_string();
        assert_eq!(
            error,
            "line 2: expected `t=TIME inject|heal FAULT`, found `t=5s break redis-cut`"
        );
    }
}
