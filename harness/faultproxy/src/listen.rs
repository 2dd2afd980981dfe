//! Listeners that close at once.

#[cfg(unix)]
mod unix;

use crate::address::{Address, ClientAddress};
use crate::link::lock;
use crate::socket::Plain;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpListener;
#[cfg(unix)]
use unix::SocketFile;

/// Connections the kernel completes before we accept them.
const BACKLOG: i32 = 4096;

/// What is bound and not yet accepting.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// Binds without waiting for anything.
pub(crate) fn bind(address: &Address) -> io::Result<Bound> {
    match address {
        Address::Tcp(address) => bind_tcp(*address).map(Bound::Tcp),
        #[cfg(unix)]
        Address::Unix(path) => unix::bind(path),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
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
    listener: Option<Listener>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, SocketFile),
}

impl Listener {
    fn local_addr(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Self::Unix(_, file) => Ok(Address::Unix(file.path().to_owned())),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Plain, ClientAddress)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map(|accepted| {
                let (stream, from) = accepted?;
                Ok((Plain::Tcp(stream), ClientAddress::Tcp(from)))
            }),
            #[cfg(unix)]
            Self::Unix(listener, _) => listener.poll_accept(cx).map(|accepted| {
                let (stream, _) = accepted?;
                Ok((Plain::Unix(stream), ClientAddress::Unix))
            }),
        }
    }
}

impl Door {
    /// Must be called inside the runtime that accepts.
    pub(crate) fn open(bound: Bound) -> io::Result<Self> {
        let listener = match bound {
            Bound::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
            #[cfg(unix)]
            Bound::Unix(listener, file) => {
                Listener::Unix(tokio::net::UnixListener::from_std(listener)?, file)
            }
        };
        Ok(Self(Arc::new(Mutex::new(Slot { listener: Some(listener), waker: None }))))
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

    pub(crate) fn local_addr(&self) -> io::Result<Address> {
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
        enter: &impl Fn(Plain, ClientAddress) -> T,
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
        enter: impl Fn(Plain, ClientAddress) -> T,
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

/// A file descriptor kept for the server's half of a connection until that is
/// dialled: a socket that is never used.
#[derive(Debug)]
pub(crate) struct Place {
    _socket: Socket,
}

impl Place {
    pub(crate) fn keep() -> io::Result<Self> {
        Socket::new(Domain::IPV4, Type::STREAM, None).map(|socket| Self { _socket: socket })
    }
}
