use std::{sync::Arc, time::Duration};

use quarrel_checkers::Lsn;
use quarrel_strategy::{
    cluster::{
        Boxed, Cluster, ClusterError, ClusterKind, Control, ControlError, Link, Needs, Unsupported,
        Vitals, Work,
    },
    record::{Clock, Commit},
    stores::Backend,
};

use super::{
    App,
    fleet::{Fleet, Reading},
    stores::AppStores,
};

/// A cluster with an application on it: what strikes the cluster strikes the
/// application, and what probes see of rows are the application's own.
pub struct AppCluster {
    inner: Arc<dyn Cluster>,
    app: Arc<App>,
}

impl AppCluster {
    /// Starts the application on a cluster that is up. On an error the cluster
    /// stays up.
    ///
    /// # Errors
    ///
    /// When the application does not start, or the cluster has no servers that
    /// it could connect to.
    pub fn start(
        inner: Arc<dyn Cluster>,
        app: Arc<App>,
        clients: u64,
        seed: u64,
        reading: Reading,
    ) -> Boxed<'static, Result<Self, ClusterError>> {
        Box::pin(async move {
            let fleet = Fleet::start(&app.file, &*inner, clients, seed, reading).await?;
            app.board(fleet, clients);
            Ok(Self { inner, app })
        })
    }
}

impl Cluster for AppCluster {
    fn kind(&self) -> ClusterKind {
        self.inner.kind()
    }

    fn pieces(&self) -> Vec<(String, String)> {
        self.inner.pieces()
    }

    fn client(&self) -> Backend {
        self.inner.client()
    }

    fn probe(&self) -> Backend {
        Backend::new(AppStores::new(Arc::clone(&self.app), self.inner.probe()))
    }

    fn commits(&self) -> Boxed<'_, Result<Option<Vec<Commit>>, String>> {
        Box::pin(async {
            let commits = self.app.fleet().commits.so_far().await;
            commits.map(Some).map_err(|error| format!("the primary's commits: {error}"))
        })
    }

    fn supports(&self, control: &Control) -> Result<(), Unsupported> {
        if control.needs() == Needs::Promotion {
            return Err(Unsupported {
                control: control.to_string(),
                why: "the order of an application's commits is read from the old primary, and \
                      the new one does not know it"
                    .to_owned(),
                advice: "another fault".to_owned(),
            });
        }
        self.inner.supports(control)
    }

    fn apply<'a>(&'a self, control: &'a Control) -> Boxed<'a, Result<(), ControlError>> {
        self.inner.apply(control)
    }

    fn timeline(&self) -> Boxed<'_, Result<u64, String>> {
        self.inner.timeline()
    }

    fn received(&self) -> Boxed<'_, Result<Lsn, String>> {
        self.inner.received()
    }

    fn close_lag(&self, link: Link) -> Boxed<'_, Result<Duration, String>> {
        self.inner.close_lag(link)
    }

    fn addresses(&self) -> Vec<(String, String)> {
        self.inner.addresses()
    }

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        Box::pin(async {
            let mut logs = self.inner.logs().await;
            logs.extend(self.app.fleet().logs());
            logs
        })
    }

    fn clock(&self) -> Clock {
        self.inner.clock()
    }

    fn vitals(&self) -> Boxed<'_, Result<Vec<Vitals>, String>> {
        Box::pin(async {
            let mut said = self.inner.vitals().await?;
            // What an application rolls back is its own business.
            said.iter_mut().for_each(|vitals| vitals.work = Work::default());
            Ok(said)
        })
    }

    fn missing(&self) -> Option<String> {
        self.app.fleet().ended().or_else(|| self.inner.missing())
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(async {
            let mut left = self.app.fleet().down().await;
            left.extend(self.inner.down().await);
            left
        })
    }
}
