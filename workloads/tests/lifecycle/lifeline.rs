use std::{
    io::{self, PipeReader, Read as _},
    process::{Child, Command},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
};

use rustix::io::{FdFlags, fcntl_setfd};

use super::child::PATIENCE;

/// A pipe of which a process and everything that it starts, however far down,
/// holds an end: it closes with the last of them.
#[derive(Debug)]
pub(crate) struct Lifeline(Receiver<()>);

/// Whatever is started while a lifeline is handed on would hold it too.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts a process that holds nobody's lifeline.
pub(super) fn spawn(command: &mut Command) -> Child {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

impl Lifeline {
    /// Starts a process that holds the other end.
    pub(super) fn spawn(command: &mut Command) -> (Child, Self) {
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, theirs) = io::pipe().unwrap();
        fcntl_setfd(&theirs, FdFlags::empty()).unwrap();
        (command.spawn().unwrap(), Self(closing(ours)))
    }

    /// Waits until all who hold the other end are gone.
    pub(super) fn ends(&self) {
        match self.0.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => {}
            other => panic!("something that it started still runs: {other:?}"),
        }
    }
}

/// A channel that closes when the pipe does.
fn closing(mut pipe: PipeReader) -> Receiver<()> {
    let (open, closed) = mpsc::channel();
    thread::spawn(move || {
        // Nobody writes: this returns when nobody could any more.
        pipe.read_to_end(&mut Vec::new()).unwrap();
        drop(open);
    });
    closed
}
