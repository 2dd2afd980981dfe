//! The sockets of a connection: TCP or a unix socket, and TLS over TCP.

use crate::address::Upstream;
use crate::link::plan::Close;
use crate::tls::{TlsStream, say_farewell};
use socket2::SockRef;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A socket whose bytes are what is on the wire.
#[derive(Debug)]
pub(crate) enum Plain {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A socket on its way from one runtime to another.
#[derive(Debug)]
pub(crate) enum Moving {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl Moving {
    /// Must be called inside the runtime that it goes to.
    pub(crate) fn enter(self) -> io::Result<Plain> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Plain::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => UnixStream::from_std(stream).map(Plain::Unix),
        }
    }
}

/// Does the same to whatever is inside.
macro_rules! inside {
    ($self:expr, $kind:ident, $inner:ident => $what:expr) => {
        match $self {
            $kind::Tcp($inner) => $what,
            #[cfg(unix)]
            $kind::Unix($inner) => $what,
        }
    };
}

impl Plain {
    pub(crate) async fn connect(upstream: &Upstream) -> io::Result<Self> {
        match upstream {
            Upstream::Tcp { host, port } => {
                TcpStream::connect((host.as_str(), *port)).await.map(Self::Tcp)
            }
            #[cfg(unix)]
            Upstream::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            #[cfg(not(unix))]
            Upstream::Unix(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Takes it out of its runtime.
    pub(crate) fn leave(self) -> io::Result<Moving> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Moving::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => stream.into_std().map(Moving::Unix),
        }
    }

    /// A refused option only costs speed.
    pub(crate) fn set_nodelay(&self) {
        if let Self::Tcp(stream) = self {
            let _ = stream.set_nodelay(true);
        }
    }
}

/// Prepares a socket for being dropped. Options and shutdowns fail only where
/// the peer was faster.
fn prepare_close(socket: &SockRef<'_>, how: Option<Close>) {
    let _ = match how {
        // A linger of zero makes the close send RST instead of FIN. On a unix
        // socket there is no such thing.
        Some(Close::Rst) => socket.set_linger(Some(Duration::ZERO)),
        // An explicit FIN first: closing a socket that holds unread data
        // sends RST at once.
        Some(Close::Fin) => socket.shutdown(Shutdown::Write),
        None => Ok(()),
    };
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inside!(self.get_mut(), Self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        inside!(self.get_mut(), Self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inside!(self.get_mut(), Self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        inside!(self, Self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self.get_mut(), Self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self.get_mut(), Self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// One end of a connection through a proxy.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(Plain),
    Tls(Box<TlsStream>),
}

impl Socket {
    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Plain(Plain::Tcp(stream)) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            #[cfg(unix)]
            Self::Plain(Plain::Unix(stream)) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
            Self::Tls(stream) => {
                let (read, write) = tokio::io::split(stream);
                (ReadHalf::Tls(read), WriteHalf::Tls(write, Flushed::Yes))
            }
        }
    }

    /// Undoes [`Socket::into_split`].
    pub(crate) fn reunite(read: ReadHalf, write: WriteHalf) -> Self {
        const ONE: &str = "both halves come from one socket";
        match (read, write) {
            (ReadHalf::Tcp(read), WriteHalf::Tcp(write)) => {
                Self::Plain(Plain::Tcp(read.reunite(write).expect(ONE)))
            }
            #[cfg(unix)]
            (ReadHalf::Unix(read), WriteHalf::Unix(write)) => {
                Self::Plain(Plain::Unix(read.reunite(write).expect(ONE)))
            }
            (ReadHalf::Tls(read), WriteHalf::Tls(write, _)) => Self::Tls(read.unsplit(write)),
            _ => unreachable!("{ONE}"),
        }
    }

    /// Prepares the socket for being dropped.
    pub(crate) fn prepare_close(&mut self, how: Option<Close>) {
        match self {
            Self::Plain(plain) => {
                inside!(plain, Plain, stream => prepare_close(&SockRef::from(&*stream), how));
            }
            Self::Tls(stream) => {
                if how == Some(Close::Fin) {
                    say_farewell(stream);
                }
                prepare_close(&SockRef::from(stream.get_ref().0), how);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) enum ReadHalf {
    Tcp(tokio::net::tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(tokio::net::unix::OwnedReadHalf),
    Tls(tokio::io::ReadHalf<Box<TlsStream>>),
}

/// Whether all that was taken has gone to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    Yes,
    No,
}

#[derive(Debug)]
pub(crate) enum WriteHalf {
    Tcp(tokio::net::tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(tokio::net::unix::OwnedWriteHalf),
    Tls(tokio::io::WriteHalf<Box<TlsStream>>, Flushed),
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(half) => Pin::new(half).poll_read(cx, buf),
            Self::Tls(half) => match Pin::new(half).poll_read(cx, buf) {
                // Many programs end without a farewell of TLS.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        }
    }
}

impl WriteHalf {
    /// Sends on what was taken and has not gone to the socket, if anything. To
    /// be called whenever the task is woken, as nobody else does.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        if let Self::Tls(half, flushed @ Flushed::No) = self
            // An error meets the next write as well.
            && let Poll::Ready(Ok(())) = Pin::new(half).poll_flush(cx)
        {
            *flushed = Flushed::Yes;
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this {
            Self::Tcp(half) => Pin::new(half).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Tls(half, flushed) => {
                let written = Pin::new(half).poll_write(cx, bytes);
                if matches!(written, Poll::Ready(Ok(_))) {
                    *flushed = Flushed::No;
                    this.settle(cx);
                }
                written
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this {
            Self::Tcp(half) => Pin::new(half).poll_write_vectored(cx, slices),
            #[cfg(unix)]
            Self::Unix(half) => Pin::new(half).poll_write_vectored(cx, slices),
            Self::Tls(half, flushed) => {
                let written = Pin::new(half).poll_write_vectored(cx, slices);
                if matches!(written, Poll::Ready(Ok(_))) {
                    *flushed = Flushed::No;
                    this.settle(cx);
                }
                written
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(half) => half.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(half) => half.is_write_vectored(),
            Self::Tls(half, _) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(half) => Pin::new(half).poll_flush(cx),
            Self::Tls(half, _) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tls(half, _) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
