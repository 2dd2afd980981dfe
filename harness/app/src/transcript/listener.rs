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

    /// Returns when all that was said is recorded. Blocks.
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
        loop {
            let is_over = over.load(Ordering::Acquire);
            let notice = attention.try_next();
            // Notices come in the order of their times: what was said before this
            // one has been heard, however long it waited to be.
            let heard = match notice {
                Some(notice) => {
                    let at = self.since.time(notice.at_ns);
                    self.hear(notice);
                    at
                }
                None if is_over => break,
                None => {
                    let now = self.recorder.now();
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
