//! The threads of a fault proxy.
//!
//! Each thread that carries connections has a runtime of its own, and a
//! connection stays on one: an event is dealt with where it arrives. Threads
//! that share a runtime wake each other for every event, which costs more than
//! forwarding a message. Accepting, and the API, have another thread, so that
//! no transfer delays a control call.

use crate::socket::{Moving, Plain};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// Dropping it ends the threads and does not wait for their tasks: inside of
/// another runtime, where it may well be dropped, waiting for one panics.
#[derive(Debug)]
pub(crate) struct Threads {
    control: Option<Runtime>,
    /// Dropped, each ends a thread.
    _carrying: Vec<oneshot::Sender<()>>,
    carriers: Vec<Handle>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.control.take() {
            runtime.shutdown_background();
        }
    }
}

impl Threads {
    /// Starts them, so many of which carry connections.
    ///
    /// # Errors
    ///
    /// The operating system refused one.
    pub(crate) fn start(carriers: usize) -> io::Result<Self> {
        let control = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("faultproxy")
            .enable_all()
            .build()?;
        let mut threads =
            Self { control: Some(control), _carrying: Vec::new(), carriers: Vec::new() };
        for _ in 0..carriers.max(1) {
            let runtime = Builder::new_current_thread()
                .thread_name("faultproxy-dial")
                .enable_all()
                .build()?;
            threads.carriers.push(runtime.handle().clone());
            let (stop, stopped) = oneshot::channel();
            threads._carrying.push(stop);
            std::thread::Builder::new().name("faultproxy-carry".into()).spawn(move || {
                // It ends when the sender is dropped.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })?;
        }
        Ok(threads)
    }

    /// The runtime that accepts, and serves the API.
    pub(crate) fn control(&self) -> Handle {
        self.control.as_ref().expect("it is only taken by drop").handle().clone()
    }

    pub(crate) fn carriers(&self) -> Carriers {
        Carriers { handles: self.carriers.clone(), next: AtomicUsize::new(0) }
    }
}

/// Where connections are carried, each in its turn.
#[derive(Debug)]
pub(crate) struct Carriers {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

impl Carriers {
    /// Takes an accepted connection to the thread that will carry it.
    pub(crate) fn carry<F: Future<Output = ()> + Send>(
        &self,
        stream: Plain,
        serve: impl FnOnce(io::Result<Plain>) -> F + Send + 'static,
    ) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = stream.leave();
        self.handles[turn % self.handles.len()]
            .spawn(async move { serve(stream.and_then(Moving::enter)).await });
    }
}
