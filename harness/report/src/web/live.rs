use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Path as UrlPath, State},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use quarrel_checkers::Process;
use quarrel_run::results::RunFolder;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{layout::missing, shelf::Shelf};

/// How often a page hears of a run that goes on.
const EVERY: Duration = Duration::from_millis(250);

/// The longest line that is looked at; what is longer is passed over.
const LONGEST: usize = 1 << 20;

/// The most that is unpacked before a page hears how far it is.
const AT_ONCE: u64 = 256 << 20;

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

/// What is acknowledged by now, and what was when each client began to read.
#[derive(Default)]
struct Acknowledged {
    newest: HashMap<u64, u64>,
    owed: HashMap<Process, u64>,
}

impl Acknowledged {
    /// Whether a line ends a read that returned less than it owed.
    fn is_stale(&mut self, line: &Line<'_>) -> bool {
        let (Some(key), Some(f)) = (line.key, line.f.as_deref()) else { return false };
        match (line.kind, f, line.version) {
            ("invoke", "read", _) => {
                let owed = self.newest.get(&key).copied().unwrap_or(0);
                self.owed.insert(line.process, owed);
                false
            }
            ("ok", "read", Some(version)) => {
                self.owed.remove(&line.process).is_some_and(|owed| version < owed)
            }
            ("ok", "write", Some(version)) => {
                let newest = self.newest.entry(key).or_default();
                *newest = version.max(*newest);
                false
            }
            _ => false,
        }
    }
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
    acknowledged: Acknowledged,
    progress: Progress,
}

impl Follower {
    fn new(folder: RunFolder) -> io::Result<Self> {
        let decoder = zstd::stream::Decoder::new(Growing(folder.open(RunFolder::HISTORY)?))?;
        let lines = BufReader::new(decoder);
        Ok(Self {
            folder,
            lines,
            partial: Vec::new(),
            acknowledged: Acknowledged::default(),
            progress: Progress::default(),
        })
    }

    /// Reads what is there by now. Nothing in a journal stops it: a line that
    /// cannot be read is passed over.
    fn catch_up(&mut self) -> Progress {
        let before = (self.progress.time_ms, self.progress.operations);
        let mut left = AT_ONCE;
        loop {
            let mut some = (&mut self.lines).take(LONGEST as u64);
            let had = self.partial.len();
            // Nothing more is there yet, or the line goes on in the next block.
            if !matches!(some.read_until(b'\n', &mut self.partial), Ok(read) if read > 0) {
                break;
            }
            left = left.saturating_sub((self.partial.len() - had) as u64);
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
        let ms = self.progress.time_ms.saturating_sub(before.0);
        let operations = self.progress.operations - before.1;
        self.progress.quiet_ms = quiet(&self.folder.file(RunFolder::HISTORY));
        self.progress.rate = if ms == 0 { 0.0 } else { operations as f64 * 1e3 / ms as f64 };
        self.progress.clone()
    }
}

impl Progress {
    /// What the nemesis did to the faults that are on.
    fn strike(&mut self, line: &Line<'_>) {
        if line.process != Process::Nemesis {
            return;
        }
        match (line.f.as_deref(), line.value.as_str()) {
            (Some("inject"), Some(fault)) => self.faults.push(fault.to_owned()),
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
pub(super) async fn events(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(name): UrlPath<String>,
) -> Response {
    let Some(folder) = shelf.run(&name) else {
        return missing("There is no run of this name.");
    };
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

    /// Whole blocks are read as they come; a line in two blocks is put
    /// together.
    #[test]
    fn a_journal_is_read_while_it_is_written() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join(RunFolder::HISTORY);
        let mut writer = zstd::stream::Encoder::new(File::create(&path).unwrap(), 1).unwrap();
        writer.flush().unwrap();
        let folder = RunFolder {
            path: scratch.path().to_owned(),
            name: "run".to_owned(),
            id: "run".to_owned(),
        };
        let mut follower = Follower::new(folder).unwrap();
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
