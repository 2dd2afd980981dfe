//! One connection: a client, a server and a task for each direction.

use super::hold::Hold;
use super::plan::Close;
use super::pump::{Ended, Pump};
use crate::address::{ClientAddress, Upstream};
use crate::core::Core;
use crate::event::ProxyEventKind;
use crate::link::{Link, MessageLog, lock};
use crate::listen::Place;
use crate::message::{Framing, Protocol, Session};
use crate::seed::Key;
use crate::socket::{Plain, ReadHalf, Socket, WriteHalf};
use crate::tls::{TlsSetup, secure};
use crate::toxic::Stream;
use serde::Serialize;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Instant;

/// What control calls and the two tasks of a connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Counted from 1 in the order in which the listener accepted them.
    pub(crate) ordinal: u64,
    pub(crate) key: Key,
    pub(crate) client: ClientAddress,
    pub(crate) upstream: Arc<str>,
    /// Bytes, by direction.
    pub(crate) traffic: [Traffic; 2],
    /// Grows whenever the tasks must look at the settings again.
    generation: AtomicU64,
    close: AtomicU8,
    pub(crate) protocol: Option<Protocol>,
    tls: Option<Arc<TlsSetup>>,
    /// Present exactly if there is a protocol.
    pub(crate) session: Option<Mutex<Session>>,
    /// Whether its messages cannot be told apart any more: what one direction
    /// finds out, the other must hear, or it waits for the end of a message.
    has_lost_framing: AtomicBool,
    logs: MessageLog,
    holds: [Mutex<Hold>; 2],
    /// Whether any direction was ever held: spares the others the locks.
    ever_held: AtomicBool,
    held_bytes: [AtomicU64; 2],
    wakers: [Mutex<Option<Waker>>; 2],
    /// What the proxy itself answers to the client.
    answers: Mutex<Vec<u8>>,
    has_answer: AtomicBool,
    was_answered: AtomicBool,
}

/// An open connection, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConnectionView {
    /// Counted from 1 in the order in which the proxy accepted them.
    pub connection: u64,
    /// The client's address.
    pub client: String,
    /// The server's address, as the proxy was told it.
    pub upstream: String,
    /// Bytes from client to server.
    pub upstream_bytes: Bytes,
    /// Bytes from server to client.
    pub downstream_bytes: Bytes,
    /// How far its messages can be followed.
    #[serde(flatten)]
    pub framing: Framing,
}

/// Bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Read from the sender.
    pub received: u64,
    /// Written to the receiver.
    pub sent: u64,
    /// Held, by a hold or a rule. What is in none of the three is delayed by
    /// a toxic, or was dropped.
    pub held: u64,
}

/// Bytes through one direction of one connection.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

const CLOSE_FIN: u8 = 1;
const CLOSE_RST: u8 = 2;

impl Connection {
    pub(crate) fn new(
        ordinal: u64,
        key: Key,
        (client, upstream): (ClientAddress, Arc<str>),
        (protocol, logs): (Option<Protocol>, MessageLog),
        tls: Option<Arc<TlsSetup>>,
        holds: [Hold; 2],
    ) -> Self {
        Self {
            tls,
            ordinal,
            key,
            client,
            upstream,
            protocol,
            session: protocol.map(|_| Mutex::new(Session::new())),
            has_lost_framing: AtomicBool::new(false),
            logs,
            ever_held: AtomicBool::new(holds != [Hold::Open; 2]),
            holds: holds.map(Mutex::new),
            held_bytes: Default::default(),
            traffic: Default::default(),
            generation: AtomicU64::new(0),
            close: AtomicU8::new(0),
            wakers: Default::default(),
            answers: Mutex::default(),
            has_answer: AtomicBool::new(false),
            was_answered: AtomicBool::new(false),
        }
    }

    pub(crate) fn view(&self) -> ConnectionView {
        let bytes = |stream: Stream| {
            let traffic = &self.traffic[stream.index()];
            Bytes {
                received: traffic.received.load(Ordering::Relaxed),
                sent: traffic.sent.load(Ordering::Relaxed),
                held: self.held_bytes[stream.index()].load(Ordering::Relaxed),
            }
        };
        ConnectionView {
            connection: self.ordinal,
            client: self.client.to_string(),
            upstream: self.upstream.to_string(),
            upstream_bytes: bytes(Stream::Upstream),
            downstream_bytes: bytes(Stream::Downstream),
            framing: self.framing(),
        }
    }

