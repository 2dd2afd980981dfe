use std::{future::Future, pin::Pin};

use super::{Request, Response, StoreError, real::RealStores};

/// A simulated client's end of its link: a future per call that the
/// simulator's executor completes.
pub trait Port: Send {
    /// Sends `request` and waits for the simulator to answer.
    fn call<'a>(
        &'a mut self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, StoreError>> + Send + 'a>>;
}

/// The stores behind one client's session.
pub enum Backend {
    /// Postgres and Redis, over connections that belong to this client alone.
    Real(Box<RealStores>),
    /// The simulator.
    Simulated(Box<dyn Port>),
}

impl Backend {
    /// Makes one call.
    ///
    /// # Errors
    ///
    /// When no answer came, or the answer was an error.
    pub async fn call(&mut self, request: &Request) -> Result<Response, StoreError> {
        match self {
            Self::Real(stores) => stores.call(request).await,
            Self::Simulated(port) => port.call(request).await,
        }
    }
}
