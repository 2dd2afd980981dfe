use std::{
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::mpsc::{self, Receiver},
    thread,
};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use super::child::PATIENCE;

/// Tells the names of what is made in the folders of clusters.
pub(super) struct Appears(Receiver<String>);

/// Where clusters have their folders.
pub(super) fn folders() -> [PathBuf; 2] {
    ["/dev/shm".into(), std::env::temp_dir()]
}

impl Appears {
    /// Looks from now on.
    pub(super) fn watch() -> Self {
        let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
        for folder in folders() {
            inotify::add_watch(&watch, &folder, WatchFlags::CREATE).unwrap();
        }
        let (sender, names) = mpsc::channel();
        thread::spawn(move || tell(&watch, |name| sender.send(name).is_ok()));
        Self(names)
    }

    /// Waits for a name that begins so.
    pub(super) fn until(&self, beginning: &str) {
        loop {
            let name = self.0.recv_timeout(PATIENCE);
            let name = name.unwrap_or_else(|_| panic!("no folder {beginning}…"));
            if name.starts_with(beginning) {
                break;
            }
        }
    }
}

fn tell(watch: &OwnedFd, mut goes_on: impl FnMut(String) -> bool) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = Reader::new(watch, &mut buffer);
    loop {
        let event = events.next().unwrap();
        let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| !goes_on(name)) {
            break;
        }
    }
}
