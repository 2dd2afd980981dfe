//! One connection: a client, a server and a task for each direction.

use super::plan::Close;
use super::pump::{Ended, Pump};
use crate::core::Core;
use crate::event::Happening;
use crate::link::Link;
use crate::seed::Key;
use crate::toxic::Stream;
use serde::Serialize;
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What control calls and the two tasks of a connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Counted from 1 in the order in which the listener accepted them.
    pub(crate) ordinal: u64,
    pub(crate) key: Key,
    pub(crate) client: SocketAddr,
    pub(crate) upstream: Arc<str>,
    /// Bytes, by direction.
    pub(crate) traffic: [Traffic; 2],
    /// Grows whenever the tasks must look at the settings again.
    generation: AtomicU64,
    close: AtomicU8,
    wakers: [Mutex<Option<Waker>>; 2],
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
}

/// Bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Read from the sender.
    pub received: u64,
    /// Written to the receiver; the rest is queued, held or dropped.
    pub sent: u64,
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
    pub(crate) fn new(ordinal: u64, key: Key, client: SocketAddr, upstream: Arc<str>) -> Self {
        Self {
            ordinal,
            key,
            client,
            upstream,
            traffic: Default::default(),
            generation: AtomicU64::new(0),
            close: AtomicU8::new(0),
            wakers: Default::default(),
        }
    }

    pub(crate) fn view(&self) -> ConnectionView {
        let bytes = |stream: Stream| {
            let traffic = &self.traffic[stream.index()];
            Bytes {
                received: traffic.received.load(Ordering::Relaxed),
                sent: traffic.sent.load(Ordering::Relaxed),
            }
        };
        ConnectionView {
            connection: self.ordinal,
            client: self.client.to_string(),
            upstream: self.upstream.to_string(),
            upstream_bytes: bytes(Stream::Upstream),
            downstream_bytes: bytes(Stream::Downstream),
        }
    }

    /// Makes both tasks look at the settings.
    pub(crate) fn nudge(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        for slot in &self.wakers {
            let waker = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
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
        let mut slot = self.wakers[stream.index()].lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(old) if old.will_wake(waker) => {}
            slot => *slot = Some(waker.clone()),
        }
    }

    /// Completes when the connection is to be closed.
    async fn closed(&self) {
        std::future::poll_fn(|cx| {
            self.listen(Stream::Downstream, cx.waker());
            match self.closing() {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }
}

/// Serves an accepted connection until both of its directions have ended.
pub(crate) async fn serve(
    core: Arc<Core>,
    link: Arc<Link>,
    connection: Arc<Connection>,
    client: TcpStream,
) {
    let how = forward(&core, &link, &connection, client).await;
    link.forget(&connection);
    core.events.record(&link.name, Some(connection.ordinal), Happening::Closed { how });
}

async fn forward(
    core: &Arc<Core>,
    link: &Arc<Link>,
    connection: &Arc<Connection>,
    client: TcpStream,
) -> &'static str {
    // A refused option only costs speed.
    let _ = client.set_nodelay(true);
    let dialled = tokio::select! {
        biased;
        () = connection.closed() => return "closed while dialling",
        dialled = TcpStream::connect(&*connection.upstream) => dialled,
    };
    let server = match dialled {
        Ok(server) => server,
        Err(error) => {
            let reason = error.to_string();
            core.events.record(
                &link.name,
                Some(connection.ordinal),
                Happening::DialFailed { reason },
            );
            return "upstream unreachable";
        }
    };
    let _ = server.set_nodelay(true);
    core.events.record(&link.name, Some(connection.ordinal), Happening::Dialled);
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let up = Pump::new(core, link, connection, Stream::Upstream, (client_read, server_write));
    let down = Pump::new(core, link, connection, Stream::Downstream, (server_read, client_write));
    let up = tokio::spawn(run(up, Arc::clone(connection)));
    let down = run(down, Arc::clone(connection)).await;
    // The task of the other direction only fails to return its halves when
    // the runtime is shutting down, which closes everything anyway.
    let Ok(up) = up.await else {
        return "shut down";
    };
    finish(connection, up, down)
}

type Halves = (OwnedReadHalf, OwnedWriteHalf);

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
) -> &'static str {
    let client =
        client_read.reunite(client_write).expect("both halves come from the client's socket");
    let server =
        server_read.reunite(server_write).expect("both halves come from the server's socket");
    match connection.closing() {
        Some(Close::Rst) => {
            for socket in [&client, &server] {
                // A linger of zero makes the close send RST instead of FIN.
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
            "reset"
        }
        Some(Close::Fin) => {
            for socket in [&client, &server] {
                // An explicit FIN first: closing a socket that holds unread
                // data sends RST at once.
                let _ = SockRef::from(socket).shutdown(std::net::Shutdown::Write);
            }
            "closed"
        }
        None if up == Ended::Broken || down == Ended::Broken => "broken by a peer",
        None => "ended",
    }
}
