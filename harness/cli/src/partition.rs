//! Work split over machines that need not know of each other: each does its
//! share, leaves a note of what it did, and `quarrel merge` joins the notes.

use std::{
    cmp::Reverse,
    fmt::{self, Display},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    str::FromStr,
};

use clap::Args;
use quarrel_checkers::RunOutcome;
use quarrel_run::results::{FileError, FormError, VerdictFile, text_inside, write_json};
use serde::{Deserialize, Serialize};

use super::{Failure, words};

/// The flag of commands whose work can be split.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct PartitionArgs {
    /// Only the I-th of N shares of the work, as 2/8, of like cost; quarrel merge joins what the shares found
    #[arg(long, value_name = "I/N", value_parser = |t: &str| t.parse::<Partition>())]
    pub(super) partition: Option<Partition>,
}

/// The I-th of N shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Partition {
    /// From 1.
    pub(super) number: usize,
    pub(super) of: usize,
}

/// Splitting finer than this serves nobody.
const MOST: usize = 10_000;

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            Some(Self { number: number.parse().ok()?, of: of.parse().ok()? })
        });
        parsed
            .filter(|it| (1..=it.of).contains(&it.number) && it.of <= MOST)
            .ok_or_else(|| format!("`{text}` is no share of the work, such as 2/8"))
    }
}

impl TryFrom<String> for Partition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.to_string()
    }
}

impl Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Partition {
    /// Which things fall to this share, in their order, when each costs so
    /// much: the dearest first, each to the share that has least to do. The
    /// costs decide alone, so that every machine splits alike.
    pub(super) fn share(self, costs: &[u64]) -> Vec<usize> {
        let mut dearest: Vec<usize> = (0..costs.len()).collect();
        dearest.sort_by_key(|&at| (Reverse(costs[at]), at));
        let mut loads = vec![0_u64; self.of];
        let mut mine = Vec::new();
        for at in dearest {
            let least = (0..self.of).min_by_key(|&share| (loads[share], share));
            let least = least.expect("there is a share");
            loads[least] = loads[least].saturating_add(costs[at]);
            if least + 1 == self.number {
                mine.push(at);
            }
        }
        mine.sort_unstable();
        mine
    }
}

/// The share of this machine; all of it where nothing is split.
pub(super) fn share(partition: Option<Partition>, costs: &[u64]) -> Vec<usize> {
    partition.map_or_else(|| (0..costs.len()).collect(), |partition| partition.share(costs))
}

/// What a share of the work came to. The file `part-I-of-N-COMMAND.json` in the
/// results folder, where COMMAND stands for the command that was split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    /// The version of this file's form.
    pub(super) schema: u32,
    /// The command whose work was split.
    pub(super) command: String,
    pub(super) partition: Partition,
    pub(super) found: Found,
}

/// What there is to join.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub(super) enum Found {
    /// A matrix with the cells of the share.
    Matrix {
        /// Its folder, beside this file.
        folder: String,
        /// What all cells are held to.
        expect: Option<String>,
    },
    /// Runs of a profile.
    Runs {
        /// How many there are in all shares.
        all: usize,
        runs: Vec<PartRun>,
    },
    /// A table of detection with the pairs of the share.
    Detection {
        /// Its folder, beside this file.
        folder: String,
        /// The runs of all shares, in order.
        order: Vec<String>,
    },
    /// A search from some of the beginnings.
    Exploration(Box<PartSearch>),
    /// A verdict on the keys of the share.
    Check { verdict: Box<VerdictFile> },
}

/// What a search from some of the beginnings found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PartSearch {
    /// The place of the first of them; none if none fell to this share.
    pub(super) first_start: Option<usize>,
    pub(super) outcome: RunOutcome,
    /// Steps of the shortest break.
    pub(super) steps: Option<usize>,
    /// As `quarrel explore --format json` prints it.
    pub(super) report: serde_json::Value,
    /// As it prints it for people.
    pub(super) text: String,
}

/// A run of a share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PartRun {
    /// Its place among all runs, from 0.
    pub(super) number: usize,
    pub(super) command: String,
    pub(super) exit_code: u8,
    /// What came of it, in a word, and why.
    pub(super) outcome: String,
    pub(super) reason: String,
    /// Its folder, beside this file; none if it did not come that far.
    pub(super) run: Option<String>,
}

/// The version of the form of a part.
const SCHEMA: u32 = 1;

impl Part {
    /// Leaves what this share found in `results`. The last time counts.
    pub(super) fn leave(partition: Partition, found: Found, results: &Path) -> Result<(), Failure> {
        let command = words::whole();
        std::fs::create_dir_all(results).map_err(FileError::io(results))?;
        let part = Self { schema: SCHEMA, command, partition, found };
        Ok(write_json(&results.join(part.file_name()), &part)?)
    }

    /// Reads what a share left.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = folder.join(name);
        let text = text_inside(folder, name).map_err(|error| Failure::reading(&path, &error))?;
        let part: Self =
            serde_json::from_str(&text).map_err(|error| FormError::json(&path, 1, &error))?;
        if part.schema != SCHEMA {
            let why = format!(
                "{}: form {}, and this quarrel knows {SCHEMA}",
                path.display(),
                part.schema
            );
            return Err(Failure::bad_input(why));
        }
        Ok(part)
    }

    /// Whether a file of this name is a part.
    pub(super) fn is_name(name: &str) -> bool {
        name.starts_with("part-") && name.ends_with(".json")
    }

    fn file_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.command.hash(&mut hasher);
        let Partition { number, of } = self.partition;
        format!("part-{number}-of-{of}-{:016x}.json", hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of: usize, costs: &[u64]) -> Vec<Vec<usize>> {
        (1..=of).map(|number| Partition { number, of }.share(costs)).collect()
    }

    #[test]
    fn every_thing_falls_to_one_share() {
        let costs = [9, 1, 1, 5, 5, 2, 7, 3, 3, 1];
        for of in 1..12 {
            let mut all: Vec<usize> = shares(of, &costs).concat();
            all.sort_unstable();
            assert_eq!(all, (0..costs.len()).collect::<Vec<_>>(), "{of} shares");
        }
    }

    #[test]
    fn shares_cost_alike() {
        // Graham's bound: none costs more than 4/3 of what the dearest must.
        let costs: Vec<u64> = (0..200).map(|n| 1 + (n * n * 37) % 101).collect();
        let all: u64 = costs.iter().sum();
        for of in [2_usize, 3, 8] {
            let cost = |share: &Vec<usize>| share.iter().map(|&at| costs[at]).sum::<u64>();
            let dearest = shares(of, &costs).iter().map(cost).max().unwrap();
            let even = all.div_ceil(of as u64);
            assert!(dearest * 100 <= even * 105, "{of} shares: {dearest} of {even}");
        }
    }

    #[test]
    fn a_share_is_written_as_it_is_read() {
        assert_eq!("2/8".parse::<Partition>().unwrap().to_string(), "2/8");
        for wrong in ["0/8", "9/8", "2", "2/0", "a/b", "-1/3", "1/10001"] {
            let error = wrong.parse::<Partition>().unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
