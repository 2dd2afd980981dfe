use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    fs::File,
    hash::Hash,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
    time::Duration,
};

use axum::response::{
    IntoResponse as _, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures::stream;
use quarrel_checkers::Process;
use quarrel_run::{
    faults::Fault,
    results::{RunFolder, most_unpacked},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{chosen::Chosen, layout::missing};

/// How often a page hears of a run that goes on.
const EVERY: Duration = Duration::from_millis(250);

/// The longest line that is looked at; what is longer is passed over.
const LONGEST: usize = 1 << 20;

/// The most that is unpacked before a page hears how far it is.
const AT_ONCE: u64 = 256 << 20;

/// The most faults that are told to be on.
const FAULTS: usize = 64;

/// The window that a journal's compression may ask for: 8 MB, far more than
/// ours do.
const WINDOW_LOG: u32 = 23;

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Progress {
    /// Operations that ended.
    operations: u64,
    /// Those of them that failed, or nobody knows.
    failed: u64,
    /// Reads that returned less than what had been acknowledged when they
    /// began, by the primary's numbers. The judge knows better: after a failover
    /// numbers are given a second time.
    stale: u64,
    /// Faults that were asked for and are not healed yet.
    faults: Vec<String>,
    /// The run's own time, in milliseconds.
    time_ms: u64,
    /// Operations a second since the last message.
    rate: f64,
    /// How long nothing was written, in milliseconds of the wall clock.
    quiet_ms: u64,
    /// Why there is more than is counted here.
    more: Option<&'static str>,
}

/// What is of interest in a line of the journal.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
    time: u64,
    process: Process,
    #[serde(default, borrow)]
    f: Option<Cow<'a, str>>,
    #[serde(default)]
    key: Option<u64>,
    #[serde(default)]
    value: Json,
    #[serde(default)]
    version: Option<u64>,
}

/// The most that is remembered of a journal, which may be a stranger's.
struct Room {
    keys: usize,
    /// Reads that have not ended.
    reads: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { keys: 1_000_000, reads: 100_000 }
    }
}

/// What is acknowledged by now, and what was when each client began to read.
#[derive(Default)]
struct Acknowledged {
    newest: HashMap<u64, u64>,
    owed: HashMap<Process, u64>,
    room: Room,
    /// Whether something was not remembered, for want of room.
    is_full: bool,
}

impl Acknowledged {
    /// Whether a line ends a read that returned less than it owed.
    fn is_stale(&mut self, line: &Line<'_>) -> bool {
        let (Some(key), Some(f)) = (line.key, line.f.as_deref()) else { return false };
        match (line.kind, f, line.version) {
            ("invoke", "read", _) => {
                // A key that nobody wrote owes nothing.
                if let Some(owed) = self.newest.get(&key) {
                    self.is_full |= !remember(&mut self.owed, self.room.reads, line.process, *owed);
                }
                false
            }
            ("ok" | "fail" | "info", "read", version) => {
                let owed = self.owed.remove(&line.process);
                line.kind == "ok" && owed.zip(version).is_some_and(|(owed, read)| read < owed)
            }
            ("ok", "write", Some(version)) => {
                let newest = self.newest.get(&key).map_or(version, |newest| version.max(*newest));
                self.is_full |= !remember(&mut self.newest, self.room.keys, key, newest);
                false
            }
            _ => false,
        }
    }
}

/// Keeps what is known of `key`, or says that there is no room for another.
fn remember<K: Hash + Eq>(of: &mut HashMap<K, u64>, most: usize, key: K, value: u64) -> bool {
    let has_room = of.len() < most || of.contains_key(&key);
    if has_room {
        of.insert(key, value);
    }
    has_room
}

/// A file that grows: its end is not the end, only nothing yet.
struct Growing(File);

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

/// Reads a journal while it is written.
struct Follower {
    folder: RunFolder,
    lines: BufReader<zstd::stream::Decoder<'static, BufReader<Growing>>>,
    partial: Vec<u8>,
    /// Bytes that were unpacked.
    unpacked: u64,
    acknowledged: Acknowledged,
    progress: Progress,
}

impl Follower {
    fn new(folder: RunFolder) -> io::Result<Self> {
        let journal = Growing(folder.open(RunFolder::HISTORY)?);
        let mut decoder = zstd::stream::Decoder::new(journal)?;
        decoder.window_log_max(WINDOW_LOG)?;
        let lines = BufReader::new(decoder);
        Ok(Self {
            folder,
            lines,
            partial: Vec::new(),
            unpacked: 0,
            acknowledged: Acknowledged::default(),
            progress: Progress::default(),
        })
    }

