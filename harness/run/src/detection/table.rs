use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use comfy_table::{Table as Grid, presets};
use serde::{Deserialize, Serialize};

use super::{ExpectedVerdict, Pair, Trial};
use crate::results::RunOutcome;

/// Of so many storms of a broken pair that many must convict it: nine of ten.
const ENOUGH: f64 = 0.9;

/// What came of all storms of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionRow {
    /// Which pair.
    pub pair: Pair,
    /// In order of seed.
    pub trials: Vec<Trial>,
}

/// The power of detection, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The version of this form.
    pub schema: u32,
    /// When it was made, UTC.
    pub began: String,
    /// The command that makes it again.
    pub command: String,
    /// On which kind of cluster.
    pub cluster: String,
    /// How long each storm lasted at most, in milliseconds.
    pub time_ms: u64,
    /// How many seeds were asked for.
    pub seeds: u64,
    /// A row for each pair.
    pub rows: Vec<DetectionRow>,
}

/// Times from the beginning of the storm to the conviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Half of the convictions came later, or as late.
    pub median: Duration,
    /// The first.
    pub least: Duration,
    /// The last.
    pub most: Duration,
}

/// Whether the measurements are what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Broken pairs were convicted nine times of ten, controls acquitted
    /// always.
    AsExpected,
    /// A control was not convicted, but not acquitted either: nothing was at
    /// stake in one of its storms, or it could not be decided.
    Unsure,
    /// A broken pair was convicted too seldom, or a control was convicted.
    NotAsExpected,
}

impl DetectionRow {
    /// How many storms convicted.
    #[must_use]
    pub fn convicted(&self) -> usize {
        self.trials.iter().filter(|trial| trial.conviction.is_some()).count()
    }

    /// How many storms acquitted, with something at stake.
    #[must_use]
    pub fn acquitted(&self) -> usize {
        self.trials.iter().filter(|trial| trial.outcome.is_held()).count()
    }

    /// How many storms had the outcome.
    #[must_use]
    pub fn with(&self, outcome: RunOutcome) -> usize {
        self.trials.iter().filter(|trial| trial.outcome == outcome).count()
    }

    /// How many storms convicted, by what clients saw or by what the stores
    /// held.
    #[must_use]
    pub fn accused(&self) -> usize {
        let is_accused =
            |trial: &&Trial| trial.conviction.is_some() || trial.outcome == RunOutcome::Violated;
        self.trials.iter().filter(is_accused).count()
    }

    /// When the storms convicted that did; none if none did.
    #[must_use]
    pub fn times(&self) -> Option<Times> {
        let found = self.trials.iter().filter_map(|trial| trial.conviction.as_ref());
        let mut times: Vec<Duration> = found.map(|conviction| conviction.after).collect();
        times.sort_unstable();
        let (least, most) = (*times.first()?, *times.last()?);
        Some(Times { median: times[times.len() / 2], least, most })
    }

    /// The causes of the convictions, the most frequent first.
    #[must_use]
    pub fn causes(&self) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for found in self.trials.iter().filter_map(|trial| trial.conviction.as_ref()) {
            let class = found.class.map_or_else(String::new, |class| class.to_string());
            let name = match found.cause {
                Some(quarrel_checkers::Cause::Unexplained) | None => class,
                Some(cause) => cause.to_string(),
            };
            *counts.entry(name).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Whether it is what it should be.
    #[must_use]
    pub fn word(&self) -> Word {
        let (convicted, all) = (self.convicted(), self.trials.len());
        match self.pair.expected {
            ExpectedVerdict::Convicted if all > 0 && convicted as f64 >= ENOUGH * all as f64 => {
                Word::AsExpected
            }
            ExpectedVerdict::Convicted => Word::NotAsExpected,
            ExpectedVerdict::Acquitted if self.accused() > 0 => Word::NotAsExpected,
            ExpectedVerdict::Acquitted if all > 0 && self.acquitted() == all => Word::AsExpected,
            ExpectedVerdict::Acquitted => Word::Unsure,
        }
    }

    /// What it says, column by column.
    fn cells(&self) -> [String; 5] {
        let all = self.trials.len();
        let verdict = match (self.pair.expected, self.word()) {
            (ExpectedVerdict::Convicted, _) => format!("convicted {} of {all}", self.convicted()),
            (ExpectedVerdict::Acquitted, Word::NotAsExpected) => {
                format!("CONVICTED {} of {all}", self.accused())
            }
            (ExpectedVerdict::Acquitted, _) => {
                format!("acquitted {} of {all}", self.acquitted())
            }
        };
        let (median, range) = self.times().map_or_else(Default::default, |times| {
            let range = format!("{}–{}", seconds(times.least), seconds(times.most));
            (format!("{} s", seconds(times.median)), format!("{range} s"))
        });
        let causes: Vec<_> = self.causes().iter().map(|(name, n)| format!("{name} {n}")).collect();
        let left = self.with(RunOutcome::Vacuous) + self.with(RunOutcome::Undecided);
        let causes = if self.pair.expected == ExpectedVerdict::Acquitted && left > 0 {
            format!("nothing shown {left}")
        } else {
            causes.join(", ")
        };
        [verdict, median, range, causes, self.pair.about.clone()]
    }
}

const HEADER: [&str; 6] = ["quarrel run …", "verdict", "median", "range", "shown by", "divergence"];

impl Table {
    /// The version of the form.
    pub const SCHEMA: u32 = 1;

    /// The worst of the rows.
    #[must_use]
    pub fn word(&self) -> Word {
        self.rows.iter().map(DetectionRow::word).max().unwrap_or(Word::Unsure)
    }

