use std::{str::FromStr, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where the stores listen, and which part of them is ours.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The Postgres that takes writes.
    pub primary: PgConnectOptions,
    /// The Postgres that replays them.
    pub replica: PgConnectOptions,
    /// Redis.
    pub cache: ::redis::Client,
    /// What every key in Redis starts with; empty on a cluster of our own.
    pub prefix: String,
}

/// An address that is none.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not a Postgres URL.
    #[error(
        "`{url}` is not a Postgres URL (expected postgres://USER@HOST:PORT/DATABASE): {source}"
    )]
    Postgres {
        /// What was given, without its password.
        url: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// Not a Redis URL.
    #[error("`{url}` is not a Redis URL (expected redis://HOST:PORT/DB): {source}")]
    Redis {
        /// What was given, without its password.
        url: String,
        /// Why not.
        source: ::redis::RedisError,
    },
}

impl Endpoints {
    /// Endpoints from URLs. Tables live in the schema `schema`, keys of Redis
    /// behind `prefix`.
    ///
    /// # Errors
    ///
    /// When one of them is not a URL of its store.
    pub fn from_urls(
        primary: &str,
        replica: &str,
        cache: &str,
        schema: &str,
        prefix: &str,
    ) -> Result<Self, EndpointError> {
        Ok(Self {
            primary: postgres(primary, schema)?,
            replica: postgres(replica, schema)?,
            cache: ::redis::Client::open(cache)
                .map_err(|source| EndpointError::Redis { url: redact(cache), source })?,
            prefix: prefix.to_owned(),
        })
    }
}

impl Endpoints {
    /// The stores by name, each behind `prefix`, with their URLs, which hold no
    /// password.
    #[must_use]
    pub fn urls(&self, prefix: &str) -> Vec<(String, String)> {
        let postgres = |options: &PgConnectOptions| {
            let (user, database) = (options.get_username(), options.get_database());
            let (host, port) = (options.get_host(), options.get_port());
            format!("postgres://{user}@{host}:{port}/{}", database.unwrap_or(user))
        };
        let cache = self.cache.get_connection_info();
        let database = cache.redis_settings().db();
        vec![
            (format!("{prefix}primary"), postgres(&self.primary)),
            (format!("{prefix}replica"), postgres(&self.replica)),
            (format!("{prefix}cache"), format!("redis://{}/{database}", cache.addr())),
        ]
    }
}

fn postgres(url: &str, schema: &str) -> Result<PgConnectOptions, EndpointError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|source| EndpointError::Postgres { url: redact(url), source })?;
    // Postgres itself must give up what a client gave up, or a forgotten
    // statement holds its row lock against everybody.
    let options = options.options([
        ("search_path", schema),
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("synchronous_commit", "local"),
    ]);
    // The client asks for TLS first by default, which costs a round trip to a
    // server on loopback that has none.
    Ok(if options.get_host() == "127.0.0.1" && !url.contains("sslmode") {
        options.ssl_mode(PgSslMode::Disable)
    } else {
        options
    })
}

/// A URL without its password, fit for a message.
#[must_use]
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    format!("{scheme}://{user}@{host}")
}

/// How long a client waits before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For a connection to stand.
    pub connect: Duration,
    /// For the answer to one call.
    pub call: Duration,
}

impl Default for TimeLimits {
    /// One second each: long beside a healthy call (under a millisecond),
    /// short beside a fault (seconds).
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), call: Duration::from_secs(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn a_password_never_reaches_a_message() {
        assert_eq!(redact("postgres://ann:secret@db:5432/x"), "postgres://ann@db:5432/x");
        assert_eq!(redact("redis://:p@ss@cache:6379"), "redis://@cache:6379");
        assert_eq!(redact("redis://cache:6379"), "redis://cache:6379");
    }
}
