//! The phases of a run: while which faults were on.

use quarrel_checkers::{Phase, Time};

use crate::faults::Receipt;

/// Before the first fault, and between faults.
const CALM: &str = "no fault";
/// After the last one.
const HEALED: &str = "all healed";

/// The stretches of a run, which lasts until `end`, by the faults that were on;
/// none of a run without faults. A fault is on from its injection until it was
/// seen to be gone.
pub(super) fn phases(receipts: &[Receipt], end: Time) -> Vec<Phase> {
    // The last operation may begin at the very end.
    let end = Time(end.0.saturating_add(1));
    let mut edges: Vec<Time> = receipts
        .iter()
        .flat_map(|receipt| [receipt.injected, receipt.healed.unwrap_or(end)])
        .filter(|edge| *edge < end)
        .chain([Time::ZERO, end])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let last = receipts.iter().map(|receipt| receipt.healed.unwrap_or(end)).max();
    let Some(last) = last else { return Vec::new() };
    let stretches = edges.windows(2).map(|edge| (edge[0], edge[1]));
    let phases = stretches.map(|(from, to)| {
        let is_on = |receipt: &&Receipt| {
            receipt.injected <= from && receipt.healed.is_none_or(|healed| healed > from)
        };
        let mut on: Vec<&str> =
            receipts.iter().filter(is_on).map(|receipt| receipt.fault.as_str()).collect();
        on.sort_unstable();
        on.dedup();
        let name = match &on[..] {
            [] if from >= last => HEALED.to_owned(),
            [] => CALM.to_owned(),
            on => on.join(" + "),
        };
        Phase { name, from, to }
    });
    phases.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(fault: &str, injected: u64, healed: Option<u64>) -> Receipt {
        Receipt {
            fault: fault.to_owned(),
            injected: Time::from_millis(injected),
            observed: None,
            evidence: None,
            healed: healed.map(Time::from_millis),
            recovered: None,
            errors: Vec::new(),
        }
    }

    fn told(receipts: &[Receipt]) -> Vec<(String, u64)> {
        let told = phases(receipts, Time::from_millis(90)).into_iter();
        told.map(|phase| (phase.name, phase.from.0 / 1_000_000)).collect()
    }

    #[test]
    fn faults_that_overlap_are_a_phase_of_their_own() {
        let receipts = [
            receipt("lag", 10, Some(30)),
            receipt("cut", 20, Some(40)),
            receipt("lag", 50, Some(60)),
        ];
        let names = [
            ("no fault", 0),
            ("lag", 10),
            ("cut + lag", 20),
            ("cut", 30),
            ("no fault", 40),
            ("lag", 50),
            ("all healed", 60),
        ];
        assert_eq!(told(&receipts), names.map(|(name, from)| (name.to_owned(), from)));
    }

    #[test]
    fn a_fault_that_never_healed_lasts_to_the_end() {
        let names = [("no fault", 0), ("lag", 10)];
        let told = told(&[receipt("lag", 10, None)]);
        assert_eq!(told, names.map(|(name, from)| (name.to_owned(), from)));
        assert!(phases(&[], Time::from_millis(90)).is_empty());
    }

    #[test]
    fn the_last_phase_ends_with_the_run() {
        let last = |healed| {
            let phases = phases(&[receipt("lag", 10, Some(healed))], Time::from_millis(90));
            phases.last().map(|phase| (phase.name.clone(), phase.to)).unwrap()
        };
        let end = Time(90_000_001);
        assert_eq!(last(60), ("all healed".to_owned(), end));
        // It was seen to be gone after the last operation.
        assert_eq!(last(95), ("lag".to_owned(), end));
    }
}
