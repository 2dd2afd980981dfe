//! Runs on servers that are somebody's.

use std::process::{Command, Output};

use crate::lifecycle::Child;

/// Where a guest's stores are.
pub(crate) struct Guest<'a> {
    pub(crate) primary: &'a str,
    pub(crate) replica: &'a str,
    pub(crate) cache: &'a str,
}

impl Guest<'_> {
    /// Starts a run there. Addresses are given as those with passwords are to
    /// be given.
    pub(crate) fn run(&self, arguments: &[&str]) -> Child {
        self.run_with(arguments, &[])
    }

    /// The same, with more variables.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let run = [&["--cluster", "external", "--seed=7"], arguments].concat();
        Child::run(&run, &[&self.variables()[..], variables].concat())
    }

    /// Runs another command.
    pub(crate) fn quarrel(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_quarrel"))
            .args(arguments)
            .envs(self.variables())
            .output()
            .unwrap()
    }

    fn variables(&self) -> [(&str, &str); 3] {
        [
            ("QUARREL_PRIMARY_URL", self.primary),
            ("QUARREL_REPLICA_URL", self.replica),
            ("QUARREL_CACHE_URL", self.cache),
        ]
    }
}
