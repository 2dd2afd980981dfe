//! Printing that outlives its reader: `quarrel run … | head` ends the reader
//! early, and neither the results nor the exit code hang on that.

use std::{
    fmt,
    io::{self, Write as _},
    sync::OnceLock,
};

use super::Failure;

/// What standard output answered when it could not be written for another
/// reason than a reader that has gone.
static BROKEN: OnceLock<io::Error> = OnceLock::new();

/// Prints a line on standard output.
macro_rules! line {
    () => { $crate::output::write(format_args!("\n")) };
    ($($text:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints on standard output.
macro_rules! text {
    ($($text:tt)*) => { $crate::output::write(format_args!($($text)*)) };
}

/// Prints a line on standard error.
macro_rules! note {
    ($($text:tt)*) => {
        $crate::output::write_note(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints on standard error: a question, behind which the answer is typed.
macro_rules! question {
    ($($text:tt)*) => { $crate::output::write_note(format_args!($($text)*)) };
}

pub(super) use {line as println, note as eprintln, question as eprint, text as print};

/// What stands behind [`println`] and [`print`].
pub(super) fn write(text: fmt::Arguments<'_>) {
    // One write: lines of several threads do not mix.
    let written = anstream::stdout().write_all(text.to_string().as_bytes());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // The first says what is wrong.
            let _ = BROKEN.set(error);
        }
        _ => {}
    }
}

/// What stands behind [`eprintln`]. Nobody can be told that standard error
/// does not work.
pub(super) fn write_note(text: fmt::Arguments<'_>) {
    drop(anstream::stderr().write_all(text.to_string().as_bytes()));
}

/// Whether all that was printed went where it should, or to a reader that had
/// enough.
pub(super) fn finish() -> Result<(), Failure> {
    match BROKEN.get() {
        Some(error) => Err(Failure::environment(format!("standard output: {error}"))),
        None => Ok(()),
    }
}