    /// Reads what is there by now. Nothing in a journal stops it: a line that
    /// cannot be read is passed over.
    fn catch_up(&mut self) -> Progress {
        let before = (self.progress.time_ms, self.progress.operations);
        let most = self.most_unpacked();
        let mut left = AT_ONCE;
        while self.unpacked < most {
            let mut some = (&mut self.lines).take(LONGEST as u64);
            let had = self.partial.len();
            // Nothing more is there yet, or the line goes on in the next block.
            if !matches!(some.read_until(b'\n', &mut self.partial), Ok(read) if read > 0) {
                break;
            }
            let read = (self.partial.len() - had) as u64;
            self.unpacked += read;
            left = left.saturating_sub(read);
            if !self.partial.ends_with(b"\n") {
                if self.partial.len() < LONGEST {
                    continue;
                }
                self.partial.clear();
            }
            if let Ok(line) = serde_json::from_slice::<Line<'_>>(&self.partial) {
                self.progress.time_ms = self.progress.time_ms.max(line.time / 1_000_000);
                // What the nemesis does is no operation.
                let ended =
                    line.process != Process::Nemesis && matches!(line.kind, "ok" | "fail" | "info");
                self.progress.operations += u64::from(ended);
                self.progress.failed += u64::from(ended && line.kind != "ok");
                self.progress.stale += u64::from(self.acknowledged.is_stale(&line));
                self.progress.strike(&line);
            }
            self.partial.clear();
            if left == 0 {
                break;
            }
        }
        self.progress.more = match (self.unpacked < most, self.acknowledged.is_full) {
            (false, _) => {
                Some("the journal unpacks to far more than journals do; it is not followed")
            }
            (true, true) => {
                Some("there are more keys or clients than are followed; more reads may be stale")
            }
            (true, false) => None,
        };
        let ms = self.progress.time_ms.saturating_sub(before.0);
        let operations = self.progress.operations - before.1;
        self.progress.quiet_ms = quiet(&self.folder.file(RunFolder::HISTORY));
        self.progress.rate = if ms == 0 { 0.0 } else { operations as f64 * 1e3 / ms as f64 };
        self.progress.clone()
    }

    /// What a journal of this size unpacks to at most.
    fn most_unpacked(&self) -> u64 {
        let journal = std::fs::metadata(self.folder.file(RunFolder::HISTORY));
        most_unpacked(journal.map_or(0, |journal| journal.len()))
    }
}

impl Progress {
    /// What the nemesis did to the faults that are on.
    fn strike(&mut self, line: &Line<'_>) {
        if line.process != Process::Nemesis {
            return;
        }
        match (line.f.as_deref(), line.value.as_str()) {
            (Some("inject"), Some(fault))
                if self.faults.len() < FAULTS && Fault::parse(fault).is_ok() =>
            {
                self.faults.push(fault.to_owned());
            }
            (Some("heal"), Some(fault)) => self.faults.retain(|on| on != fault),
            _ => {}
        }
    }
}

