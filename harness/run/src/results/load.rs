use std::{
    io::{self, BufRead as _, Read as _},
    path::Path,
};

use quarrel_checkers::{CompactHistory, Event, Probe, Step};
use quarrel_strategy::record::{Commit, CommitOrder, EnvironmentFailure, Record};
use serde::Deserialize;

use super::{
    FileError, FormError, RunFolder, RunSettings,
    files::read_json_lines_within,
    inside::{open_own, refused},
    memory::{Allowance, memory_exceeded, taken},
    packed::{MOST_LINE, unpack},
    reader::Reader,
};
use crate::faults::Receipt;

/// A run that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// One of its files.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its settings.
    #[error(transparent)]
    Settings(#[from] FormError),
}

/// Everything that a run's verdict is made from.
#[derive(Clone, Debug)]
pub struct LoadedRun {
    /// Where it is.
    pub folder: RunFolder,
    /// What it was.
    pub settings: RunSettings,
    /// What its clients saw.
    pub history: CompactHistory,
    /// Whether the history ends in the middle of a line or a block: the run
    /// was killed, and what it did last is missing.
    pub truncated: bool,
    /// Proofs of its faults.
    pub receipts: Vec<Receipt>,
    /// What its stores held.
    pub probes: Vec<Probe>,
    /// What became of the world that it ran in; the file `failure.json`.
    pub failure: Option<EnvironmentFailure>,
}

impl LoadedRun {
    /// The name of the file that says why a run failed; others have none.
    pub const FAILURE: &str = "failure.json";
}

/// Reads a run.
///
/// # Errors
///
/// When a file is missing or of another form.
pub fn load_run(folder: RunFolder) -> Result<LoadedRun, LoadError> {
    let path = folder.file(RunFolder::SETTINGS);
    let text = folder.text(RunFolder::SETTINGS).map_err(FileError::io(&path))?;
    let settings = toml::from_str(&text).map_err(|error| FormError::toml(&path, &text, &error))?;
    let mut memory = Allowance::whole();
    let receipts = read_json_lines_within(&folder.file(RunFolder::RECEIPTS), &mut memory)?;
    let probes = read_json_lines_within(&folder.file(RunFolder::PROBES), &mut memory)?;
    let commits: Vec<Commit> = read_json_lines_within(&folder.file(Commit::FILE), &mut memory)?;
    let history = folder.file(RunFolder::HISTORY);
    let (history, truncated) = read_history_within(&history, &commits, &memory)?;
    drop(commits);
    let failure = read_failure(&folder)?;
    Ok(LoadedRun { folder, settings, history, truncated, receipts, probes, failure })
}

fn read_failure(folder: &RunFolder) -> Result<Option<EnvironmentFailure>, FileError> {
    let path = folder.file(LoadedRun::FAILURE);
    let text = match folder.text(LoadedRun::FAILURE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::io(&path)(error)),
    };
    Ok(Some(serde_json::from_str(&text).map_err(|error| FormError::json(&path, 1, &error))?))
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
}

/// Reads a history that [`Journal`](super::Journal) wrote, even one whose
/// writer was killed, and gives it the versions of what the primary committed;
/// whether its end is missing.
///
/// # Errors
///
/// When a line other than the last is of another form, when the file is a link
/// or none that can be read to its end, and when it, and what judging makes of
/// it, would fill the memory.
pub fn read_history(path: &Path, commits: &[Commit]) -> Result<(CompactHistory, bool), FileError> {
    read_history_within(path, commits, &Allowance::whole())
}

/// About the bytes that whoever judges or tells a history has for each event and
/// each step besides. Measured: of 1,157,488 of them, with 120,000 stale reads,
/// judging held 88, and the report 124.
const JUDGED: usize = 128;

