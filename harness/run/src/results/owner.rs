//! Whose a file is that nobody named: one that was looked for in the folders
//! above.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::geteuid;

/// Whether a file that was found in a folder above can be followed: it, and the
/// link that it may be, belong to who runs this, or to root. In a folder that
/// everybody may write to, such as `/tmp`, anybody can leave a file for others
/// to find.
///
/// # Errors
///
/// When nobody can tell whose it is.
pub fn is_ours(path: &Path) -> io::Result<bool> {
    let user = geteuid().as_raw();
    let owners = [fs::symlink_metadata(path)?.uid(), fs::metadata(path)?.uid()];
    Ok(owners.into_iter().all(|owner| is_trusted(owner, user)))
}

const fn is_trusted(owner: u32, user: u32) -> bool {
    const ROOT: u32 = 0;
    owner == user || owner == ROOT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ones_own_files_and_those_of_root_are_followed() {
        assert!(is_trusted(1_000, 1_000) && is_trusted(0, 1_000) && is_trusted(0, 0));
        assert!(!is_trusted(1_001, 1_000) && !is_trusted(1_000, 0));
        let scratch = tempfile::tempdir().unwrap();
        assert!(is_ours(scratch.path()).unwrap());
        assert!(is_ours(&scratch.path().join("none")).is_err());
    }
}
