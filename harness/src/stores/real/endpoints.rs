use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{Schema, Sending, sql::Sql};

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
    /// Which tables are ours, and how they are spoken to.
    pub(super) tenancy: Tenancy,
}

/// What part of a database is ours, and how statements reach it.
#[derive(Clone, Debug)]
pub(super) struct Tenancy {
    pub(super) schema: Schema,
    pub(super) sending: Sending,
    /// Shared by all clients.
    pub(super) sql: Arc<Sql>,
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
    /// Endpoints from URLs. Tables live in `schema`, keys of Redis behind
    /// `prefix`.
    ///
    /// # Errors
    ///
    /// When one of them is not a URL of its store.
    pub fn from_urls(
        primary: &str,
        replica: &str,
        cache: &str,
        schema: &Schema,
        prefix: &str,
        sending: Sending,
    ) -> Result<Self, EndpointError> {
        Ok(Self {
            primary: postgres(primary)?,
            replica: postgres(replica)?,
            cache: ::redis::Client::open(cache)
                .map_err(|source| EndpointError::Redis { url: redact(cache), source })?,
            prefix: prefix.to_owned(),
            tenancy: Tenancy { sql: Arc::new(Sql::of(schema)), schema: schema.clone(), sending },
        })
    }

    /// The schema that is ours.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.tenancy.schema
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

fn postgres(url: &str) -> Result<PgConnectOptions, EndpointError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|source| EndpointError::Postgres { url: redact(url), source })?;
    // Poolers refuse a client that asks for settings which they do not know,
    // and no column of ours is a float.
    let options = options.extra_float_digits(None);
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
