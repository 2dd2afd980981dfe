use std::{future::Future, pin::Pin, time::Duration};

use super::{Request, Response, StoreError};

/// The stores as one client reaches them: connections to real servers, or a
/// simulated client's end of its link.
pub trait Port: Send {
    /// Makes one call and waits for its answer.
    ///
    /// # Errors
    ///
    /// When no answer came, or the answer was an error.
    fn call<'a>(
        &'a mut self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, StoreError>> + Send + 'a>>;

    /// Ends after `duration`, in real or simulated time. Where no time passes
    /// it never ends.
    fn timer(&mut self, duration: Duration) -> Timer {
        let _ = duration;
        Box::pin(std::future::pending())
    }
}

/// A time to wait for, beside a call.
pub type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stores behind one client's session.
pub struct Backend(Box<dyn Port>);

impl Backend {
    /// Stores behind `port`.
    #[must_use]
    pub fn new(port: impl Port + 'static) -> Self {
        Self(Box::new(port))
    }

    /// Ends after `duration`, in real or simulated time.
    pub fn timer(&mut self, duration: Duration) -> Timer {
        self.0.timer(duration)
    }

    /// Makes one call.
    ///
    /// # Errors
    ///
    /// When no answer came, or the answer was an error.
    pub async fn call(&mut self, request: &Request) -> Result<Response, StoreError> {
        self.0.call(request).await
    }
}
