use std::{future::Future, pin::Pin, time::Duration};

use super::{Request, Response, StoreError, real::RealStores};

/// A simulated client's end of its link: a future per call that the
/// simulator's executor completes.
pub trait Port: Send {
    /// Sends `request` and waits for the simulator to answer.
    fn call<'a>(
        &'a mut self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, StoreError>> + Send + 'a>>;

    /// Closes the connections on which the cache tells this client of changes.
    fn hang_up(&mut self);

    /// The client's code has asked who it is: from now on it may do something
    /// else than another client would. Only searches mind.
    fn identified(&self) {}

    /// Ends after `duration` of simulated time. Where no time passes it never
    /// ends.
    fn timer(&mut self, duration: Duration) -> Timer {
        let _ = duration;
        Box::pin(std::future::pending())
    }
}

/// A time to wait for, beside a call.
pub type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stores behind one client's session.
pub enum Backend {
    /// Postgres and Redis, over connections that belong to this client alone.
    Real(Box<RealStores>),
    /// The simulator.
    Simulated(Box<dyn Port>),
}

impl Backend {
    /// The client's code has asked who it is.
    pub(crate) fn identified(&self) {
        if let Self::Simulated(port) = self {
            port.identified();
        }
    }

    /// Ends after `duration`, in real or simulated time.
    pub(crate) fn timer(&mut self, duration: Duration) -> Timer {
        match self {
            Self::Real(_) => Box::pin(tokio::time::sleep(duration)),
            Self::Simulated(port) => port.timer(duration),
        }
    }

    /// Returns when everything that the cache had told this client before is
    /// here: a client that looks may look too early.
    pub(crate) async fn hear_out(&mut self) {
        // More than any message takes on links that nobody slows.
        const A_WHILE: Duration = Duration::from_millis(2);
        match self {
            Self::Real(stores) => stores.hear_out().await,
            // Sleeping never fails.
            Self::Simulated(port) => drop(port.call(&Request::Sleep(A_WHILE)).await),
        }
    }

    /// Closes the connections on which the cache tells this client of changes,
    /// with what is on its way.
    pub(crate) fn hang_up(&mut self) {
        match self {
            Self::Real(stores) => stores.hang_up(),
            Self::Simulated(port) => port.hang_up(),
        }
    }

    /// These stores, with the connections to the cache that a client had before.
    pub(crate) fn with_the_cache_of(self, old: Self) -> Self {
        match (self, old) {
            (Self::Real(mut stores), Self::Real(old)) => {
                stores.take_cache_of(*old);
                Self::Real(stores)
            }
            // Simulated connections are made anew where they broke.
            (_, old) => old,
        }
    }

    /// Makes one call.
    ///
    /// # Errors
    ///
    /// When no answer came, or the answer was an error.
    pub async fn call(&mut self, request: &Request) -> Result<Response, StoreError> {
        match self {
            // In a box: it is 20 kB, which every call of a simulated client
            // would have to carry about, too.
            Self::Real(stores) => Box::pin(stores.call(request)).await,
            Self::Simulated(port) => port.call(request).await,
        }
    }
}
