//! Printing that outlives its reader: `quarrel run … | head` ends the reader
//! early, and neither the results nor the exit code hang on that.

use std::{
    fmt,
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use quarrel_report::report::{Width, fit};
use quarrel_run::results::Redactor;

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

/// What all that is printed goes through, if that was asked for.
static REDACTOR: Mutex<Option<Redactor>> = Mutex::new(None);

/// From now on nothing that is an application's is printed.
pub(super) fn redact() {
    *REDACTOR.lock().unwrap_or_else(PoisonError::into_inner) = Some(Redactor::default());
}

/// A text as it may be shown: this is the only way to the outside.
pub(super) fn shown(text: String) -> String {
    match REDACTOR.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        Some(redactor) => redactor.printed(&text),
        None => text,
    }
}

/// Prints a text as it is, one that holds nothing of an application: what was
/// made of a run that is redacted itself, whose tokens stay what they are.
pub(super) fn print_own(text: &str) {
    write_out(text);
}

/// Says where a run is kept. People and quarrel named that.
pub(super) fn tell_folder(folder: &Path) {
    drop(anstream::stderr().write_all(format!("run: {}\n", folder.display()).as_bytes()));
}

/// What stands behind [`println`] and [`print`].
pub(super) fn write(text: fmt::Arguments<'_>) {
    write_out(&fitting(shown(text.to_string()), Width::of_terminal()));
}

/// A text for people fits their terminal; what is for programs stays as it is.
fn fitting(text: String, width: Width) -> String {
    if text.starts_with(['{', '[']) { text } else { fit(&text, width) }
}

fn write_out(text: &str) {
    // One write: lines of several threads do not mix.
    let written = anstream::stdout().write_all(text.as_bytes());
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
    let text = fitting(shown(text.to_string()), Width::of_notes());
    drop(anstream::stderr().write_all(text.as_bytes()));
}

/// Standard error for diagnostics, which are written a line at once.
pub(super) struct Diagnostics;

impl io::Write for Diagnostics {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write_note(format_args!("{}", String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether all that was printed went where it should, or to a reader that had
/// enough.
pub(super) fn finish() -> Result<(), Failure> {
    match BROKEN.get() {
        Some(error) => Err(Failure::environment(format!("standard output: {error}"))),
        None => Ok(()),
    }
}
