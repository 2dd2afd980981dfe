//! What servers say of themselves, all through a run.
//!
//! A server that starts anew, faster than anybody misses it, may have forgotten
//! what it was told; and one that begins to fail whatever it is asked, by us or
//! by others, is somebody's who needs it more than we do. Both end a run.

use std::{collections::VecDeque, time::Duration};

use quarrel_checkers::{Site, Time};
use quarrel_strategy::cluster::{ClusterKind, Life, Vitals, Work};

use crate::faults::{Excuses, StrikeTally, Way};

/// What is known of each server.
#[derive(Debug)]
pub(super) struct Known {
    /// Whether others need the servers, too.
    shared: bool,
    patients: Vec<Patient>,
}

/// One server: its last life, and its work of the last seconds.
#[derive(Debug)]
struct Patient {
    site: Site,
    life: Life,
    /// Faults that could start it anew, up to when it was last seen.
    restarts: StrikeTally,
    /// What failed before the run.
    usual: f64,
    looks: VecDeque<Look>,
    /// When a fault was last on that may keep it from answering.
    excused: Time,
}

/// The longest that a server may be mute that answers on connections which it
/// has. Longer than one may take to come back from a fault: whoever answers
/// nobody is to be told so.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Time,
    work: Work,
    strikes: StrikeTally,
}

/// A server fails when for so long …
const SPAN: Duration = Duration::from_secs(5);
/// … so many …
const MANY: u64 = 50;
/// … and at least this share of what it was asked failed, and a greater one
/// than before the run.
const SHARE: f64 = 0.1;
/// How much greater.
const GREATER: f64 = 2.0;

impl Known {
    /// Nothing yet, of the servers of this kind of cluster.
    pub(super) fn of(kind: ClusterKind) -> Self {
        Self { shared: kind == ClusterKind::External, patients: Vec::new() }
    }

    /// Takes down what they said when they were asked at `at`; what is wrong,
    /// if anything is.
    pub(super) fn take(
        &mut self,
        at: Time,
        said: Vec<Vitals>,
        excuses: &Excuses,
    ) -> Option<String> {
        let wrong = said.into_iter().fold(None, |wrong, vitals| {
            let now = Struck { restarts: excuses.restarts(vitals.site), any: excuses.strikes() };
            wrong.or(self.take_one(at, vitals, now))
        });
        wrong.or_else(|| self.patients.iter_mut().find_map(|patient| patient.is_mute(at, excuses)))
    }

    /// Whether all servers that ever said something did so now.
    pub(super) fn all_said(&self, at: Time) -> bool {
        self.patients.iter().all(|patient| patient.looks.back().is_some_and(|look| look.at >= at))
    }

    fn take_one(&mut self, at: Time, vitals: Vitals, struck: Struck) -> Option<String> {
        let Vitals { site, life, work } = vitals;
        let look = Look { at, work, strikes: struck.any };
        let Some(patient) = self.patients.iter_mut().find(|patient| patient.site == site) else {
            let looks = VecDeque::from([look]);
            let usual = work.failing();
            self.patients.push(Patient {
                site,
                life,
                restarts: struck.restarts,
                usual,
                looks,
                excused: at,
            });
            return None;
        };
        let restarted = patient.life.ended_before(&life);
        let excused = patient.restarts.struck_until(struck.restarts);
        // What two servers did cannot be subtracted.
        if !patient.life.is_same(&life) {
            patient.looks.clear();
        }
        patient.life = life;
        patient.restarts = struck.restarts;
        patient.looks.push_back(look);
        if restarted && !excused {
            return Some(format!("the {site} was started anew, though no fault says so"));
        }
        if self.shared { patient.fails() } else { None }
    }
}

/// What was struck up to some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Struck {
    restarts: StrikeTally,
    any: StrikeTally,
}

impl Patient {
    /// Whether it says nothing any more.
    fn is_mute(&mut self, at: Time, excuses: &Excuses) -> Option<String> {
        let heard = self.looks.back().map_or(at, |look| look.at);
        if excuses.cover(self.site, Way::Direct) {
            self.excused = at;
        }
        (at.since(heard.max(self.excused)) >= PATIENCE).then(|| {
            let site = self.site;
            format!(
                "the {site} takes no new connection since t={:.1} s, though no fault says so",
                heard.as_nanos() as f64 / 1e9
            )
        })
    }

