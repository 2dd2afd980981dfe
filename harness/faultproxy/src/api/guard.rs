//! Who may call the API: no web page, whatever it calls itself.

use super::reply;
use crate::address::Address;
use crate::listen::Door;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;

/// By which names the API may be called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hosts {
    /// By those that only this machine gives: a web page can give a name of its
    /// own our address, and so pass for the same origin (DNS rebinding), but
    /// only a name with dots.
    OfThisMachine,
    /// Others reach it under whatever name they know.
    Any,
}

impl Hosts {
    pub(super) fn of(door: &Door) -> Self {
        let is_local = match door.local_addr() {
            Ok(Address::Tcp(address)) => address.ip().is_loopback(),
            Ok(Address::Unix(_)) => true,
            Err(_) => false,
        };
        if is_local { Self::OfThisMachine } else { Self::Any }
    }

    /// The answer to what a browser sent: a web page must not be able to drive
    /// a proxy on the visitor's machine.
    pub(super) fn refuse(self, parts: &Parts) -> Option<Response> {
        let agent = parts.headers.get(header::USER_AGENT);
        if agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/")) {
            return Some(reply::text(StatusCode::FORBIDDEN, "User agent not allowed\n"));
        }
        if parts.headers.contains_key(header::ORIGIN) || !self.allows(parts) {
            return Some(reply::text(StatusCode::FORBIDDEN, "Host or origin not allowed\n"));
        }
        None
    }

    fn allows(self, parts: &Parts) -> bool {
        // A request line may name the host as well, and then that is the one.
        let named = parts.uri.authority().map(|authority| authority.as_str());
        let host = match named {
            Some(host) => host,
            None => match parts.headers.get(header::HOST).map(|host| host.to_str()) {
                None => return true,
                Some(Ok(host)) => host,
                Some(Err(_)) => return false,
            },
        };
        if host.starts_with('[') {
            return true;
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        match self {
            Self::Any => true,
            Self::OfThisMachine => {
                !name.contains('.')
                    || name.parse::<std::net::IpAddr>().is_ok()
                    || name.ends_with(".localhost")
            }
        }
    }
}
