//! `quarrel serve`: the results folder in a browser.
//!
//! Read-only, unless notes are asked for: nothing else is ever written, and no
//! run is started. It listens on the
//! loopback interface unless told otherwise, answers only to the names of that
//! interface, and no path leads out of the results folder.

mod chosen;
mod compare;
mod connections;
mod files;
mod guard;
mod layout;
mod list;
mod live;
mod matrix;
mod notes;
mod overview;
mod pages;
mod run;
mod shelf;

use std::{future::Future, io, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{Router, middleware, routing::get};
use futures::future::BoxFuture;
use notes::Notebook;
pub use notes::Noting;
use shelf::Shelf;

/// What a server shows, and where.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The results folder.
    pub results: PathBuf,
    /// The address to listen on; port 0 takes a free one.
    pub address: SocketAddr,
    /// What is accepted of cases, drawn into trends; a file that is not there
    /// accepts nothing.
    pub policy: Option<PathBuf>,
    /// Whether notes are taken.
    pub noting: Noting,
}

/// A server that listens, and has not begun to answer.
pub struct Server {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    routes: Router,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub fn bind(options: ServeOptions) -> BoxFuture<'static, io::Result<Self>> {
        Box::pin(async move {
            let listener = tokio::net::TcpListener::bind(options.address).await?;
            let address = listener.local_addr()?;
            let routes = routes(
                Arc::new(Shelf::new(
                    options.results,
                    options.policy,
                    Notebook::new(options.noting),
                )),
                address,
            );
            Ok(Self { listener, address, routes })
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready.
    ///
    /// # Errors
    ///
    /// When listening fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
        // A page that follows a run never ends its request: waiting for it
        // would be waiting for ever.
        let serve: BoxFuture<'_, io::Result<()>> =
            Box::pin(connections::answer(self.listener, self.routes, connections::HEAD));
        tokio::select! {
            biased;
            () = stop => Ok(()),
            ended = serve => ended,
        }
    }
}

fn routes(shelf: Arc<Shelf>, address: SocketAddr) -> Router {
    Router::new()
        .route("/", get(list::page))
        .route("/matrix", get(matrix::page))
        .route("/matrix/{matrix}/cell", get(matrix::cell))
        .route("/matrix/{matrix}/file/{*path}", get(matrix::file))
        .route("/matrix/{matrix}/report/{*run}", get(matrix::report))
        .route("/trend", get(overview::trend))
        .route("/compare", get(compare::page))
        .route("/run/{run}", get(run::page))
        .route("/run/{run}/window", get(run::window))
        .route("/run/{run}/notes", get(notes::page).post(notes::keep))
        .route("/run/{run}/live", get(live::events))
        .route("/run/{run}/file/{*path}", get(files::file))
        .route("/style.css", get(layout::style))
        .route("/serve.js", get(layout::script))
        .fallback(layout::nothing_here)
        .layer(middleware::from_fn(move |request, next| guard::guard(address, request, next)))
        .with_state(shelf)
}
