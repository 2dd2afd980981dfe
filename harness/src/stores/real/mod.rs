//! Postgres through `sqlx` and Redis through `redis`, as an application's
//! clients use them, but with nothing hidden: no pool, no retry, no silent
//! reconnect, a time-out on everything.

mod endpoints;
mod feed;
mod postgres;
mod redis;
mod tracking;

use quarrel_checkers::Site;

pub use endpoints::{EndpointError, Endpoints, TimeLimits, redact};

use self::{feed::Listener, postgres::Postgres, redis::Redis};
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
        Self {
            primary: Postgres::new(Site::Primary, endpoints.primary.clone(), limits),
            replica: Postgres::new(Site::Replica, endpoints.replica.clone(), limits),
            cache: Redis::new(endpoints.cache.clone(), endpoints.prefix.clone(), limits),
            listener: Listener::new(endpoints.primary.clone(), limits),
        }
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
        match request.site() {
            Site::Primary => self.primary.call(request).await,
            Site::Replica => self.replica.call(request).await,
            Site::Cache => self.cache.call(request).await,
            Site::Client => {
                if let Request::Sleep(duration) = request {
                    tokio::time::sleep(*duration).await;
                }
                Ok(Response::Done)
            }
        }
    }
}
