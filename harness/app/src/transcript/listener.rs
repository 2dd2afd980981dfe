use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use quarrel_checkers::{Key, Process, Reply, Site, Step, Time};
use quarrel_faultproxy::{
    Attend, Attention, Error, FaultProxy, Notice,
    attend::{NoticeKind, Peer},
};

use super::{Names, Owner, Place, Scribe, Spans};
use crate::{fleet::name, wire::Connections};
use quarrel_strategy::record::{Clock, GAP, Recorder};

/// Hears what the instances of a storm say to their stores, and records it.
pub(crate) struct Listener {
    over: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A busy machine may keep the listener waiting for seconds; what is left out
/// meanwhile would cost every cause.
fn patiently() -> Attend {
    Attend { capacity: 128 << 20, ..Attend::watching() }
}

/// How long nobody listens when everything has been heard.
const LOOK: Duration = Duration::from_millis(10);
/// How much later a notice must be than the end of an operation that asked no
/// store, before it is said to have asked none.
const HEARD: Duration = Duration::from_millis(200);

/// How long replies are waited for when nobody asks any more: what an instance
/// was about to keep is known by then, or nobody will say.
const LAST: Duration = Duration::from_secs(1);

impl Listener {
    /// Listens to so many instances, one for each client, from now on.
    pub(crate) fn begin(
        proxy: &FaultProxy,
        names: Names,
        spans: Arc<[Spans]>,
        recorder: Arc<Recorder>,
    ) -> Result<Self, Error> {
        let mut proxies = HashMap::new();
        let mut attention: Option<Attention> = None;
        for client in 0..spans.len() as u64 {
            for (store, site) in
                [("primary", Site::Primary), ("replica", Site::Replica), ("cache", Site::Cache)]
            {
                let name = name(client, store);
                match &attention {
                    None => attention = Some(proxy.attend(&name, patiently())?),
                    Some(attention) => drop(attention.add(&name)?),
                }
                proxies.insert(Arc::from(name), (client, site));
            }
        }
        let over = Arc::new(AtomicBool::new(false));
        let ear = Ear {
            proxies,
            spans,
            scribe: Scribe::new(names),
            connections: Connections::default(),
            since: Since::of(proxy, recorder.clock()),
            recorder,
            settled: Time::ZERO,
        };
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            if let Some(attention) = attention {
                ear.listen(&attention, &ended);
            }
        });
        Ok(Self { over, thread: Mutex::new(Some(thread)) })
    }

    /// Returns when all that was said is recorded, and what is under way has come
    /// to an end if that is soon. Blocks.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

/// From the fault proxy's clock to the run's.
#[derive(Clone, Copy)]
enum Since {
    /// The run began so much later.
    Earlier(u64),
    /// The run began so much earlier.
    Later(u64),
}

impl Since {
    fn of(proxy: &FaultProxy, clock: &Clock) -> Self {
        let Clock::Monotonic(origin) = clock else { return Self::Earlier(0) };
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let epoch = proxy.epoch();
        if epoch <= *origin {
            Self::Earlier(nanos(origin.duration_since(epoch)))
        } else {
            Self::Later(nanos(epoch.duration_since(*origin)))
        }
    }

    const fn time(self, at_ns: u64) -> Time {
        match self {
            Self::Earlier(by) => Time(at_ns.saturating_sub(by)),
            Self::Later(by) => Time(at_ns.saturating_add(by)),
        }
    }
}

struct Ear {
    proxies: HashMap<Arc<str>, (u64, Site)>,
    spans: Arc<[Spans]>,
    scribe: Scribe,
    connections: Connections,
    since: Since,
    recorder: Arc<Recorder>,
    settled: Time,
}

impl Ear {
    fn listen(mut self, attention: &Attention, over: &AtomicBool) {
        let mut was_over: Option<Time> = None;
        loop {
            let is_over = over.load(Ordering::Acquire);
            let now = self.recorder.now();
            let is_late = is_over && now.since(*was_over.get_or_insert(now)) > LAST;
            let notice = attention.try_next();
            // Notices come in the order of their times: what was said before this
            // one has been heard, however long it waited to be.
            let heard = match notice {
                Some(notice) => {
                    let at = self.since.time(notice.at_ns);
                    self.hear(notice);
                    at
                }
                None if is_over && (is_late || self.scribe.is_idle()) => break,
                None => {
                    // Nobody is in a hurry to have it written down: many at a time
                    // cost those who talk less than one by one, for each of which
                    // somebody is woken.
                    std::thread::park_timeout(LOOK);
                    now
                }
            };
            if heard.since(self.settled) > HEARD {
                self.settle(self.settled);
                self.settled = heard;
            }
        }
        let rest = self.scribe.rest();
        self.record(rest);
        self.settle(Time::MAX);
    }

    /// What was over so long ago that all its messages have been heard.
    fn settle(&self, before: Time) {
        for spans in self.spans.iter() {
            self.record(spans.settle(before));
        }
    }

