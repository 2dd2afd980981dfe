//! Handshakes on both sides of a connection, before anything else is read.

use super::TlsSetup;
use crate::address::Upstream;
use crate::message::Protocol;
use crate::socket::{Plain, Socket};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A handshake that has not ended by then does not end.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How often to look whether more of the first bytes have come.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What a client of Postgres asks before anything else: length and code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
/// The first byte of TLS.
const HELLO: u8 = 0x16;

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) struct TlsFailed {
    /// `client` or `server`.
    pub(crate) side: &'static str,
    pub(crate) reason: String,
}

/// How a connection comes to speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// From its first byte on.
    AtOnce,
    /// After Postgres was asked for it.
    Asked,
    /// Not at all.
    Never,
}

/// Makes of two sockets what the proxy reads and writes.
pub(crate) async fn secure(
    setup: &TlsSetup,
    (client, server): (Plain, Plain),
    upstream: &Upstream,
    protocol: Option<Protocol>,
) -> Result<(Socket, Socket), TlsFailed> {
    let failed = |side| move |error: io::Error| TlsFailed { side, reason: error.to_string() };
    let ended = tokio::time::timeout(HANDSHAKE_TIME, accept(setup, client)).await;
    let (client, opening) = ended.unwrap_or_else(late).map_err(failed("client"))?;
    let by_protocol = match protocol {
        Some(Protocol::Postgres) => Opening::Asked,
        Some(Protocol::Redis) | None => Opening::AtOnce,
    };
    let opening = if opening == Opening::Never { by_protocol } else { opening };
    let ended = tokio::time::timeout(HANDSHAKE_TIME, connect(setup, server, upstream, opening));
    let server = ended.await.unwrap_or_else(late).map_err(failed("server"))?;
    Ok((client, server))
}

fn late<T>(_: tokio::time::error::Elapsed) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took longer than 10 s"))
}

async fn accept(setup: &TlsSetup, client: Plain) -> io::Result<(Socket, Opening)> {
    let (config, mut stream) = match (&setup.server, client) {
        (Some(config), Plain::Tcp(stream)) => (config, stream),
        (_, client) => return Ok((Socket::Plain(client), Opening::Never)),
    };
    let mut opening = Opening::AtOnce;
    loop {
        match first_bytes(&stream).await? {
            First::Tls => break,
            First::Request(SSL_REQUEST) if opening == Opening::AtOnce => {
                stream.read_exact(&mut [0; 8]).await?;
                stream.write_all(b"S").await?;
                opening = Opening::Asked;
            }
            First::Request(_) => {
                stream.read_exact(&mut [0; 8]).await?;
                stream.write_all(b"N").await?;
            }
            First::Other if opening == Opening::AtOnce => {
                return Ok((Socket::Plain(Plain::Tcp(stream)), Opening::Never));
            }
            First::Other => {
                return Err(io::Error::other("the client asked for TLS and spoke none"));
            }
        }
    }
    let acceptor = TlsAcceptor::from(std::sync::Arc::clone(config));
    let stream = acceptor.accept(stream).await?;
    Ok((Socket::Tls(Box::new(stream.into())), opening))
}

enum First {
    Tls,
    Request([u8; 8]),
    Other,
}

/// Looks at what a client sends first, and leaves it there.
async fn first_bytes(stream: &TcpStream) -> io::Result<First> {
    loop {
        let mut bytes = [0; 8];
        let seen = stream.peek(&mut bytes).await?;
        let may_become = |request: [u8; 8]| request.starts_with(&bytes[..seen]);
        if seen == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client has gone"));
        } else if bytes[0] == HELLO {
            return Ok(First::Tls);
        } else if [SSL_REQUEST, GSS_REQUEST].contains(&bytes) {
            return Ok(First::Request(bytes));
        } else if !may_become(SSL_REQUEST) && !may_become(GSS_REQUEST) {
            return Ok(First::Other);
        }
        // Readable as it is, nothing tells when there is more.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn connect(
    setup: &TlsSetup,
    server: Plain,
    upstream: &Upstream,
    opening: Opening,
) -> io::Result<Socket> {
    let (config, name, mut stream, host) = match (&setup.client, server, upstream) {
        (Some((config, name)), Plain::Tcp(stream), Upstream::Tcp { host, .. }) => {
            (config, name, stream, host)
        }
        (_, server, _) => return Ok(Socket::Plain(server)),
    };
    if opening == Opening::Asked {
        stream.write_all(&SSL_REQUEST).await?;
        match stream.read_u8().await? {
            b'S' => {}
            b'N' => return Err(io::Error::other("the server has no TLS")),
            _ => return Err(io::Error::other("the server did not understand the wish for TLS")),
        }
    }
    let name = match name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.clone()).map_err(io::Error::other)?,
    };
    let connector = TlsConnector::from(std::sync::Arc::clone(config));
    let stream = connector.connect(name, stream).await?;
    Ok(Socket::Tls(Box::new(stream.into())))
}
