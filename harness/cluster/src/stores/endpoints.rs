use std::{fmt, sync::Arc};

use ::redis::ConnectionAddr;
use sqlx::postgres::PgConnectOptions;

use super::{CacheClient, Schema, Sending, StoreUrl, authority, sql::Sql};

/// Where the stores listen, and which part of them is ours.
#[derive(Clone)]
pub struct Endpoints {
    /// The Postgres that takes writes.
    pub primary: PgConnectOptions,
    /// The Postgres that replays them.
    pub replica: PgConnectOptions,
    /// Redis.
    pub cache: CacheClient,
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
        url: StoreUrl,
        /// Why not.
        source: sqlx::Error,
    },
    /// Not a Redis URL.
    #[error("`{url}` is not a Redis URL (expected redis://HOST:PORT/DB): {source}")]
    Redis {
        /// What was given, without its password.
        url: StoreUrl,
        /// Why not.
        source: ::redis::RedisError,
    },
    /// No TLS can be spoken with what it says.
    #[error("`{url}`: {why}")]
    Tls {
        /// What was given, without its password.
        url: StoreUrl,
        /// Why not.
        why: String,
    },
    /// A file that it names cannot be read.
    #[error("{name}={path}: {source}")]
    File {
        /// The parameter.
        name: String,
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
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
        primary: &StoreUrl,
        replica: &StoreUrl,
        cache: &StoreUrl,
        schema: &Schema,
        prefix: &str,
        sending: Sending,
    ) -> Result<Self, EndpointError> {
        Ok(Self {
            primary: primary.postgres()?,
            replica: replica.postgres()?,
            cache: cache.redis()?,
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
            let place = authority(options.get_host(), options.get_port());
            format!("postgres://{user}@{place}/{}", database.unwrap_or(user))
        };
        let database = self.cache.settings().db();
        let scheme = match self.cache.addr() {
            ConnectionAddr::TcpTls { .. } => "rediss",
            _ => "redis",
        };
        let place = self
            .cache
            .address()
            .map_or_else(|| self.cache.addr().to_string(), |(host, port)| authority(&host, port));
        vec![
            (format!("{prefix}primary"), postgres(&self.primary)),
            (format!("{prefix}replica"), postgres(&self.replica)),
            (format!("{prefix}cache"), format!("{scheme}://{place}/{database}")),
        ]
    }
}

impl fmt::Debug for Endpoints {
    /// Without passwords, which the parts would print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.urls("")).finish_non_exhaustive()
    }
}