    fn hear(&mut self, notice: Notice) {
        let Some(&(client, site)) = self.proxies.get(&notice.proxy) else {
            if matches!(notice.what, NoticeKind::Missed { .. }) {
                self.gap();
            }
            return;
        };
        let at = self.since.time(notice.at_ns);
        let place: Place = (Arc::clone(&notice.proxy), notice.connection);
        match notice.what {
            NoticeKind::Request(request) => {
                let message = self.connections.message(
                    &notice.proxy,
                    notice.connection,
                    site,
                    &request,
                    None,
                );
                let keys = self.scribe.keys(&request, &message);
                let owner = self.owner(client, &keys, at);
                self.scribe.asks(&place, &request, &message, at, owner);
            }
            NoticeKind::Reply(reply) => {
                let steps = self.scribe.answers(&place, &reply, at);
                self.record(steps);
            }
            NoticeKind::Opened { .. } => {
                let owner = self.owner(client, &[], at);
                self.scribe.opens(&place, site, at, owner);
            }
            NoticeKind::Closed { .. } | NoticeKind::Gone { side: Peer::Client, .. } => {
                if matches!(notice.what, NoticeKind::Closed { .. }) {
                    self.connections.closed(&notice.proxy, notice.connection);
                }
                let steps = self.scribe.ends(&place, at);
                self.record(steps);
            }
            NoticeKind::FramingLost { .. } | NoticeKind::Missed { .. } => self.gap(),
            _ => {}
        }
    }

    fn owner(&self, client: u64, keys: &[Key], at: Time) -> Owner {
        self.spans[usize::try_from(client).unwrap_or_default()].owner(client, keys, at)
    }

    fn record(&self, steps: Vec<Step>) {
        for step in steps {
            self.recorder.step(step);
        }
    }
    fn gap(&self) {
        gap(&self.recorder);
    }
}

/// Something was said that nobody heard, or nobody can tell whose it was: what
/// is missing from the steps is no evidence from here on.
pub(crate) fn gap(recorder: &Recorder) {
    let now = recorder.now();
    recorder.step(Step {
        operation: None,
        process: Process::Nemesis,
        start: now,
        end: Some(now),
        site: Site::Client,
        verb: GAP.into(),
        object: None,
        argument: None,
        reply: Reply::Done { version: None },
        lsn: None,
    });
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        path::Path,
        sync::mpsc::{self, Receiver},
    };

    use quarrel_faultproxy::{Config, MessageLog, NewProxy, Protocol, Seed};

    use super::*;
    use crate::{file::AppFile, rows::number};

    const APP: &str = "[app]\ncommand = \"serve\"\nprotocol = \"stdio\"\n\
         [rows]\ninsert = \"INSERT INTO items VALUES ({key}, {value})\"\n\
         select = \"SELECT name FROM items WHERE id = {key}\"\n[cache]\nentry = \"item:{key}\"\n";

    /// A cache that says that it was asked, and answers a while later.
    fn slow_cache() -> (String, Receiver<()>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let (asked, is_asked) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            assert!(client.read(&mut [0; 64]).unwrap() > 0);
            asked.send(()).unwrap();
            std::thread::park_timeout(Duration::from_millis(100));
            client.write_all(b"+OK\r\n").unwrap();
            // It stays until its client goes.
            drop(client.read(&mut [0; 64]));
        });
        (address, is_asked)
    }

    #[test]
    fn what_is_under_way_in_the_end_is_heard_to_its_end() {
        let (cache, is_asked) = slow_cache();
        let proxy = FaultProxy::start(&Config::embedded(Seed(7))).unwrap();
        let mut listens = String::new();
        for store in ["primary", "replica", "cache"] {
            let new = NewProxy::new(name(0, store), "127.0.0.1:0", cache.clone());
            listens = proxy.create_proxy(new).unwrap().listen;
            let protocol = if store == "cache" { Protocol::Redis } else { Protocol::Postgres };
            proxy.set_protocol(&name(0, store), Some(protocol), MessageLog::Off).unwrap();
        }
        let file = AppFile::parse(Path::new("app.toml"), APP).unwrap();
        let recorder = Arc::new(Recorder::new(Clock::start()));
        let spans: Arc<[Spans]> = [Spans::default()].into();
        let names = Names::new(&file, Arc::default());
        let listener = Listener::begin(&proxy, names, spans, Arc::clone(&recorder)).unwrap();

        let mut client = TcpStream::connect(&listens).unwrap();
        let entry = format!("item:{}", number(&file.rows, Key(7)));
        let set = format!("*3\r\n$3\r\nSET\r\n${}\r\n{entry}\r\n$3\r\nold\r\n", entry.len());
        client.write_all(set.as_bytes()).unwrap();
        is_asked.recv().unwrap();
        listener.end();

        let steps = recorder.history().steps;
        let set = steps.iter().find(|step| step.verb == "SET").expect("it was heard");
        assert_eq!(set.reply, Reply::Done { version: None }, "{set:?}");
    }
}
