//! What can go wrong in a control call, with the HTTP status it answers.

use serde::Serialize;

/// Why a control call was refused.
///
/// The texts of the variants that Toxiproxy also has are Toxiproxy's own, so
/// that clients which compare them keep working.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is not JSON, or a field has the wrong type.
    #[error("bad request body: {0}")]
    BadBody(String),
    /// A field that has no default is absent.
    #[error("missing required field: {0}")]
    MissingField(String),
    /// No proxy has this name.
    #[error("proxy not found")]
    ProxyNotFound,
    /// The name of the new proxy is taken.
    #[error("proxy already exists")]
    ProxyExists,
    /// No toxic of this proxy has this name.
    #[error("toxic not found")]
    ToxicNotFound,
    /// The name of the new toxic is taken, in either direction.
    #[error("toxic already exists")]
    ToxicExists,
    /// The direction is neither `upstream` nor `downstream`.
    #[error("stream was invalid, can be either upstream or downstream")]
    InvalidStream,
    /// The type of the toxic is unknown.
    #[error("invalid toxic type")]
    InvalidToxicType,
    /// An attribute that no link could obey; Toxiproxy accepts it and crashes.
    #[error("bad attribute {name}: {value} {reason}")]
    InvalidAttribute {
        /// The attribute's name in the API.
        name: &'static str,
        /// What was asked for.
        value: i64,
        /// What it must be instead.
        reason: &'static str,
    },
    /// The listen address does not parse or does not resolve.
    #[error("{0}")]
    BadListen(String),
    /// The upstream names a unix socket that there cannot be.
    #[error("{0}")]
    BadUpstream(String),
    /// A certificate, a key or their files are not what they should be.
    #[error("tls: {0}")]
    BadTls(String),
    /// The listen address cannot be bound (in use, not ours, no permission).
    #[error("listen {network} {listen}: bind: {reason}")]
    Bind {
        /// `tcp` or `unix`.
        network: &'static str,
        /// The address as asked for.
        listen: String,
        /// The operating system's reason, in lower case.
        reason: String,
    },
    /// Every connection would open another one, without end.
    #[error("upstream {0} is the proxy itself")]
    UpstreamIsSelf(String),
    /// No open connection of this proxy has this ordinal.
    #[error("connection not found")]
    ConnectionNotFound,
    /// No rule has this id.
    #[error("rule not found")]
    RuleNotFound,
    /// Nothing is held under this id: it was released, or its connection ended.
    #[error("held message not found")]
    HeldNotFound,
    /// Nobody attends under this id, or not any more.
    #[error("attention not found")]
    AttentionNotFound,
    /// The request makes sense, but not on this proxy or connection.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// The HTTP status this error answers.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadBody(_)
            | Self::MissingField(_)
            | Self::InvalidStream
            | Self::InvalidToxicType
            | Self::UpstreamIsSelf(_)
            | Self::BadUpstream(_)
            | Self::BadTls(_)
            | Self::InvalidAttribute { .. } => 400,
            Self::ProxyNotFound
            | Self::ToxicNotFound
            | Self::ConnectionNotFound
            | Self::RuleNotFound
            | Self::HeldNotFound
            | Self::AttentionNotFound => 404,
            Self::ProxyExists | Self::ToxicExists | Self::Refused(_) => 409,
            Self::BadListen(_) | Self::Bind { .. } => 500,
        }
    }
}

/// The body of an error answer: `{"error":"…","status":N}`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: String,
    pub(crate) status: u16,
}

impl From<&Error> for ErrorBody {
    fn from(error: &Error) -> Self {
        Self { error: error.to_string(), status: error.status() }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The API address cannot be bound.
    #[error("cannot serve the API on {address}: {source}; choose another port with -port")]
    Api {
        /// Host and port as asked for.
        address: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The threads of the proxy cannot be started.
    #[error("cannot start the threads of the fault proxy: {0}")]
    Threads(std::io::Error),
    /// The config file cannot be read.
    #[error("cannot read config file {path}: {source}")]
    ConfigFile {
        /// Path as asked for.
        path: std::path::PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The config file's proxies cannot be made.
    #[error("cannot make the proxies of config file {path}: {source}")]
    Populate {
        /// Path as asked for.
        path: std::path::PathBuf,
        /// The first proxy's error.
        source: Error,
    },
}
