use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use quarrel_strategy::record::{Recorder, Spoils};

use super::{FileError, Veil, line};

/// How often the journal is brought to the disk: what a killed run can lose.
const FLUSH: Duration = Duration::from_millis(100);

/// Bytes of lines that are compressed at once.
const PIECE: usize = 1 << 18;

/// How hard `zstd` tries. The journal is written on the machine that is being
/// measured: less than its fastest ordinary level saves nothing that matters.
const LEVEL: i32 = 1;

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

/// Writes until the end is asked for, behind a veil if there is one.
fn keep(
    file: File,
    recorder: &Recorder,
    veil: Option<&Mutex<Veil>>,
    ended: &mpsc::Receiver<()>,
) -> io::Result<()> {
    let mut stream = zstd::stream::Encoder::new(file, LEVEL)?;
    let mut lines = Vec::new();
    loop {
        let last = ended.recv_timeout(FLUSH) != Err(mpsc::RecvTimeoutError::Timeout);
        for record in recorder.drain().iter() {
            match veil {
                Some(veil) => {
                    let mut veil = veil.lock().unwrap_or_else(PoisonError::into_inner);
                    line::append(&veil.record(record), &mut lines);
                }
                None => line::append(record, &mut lines),
            }
            // What a busy moment brings does not stay in memory at once.
            if lines.len() >= PIECE {
                stream.write_all(&lines)?;
                lines.clear();
            }
        }
        stream.write_all(&lines)?;
        lines.clear();
        if last {
            return stream.finish().and_then(|file| file.sync_data());
        }
        // A whole block, so that what was written can be read even if the
        // rest never comes.
        stream.flush()?;
    }
}

impl Journal {
    /// Begins to write down at `path` what `recorder` records.
    ///
    /// # Errors
    ///
    /// When the file exists or cannot be made.
    pub fn start(path: &Path, recorder: Arc<Recorder>) -> Result<Self, JournalError> {
        Self::start_behind(None, path, recorder)
    }

    /// The same, behind a veil.
    pub(crate) fn start_behind(
        veil: Option<Arc<Mutex<Veil>>>,
        path: &Path,
        recorder: Arc<Recorder>,
    ) -> Result<Self, JournalError> {
        let file = File::create_new(path).map_err(FileError::io(path))?;
        let (end, ended) = mpsc::channel();
        let path = path.to_owned();
        let writer = thread::Builder::new().name("journal".to_owned()).spawn(move || {
            let written = keep(file, &recorder, veil.as_deref(), &ended);
            if let Err(error) = &written {
                // Whoever records stops: nobody could ever see it.
                let what = format!("{}: the history could not be written: {error}", path.display());
                recorder.fail(what, Spoils::Completeness);
            }
            written
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
