//! The connections of the API: how long each may take.

use super::{Api, answer};
use crate::listen::{Door, pause_after};
use crate::socket::Plain;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// A connection on which nobody asks for so long is closed.
    silence: Duration,
    /// The head of a request that has not come by then does not come.
    head: Duration,
}

const LIMITS: Limits = Limits { silence: Duration::from_secs(60), head: Duration::from_secs(10) };

/// Accepts until the door is closed.
pub(super) async fn accept(door: Door, api: Arc<Api>) {
    while let Some(accepted) = door.accept(|stream, _| stream).await {
        match accepted {
            Ok(stream) => drop(tokio::spawn(serve(stream, Arc::clone(&api)))),
            Err(error) => {
                if let Some(pause) = pause_after(&error) {
                    tracing::warn!(%error, "the API cannot accept connections");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Nothing is asked, or not all of the head has come.
const ASKED: u8 = 0;
/// The peer waits for us.
const ANSWERING: u8 = 1;
/// The answer is there, and nothing of it is written.
const ANSWERED: u8 = 2;

async fn serve(stream: Plain, api: Arc<Api>) {
    let turn = Arc::new(AtomicU8::new(ASKED));
    let patient = Patient::new(stream, Arc::clone(&turn), LIMITS);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (api, turn) = (Arc::clone(&api), Arc::clone(&turn));
        // Its head is there, and its body has a time of its own.
        turn.store(ANSWERING, Ordering::Relaxed);
        async move {
            let (parts, body) = request.into_parts();
            let response = answer(&api, parts, Body::new(body)).await;
            turn.store(ANSWERED, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(patient), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the API broke");
    }
}

/// A connection that breaks when its peer says nothing for a while, or does not
/// finish what it began to ask.
#[derive(Debug)]
struct Patient {
    stream: Plain,
    /// Whose turn it is.
    turn: Arc<AtomicU8>,
    /// Whether a head has begun to come.
    in_head: bool,
    limits: Limits,
    limit: Pin<Box<tokio::time::Sleep>>,
}

impl Patient {
    fn new(stream: Plain, turn: Arc<AtomicU8>, limits: Limits) -> Self {
        let limit = Box::pin(tokio::time::sleep(limits.silence));
        Self { stream, turn, in_head: false, limits, limit }
    }

    fn allow(&mut self, time: Duration) {
        self.limit.as_mut().reset(Instant::now() + time);
    }

    /// Takes note that something was written: what comes next is a new request.
    fn wrote(&mut self) {
        self.in_head = false;
        let time = self.limits.silence;
        self.allow(time);
        let _ = self.turn.compare_exchange(ANSWERED, ASKED, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.turn.load(Ordering::Relaxed) == ASKED
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_late = |patient: &mut Self, cx: &mut Context<'_>| {
            patient.is_asked() && patient.limit.as_mut().poll(cx).is_ready()
        };
        // Even to a peer that keeps sending: a byte now and then is no head.
        if self.in_head && is_late(&mut self, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match read {
            Poll::Pending if is_late(&mut self, cx) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                let came = buf.filled().len() > before;
                if came && !self.in_head && self.is_asked() {
                    self.in_head = true;
                    let time = self.limits.head;
                    self.allow(time);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.wrote();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if written.is_ready() {
            self.wrote();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const MOMENT: Duration = Duration::from_millis(60);

    /// A connection of the API, whose turn it is, and its peer.
    async fn pair(limits: Limits) -> (Patient, Arc<AtomicU8>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let peer = TcpStream::connect(addr).await.expect("it listens");
        let (stream, _) = listener.accept().await.expect("somebody connects");
        let turn = Arc::new(AtomicU8::new(ASKED));
        (Patient::new(Plain::Tcp(stream), Arc::clone(&turn), limits), turn, peer)
    }

    fn block_on(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn a_connection_that_says_nothing_is_closed() {
        let limits = Limits { silence: MOMENT, head: Duration::from_secs(60) };
        block_on(async {
            let (mut patient, _, _peer) = pair(limits).await;
            let error = patient.read_u8().await.expect_err("nobody speaks");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_head_that_trickles_in_is_not_waited_for() {
        let limits = Limits { silence: Duration::from_secs(60), head: MOMENT };
        block_on(async {
            let (mut patient, _, mut peer) = pair(limits).await;
            let begin = Instant::now();
            let trickle = tokio::spawn(async move {
                while peer.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(MOMENT / 20).await;
                }
            });
            let error = loop {
                if let Err(error) = patient.read_u8().await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(begin.elapsed() >= MOMENT);
            drop(patient);
            trickle.await.expect("the peer finds out");
        });
    }

    #[test]
    fn who_waits_for_an_answer_may_be_silent() {
        let limits = Limits { silence: MOMENT, head: MOMENT };
        block_on(async {
            let (mut patient, turn, mut peer) = pair(limits).await;
            peer.write_all(b"a").await.expect("open");
            patient.read_u8().await.expect("it has come");
            turn.store(ANSWERING, Ordering::Relaxed);
            let waited = tokio::time::timeout(MOMENT * 4, patient.read_u8()).await;
            waited.expect_err("still open");
            turn.store(ANSWERED, Ordering::Relaxed);
            patient.write_all(b"b").await.expect("open");
            let error = patient.read_u8().await.expect_err("nothing more comes");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }
}
