use std::{convert::Infallible, fmt, str::FromStr, sync::Arc};

use redis::IntoConnectionInfo as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{
    CacheClient, EndpointError,
    dial::{Certificates, trusted_pem},
};

/// The address of a store as somebody gave it, which may hold a password: it
/// is shown and printed without one, by all that can print it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreUrl(Arc<str>);

impl From<String> for StoreUrl {
    fn from(url: String) -> Self {
        Self(url.into())
    }
}

impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.into()))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

/// The parameters of a Postgres URL that are followed. Others, of which a
/// provider's example may have some, are left out: the library would print
/// them with their values.
const FOLLOWED: [&str; 10] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

impl StoreUrl {
    /// As an address of Postgres.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn postgres(&self) -> Result<PgConnectOptions, EndpointError> {
        let (base, parameters) = self.parameters();
        let (followed, others): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|(name, _)| FOLLOWED.contains(name));
        for (name, _) in others {
            tracing::warn!("the parameter {name} of {self} means nothing here");
        }
        let tells_roots = followed.iter().any(|(name, _)| *name == "sslrootcert")
            || std::env::var_os("PGSSLROOTCERT").is_some();
        let tells_mode = followed.iter().any(|(name, _)| *name == "sslmode")
            || std::env::var_os("PGSSLMODE").is_some();
        let query: Vec<_> =
            followed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options = PgConnectOptions::from_str(&format!("{base}?{}", query.join("&")))
            .map_err(|source| EndpointError::Postgres { url: self.clone(), source })?;
        // Poolers refuse a client that asks for settings which they do not know,
        // and no column of ours is a float.
        let options = options.extra_float_digits(None);
        // A certificate has the address without the brackets of a URL.
        let host = options.get_host().trim_matches(['[', ']']).to_owned();
        let options = if options.get_socket().is_none() { options.host(&host) } else { options };
        let verifies =
            matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        // The library reads what it is told to trust for each connection anew,
        // on a thread that others wait for: what the machine trusts it would
        // read from a hundred files.
        let options = if verifies && !tells_roots {
            options.ssl_root_cert_from_pem(trusted_pem())
        } else {
            options
        };
        // The client asks for TLS first by default, which costs a round trip to a
        // server on loopback that has none.
        Ok(if host == "127.0.0.1" && !tells_mode {
            options.ssl_mode(PgSslMode::Disable)
        } else {
            options
        })
    }

    /// As an address of Redis; `sslrootcert`, `sslcert` and `sslkey` name files
    /// as they do for Postgres.
    ///
    /// # Errors
    ///
    /// When it is none, or one of its files cannot be read or used.
    pub fn redis(&self) -> Result<CacheClient, EndpointError> {
        let (base, parameters) = self.parameters();
        let file = |wanted: &str| {
            let Some((_, path)) = parameters.iter().find(|(name, _)| *name == wanted) else {
                return Ok(None);
            };
            std::fs::read(path).map(Some).map_err(|source| EndpointError::File {
                name: wanted.to_owned(),
                path: (*path).to_owned(),
                source,
            })
        };
        let tls = |why: String| EndpointError::Tls { url: self.clone(), why };
        let own = match (file("sslcert")?, file("sslkey")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(tls("sslcert and sslkey belong together".to_owned())),
        };
        let certificates = Certificates { roots: file("sslrootcert")?, own };
        let rest: Vec<_> = parameters
            .iter()
            .filter(|(name, _)| !["sslrootcert", "sslcert", "sslkey"].contains(name))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let url = if rest.len() == parameters.len() {
            self.0.to_string()
        } else {
            format!("{base}?{}", rest.join("&"))
        };
        let info = url
            .into_connection_info()
            .map_err(|source| EndpointError::Redis { url: self.clone(), source })?;
        CacheClient::new(info, &certificates).map_err(tls)
    }

    /// What stands before the parameters, and the parameters.
    fn parameters(&self) -> (&str, Vec<(&str, &str)>) {
        let Some((base, query)) = self.0.split_once('?') else { return (&self.0, Vec::new()) };
        let query = query.split('#').next().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        (base, pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
    }
}