fn quiet(journal: &Path) -> u64 {
    let changed = std::fs::metadata(journal).and_then(|meta| meta.modified()).ok();
    let since = changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How far a run is, again and again until it is complete.
pub(super) async fn events(Chosen { folder, .. }: Chosen) -> Response {
    let Ok(follower) = Follower::new(folder) else {
        return missing("This run has no journal.");
    };
    let messages = stream::unfold(Some(follower), async |follower| {
        let mut follower = follower?;
        tokio::time::sleep(EVERY).await;
        let read = tokio::task::spawn_blocking(move || {
            let is_complete = follower.folder.is_complete();
            let progress = follower.catch_up();
            (follower, progress, is_complete)
        });
        let (follower, progress, is_complete) = read.await.ok()?;
        if is_complete {
            return Some((Ok::<_, Infallible>(Event::default().event("done").data("{}")), None));
        }
        let data = serde_json::to_string(&progress).ok()?;
        Some((Ok(Event::default().event("progress").data(data)), Some(follower)))
    });
    Sse::new(messages).keep_alive(KeepAlive::default()).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A journal, and who follows it.
    fn followed(folder: &Path) -> (zstd::stream::Encoder<'static, File>, Follower) {
        let journal = File::create(folder.join(RunFolder::HISTORY)).unwrap();
        let mut writer = zstd::stream::Encoder::new(journal, 1).unwrap();
        writer.flush().unwrap();
        let name = || "run".to_owned();
        let follower =
            Follower::new(RunFolder { path: folder.to_owned(), name: name(), id: name() });
        (writer, follower.unwrap())
    }

    /// Whoever wrote it may want to fill the memory of whoever looks.
    #[test]
    fn what_is_remembered_of_a_strangers_journal_is_bounded() {
        let scratch = tempfile::tempdir().unwrap();
        let (mut writer, mut follower) = followed(scratch.path());
        let line = |process: &str, kind: &str, f: &str, rest: &str| {
            let of = format!("\"type\":\"{kind}\",\"process\":{process},\"f\":\"{f}\"");
            format!("{{{of},\"time\":1,{rest}}}\n")
        };
        let mut lines = String::new();
        for at in 0..200 {
            let invented = format!("\"value\":\"invented-{at}\"");
            lines += &line("\"nemesis\"", "info", "inject", &invented);
            lines += &line("\"nemesis\"", "info", "inject", "\"value\":\"redis-cut\"");
            // Each client begins to read, and its process is never heard of
            // again, or only that nobody knows what it got.
            let ended = if at % 2 == 0 { "info" } else { "invoke" };
            for kind in ["invoke", ended] {
                lines += &line(&at.to_string(), kind, "read", "\"key\":7,\"value\":null");
            }
        }
        let written = line("1", "ok", "write", "\"key\":7,\"value\":5,\"version\":2");
        writer.write_all((written + &lines).as_bytes()).unwrap();
        writer.flush().unwrap();
        let progress = follower.catch_up();
        assert_eq!(progress.faults, vec!["redis-cut"; FAULTS]);
        assert_eq!((follower.acknowledged.owed.len(), progress.more), (100, None));
        follower.acknowledged.room = Room { keys: 3, reads: 110 };
        for key in 0..100 {
            let write = format!("\"key\":{key},\"value\":5,\"version\":2");
            writer.write_all(line("1", "ok", "write", &write).as_bytes()).unwrap();
            let read = line(&(1_000 + key).to_string(), "invoke", "read", "\"key\":7");
            writer.write_all(read.as_bytes()).unwrap();
        }
        writer.flush().unwrap();
        let progress = follower.catch_up();
        let known = &follower.acknowledged;
        assert_eq!((known.newest.len(), known.owed.len()), (3, 110));
        assert!(progress.more.is_some_and(|more| more.contains("more keys")), "{progress:?}");
    }

    #[test]
    fn a_journal_that_unpacks_to_thousands_of_its_size_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (mut writer, mut follower) = followed(scratch.path());
        io::copy(&mut io::repeat(b' ').take(66 << 20), &mut writer).unwrap();
        let end = b"{\"type\":\"ok\",\"process\":1,\"time\":5000000}\n";
        writer.write_all(end).unwrap();
        writer.flush().unwrap();
        let progress = follower.catch_up();
        assert_eq!((progress.operations, follower.unpacked), (0, 64 << 20));
        assert!(progress.more.is_some_and(|more| more.contains("not followed")), "{progress:?}");
    }

    /// Whole blocks are read as they come; a line in two blocks is put
    /// together.
    #[test]
    fn a_journal_is_read_while_it_is_written() {
        let scratch = tempfile::tempdir().unwrap();
        let (mut writer, mut follower) = followed(scratch.path());
        assert_eq!(follower.catch_up().operations, 0);
        writer
            .write_all(b"{\"type\":\"ok\",\"process\":1,\"time\":5000000}\n{\"type\":\"inf")
            .unwrap();
        writer.flush().unwrap();
        assert_eq!((follower.catch_up().operations, follower.progress.time_ms), (1, 5));
        writer.write_all(b"o\",\"process\":2,\"time\":9000000}\n").unwrap();
        writer.flush().unwrap();
        let progress = follower.catch_up();
        assert_eq!((progress.operations, progress.failed, progress.time_ms), (2, 1, 9));
        assert!((progress.rate - 250.0).abs() < 1e-9);
        assert_eq!((progress.stale, progress.faults), (0, Vec::<String>::new()));
        // A write is acknowledged, a read that began before may miss it, one
        // that began after may not.
        let line = |process: &str, kind: &str, f: &str, rest: &str| {
            format!(
                "{{\"type\":\"{kind}\",\"process\":{process},\"time\":9000000,\"f\":\"{f}\",{rest}}}\n"
            )
        };
        let lines = [
            line("\"nemesis\"", "info", "inject", "\"value\":\"replica-lag=200ms\""),
            line("1", "invoke", "read", "\"key\":7,\"value\":null"),
            line("2", "ok", "write", "\"key\":7,\"value\":5,\"version\":2"),
            line("1", "ok", "read", "\"key\":7,\"value\":4,\"version\":1"),
            line("1", "invoke", "read", "\"key\":7,\"value\":null"),
            line("1", "ok", "read", "\"key\":7,\"value\":4,\"version\":1"),
        ];
        writer.write_all(lines.concat().as_bytes()).unwrap();
        writer.flush().unwrap();
        let progress = follower.catch_up();
        assert_eq!((progress.stale, progress.faults), (1, vec!["replica-lag=200ms".to_owned()]));
        let healed = line("\"nemesis\"", "info", "heal", "\"value\":\"replica-lag=200ms\"");
        writer.write_all(healed.as_bytes()).unwrap();
        writer.flush().unwrap();
        assert!(follower.catch_up().faults.is_empty());
    }
}
