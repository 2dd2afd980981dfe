use std::{
    fs::Permissions,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use tempfile::NamedTempFile;

use super::{
    FormError,
    inside::open_own,
    memory::{Allowance, taken},
};

/// A file of a run could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error(transparent)]
    Form(#[from] FormError),
}

impl FileError {
    /// What a failed call to the system on `path` becomes. Calls that do not
    /// fail, one for each line of a file, keep no path.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Writes a file under another name and renames it, so that nobody ever sees
/// half of it.
///
/// # Errors
///
/// When the system says no.
pub fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    let write = || {
        let mut file = partial(path)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(FileError::io(path))
}

/// A file of its own beside `path`, to be renamed to it when it is complete:
/// two who write the same file do not meet. Gone if it is never renamed.
fn partial(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".partial")
        // As any new file, and not for its writer alone.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// Writes a value as indented JSON.
///
/// # Errors
///
/// When the system says no.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    write_text(path, &json_text(value))
}

/// A value as a file of indented JSON.
pub fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("our own types are JSON") + "\n"
}

/// Writes one JSON object a line.
///
/// # Errors
///
/// When the system says no.
pub fn write_json_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), FileError> {
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(value).expect("our own types are JSON"));
        text.push('\n');
    }
    write_text(path, &text)
}

/// Reads one JSON object a line. A file that is not there is empty.
///
/// # Errors
///
/// When the system says no, when the file is a link or would fill the memory,
/// or a line is of another form.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FileError> {
    read_json_lines_within(path, &mut Allowance::whole())
}

/// The same, which takes no more memory than is left.
pub(super) fn read_json_lines_within<T: DeserializeOwned>(
    path: &Path,
    memory: &mut Allowance,
) -> Result<Vec<T>, FileError> {
    let file = match open_own(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::io(path)(error)),
    };
    let mut values = Vec::new();
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut file).take(memory.left().saturating_add(1)).read_until(b'\n', &mut line);
        if read.map_err(FileError::io(path))? == 0 {
            break;
        }
        memory.take(taken::<T>(&line), number).map_err(FileError::io(path))?;
        let value = serde_json::from_slice(line.trim_ascii_end())
            .map_err(|error| FormError::json(path, number, &error))?;
        values.push(value);
    }
    Ok(values)
}