/// `HOST:PORT`, with brackets around an address of IPv6.
#[must_use]
pub fn authority(host: &str, port: u16) -> String {
    let host = host.trim_matches(['[', ']']);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A URL without its password, fit for a message. Only what is surely no part
/// of a password is left.
fn redact(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => {
            (format!("{scheme}://"), rest)
        }
        Some(_) => return "…".to_owned(),
        None => (String::new(), url),
    };
    let (user, place) = match rest.matches('@').count() {
        0 => (None, rest),
        1 => rest.split_once('@').map_or((None, rest), |(user, place)| (Some(user), place)),
        // One of them stands in a password.
        _ => return format!("{scheme}…"),
    };
    // Before a sign that should have been escaped in a password, or after it.
    if user.is_some_and(|user| user.contains(['/', '?', '#'])) {
        return format!("{scheme}…");
    }
    let place = place.split(['?', '#']).next().unwrap_or_default();
    if !is_place(place) {
        return format!("{scheme}…");
    }
    match user.and_then(|user| user.split_once(':')) {
        Some((name, _)) => format!("{scheme}{name}@{place}"),
        // A lone word may be a password that is in the wrong place.
        None if user.is_some() && !scheme.starts_with("postgres") => format!("{scheme}…@{place}"),
        None => match user {
            Some(name) => format!("{scheme}{name}@{place}"),
            None => format!("{scheme}{place}"),
        },
    }
}

/// Whether a text is `HOST:PORT/NAME`, and not a user and a password.
fn is_place(text: &str) -> bool {
    let (authority, name) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-%[]:".contains(c);
    let bracketed = host.starts_with('[') || !host.contains(':');
    bracketed
        && host.chars().all(plain)
        && port.chars().all(|c| c.is_ascii_digit())
        && name.chars().all(|c| plain(c) && c != ':')
}

#[cfg(test)]
mod tests {
    use super::{StoreUrl, authority};

    #[test]
    fn a_password_never_reaches_a_message() {
        let urls = [
            "postgres://ann:SECRET@db:5432/x",
            "postgres://ann:SECRET@[::1]:5432/x?sslmode=require",
            "postgres://ann@db/x?password=SECRET",
            "postgres://ann@db/x?password=p@SECRET",
            "postgres://ann:p/SECRET@db:5432/x",
            "postgres://ann:p?SECRET@db:5432/x",
            "postgres://ann:p@SECRET@db:5432/x",
            "postgres://ann:p#SECRET@db:5432/x",
            "postgres://ann:SECRET",
            "redis://:SECRET@cache:6379",
            "redis://SECRET@cache:6379",
            "redis://:p@SECRET@cache:6379",
            "rediss://ann:SECRET@cache:6379/0#insecure",
            "ann:SECRET@db",
            "ann:SECRET",
            "host=db password=SECRET",
            "host=db password=SECRET url=postgres://db",
        ];
        for url in urls {
            let url = StoreUrl::from(url.to_owned());
            let told = [
                format!("{url} {url:?}"),
                url.postgres().map_or_else(|error| format!("{error} {error:?}"), |_| String::new()),
                url.redis().map_or_else(|error| format!("{error} {error:?}"), |_| String::new()),
            ];
            assert!(!told.concat().contains("SECRET"), "{told:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_told() {
        for url in [
            "postgres://ann@db:5432/x",
            "postgres://[::1]:5432/x",
            "redis://cache:6379/0",
            "localhost:5432",
        ] {
            assert_eq!(StoreUrl::from(url.to_owned()).to_string(), url);
        }
        let url = StoreUrl::from("postgres://ann:SECRET@db:5432/x?sslmode=require".to_owned());
        assert_eq!(url.to_string(), "postgres://ann@db:5432/x");
    }

    #[test]
    fn an_address_of_ipv6_has_brackets() {
        assert_eq!(authority("::1", 80), "[::1]:80");
        assert_eq!(authority("[::1]", 80), "[::1]:80");
        assert_eq!(authority("db", 80), "db:80");
        let url = StoreUrl::from("postgres://ann@[::1]:5432/x".to_owned());
        assert_eq!(url.postgres().unwrap().get_host(), "::1");
    }
}
