//! TLS ended and begun again at a proxy, so that what is said inside of it can
//! be read, held and dropped.

mod files;
mod handshake;

pub use files::{ProxyTls, TlsIdentity, UpstreamTls, Verify};
pub(crate) use handshake::secure;

use crate::error::Error;
use crate::link::Refuses;
use crate::server::FaultProxy;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

pub(crate) type TlsStream = tokio_rustls::TlsStream<TcpStream>;

/// What was asked for, with its files read.
#[derive(Debug)]
pub(crate) struct TlsSetup {
    pub(crate) asked: ProxyTls,
    server: Option<Arc<ServerConfig>>,
    client: Option<(Arc<ClientConfig>, Option<ServerName<'static>>)>,
}

impl TlsSetup {
    /// Reads the files; None if no TLS is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::BadTls`]: a file that cannot be read or does not fit.
    pub(crate) fn read(asked: &ProxyTls) -> Result<Option<Arc<Self>>, Error> {
        if *asked == ProxyTls::default() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self {
            server: asked.listen.as_ref().map(files::server).transpose()?,
            client: asked.upstream.as_ref().map(files::client).transpose()?,
            asked: asked.clone(),
        })))
    }

    /// Refuses TLS where a unix socket is: nobody speaks it there.
    pub(crate) fn fits(&self, listen: &str, upstream: &str) -> Result<(), Error> {
        for (side, is_asked, address) in [
            ("listen", self.server.is_some(), listen),
            ("upstream", self.client.is_some(), upstream),
        ] {
            if is_asked && address.starts_with("unix:") {
                return Err(Error::BadTls(format!("tls.{side}: {address} is a unix socket")));
            }
        }
        Ok(())
    }
}

impl FaultProxy {
    /// Whether a proxy itself answers a Postgres client's request for
    /// encryption (TLS or GSS) with no, so that the messages of clients that
    /// only prefer it can be followed. Needs the protocol to be set.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn refuse_encryption(&self, proxy: &str, refuses: Refuses) -> Result<(), Error> {
        self.find(proxy)?.link.refuse_encryption(refuses);
        Ok(())
    }

    /// Has the connections that are opened from now on speak TLS as this says;
    /// [`ProxyTls::default`] ends that.
    ///
    /// # Errors
    ///
    /// The proxy is unknown, or a file cannot be read or does not fit.
    pub fn set_tls(&self, proxy: &str, tls: &ProxyTls) -> Result<(), Error> {
        self.find(proxy)?.set_tls(tls)
    }
}

/// Tells the peer that nothing more comes, as far as its socket takes it now.
pub(crate) fn say_farewell(stream: &mut TlsStream) {
    struct Now<'a>(&'a TcpStream);
    impl io::Write for Now<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.try_write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // Who does not get it sees the stream end all the same.
    let _ = match stream {
        tokio_rustls::TlsStream::Client(stream) => {
            let (socket, session) = stream.get_mut();
            session.send_close_notify();
            session.write_tls(&mut Now(socket))
        }
        tokio_rustls::TlsStream::Server(stream) => {
            let (socket, session) = stream.get_mut();
            session.send_close_notify();
            session.write_tls(&mut Now(socket))
        }
    };
}
