//! Where a proxy listens, and what it connects to: TCP by host and port, or a
//! unix socket by its path (`unix:/run/redis/redis.sock`).

use crate::error::Error;
use crate::services;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// What unix sockets begin with.
const UNIX: &str = "unix:";

/// A listen address, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Address {
    /// What Go calls this kind of network.
    pub(crate) const fn network(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Unix(_) => "unix",
        }
    }
}

/// Where a client came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAddress {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a unix socket, whose clients have no address.
    Unix,
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The path of a unix socket, if the address names one.
fn unix_path(address: &str) -> Option<Result<&Path, String>> {
    let path = Path::new(address.strip_prefix(UNIX)?);
    Some(if !path.is_absolute() {
        Err(format!("address {address}: the path of a unix socket must be absolute"))
    } else if cfg!(not(unix)) {
        Err(format!("address {address}: this system has no unix sockets"))
    } else {
        Ok(path)
    })
}

/// Host and port of an address, both as they were written.
fn split(address: &str) -> Result<(&str, &str), String> {
    let bad = |reason: &str| format!("address {address}: {reason}");
    let (host, port) = address.rsplit_once(':').ok_or_else(|| bad("missing port in address"))?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| bad("missing ']' in address"))?,
        None if host.contains(':') => return Err(bad("too many colons in address")),
        None => host,
    };
    Ok((host, port))
}

/// Host and port of a listen address. An empty address, and an empty host,
/// mean loopback: nothing is opened to the network that was not asked for.
///
/// # Errors
///
/// [`Error::BadListen`], worded as by Go's `net` package.
fn host_and_port(listen: &str) -> Result<(String, u16), Error> {
    let loopback = Ipv4Addr::LOCALHOST.to_string();
    if listen.is_empty() {
        return Ok((loopback, 0));
    }
    let (host, port) = split(listen).map_err(Error::BadListen)?;
    let port = services::port(port).map_err(Error::BadListen)?;
    Ok((if host.is_empty() { loopback } else { host.to_owned() }, port))
}

fn listen_path(listen: &str) -> Option<Result<Address, Error>> {
    let path = unix_path(listen)?;
    Some(path.map(|path| Address::Unix(path.to_owned())).map_err(Error::BadListen))
}

/// Resolves a listen address without blocking the caller's thread.
///
/// # Errors
///
/// [`Error::BadListen`] for what does not parse or resolve.
pub(crate) async fn resolve(listen: &str) -> Result<Address, Error> {
    if let Some(unix) = listen_path(listen) {
        return unix;
    }
    let (host, port) = host_and_port(listen)?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Address::Tcp((ip, port).into()));
    }
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    choose(&host, found)
}

/// As [`resolve`], blocking while a host name is looked up.
pub(crate) fn resolve_blocking(listen: &str) -> Result<Address, Error> {
    if let Some(unix) = listen_path(listen) {
        return unix;
    }
    let (host, port) = host_and_port(listen)?;
    choose(&host, (host.as_str(), port).to_socket_addrs())
}

/// The first IPv4 address, or else the first one, as Go chooses.
fn choose(
    host: &str,
    found: io::Result<impl Iterator<Item = SocketAddr>>,
) -> Result<Address, Error> {
    let found: Vec<_> =
        found.map_err(|error| Error::BadListen(format!("lookup {host}: {error}")))?.collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| found.first())
        .map(|address| Address::Tcp(*address))
        .ok_or_else(|| Error::BadListen(format!("lookup {host}: no such host")))
}

/// Where to connect to, for each connection anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upstream {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Upstream {
    /// # Errors
    ///
    /// Why the address is none. Toxiproxy finds that out when it dials.
    pub(crate) fn parse(upstream: &str) -> Result<Self, String> {
        if let Some(path) = unix_path(upstream) {
            return Ok(Self::Unix(path?.to_owned()));
        }
        let (host, port) = split(upstream)?;
        // Go dials this machine where no host is named.
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        Ok(Self::Tcp { host: host.to_owned(), port: services::port(port)? })
    }
}

/// Refuses an upstream that could never be dialled, where it is one that
/// Toxiproxy does not know: Toxiproxy takes any, and so do we.
pub(crate) fn check_upstream(upstream: &str) -> Result<(), Error> {
    match unix_path(upstream) {
        Some(Err(reason)) => Err(Error::BadUpstream(reason)),
        Some(Ok(_)) | None => Ok(()),
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
            ("localhost:https", "localhost", 443),
        ] {
            assert_eq!(host_and_port(listen), Ok((host.to_owned(), port)), "{listen}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        for (listen, error) in [
            ("nonsense", "address nonsense: missing port in address"),
            ("::1:80", "address ::1:80: too many colons in address"),
            ("a:99999", "address 99999: invalid port"),
            ("a:no-such-port", "lookup tcp/no-such-port: unknown port"),
            ("unix:a", "address unix:a: the path of a unix socket must be absolute"),
        ] {
            assert_eq!(resolve_blocking(listen).expect_err("bad").to_string(), error);
        }
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port_or_a_path() {
        let tcp = |host: &str, port| Ok(Upstream::Tcp { host: host.into(), port });
        for (upstream, read) in [
            ("db:5432", tcp("db", 5432)),
            (":80", tcp("127.0.0.1", 80)),
            ("[::1]:https", tcp("::1", 443)),
            ("unix:/run/db", Ok(Upstream::Unix("/run/db".into()))),
            ("db", Err("address db: missing port in address".into())),
        ] {
            assert_eq!(Upstream::parse(upstream), read, "{upstream}");
        }
    }
}