fn read_history_within(
    path: &Path,
    commits: &[Commit],
    memory: &Allowance,
) -> Result<(CompactHistory, bool), FileError> {
    let opened = open_own(path).and_then(unpack);
    let (mut lines, cut) = opened.map_err(FileError::io(path))?;
    let mut history = CompactHistory::default();
    let told = CommitOrder::of(commits);
    let mut line = Vec::new();
    let mut reader = Reader::default();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        let read = (&mut lines).take(MOST_LINE).read_until(b'\n', &mut line);
        read.map_err(FileError::io(path))?;
        // A line and what it unfolds to go when it has become a few bytes.
        let held = history.heap_bytes() + JUDGED * (number - 1);
        if held as u64 + taken::<Step>(&line) > memory.left() {
            return Err(FileError::io(path)(memory_exceeded(number)));
        }
        if line.len() as u64 == MOST_LINE {
            return Err(FileError::io(path)(refused(format!("line {number} has no end"))));
        }
        match line.last() {
            None => return Ok((history, cut.was_met())),
            Some(b'\n') => {}
            Some(_) => return Ok((history, true)),
        }
        let record = match reader.record(&line) {
            Some(record) => record,
            None => parsed(&line).map_err(|error| FormError::json(path, number, &error))?,
        };
        match record {
            Record::Event(mut event) => {
                told.tell_event(&mut event);
                history.push_event(&event);
            }
            Record::Step(mut step) => {
                told.tell_step(&mut step);
                history.push_step(&step);
            }
        }
    }
}

fn parsed(line: &[u8]) -> Result<Record, serde_json::Error> {
    let Kind { kind } = serde_json::from_slice(line)?;
    if kind == "step" {
        serde_json::from_slice::<Step>(line).map(Record::Step)
    } else {
        serde_json::from_slice::<Event>(line).map(Record::Event)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, path::PathBuf, sync::LazyLock};

    use proptest::prelude::*;
    use quarrel_checkers::{
        formats::{self, Format},
        generate::GeneratedLoad,
    };
    use tempfile::TempDir;

    use super::*;

    /// A history in JSON lines.
    static LINES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let workload = GeneratedLoad { operations: 200, ..GeneratedLoad::default() };
        let mut history = workload.history();
        // A cut may go through a character.
        history.events.iter_mut().for_each(|event| event.error = Some("é".to_owned()));
        let mut lines = Vec::new();
        formats::write(&history, Format::JsonLines, &mut lines).unwrap();
        lines
    });

    /// A compressed history, and how many of its bytes hold how many events.
    struct Packed {
        bytes: Vec<u8>,
        blocks: Vec<(usize, usize)>,
    }

    /// The same as a journal has it: flushed now and then.
    static PACKED: LazyLock<Packed> = LazyLock::new(|| {
        let mut stream = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        let mut blocks = Vec::new();
        for (n, lines) in LINES.split_inclusive(|byte| *byte == b'\n').enumerate() {
            stream.write_all(lines).unwrap();
            if n % 10 == 9 {
                stream.flush().unwrap();
                blocks.push((stream.get_ref().len(), n + 1));
            }
        }
        Packed { bytes: stream.finish().unwrap(), blocks }
    });

    fn read(bytes: &[u8]) -> (PathBuf, Result<(CompactHistory, bool), FileError>) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(RunFolder::HISTORY);
        std::fs::write(&path, bytes).unwrap();
        let read = read_history(&path, &[]);
        (path, read)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        /// A killed writer loses the end and nothing before it.
        #[test]
        fn what_is_left_of_a_journal_is_its_beginning(cut in 1..PACKED.bytes.len()) {
            let (whole, is_truncated) = read(&PACKED.bytes).1.unwrap();
            prop_assert!(!is_truncated);
            let (left, is_truncated) = read(&PACKED.bytes[..cut]).1.unwrap();
            prop_assert!(is_truncated);
            let flushed = PACKED.blocks.iter().rfind(|(end, _)| *end <= cut);
            let least = flushed.map_or(0, |(_, events)| *events);
            prop_assert!(left.event_count() >= least, "{} of {least}", left.event_count());
            prop_assert!(left.events().eq(whole.events().take(left.event_count())));
        }

        /// Damage is a file and what is wrong in it, or a history.
        #[test]
        fn no_damage_makes_reading_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = PACKED.bytes.clone();
            for &(at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (path, read) = read(&bytes);
            if let Err(error) = read {
                prop_assert!(error.to_string().starts_with(&path.display().to_string()));
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes).1;
        }

        /// Damage below the compression is told with its line.
        #[test]
        fn a_damaged_line_is_named(at in any::<prop::sample::Index>()) {
            let mut lines = LINES.clone();
            let at = at.index(lines.len() - 1);
            prop_assume!(lines[at] != b'\n');
            lines[at] = 0;
            let line = 1 + lines[..at].iter().filter(|byte| **byte == b'\n').count();
            let (path, read) = read(&zstd::encode_all(lines.as_slice(), 1).unwrap());
            let told = read.unwrap_err().to_string();
            let expected = format!("{}, line {line}, column ", path.display());
            prop_assert!(told.starts_with(&expected), "{}", told);
        }
    }
}
