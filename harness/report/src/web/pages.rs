use std::{
    collections::VecDeque,
    fs::{self, Metadata},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use quarrel_run::results::RunFolder;

/// Reports that were made, for as long as nothing that they were made of
/// changes: whoever goes back to one does not wait for it again.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<VecDeque<Page>>);

#[derive(Debug)]
struct Page {
    run: RunFolder,
    made_of: Vec<Option<Stamp>>,
    text: String,
}

/// What a file was like: its length, and when it was changed.
type Stamp = (u64, SystemTime);

/// The most pages that are kept, and the most bytes of them.
const MOST: usize = 16;
const MOST_BYTES: usize = 64 << 20;

/// The files that a report is made of, besides the logs of servers.
const FILES: [&str; 9] = [
    RunFolder::SETTINGS,
    RunFolder::HISTORY,
    "commits.jsonl",
    RunFolder::RECEIPTS,
    RunFolder::PROBES,
    RunFolder::VERDICT,
    "failure.json",
    RunFolder::ENVIRONMENT,
    "phases.json",
];

fn stamp(found: &Metadata) -> Option<Stamp> {
    Some((found.len(), found.modified().ok()?))
}

fn stamps(run: &RunFolder) -> Vec<Option<Stamp>> {
    let look = |name| stamp(&run.open(name).ok()?.metadata().ok()?);
    // A log is put into its folder whole, which changes the folder.
    let logs = fs::symlink_metadata(run.file("logs")).ok().and_then(|found| stamp(&found));
    FILES.into_iter().map(look).chain([logs]).collect()
}

impl Pages {
    /// The page of a run, if it was made and is still what it would be.
    pub(super) fn kept(&self, run: &RunFolder) -> Option<String> {
        self.made_of(run, &stamps(run))
    }

    fn made_of(&self, run: &RunFolder, made_of: &[Option<Stamp>]) -> Option<String> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |page: &&Page| page.run == *run && page.made_of == made_of;
        pages.iter().find(is_it).map(|page| page.text.clone())
    }

    /// The page of a run; made by `make` if there is none.
    pub(super) fn of(
        &self,
        run: &RunFolder,
        make: impl FnOnce(&RunFolder) -> Option<String>,
    ) -> Option<String> {
        // Looked at before it is read: what changes meanwhile is made anew.
        let made_of = stamps(run);
        if let Some(text) = self.made_of(run, &made_of) {
            return Some(text);
        }
        let text = make(run)?;
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|page| page.run != *run);
        pages.push_back(Page { run: run.clone(), made_of, text: text.clone() });
        let too_many = |pages: &VecDeque<Page>| {
            pages.len() > MOST
                || pages.iter().map(|page| page.text.len()).sum::<usize>() > MOST_BYTES
        };
        while too_many(&pages) {
            pages.pop_front();
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_made_again_when_the_run_is_another() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path(), "x", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let pages = Pages::default();
        let mut made = 0;
        let mut ask = || {
            let text = pages.of(&run, |_| {
                made += 1;
                Some(made.to_string())
            });
            text.unwrap()
        };
        assert_eq!((ask(), ask()), ("1".to_owned(), "1".to_owned()));
        run.write(RunFolder::VERDICT, "{}").unwrap();
        assert_eq!((ask(), ask()), ("2".to_owned(), "2".to_owned()));
        run.write("logs/primary.log", "said").unwrap();
        assert_eq!((ask(), ask()), ("3".to_owned(), "3".to_owned()));
        // What nothing is read of changes nothing.
        run.write(RunFolder::REPORT, "forged").unwrap();
        assert_eq!(ask(), "3");
        assert_eq!(pages.kept(&run).as_deref(), Some("3"));
        run.write("faults.jsonl", "").unwrap();
        assert_eq!(pages.kept(&run), None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let root = tempfile::tempdir().unwrap();
        let pages = Pages::default();
        for _ in 0..3 * MOST {
            let run = RunFolder::create(root.path(), "x", jiff::Timestamp::UNIX_EPOCH).unwrap();
            pages.of(&run, |_| Some("x".repeat(MOST_BYTES / 4)));
        }
        assert!(pages.0.lock().unwrap().len() <= 4);
    }
}
