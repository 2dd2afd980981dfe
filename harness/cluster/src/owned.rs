//! Folders that die with the process that made them.
//!
//! Process ids say little about who owns a folder: two containers that share
//! `/dev/shm` or `/tmp` have ids of their own. What tells is a lock on a file
//! inside, which the kernel frees when its holder is gone, whatever namespace
//! it lived in.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::start_time;

/// The file in an owned folder that its living owner has locked.
const OWNER: &str = ".owner";

/// A folder of this process. It is not removed on drop: what is in it may have
/// to be ended first.
#[derive(Debug)]
pub(super) struct OwnedFolder {
    path: PathBuf,
    /// Its lock says that we live. Children do not inherit it.
    lock: File,
}

impl OwnedFolder {
    /// Makes the folder `quarrel-PID-START-NAME` in `parent` and locks it.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        fs::create_dir(&path)?;
        let made = lock_new(&path);
        if made.is_err() {
            drop(fs::remove_dir_all(&path));
        }
        Ok(Self { lock: made?, path })
    }

    /// Whether it is still the folder that was made, with its lock in it.
    pub(super) fn is_there(&self) -> bool {
        let same = || {
            let there = fs::symlink_metadata(self.path.join(OWNER))?;
            let held = self.lock.metadata()?;
            Ok::<_, io::Error>((there.dev(), there.ino()) == (held.dev(), held.ino()))
        };
        same().unwrap_or(false)
    }
}

fn lock_new(folder: &Path) -> io::Result<File> {
    let mut file = File::create_new(folder.join(OWNER))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // Nothing but the host and the boot is ever read again; the rest is for
    // people.
    writeln!(file, "{}{}process {}", host(), boot(), std::process::id())?;
    Ok(file)
}

/// The path of a folder to own, named so that a person sees whose it is.
pub(super) fn owned_path(parent: &Path, name: &str) -> PathBuf {
    let owner = std::process::id();
    let start = start_time(owner).unwrap_or_default();
    parent.join(format!("quarrel-{owner}-{start}-{name}"))
}

/// Removes the folders in `parent` whose owner is gone: what neither quarrel
/// nor its reaper could remove. A folder without a lock file says nothing
/// about its owner and stays.
pub fn sweep_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_named_so = entry.file_name().to_str().is_some_and(|n| n.starts_with("quarrel-"));
        // A link leads to somebody else's folder.
        if is_named_so && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let folder = entry.path();
            // The lock is held until all is gone, so that nobody else begins.
            if let Some(_lock) = lock_of_the_dead(&folder) {
                drop(fs::remove_dir_all(&folder));
            }
        }
    }
}

/// The lock of a folder whose owner surely is gone.
fn lock_of_the_dead(folder: &Path) -> Option<File> {
    let path = folder.join(OWNER);
    if !fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let text = fs::read_to_string(&path).ok()?;
    // Of another machine, on a shared disk, locks may not tell.
    if !text.contains(&boot()) && !text.contains(&host()) {
        return None;
    }
    let file = File::open(&path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

fn host() -> String {
    line("host", "/proc/sys/kernel/hostname")
}

fn boot() -> String {
    line("boot", "/proc/sys/kernel/random/boot_id")
}

fn line(what: &str, file: &str) -> String {
    format!("{what} {}\n", fs::read_to_string(file).unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_of_the_dead_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| parent.path().join(name);
        let alive = OwnedFolder::create(folder("quarrel-1-1-alive")).unwrap();
        drop(OwnedFolder::create(folder("quarrel-1-1-dead")).unwrap());
        drop(OwnedFolder::create(folder("somebody-elses")).unwrap());
        drop(OwnedFolder::create(folder("quarrel-1-1-elsewhere")).unwrap());
        let elsewhere = folder("quarrel-1-1-elsewhere").join(OWNER);
        fs::write(elsewhere, "host another\nboot another\n").unwrap();
        fs::create_dir(folder("quarrel-1-1-unlocked")).unwrap();
        std::os::unix::fs::symlink(folder("somebody-elses"), folder("quarrel-1-1-link")).unwrap();

        sweep_stale(parent.path());

        let mut left: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "quarrel-1-1-alive",
                "quarrel-1-1-elsewhere",
                "quarrel-1-1-link",
                "quarrel-1-1-unlocked",
                "somebody-elses",
            ]
        );
        assert!(alive.is_there());
        assert!(folder("somebody-elses").join(OWNER).is_file());
    }

    #[test]
    fn a_folder_that_was_removed_or_replaced_is_not_there() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("quarrel-1-1-x");
        let folder = OwnedFolder::create(path.clone()).unwrap();
        assert!(folder.is_there());
        fs::remove_dir_all(&path).unwrap();
        assert!(!folder.is_there());
        let _other = OwnedFolder::create(path).unwrap();
        assert!(!folder.is_there());
    }
}