    pub(crate) fn framing(&self) -> Framing {
        let session = self.session.as_ref();
        session.map_or(Framing::None, |session| lock(session).framing().clone())
    }

    pub(crate) fn has_lost_framing(&self) -> bool {
        self.has_lost_framing.load(Ordering::Acquire)
    }

    /// Tells both directions that nothing is followed any more.
    pub(crate) fn lose_framing(&self) {
        if !self.has_lost_framing.swap(true, Ordering::AcqRel) {
            self.nudge();
        }
    }

    pub(crate) fn logs_messages(&self) -> bool {
        self.logs == MessageLog::On
    }

    pub(crate) fn hold(&self, stream: Stream) -> Hold {
        if self.ever_held.load(Ordering::Acquire) {
            *lock(&self.holds[stream.index()])
        } else {
            Hold::Open
        }
    }

    /// Looks at a hold and changes it, as one step.
    pub(crate) fn change_hold<T>(&self, stream: Stream, change: impl FnOnce(&mut Hold) -> T) -> T {
        if !self.ever_held.load(Ordering::Acquire) {
            return change(&mut Hold::default());
        }
        change(&mut lock(&self.holds[stream.index()]))
    }

    /// Sets a hold on a direction, for the bytes that have not passed yet.
    pub(crate) fn set_hold(&self, stream: Stream, hold: Hold) {
        self.ever_held.store(true, Ordering::Release);
        *lock(&self.holds[stream.index()]) = hold;
        self.nudge();
    }

    pub(crate) fn note_held(&self, stream: Stream, bytes: u64) {
        self.held_bytes[stream.index()].store(bytes, Ordering::Relaxed);
    }

