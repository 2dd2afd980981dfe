//! Certificates and keys, as files of PEM.

use crate::error::Error;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, crypto,
};

/// TLS of a proxy: on the side of its clients, of its server, or of both.
///
/// A client that begins with TLS, or asks Postgres for it (`SSLRequest`), gets
/// it; one that does neither is served without, as are old clients of Postgres
/// that cancel. To the server the proxy speaks TLS always, as its client does
/// or else as the proxy's protocol has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProxyTls {
    /// What clients are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<TlsIdentity>,
    /// How the server is spoken to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamTls>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsIdentity {
    /// PEM: the certificate, and those that signed it behind it.
    pub certificate: PathBuf,
    /// PEM: its key.
    pub key: PathBuf,
}

/// How a server's certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpstreamTls {
    /// Against what.
    #[serde(flatten)]
    pub verify: Verify,
    /// The name it must have, and that the server is asked for (SNI); by
    /// default the host of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a server's certificate is checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// PEM: whoever may have signed it.
    Ca(PathBuf),
    /// Nothing: any certificate is taken. `{"verify": false}` in JSON.
    #[serde(rename = "verify", serialize_with = "no")]
    Nothing,
}

fn no<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(false)
}

/// More of a file is not read.
const LARGEST_FILE: u64 = 1 << 20;

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::BadTls(format!("cannot read {}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bad = |reason: String| Error::BadTls(format!("{}: {reason}", path.display()));
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = read.map_err(|error| bad(error.to_string()))?;
    if found.is_empty() { Err(bad("no certificate in it".into())) } else { Ok(found) }
}

pub(super) fn server(identity: &TlsIdentity) -> Result<Arc<ServerConfig>, Error> {
    let chain = certificates(&identity.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&identity.key)?)
        .map_err(|error| Error::BadTls(format!("{}: {error}", identity.key.display())))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    config.map(Arc::new).map_err(|error| {
        let (certificate, key) = (identity.certificate.display(), identity.key.display());
        Error::BadTls(format!("{certificate} with {key}: {error}"))
    })
}

pub(super) fn client(
    upstream: &UpstreamTls,
) -> Result<(Arc<ClientConfig>, Option<ServerName<'static>>), Error> {
    let bad = |what: &str, error: &dyn std::fmt::Display| Error::BadTls(format!("{what}: {error}"));
    let name = upstream.name.as_ref().map(|name| {
        ServerName::try_from(name.clone()).map_err(|error| bad(&format!("name {name:?}"), &error))
    });
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("tls.upstream", &error))?;
    let config = match &upstream.verify {
        Verify::Ca(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let path = path.display().to_string();
                roots.add(certificate).map_err(|error| bad(&path, &error))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Verify::Nothing => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAny(provider)))
            .with_no_client_auth(),
    };
    Ok((Arc::new(config), name.transpose()?))
}

/// Takes any certificate, and checks that the server has its key.
#[derive(Debug)]
struct TakesAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
