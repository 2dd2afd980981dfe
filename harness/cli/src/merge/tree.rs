use std::{fs, path::Path};

use quarrel_run::results::{
    FileError, FormError, RunFolder, VerdictFile, append_to_index, read_index, text_inside,
};

use crate::Failure;

/// Copies a folder with all that is below it, on what is there. Links are left
/// out: they may be a stranger's.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(FileError::io(to))?;
    for entry in fs::read_dir(from).map_err(FileError::io(from))? {
        let entry = entry.map_err(FileError::io(from))?;
        let kind = entry.file_type().map_err(FileError::io(&entry.path()))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&from, &to)?;
        } else if kind.is_file() {
            fs::copy(&from, &to).map_err(FileError::io(&to))?;
        }
    }
    Ok(())
}

/// Takes a run into `results`, and into its index, unless it is there already.
pub(super) fn take_run(from: &Path, results: &Path) -> Result<(), Failure> {
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let id = name.rsplit('-').next().unwrap_or_default().to_owned();
    let path = results.join(&name);
    if read_index(results)?.iter().any(|line| line.run == name) {
        return Ok(());
    }
    copy(from, &path)?;
    let file = path.join(RunFolder::VERDICT);
    let text =
        text_inside(&path, RunFolder::VERDICT).map_err(|error| Failure::reading(&file, &error))?;
    let verdict: VerdictFile =
        serde_json::from_str(&text).map_err(|error| FormError::json(&file, 1, &error))?;
    Ok(append_to_index(results, &RunFolder { path, name, id }, &verdict)?)
}
