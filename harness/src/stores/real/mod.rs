//! Postgres through `sqlx` and Redis through `redis`, as an application's
//! clients use them, but with nothing hidden: no pool, no retry, no silent
//! reconnect, a time-out on everything.

mod address;
mod channel;
mod dial;
mod endpoints;
mod feed;
mod postgres;
mod redis;
mod schema;
mod sql;
mod statement;
mod tracking;

use quarrel_checkers::Site;
use sqlx::postgres::PgConnectOptions;

pub use address::{StoreUrl, authority};
pub use dial::CacheClient;
pub use endpoints::{EndpointError, Endpoints, TimeLimits};
pub use schema::{Schema, SchemaNameError};
pub use statement::Sending;

pub(crate) use self::postgres::classify;
use self::{endpoints::Tenancy, feed::Listener, postgres::Postgres, redis::Redis};
use super::{Feed, Request, Response, StoreError};

/// One client's own connections. Each is opened at the first call that needs
/// it and thrown away when it breaks or falls out of step.
pub struct RealStores {
    primary: Postgres,
    replica: Postgres,
    cache: Redis,
    listener: Listener,
}

impl RealStores {
    /// Unconnected stores at `endpoints`.
    #[must_use]
    pub fn new(endpoints: &Endpoints, limits: TimeLimits) -> Self {
        let postgres = |site, options: &PgConnectOptions| {
            Postgres::new(site, options.clone(), endpoints.tenancy.clone(), limits)
        };
        let channel = endpoints.schema().channel();
        Self {
            primary: postgres(Site::Primary, &endpoints.primary),
            replica: postgres(Site::Replica, &endpoints.replica),
            cache: Redis::new(endpoints, limits),
            listener: Listener::new(endpoints.primary.clone(), channel, limits),
        }
    }

    /// Returns when everything that the cache had told this client before is
    /// here.
    pub(crate) async fn hear_out(&mut self) {
        self.cache.hear_out().await;
    }

    /// Goes on with the connections to the cache that `old` has.
    pub(crate) fn take_cache_of(&mut self, old: Self) {
        self.cache = old.cache;
    }

    /// Closes the connections on which the cache tells this client anything.
    pub(crate) fn hang_up(&mut self) {
        self.cache.hang_up();
    }

    /// Makes one call.
    ///
    /// # Errors
    ///
    /// When no answer came in time, or the answer was an error.
    pub async fn call(&mut self, request: &Request) -> Result<Response, StoreError> {
        if let Request::FeedPoll { feed: Feed::Notify, limit, wait } = request {
            return self.listener.poll(*limit, *wait).await;
        }
        if *request == Request::FeedOpen(Feed::Notify) {
            return self.listener.try_out().await;
        }
        match request.site() {
            Site::Primary => self.primary.call(request).await,
            Site::Replica => self.replica.call(request).await,
            Site::Cache => self.cache.call(request).await,
            Site::Client => match request {
                Request::Near { row, .. } => Ok(Response::Content(Some(row.clone().into()))),
                Request::Sleep(duration) => {
                    tokio::time::sleep(*duration).await;
                    Ok(Response::Done)
                }
                _ => Ok(Response::Done),
            },
        }
    }
}