    /// Makes both tasks look at the settings.
    pub(crate) fn nudge(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        for slot in &self.wakers {
            let waker = lock(slot).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Has a task look again at what waits in its direction.
    pub(crate) fn wake(&self, stream: Stream) {
        let waker = lock(&self.wakers[stream.index()]).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Answers the client in the server's place.
    pub(crate) fn answer(&self, bytes: &[u8]) {
        lock(&self.answers).extend_from_slice(bytes);
        self.has_answer.store(true, Ordering::Release);
        self.was_answered.store(true, Ordering::Relaxed);
        self.wake(Stream::Downstream);
    }

    /// The proxy itself has answered something, which is a request for
    /// encryption.
    pub(crate) fn was_answered(&self) -> bool {
        self.was_answered.load(Ordering::Relaxed)
    }

    /// Something of that is still to go to the client.
    pub(crate) fn owes_answer(&self) -> bool {
        self.has_answer.load(Ordering::Acquire)
    }

    pub(crate) fn take_answer(&self) -> Option<bytes::Bytes> {
        if !self.has_answer.swap(false, Ordering::AcqRel) {
            return None;
        }
        Some(std::mem::take(&mut *lock(&self.answers)).into())
    }

    /// Ends the connection; the first call decides how.
    pub(crate) fn close(&self, how: Close) {
        let code = match how {
            Close::Fin => CLOSE_FIN,
            Close::Rst => CLOSE_RST,
        };
        let _ = self.close.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
        self.nudge();
    }

    pub(crate) fn closing(&self) -> Option<Close> {
        match self.close.load(Ordering::Acquire) {
            0 => None,
            CLOSE_FIN => Some(Close::Fin),
            _ => Some(Close::Rst),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Has `waker` woken by the next [`Connection::nudge`]. Call this before
    /// looking at what the nudge tells of, or one may be missed.
    pub(crate) fn listen(&self, stream: Stream, waker: &Waker) {
        let mut slot = lock(&self.wakers[stream.index()]);
        match &mut *slot {
            Some(old) if old.will_wake(waker) => {}
            slot => *slot = Some(waker.clone()),
        }
    }

    /// Completes when the connection is to be closed.
    async fn closed(&self) {
        self.until(Stream::Downstream, || self.closing().is_some()).await;
    }

    /// Completes when the settings are others than those of `generation`.
    async fn changed(&self, generation: u64) {
        self.until(Stream::Upstream, || self.generation() != generation).await;
    }

    /// Completes when a nudge has made this true. The slot must be free: there
    /// is one for each direction, which its pump takes later.
    async fn until(&self, slot: Stream, is_so: impl Fn() -> bool) {
        std::future::poll_fn(|cx| {
            self.listen(slot, cx.waker());
            if is_so() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Serves an accepted connection until both of its directions have ended.
pub(crate) async fn serve(
    core: Arc<Core>,
    link: Arc<Link>,
    connection: Arc<Connection>,
    client: io::Result<Plain>,
    kept: Place,
) {
    let (how, mut sockets) = match client {
        Ok(client) => forward(&core, &link, &connection, client, kept).await,
        Err(_) => ("not taken up", vec![]),
    };
    // Whoever sees the connection closed finds it gone from every list.
    link.forget(&connection, how);
    core.events.record(&link.name, Some(connection.ordinal), ProxyEventKind::Closed { how });
    for socket in &mut sockets {
        socket.prepare_close(connection.closing());
    }
}

async fn forward(
    core: &Arc<Core>,
    link: &Arc<Link>,
    connection: &Arc<Connection>,
    client: Plain,
    kept: Place,
) -> (&'static str, Vec<Socket>) {
    client.set_nodelay();
    let record = |happening| core.events.record(&link.name, Some(connection.ordinal), happening);
    let dialled = tokio::select! {
        biased;
        () = connection.closed() => None,
        dialled = dial(link, connection, kept) => Some(dialled),
    };
    let (server, upstream) = match dialled {
        None => return ("closed while dialling", vec![Socket::Plain(client)]),
        Some(Ok(dialled)) => dialled,
        Some(Err(reason)) => {
            record(ProxyEventKind::DialFailed { reason });
            return ("upstream unreachable", vec![Socket::Plain(client)]);
        }
    };
    server.set_nodelay();
    record(ProxyEventKind::Dialled);
    let (client, server) = match &connection.tls {
        None => (Socket::Plain(client), Socket::Plain(server)),
        Some(setup) => {
            let secured = tokio::select! {
                biased;
                () = connection.closed() => return ("closed in a handshake", vec![]),
                secured = secure(setup, (client, server), &upstream, connection.protocol) => secured,
            };
            match secured {
                Ok(sockets) => sockets,
                Err(failed) => {
                    record(ProxyEventKind::TlsFailed { side: failed.side, reason: failed.reason });
                    return ("no TLS", vec![]);
                }
            }
        }
    };
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let up = Pump::new(core, link, connection, Stream::Upstream, (client_read, server_write));
    let down = Pump::new(core, link, connection, Stream::Downstream, (server_read, client_write));
    let up = tokio::spawn(run(up, Arc::clone(connection)));
    let down = run(down, Arc::clone(connection)).await;
    // The task of the other direction only fails to return its halves when
    // the runtime is shutting down, which closes everything anyway.
    let Ok(up) = up.await else {
        return ("shut down", vec![]);
    };
    finish(connection, up, down)
}

/// Connects to the server, once the toxics that slow that down let it.
async fn dial(
    link: &Link,
    connection: &Connection,
    kept: Place,
) -> Result<(Plain, Upstream), String> {
    let upstream = Upstream::parse(&connection.upstream)?;
    let accepted = Instant::now();
    loop {
        let generation = connection.generation();
        let due = accepted + link.opening_delay(connection.key);
        if due <= Instant::now() {
            break;
        }
        tokio::select! {
            biased;
            () = connection.changed(generation) => {}
            () = tokio::time::sleep_until(due.into()) => {}
        }
    }
    // Its place is free from here on for the socket to the server.
    drop(kept);
    let dialled = Plain::connect(&upstream).await;
    dialled.map(|server| (server, upstream)).map_err(|error| error.to_string())
}

type Halves = (ReadHalf, WriteHalf);

/// Runs one direction; a direction that must close the connection tells the
/// other one.
async fn run(mut pump: Pump, connection: Arc<Connection>) -> (Ended, Halves) {
    let ended = std::future::poll_fn(|cx| pump.poll(cx)).await;
    if let Ended::Closing(how) = ended {
        connection.close(how);
    }
    (ended, pump.into_halves())
}

fn finish(
    connection: &Connection,
    (up, (client_read, server_write)): (Ended, Halves),
    (down, (server_read, client_write)): (Ended, Halves),
) -> (&'static str, Vec<Socket>) {
    let client = Socket::reunite(client_read, client_write);
    let server = Socket::reunite(server_read, server_write);
    let how = match connection.closing() {
        Some(Close::Rst) => "reset",
        Some(Close::Fin) => "closed",
        None if up == Ended::Broken || down == Ended::Broken => "broken by a peer",
        None => "ended",
    };
    (how, vec![client, server])
}
