//! Listen addresses, and listeners that close at once.

use crate::error::Error;
use crate::link::lock;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Connections the kernel completes before we accept them.
const BACKLOG: i32 = 4096;

/// Host and port of a listen address. An empty address, and an empty host,
/// mean loopback: nothing is opened to the network that was not asked for.
///
/// # Errors
///
/// [`Error::BadListen`], worded as by Go's `net` package.
pub(crate) fn split(listen: &str) -> Result<(String, u16), Error> {
    let loopback = Ipv4Addr::LOCALHOST.to_string();
    if listen.is_empty() {
        return Ok((loopback, 0));
    }
    let bad = |reason: &str| Error::BadListen(format!("address {listen}: {reason}"));
    let (host, port) = listen.rsplit_once(':').ok_or_else(|| bad("missing port in address"))?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| bad("missing ']' in address"))?,
        None if host.contains(':') => return Err(bad("too many colons in address")),
        None => host,
    };
    let port = match port {
        "" => 0,
        port => port.parse().map_err(|_| bad("invalid port"))?,
    };
    let host = if host.is_empty() { &loopback } else { host };
    Ok((host.to_owned(), port))
}

/// Resolves a listen address without blocking the caller's thread.
///
/// # Errors
///
/// [`Error::BadListen`] for what does not parse or resolve.
pub(crate) async fn resolve(listen: &str) -> Result<SocketAddr, Error> {
    let (host, port) = split(listen)?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok((ip, port).into());
    }
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    choose(&host, found)
}

/// As [`resolve`], blocking while a host name is looked up.
pub(crate) fn resolve_blocking(listen: &str) -> Result<SocketAddr, Error> {
    let (host, port) = split(listen)?;
    choose(&host, (host.as_str(), port).to_socket_addrs())
}

/// The first IPv4 address, or else the first one, as Go chooses.
fn choose(
    host: &str,
    found: io::Result<impl Iterator<Item = SocketAddr>>,
) -> Result<SocketAddr, Error> {
    let found: Vec<_> =
        found.map_err(|error| Error::BadListen(format!("lookup {host}: {error}")))?.collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| found.first())
        .copied()
        .ok_or_else(|| Error::BadListen(format!("lookup {host}: no such host")))
}

/// Binds without waiting for anything.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A proxy that is enabled again must get its port back although old
    // connections linger in TIME_WAIT. On Windows the option means stealing.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The reason of a failed bind in the words of Go, which are the system's in
/// lower case.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.to_lowercase()
}

/// A listener that its owner can close while a task waits in it: once
/// [`Door::close`] returns, the port is free.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    listener: Option<TcpListener>,
    waker: Option<Waker>,
}

impl Door {
    /// Must be called inside the runtime that accepts.
    pub(crate) fn open(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Slot {
            listener: Some(TcpListener::from_std(listener)?),
            waker: None,
        }))))
    }

    pub(crate) fn close(&self) {
        let (listener, waker) = {
            let mut slot = lock(&self.0);
            (slot.listener.take(), slot.waker.take())
        };
        drop(listener);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &lock(&self.0).listener {
            Some(listener) => listener.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Accepts and hands the connection to `enter` before anyone can close
    /// the door: whoever closes it then finds every accepted connection.
    /// None: the door is closed.
    fn poll_accept<T>(
        &self,
        cx: &mut Context<'_>,
        enter: &impl Fn(TcpStream, SocketAddr) -> T,
    ) -> Poll<Option<io::Result<T>>> {
        let mut slot = lock(&self.0);
        let Some(listener) = &slot.listener else {
            return Poll::Ready(None);
        };
        match listener.poll_accept(cx) {
            Poll::Ready(accepted) => {
                Poll::Ready(Some(accepted.map(|(stream, from)| enter(stream, from))))
            }
            Poll::Pending => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) async fn accept<T>(
        &self,
        enter: impl Fn(TcpStream, SocketAddr) -> T,
    ) -> Option<io::Result<T>> {
        std::future::poll_fn(|cx| self.poll_accept(cx, &enter)).await
    }
}

/// How long to leave a listener alone after an error that the next accept
/// would meet again (no file descriptors left). None for errors of the one
/// connection.
pub(crate) fn pause_after(error: &io::Error) -> Option<Duration> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset => None,
        _ => Some(Duration::from_millis(50)),
    }
}

impl axum::serve::Listener for Door {
    type Io = Impatient;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Impatient, SocketAddr) {
        loop {
            let enter = |stream, from| (Impatient::new(stream), from);
            match Self::accept(self, enter).await {
                Some(Ok(accepted)) => return accepted,
                Some(Err(error)) => {
                    if let Some(pause) = pause_after(&error) {
                        tracing::warn!(%error, "the API cannot accept connections");
                        tokio::time::sleep(pause).await;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

/// How long a connection of the API may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// A connection that breaks when its peer says nothing for a while, in the
/// middle of a request or between two.
#[derive(Debug)]
pub(crate) struct Impatient {
    stream: TcpStream,
    silence: Pin<Box<tokio::time::Sleep>>,
}

impl Impatient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, silence: Box::pin(tokio::time::sleep(SILENCE)) }
    }

    fn spoke(&mut self) {
        self.silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.spoke();
            return read;
        }
        self.silence.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.spoke();
        }
        written
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

    #[test]
    fn an_empty_host_is_loopback() {
        for (listen, host, port) in [
            ("", "127.0.0.1", 0),
            (":80", "127.0.0.1", 80),
            ("0.0.0.0:80", "0.0.0.0", 80),
            ("[::1]:80", "::1", 80),
            ("localhost:", "localhost", 0),
        ] {
            assert_eq!(split(listen), Ok((host.to_owned(), port)), "{listen}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        for (listen, error) in [
            ("nonsense", "address nonsense: missing port in address"),
            ("::1:80", "address ::1:80: too many colons in address"),
            ("a:99999", "address a:99999: invalid port"),
        ] {
            assert_eq!(split(listen).expect_err("bad").to_string(), error);
        }
    }
}
