//! Files in a folder that may be a stranger's: a run that somebody sent, that a
//! build server kept, that was unpacked from an archive. Nothing in it leads
//! out of it, waits for ever, or fills the memory.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Component, Path},
    sync::LazyLock,
};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// The largest file that is read whole, but for histories: 64 MB.
pub const MOST_BYTES: u64 = 64 << 20;

/// What overrides [`most_memory`].
const VARIABLE: &str = "QUARREL_MAX_MEMORY";

/// About the most memory that a history may take: 4 GiB, or what
/// `QUARREL_MAX_MEMORY` says, in MB.
pub(crate) fn most_memory() -> u64 {
    static MOST: LazyLock<u64> = LazyLock::new(|| {
        let asked = std::env::var(VARIABLE).ok().and_then(|text| text.trim().parse::<u64>().ok());
        asked.unwrap_or(4 << 10).saturating_mul(1 << 20)
    });
    *MOST
}

/// What to say of a history that would take more than [`most_memory`].
pub(crate) fn too_much_memory() -> io::Error {
    refused(format!(
        "it would take more than {} MB of memory; if that is meant, set {VARIABLE} to more MB",
        most_memory() >> 20
    ))
}

/// That a file is not read, and why.
pub(crate) fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// Opens the file `name` of `folder` to read it: only a regular file, and
/// through no link but those that `folder` itself is behind.
///
/// Parts of `name` are opened one after the other, each from the one before, so
/// that what is checked is what is opened.
pub fn open_inside(folder: &Path, name: &str) -> io::Result<File> {
    let name = Path::new(name);
    let mut parts: Vec<_> = name.components().collect();
    let is_below = parts.iter().all(|part| matches!(part, Component::Normal(_)));
    let last = parts.pop().filter(|_| is_below);
    let last = last.ok_or_else(|| refused("its name leads out of the folder"))?;
    let reading = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut at: OwnedFd = openat(CWD, folder, reading | OFlags::DIRECTORY, Mode::empty())?;
    for part in parts {
        let flags = reading | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        at = openat(&at, part.as_os_str(), flags, Mode::empty()).map_err(|why| link(why, name))?;
    }
    // Without blocking: a pipe that nobody writes to must not stop us.
    let flags = reading | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = openat(&at, last.as_os_str(), flags, Mode::empty());
    let file = File::from(opened.map_err(|why| link(why, name))?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("it is no regular file")) }
}

fn link(why: rustix::io::Errno, name: &Path) -> io::Error {
    match why {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => refused(format!(
            "{} is a link, or lies behind one; the files of a run are its own",
            name.display()
        )),
        other => other.into(),
    }
}

/// Opens a file by its path, whose last part must be no link.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| refused("its name is no text"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    open_inside(folder.unwrap_or(Path::new(".")), name)
}

/// The text of the file `name` of `folder`, opened as [`open_inside`] does.
pub fn text_inside(folder: &Path, name: &str) -> io::Result<String> {
    let mut text = String::new();
    AtMost::new(open_inside(folder, name)?, MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether `folder` has a regular file `name`, not behind a link.
pub fn is_inside(folder: &Path, name: &str) -> bool {
    open_inside(folder, name).is_ok()
}

/// A reader that refuses to go on after so many bytes.
pub struct AtMost<R> {
    inner: R,
    left: u64,
    most: u64,
}

impl<R> AtMost<R> {
    /// The first `most` bytes of `inner`.
    pub const fn new(inner: R, most: u64) -> Self {
        Self { inner, left: most, most }
    }
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            refused(format!("it has more than {} MB, the most that is read", self.most >> 20))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use rustix::fs::{FileType, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_of_the_folder_itself_are_opened() {
        let scratch = tempfile::tempdir().unwrap();
        let run = scratch.path().join("run");
        fs::create_dir_all(run.join("logs")).unwrap();
        fs::create_dir(scratch.path().join("home")).unwrap();
        fs::write(scratch.path().join("home/secret"), "SECRET").unwrap();
        fs::write(run.join("logs/cache.log"), "said").unwrap();
        symlink(scratch.path().join("home/secret"), run.join("link")).unwrap();
        symlink(scratch.path().join("home"), run.join("behind")).unwrap();
        symlink("logs", run.join("near")).unwrap();
        mknodat(CWD, run.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let told = |name: &str| text_inside(&run, name).unwrap_err().to_string();
        assert_eq!(text_inside(&run, "logs/cache.log").unwrap(), "said");
        for name in ["link", "behind/secret", "near/cache.log"] {
            assert!(told(name).contains("is a link, or lies behind one"), "{}", told(name));
        }
        for name in ["pipe", "logs"] {
            assert_eq!(told(name), "it is no regular file", "{name}");
        }
        for name in ["../home/secret", "/etc/passwd", "logs/../../home/secret", ""] {
            assert_eq!(told(name), "its name leads out of the folder", "{name}");
        }
        // What the folder itself is behind is its owner's.
        symlink(&run, scratch.path().join("latest")).unwrap();
        assert!(is_inside(&scratch.path().join("latest"), "logs/cache.log"));
    }

    #[test]
    fn what_is_too_large_is_refused_and_named() {
        let mut read = AtMost::new(io::repeat(b'x'), 2 << 20);
        let refused = io::copy(&mut read, &mut io::sink()).unwrap_err().to_string();
        assert_eq!(refused, "it has more than 2 MB, the most that is read");
    }
}
