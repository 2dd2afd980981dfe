//! What of a run comes into its folder, and to whoever asks what it came to:
//! all of it, or nothing that is an application's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quarrel_strategy::record::{Commit, EnvironmentFailure};

use crate::{
    results::{Environment, FileError, RunFolder, RunSettings, Veil},
    runner::StormOutcome,
};

/// A run's veil, if it has one. From its first moment on everything that is kept
/// goes through it.
#[derive(Clone, Debug, Default)]
pub(super) struct Screen(Option<Arc<Mutex<Veil>>>);

impl Screen {
    /// Puts a run behind a veil, and says so in its folder.
    pub(super) fn before(settings: &RunSettings, folder: &RunFolder) -> Result<Self, FileError> {
        folder.write(Veil::FILE, Veil::note())?;
        Ok(Self(Some(Arc::new(Mutex::new(Veil::of(settings))))))
    }

    /// For the journal.
    pub(super) fn veil(&self) -> Option<Arc<Mutex<Veil>>> {
        self.0.clone()
    }

    fn lock(&self) -> Option<MutexGuard<'_, Veil>> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn settings(&self, settings: RunSettings) -> RunSettings {
        match self.lock() {
            Some(mut veil) => veil.settings(&settings),
            None => settings,
        }
    }

    pub(super) fn environment(&self, environment: Environment) -> Environment {
        match self.lock() {
            Some(mut veil) => veil.environment(environment),
            None => environment,
        }
    }

    pub(super) fn outcome(&self, outcome: StormOutcome) -> StormOutcome {
        let Some(mut veil) = self.lock() else { return outcome };
        let StormOutcome {
            storm_began,
            heal_began,
            final_began,
            receipts,
            probes,
            mut unloaded,
            failure,
        } = outcome;
        for unloaded in &mut unloaded {
            unloaded.why = veil.text(&unloaded.why);
        }
        StormOutcome {
            storm_began,
            heal_began,
            final_began,
            receipts: receipts.iter().map(|receipt| veil.receipt(receipt)).collect(),
            probes: probes.iter().map(|probe| veil.probe(probe)).collect(),
            unloaded,
            failure: failure.as_ref().map(|failure| veil.failure(failure)),
        }
    }

    pub(super) fn failure(&self, failure: &EnvironmentFailure) -> EnvironmentFailure {
        match self.lock() {
            Some(mut veil) => veil.failure(failure),
            None => failure.clone(),
        }
    }

    pub(super) fn commits(&self, commits: Vec<Commit>) -> Vec<Commit> {
        match self.lock() {
            Some(mut veil) => commits.iter().map(|commit| veil.commit(commit)).collect(),
            None => commits,
        }
    }

    /// What a server logged, and the name of its log.
    pub(super) fn text(&self, text: String) -> String {
        match self.lock() {
            Some(mut veil) => veil.text(&text),
            None => text,
        }
    }
}
