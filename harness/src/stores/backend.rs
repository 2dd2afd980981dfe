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
    /// Ends after `duration`, in real or simulated time.
    pub(crate) fn timer(&mut self, duration: Duration) -> Timer {
        match self {
            Self::Real(_) => Box::pin(tokio::time::sleep(duration)),
            Self::Simulated(port) => port.timer(duration),
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
