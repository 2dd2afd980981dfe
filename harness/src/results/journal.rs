use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::FileError;
use crate::record::{Record, Recorder};

/// How often the journal is brought to the disk: what a killed run can lose.
const FLUSH: Duration = Duration::from_millis(100);

/// The journal could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// It could not be written on.
    #[error("the history could not be written: {0}")]
    Write(#[from] io::Error),
}

/// Brings a run's history to the disk while the run goes on: JSON lines,
/// compressed, flushed ten times a second.
#[derive(Debug)]
pub struct Journal {
    end: mpsc::Sender<()>,
    writer: JoinHandle<io::Result<()>>,
}

impl Journal {
    /// Begins to write down at `path` what `recorder` records.
    ///
    /// # Errors
    ///
    /// When the file exists or cannot be made.
    pub fn start(path: &Path, recorder: Arc<Recorder>) -> Result<Self, JournalError> {
        let file = File::create_new(path).map_err(FileError::io(path))?;
        let (end, ended) = mpsc::channel();
        let writer = thread::Builder::new().name("journal".to_owned()).spawn(move || {
            let mut stream = zstd::stream::Encoder::new(file, 1)?;
            loop {
                let last = ended.recv_timeout(FLUSH).is_ok();
                append(&mut stream, &recorder.drain())?;
                if last {
                    return stream.finish().and_then(|file| file.sync_data());
                }
                // A whole block, so that what was written can be read even if
                // the rest never comes.
                stream.flush()?;
            }
        })?;
        Ok(Self { end, writer })
    }

    /// Writes what is left and closes the file.
    ///
    /// # Errors
    ///
    /// When anything could not be written since the start.
    pub fn finish(self) -> Result<(), JournalError> {
        // If the writer is gone, joining tells why.
        let _ = self.end.send(());
        match self.writer.join() {
            Ok(written) => Ok(written?),
            Err(_) => Err(io::Error::other("the journal's writer panicked").into()),
        }
    }
}

fn append(stream: &mut impl io::Write, records: &[Record]) -> io::Result<()> {
    let mut lines = Vec::with_capacity(records.len() * 128);
    for record in records {
        match record {
            Record::Event(event) => serde_json::to_writer(&mut lines, event)?,
            Record::Step(step) => serde_json::to_writer(&mut lines, &StepLine::from(step))?,
        }
        lines.push(b'\n');
    }
    stream.write_all(&lines)
}

/// A step's line says that it is one, where an event's says its kind.
#[derive(serde::Serialize)]
struct StepLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    step: &'a quarrel_checkers::Step,
}

impl<'a> From<&'a quarrel_checkers::Step> for StepLine<'a> {
    fn from(step: &'a quarrel_checkers::Step) -> Self {
        Self { kind: "step", step }
    }
}
