//! Postgres through `sqlx` and Redis through `redis`, as an application's
//! clients use them, but with nothing hidden: no pool, no retry, no silent
//! reconnect, a time-out on everything.

mod address;
mod channel;
mod dial;
mod endpoints;
mod feed;
mod postgres;
mod pushed;
mod redis;
mod schema;
mod sql;
mod statement;
mod tracking;
mod want;

use std::time::Duration;

use quarrel_checkers::Site;
use sqlx::postgres::PgConnectOptions;

pub use address::{StoreUrl, authority};
pub use dial::CacheClient;
pub use endpoints::{EndpointError, Endpoints};
pub use schema::{Schema, SchemaNameError};
pub use statement::Sending;

pub use self::postgres::classify;
use self::{endpoints::Tenancy, feed::Listener, postgres::Postgres, redis::Redis};
use quarrel_strategy::{
    cluster::Boxed,
    stores::{Feed, Port, Request, Response, StoreError, TimeLimits, Timer},
};
pub use want::want_behind;

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

    async fn answer(&mut self, request: &Request) -> Result<Response, StoreError> {
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

impl Port for RealStores {
    fn call<'a>(&'a mut self, request: &'a Request) -> Boxed<'a, Result<Response, StoreError>> {
        Box::pin(self.answer(request))
    }

    fn hear_out(&mut self) -> Boxed<'_, ()> {
        Box::pin(self.cache.hear_out())
    }

    fn hang_up(&mut self) {
        self.cache.hang_up();
    }

    fn renew_databases(&mut self) {
        self.primary.hang_up();
        self.replica.hang_up();
        self.listener.hang_up();
    }

    fn timer(&mut self, duration: Duration) -> Timer {
        Box::pin(tokio::time::sleep(duration))
    }
}