    /// Whether it fails since `SPAN`, with no fault of ours in all that time.
    fn fails(&mut self) -> Option<String> {
        let last = *self.looks.back()?;
        while self.looks.get(1).is_some_and(|look| last.at.since(look.at) >= SPAN) {
            self.looks.pop_front();
        }
        let first = *self.looks.front()?;
        let work = last.work.since(first.work);
        let fails = last.at.since(first.at) >= SPAN
            && work.failed >= MANY
            && work.failing() >= SHARE.max(self.usual * GREATER)
            && !first.strikes.struck_until(last.strikes);
        fails.then(|| {
            format!(
                "the {} fails {:.0} % of what it is asked, by this run and by others, for {} s \
                 ({:.1} % before), though no fault is on",
                self.site,
                work.failing() * 100.0,
                SPAN.as_secs(),
                self.usual * 100.0
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    fn second(second: u64) -> Time {
        Time(second * 1_000_000_000)
    }

    /// A server that started at this second says how it is, at another.
    fn says(start: i64, now: u64, asked: u64, failed: u64) -> Vec<Vitals> {
        let life = Life::Since { start, now: now.cast_signed() };
        vec![Vitals { site: Site::Primary, life, work: Work { asked, failed } }]
    }

    /// What is first wrong when each second so many of 100 questions fail, after
    /// a life in which so many of 1,000 did.
    fn wrong(usual: u64, fail: u64, excuses: &Excuses) -> Option<(u64, String)> {
        let mut known = Known::of(ClusterKind::External);
        (0..20).find_map(|now| {
            let vitals = says(-1, now, 1_000 + 100 * now, usual + fail * now);
            Some((now, known.take(second(now), vitals, excuses)?))
        })
    }

    #[test]
    fn a_server_that_begins_to_fail_is_noticed_after_the_span() {
        let none = Excuses::default();
        let (at, told) = wrong(0, 34, &none).unwrap();
        assert_eq!(at, 5);
        assert!(told.starts_with("the primary fails 34 % of what it is asked"), "{told}");
        assert_eq!(wrong(0, 9, &none), None, "less than a tenth");
        assert_eq!(wrong(200, 34, &none), None, "no more than twice what is usual");
        assert!(wrong(200, 50, &none).is_some());
    }

    #[test]
    fn what_fails_while_a_fault_is_on_is_no_sign() {
        let excuses = Excuses::default();
        excuses.begin(&Fault::parse("redis-cut").unwrap());
        assert_eq!(wrong(0, 90, &excuses), None);
    }

    #[test]
    fn a_life_that_no_fault_ended_is_noticed() {
        let excuses = Excuses::default();
        let mut known = Known::of(ClusterKind::External);
        assert_eq!(known.take(second(1), says(-1, 1, 0, 0), &excuses), None);
        assert_eq!(known.take(second(2), says(-1, 2, 0, 0), &excuses), None);
        let told = known.take(second(4), says(3, 4, 0, 0), &excuses);
        assert_eq!(told.unwrap(), "the primary was started anew, though no fault says so");
    }

    #[test]
    fn servers_that_take_turns_are_no_trouble() {
        let excuses = Excuses::default();
        let mut known = Known::of(ClusterKind::External);
        for now in 0..20 {
            let (start, asked, failed) =
                if now % 2 == 0 { (-2, 1_000, 0) } else { (-1, 9_000, 4_000) };
            assert_eq!(known.take(second(now), says(start, now, asked, failed), &excuses), None);
        }
    }

    #[test]
    fn a_fault_that_ends_a_life_excuses_it() {
        let excuses = Excuses::default();
        let kill = Fault::parse("kill-primary").unwrap();
        let mut known = Known::of(ClusterKind::External);
        assert_eq!(known.take(second(1), says(-1, 1, 0, 0), &excuses), None);
        excuses.begin(&kill);
        excuses.end(&kill);
        assert_eq!(known.take(second(4), says(3, 4, 0, 0), &excuses), None);
        assert!(known.take(second(6), says(5, 6, 0, 0), &excuses).is_some());
    }
}
