use std::{fs::File, io, path::Path};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::FileError;

/// A folder that nobody else writes into, as long as this is held. The
/// system lets go of it when its holder dies.
#[derive(Debug)]
pub(crate) struct Locked {
    _folder: File,
}

impl Locked {
    /// Whether somebody has taken the folder. Where the file system has no
    /// locks nobody knows, and nobody has.
    pub(crate) fn is_held(root: &Path) -> bool {
        let Ok(folder) = File::open(root) else { return false };
        // Shared: several who look do not take each other for an owner.
        matches!(flock(&folder, FlockOperation::NonBlockingLockShared), Err(Errno::WOULDBLOCK))
    }

    /// Waits until the folder is free, and takes it.
    pub(crate) fn wait_for(root: &Path) -> Result<Self, FileError> {
        let take = || {
            let folder = File::open(root)?;
            loop {
                match flock(&folder, FlockOperation::LockExclusive) {
                    Err(Errno::INTR) => {}
                    // A file system without locks has one writer, we hope; what
                    // is written is written at once there, too.
                    Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => break,
                    Err(error) => return Err(io::Error::from(error)),
                }
            }
            Ok(Self { _folder: folder })
        };
        take().map_err(FileError::io(root))
    }
}
