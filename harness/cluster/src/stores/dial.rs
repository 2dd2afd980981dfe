//! How Redis is dialled: by TCP, by TLS, or by a socket file.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use ::redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion,
    RedisConnectionInfo, RedisError, aio::MultiplexedConnection, cmd,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

/// Where Redis is, and what is shown and trusted there.
///
/// The library could dial by itself, but would read and parse every
/// certificate that the machine trusts for each connection anew, and, as that
/// stops the thread which it runs on, all others would wait for it too. Here
/// that is done once.
#[derive(Clone)]
pub struct CacheClient {
    info: ConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
    route: Option<SocketAddr>,
}

/// Files for TLS, as they were read: PEM.
#[derive(Default)]
pub(super) struct Certificates {
    /// Who is trusted, in place of whom the machine trusts.
    pub(super) roots: Option<Vec<u8>>,
    /// What a client shows, and the key to it.
    pub(super) own: Option<(Vec<u8>, Vec<u8>)>,
}

/// What a connection stands on.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The longest that a connection which is not a client's may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl CacheClient {
    /// Why not is told by itself, without the address.
    pub(super) fn new(info: ConnectionInfo, certificates: &Certificates) -> Result<Self, String> {
        let given = certificates.roots.is_some() || certificates.own.is_some();
        let tls = match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err("certificates are always checked: no #insecure; give the file of an \
                            authority as sslrootcert"
                    .to_owned());
            }
            ConnectionAddr::TcpTls { .. } => Some(Arc::new(configure(certificates)?)),
            _ if given => return Err("certificates need an address with rediss://".to_owned()),
            _ => None,
        };
        // What servers that do not know the command count as errors.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self { info: info.set_redis_settings(settings), tls, route: None })
    }

    /// The same server, dialled at another address: certificates are still for
    /// the name of the first.
    #[must_use]
    pub fn through(&self, route: SocketAddr) -> Self {
        Self { route: Some(route), ..self.clone() }
    }

    /// The same, over which the server may tell something unasked.
    pub(super) fn told(&self) -> Self {
        let settings = self.settings().clone().set_protocol(ProtocolVersion::RESP3);
        Self { info: self.info.clone().set_redis_settings(settings), ..self.clone() }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> &ConnectionAddr {
        self.info.addr()
    }

    /// Which database, and who asks.
    #[must_use]
    pub fn settings(&self) -> &RedisConnectionInfo {
        self.info.redis_settings()
    }

    /// `HOST`, `PORT` at which it is dialled; none for a socket file.
    #[must_use]
    pub fn address(&self) -> Option<(String, u16)> {
        if let Some(route) = self.route {
            return Some((route.ip().to_string(), route.port()));
        }
        match self.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some((host.clone(), *port))
            }
            _ => None,
        }
    }

    /// A connection for whoever is no client of a run.
    ///
    /// # Errors
    ///
    /// When none stands in time, or the server refuses it.
    pub async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        self.connect_with(PATIENCE, config).await
    }

    pub(super) async fn connect_with(
        &self,
        limit: Duration,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let connect = async {
            let stream = self.dial().await?;
            let (mut connection, driver) =
                MultiplexedConnection::new_with_config(self.settings(), stream, config).await?;
            // It ends with the last clone of the connection.
            tokio::spawn(driver);
            // A proxy takes connections to a server that is dead. Only who has
            // heard the server knows that there is one; what it says to this is
            // of no matter, as some are not allowed to ask.
            match cmd("PING").exec_async(&mut connection).await {
                Err(error) if !matches!(error.kind(), ErrorKind::Server(_)) => Err(error),
                _ => Ok(connection),
            }
        };
        timeout(limit, connect).await.map_err(|_| {
            let why = format!("no connection within {} ms", limit.as_millis());
            RedisError::from(io::Error::new(io::ErrorKind::TimedOut, why))
        })?
    }

    async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        if let ConnectionAddr::Unix(path) = self.addr() {
            return Ok(Box::new(UnixStream::connect(path).await?));
        }
        let (host, port) = self.address().ok_or(io::ErrorKind::Unsupported)?;
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        // A question that goes out in two packets must not wait for the
        // acknowledgement of the first, which the other side puts off.
        stream.set_nodelay(true)?;
        match (&self.tls, self.addr()) {
            (Some(tls), ConnectionAddr::TcpTls { host, .. }) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let tls = TlsConnector::from(Arc::clone(tls));
                Ok(Box::new(tls.connect(name, stream).await?))
            }
            _ => Ok(Box::new(stream)),
        }
    }
}

fn configure(certificates: &Certificates) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &certificates.roots {
        Some(pem) => {
            for root in parse(pem, "sslrootcert")? {
                roots.add(root).map_err(|error| format!("sslrootcert: {error}"))?;
            }
        }
        None => drop(roots.add_parsable_certificates(trusted_here().iter().cloned())),
    }
    if roots.is_empty() {
        return Err("no certificate of an authority to trust; give its file as sslrootcert".into());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for the versions that it comes with")
        .with_root_certificates(roots);
    let Some((certificate, key)) = &certificates.own else {
        return Ok(config.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("sslkey: {error}"))?;
    let chain = parse(certificate, "sslcert")?;
    config.with_client_auth_cert(chain, key).map_err(|error| format!("sslcert, sslkey: {error}"))
}

/// Whom this machine trusts. A certificate that cannot be read spoils no other.
fn trusted_here() -> &'static [CertificateDer<'static>] {
    static TRUSTED: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
        let mut all = rustls_native_certs::load_native_certs().certs;
        all.retain(|root| RootCertStore::empty().add(root.clone()).is_ok());
        all
    });
    &TRUSTED
}

/// The same as text, for a library that reads it.
pub(super) fn trusted_pem() -> Vec<u8> {
    let mut text = String::new();
    for root in trusted_here() {
        let body = STANDARD.encode(root);
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("base64 is plain text"))
            .collect();
        let body = lines.join("\n");
        text += &format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    }
    text.into_bytes()
}

fn parse(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(format!("{name}: no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, trusted_here, trusted_pem};

    #[test]
    fn whom_the_machine_trusts_is_told_as_text() {
        if trusted_here().is_empty() {
            return;
        }
        assert_eq!(parse(&trusted_pem(), "it").unwrap(), trusted_here());
    }
}
