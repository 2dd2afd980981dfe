use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use quarrel_checkers::{Event, History, Probe, Step};
use serde::Deserialize;

use super::{FileError, RunFolder, RunSettings, read_json_lines};
use crate::faults::Receipt;

/// A run that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// One of its files.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its settings.
    #[error("{path}: {source}")]
    Settings {
        /// The file.
        path: String,
        /// What is wrong in it.
        source: Box<toml::de::Error>,
    },
}

/// Everything that a run's verdict is made from.
#[derive(Clone, Debug)]
pub struct LoadedRun {
    /// Where it is.
    pub folder: RunFolder,
    /// What it was.
    pub settings: RunSettings,
    /// What its clients saw.
    pub history: History,
    /// Whether the history ends in the middle of a line or a block: the run
    /// was killed, and what it did last is missing.
    pub truncated: bool,
    /// Proofs of its faults.
    pub receipts: Vec<Receipt>,
    /// What its stores held.
    pub probes: Vec<Probe>,
}

/// Reads a run.
///
/// # Errors
///
/// When a file is missing or of another form.
pub fn load_run(folder: RunFolder) -> Result<LoadedRun, LoadError> {
    let path = folder.file("run.toml");
    let text = std::fs::read_to_string(&path).map_err(FileError::io(&path))?;
    let settings = toml::from_str(&text).map_err(|source| LoadError::Settings {
        path: path.display().to_string(),
        source: Box::new(source),
    })?;
    let (history, truncated) = read_history(&folder.file("history.jsonl.zst"))?;
    let receipts = read_json_lines(&folder.file("faults.jsonl"))?;
    let probes = read_json_lines(&folder.file("probes.jsonl"))?;
    Ok(LoadedRun { folder, settings, history, truncated, receipts, probes })
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
}

/// Reads a history that [`Journal`](super::Journal) wrote, even one whose
/// writer was killed; whether its end is missing.
///
/// # Errors
///
/// When a line other than the last is of another form.
pub fn read_history(path: &Path) -> Result<(History, bool), FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    let stream = zstd::stream::Decoder::new(file).map_err(FileError::io(path))?;
    let mut lines = BufReader::with_capacity(1 << 16, stream);
    let mut history = History::default();
    let mut line = String::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        match lines.read_line(&mut line) {
            Ok(0) => return Ok((history, false)),
            Ok(_) if !line.ends_with('\n') => return Ok((history, true)),
            Ok(_) => {}
            // The stream ends before its last block does.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok((history, true));
            }
            Err(error) => return Err(FileError::io(path)(error)),
        }
        push(&mut history, &line).map_err(|source| FileError::Line {
            path: path.to_owned(),
            line: number,
            source,
        })?;
    }
}

fn push(history: &mut History, line: &str) -> Result<(), serde_json::Error> {
    let Kind { kind } = serde_json::from_str(line)?;
    if kind == "step" {
        history.steps.push(serde_json::from_str::<Step>(line)?);
    } else {
        history.events.push(serde_json::from_str::<Event>(line)?);
    }
    Ok(())
}
