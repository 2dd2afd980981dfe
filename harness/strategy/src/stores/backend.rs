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

    /// Returns when everything that the cache had told this client before is
    /// here: a client that looks may look too early.
    fn hear_out(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// Closes the connections on which the cache tells this client of changes,
    /// with what is on its way.
    fn hang_up(&mut self);

    /// Connections to the databases are made anew with the next call; those to
    /// the cache stay.
    fn renew_databases(&mut self) {}

    /// The client's code has asked who it is: from now on it may do something
    /// else than another client would. Only searches mind.
    fn identified(&self) {}

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

    /// Returns when everything that the cache had told this client before is
    /// here.
    pub async fn hear_out(&mut self) {
        self.0.hear_out().await;
    }

    /// Closes the connections on which the cache tells this client of changes.
    pub fn hang_up(&mut self) {
        self.0.hang_up();
    }

    /// Connections to the databases are made anew with the next call.
    pub fn renew_databases(&mut self) {
        self.0.renew_databases();
    }

    /// The client's code has asked who it is.
    pub(crate) fn identified(&self) {
        self.0.identified();
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