    /// All rows together: how many broken ones were convicted often enough, how
    /// soon, and how many storms of controls accused somebody.
    #[must_use]
    pub fn summary(&self) -> String {
        let of = |expected| self.rows.iter().filter(move |row| row.pair.expected == expected);
        let broken: Vec<&DetectionRow> = of(ExpectedVerdict::Convicted).collect();
        let mut parts = Vec::new();
        if !broken.is_empty() {
            let enough = broken.iter().filter(|row| row.word() == Word::AsExpected).count();
            let storms: usize = broken.iter().map(|row| row.trials.len()).sum();
            let convicted: usize = broken.iter().map(|row| row.convicted()).sum();
            let slowest = broken.iter().filter_map(|row| row.times()).map(|times| times.median);
            let slowest = slowest.max().map_or_else(String::new, |median| {
                format!(", the slowest median {} s", seconds(median))
            });
            parts.push(format!(
                "{enough} of {} broken ones convicted by nine storms of ten ({convicted} of \
                 {storms} storms){slowest}",
                broken.len()
            ));
        }
        let controls: Vec<&DetectionRow> = of(ExpectedVerdict::Acquitted).collect();
        if !controls.is_empty() {
            let storms: usize = controls.iter().map(|row| row.trials.len()).sum();
            let accused = controls.iter().map(|row| row.accused());
            parts
                .push(format!("{} of {storms} storms of controls accused", accused.sum::<usize>()));
        }
        format!("{}.", parts.join("; "))
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_header(HEADER);
        for row in &self.rows {
            let [verdict, median, range, causes, about] = row.cells();
            grid.add_row([row.pair.run.clone(), verdict, median, range, causes, about]);
        }
        format!("{}\n{grid}\n{}\n", self.caption(), self.summary())
    }

    /// For a page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| {} |\n", self.caption(), HEADER.join(" | "));
        text.push_str("|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let cells = row.cells().join(" | ");
            // Writing to a string does not fail.
            let _ = writeln!(text, "| `{}` | {cells} |", row.pair.run);
        }
        let _ = writeln!(text, "\n{} Made by `{}`.", self.summary(), self.command);
        text
    }

    fn caption(&self) -> String {
        format!(
            "Time from the beginning of a storm to the operation that convicts it: {} cluster, \
             {} seeds, storms of {} s.",
            self.cluster,
            self.seeds,
            Duration::from_millis(self.time_ms).as_secs_f64()
        )
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{detection::Conviction, results::FaultCount};
    use quarrel_checkers::{Cause, Class, Evidence, Index, Stake, Validity};

    fn trial(outcome: RunOutcome, after_ms: Option<u64>) -> Trial {
        Trial {
            seed: 1,
            outcome,
            reason: String::new(),
            conviction: after_ms.map(|after| Conviction {
                at: Index(7),
                after: Duration::from_millis(after),
                class: Some(Class::StaleRead),
                cause: Some(Cause::ReplicaLagRefill),
            }),
            reads_at_risk: 500,
            faults: FaultCount { injected: 1, observed: 1 },
            kept: None,
        }
    }

    fn held() -> RunOutcome {
        RunOutcome::of(Validity::Valid, Evidence::counted(Stake::ReadsAtRisk, 500))
    }

    fn broken(times: &[Option<u64>]) -> DetectionRow {
        let outcome = |time: &Option<u64>| {
            if time.is_some() { RunOutcome::Violated } else { held() }
        };
        let trials = times.iter().map(|time| trial(outcome(time), *time)).collect();
        DetectionRow { pair: Pair::broken("lag", "cache-aside --fault replica-lag"), trials }
    }

    fn control(outcomes: &[RunOutcome]) -> DetectionRow {
        let trials = outcomes.iter().map(|outcome| trial(*outcome, None)).collect();
        DetectionRow { pair: Pair::control("primary-only"), trials }
    }

    #[test]
    fn nine_of_ten_are_enough_and_eight_are_not() {
        let mut times = vec![Some(900); 9];
        times.push(None);
        assert_eq!(broken(&times).word(), Word::AsExpected);
        times[0] = None;
        assert_eq!(broken(&times).word(), Word::NotAsExpected);
        assert_eq!(broken(&[]).word(), Word::NotAsExpected);
    }

    #[test]
    fn one_conviction_of_a_control_is_too_many() {
        use RunOutcome::{Vacuous, Violated};
        assert_eq!(control(&[held(), held()]).word(), Word::AsExpected);
        assert_eq!(control(&[held(), Vacuous]).word(), Word::Unsure);
        assert_eq!(control(&[held(), Violated]).word(), Word::NotAsExpected);
    }

    #[test]
    fn a_table_says_how_long_it_took() {
        let rows = vec![broken(&[Some(800), Some(1_200), None, Some(950)])];
        let table = Table {
            schema: Table::SCHEMA,
            began: "2026-11-25T20:00:00Z".to_owned(),
            command: "quarrel bench detection".to_owned(),
            cluster: "docker".to_owned(),
            time_ms: 10_000,
            seeds: 4,
            rows,
        };
        let line = "| `cache-aside --fault replica-lag` | convicted 3 of 4 | 0.95 s | \
                    0.80–1.20 s | replica-lag-refill 3 | lag |";
        assert!(table.markdown().contains(line), "{}", table.markdown());
        assert!(table.text().contains("convicted 3 of 4"));
        let all = "0 of 1 broken ones convicted by nine storms of ten (3 of 4 storms), the slowest median 0.95 s.";
        assert_eq!(table.summary(), all);
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
    }
}
