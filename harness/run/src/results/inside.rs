//! Files in a folder that may be a stranger's: a run that somebody sent, that a
//! build server kept, that was unpacked from an archive. Nothing in it leads
//! out of it, waits for ever, or fills the memory.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, unlinkat},
    io::Errno,
};

/// The largest file that is read whole, but for histories: 64 MB.
pub const MOST_BYTES: u64 = 64 << 20;

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
    let (parts, last) = parts(name)?;
    let mut at: OwnedFd = openat(CWD, folder, READING | OFlags::DIRECTORY, Mode::empty())?;
    for part in parts {
        at = open_folder(&at, part).map_err(|why| link(why, name))?;
    }
    // Without blocking: a pipe that nobody writes to must not stop us.
    let flags = READING | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = openat(&at, last, flags, Mode::empty());
    let file = File::from(opened.map_err(|why| link(why, name))?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("it is no regular file")) }
}

/// Writes the file `name` of `folder`, under another name first, so that nobody
/// ever sees half of it, and makes the folders that it lies in.
///
/// As in [`open_inside`] each part is opened from the one before, and the file
/// is made in the last of them: there is no moment between a look at a folder
/// and its use in which somebody could put a link to elsewhere in its place.
pub fn write_inside(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let (parts, last) = parts(Path::new(name))?;
    let mut at: OwnedFd = openat(CWD, folder, READING | OFlags::DIRECTORY, Mode::empty())?;
    for part in parts {
        match mkdirat(&at, part, Mode::from(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(why) => return Err(why.into()),
        }
        at = open_folder(&at, part).map_err(|why| match why {
            Errno::LOOP | Errno::NOTDIR => {
                let part = part.display();
                refused(format!("{part}: it is a link, or no folder; nothing is written into it"))
            }
            other => other.into(),
        })?;
    }
    let partial = format!(".{}.{:016x}.partial", last.display(), rand::random::<u64>());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(&at, &partial, flags, Mode::from(0o666))?);
    let done = fill(&mut file).and_then(|()| Ok(renameat(&at, &partial, &at, last)?));
    if done.is_err() {
        // What went wrong is told; this is only tidied up.
        let _ = unlinkat(&at, &partial, AtFlags::empty());
    }
    done
}

const READING: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// The folders of a name, and its last part.
fn parts(name: &Path) -> io::Result<(Vec<&OsStr>, &OsStr)> {
    let outside = || refused("its name leads out of the folder");
    let mut parts = Vec::new();
    for part in name.components() {
        let Component::Normal(part) = part else { return Err(outside()) };
        parts.push(part);
    }
    let last = parts.pop().ok_or_else(outside)?;
    Ok((parts, last))
}

fn open_folder(at: &OwnedFd, part: &OsStr) -> Result<OwnedFd, Errno> {
    openat(at, part, READING | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

fn link(why: Errno, name: &Path) -> io::Error {
    match why {
        Errno::LOOP | Errno::NOTDIR => refused(format!(
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
    use std::{
        fs,
        io::Write as _,
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use rustix::fs::{FileType, RenameFlags, mknodat, renameat_with};

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

    /// Somebody puts a link in a folder's place, and takes it away again, as
    /// fast as they can.
    #[test]
    fn nothing_is_written_elsewhere_by_whoever_is_faster() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let (run, home) = (path("run"), path("home"));
        fs::create_dir_all(run.join("plots")).unwrap();
        fs::create_dir(&home).unwrap();
        symlink(&home, run.join("link")).unwrap();
        let over = AtomicBool::new(false);
        let mut refused = 0;
        thread::scope(|scope| {
            scope.spawn(|| {
                let [plots, link] = ["plots", "link"].map(|name| run.join(name));
                while !over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &plots, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            for _ in 0..5_000 {
                let written = write_inside(&run, "plots/pbs.svg", |file| file.write_all(b"x"));
                refused += u32::from(written.is_err());
            }
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
        // Both happened.
        assert!(refused > 0 && refused < 5_000, "{refused}");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let full = write_inside(scratch.path(), "a/b", |_| Err(io::Error::other("full")));
        assert_eq!(full.unwrap_err().to_string(), "full");
        assert_eq!(fs::read_dir(scratch.path().join("a")).unwrap().count(), 0);
        write_inside(scratch.path(), "a/b", |file| file.write_all(b"x")).unwrap();
        assert_eq!(text_inside(scratch.path(), "a/b").unwrap(), "x");
        for name in ["../b", "/b", ""] {
            assert!(write_inside(scratch.path(), name, |_| Ok(())).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_and_named() {
        let mut read = AtMost::new(io::repeat(b'x'), 2 << 20);
        let refused = io::copy(&mut read, &mut io::sink()).unwrap_err().to_string();
        assert_eq!(refused, "it has more than 2 MB, the most that is read");
    }
}
