use std::{path::Path, sync::Arc};

use quarrel_app::{App, AppCluster, AppFile, AppFileError, Reading};
use quarrel_run::{
    faults::{Fault, Strike},
    results::RunSettings,
};
use quarrel_strategy::{
    cluster::{Cluster, ClusterError},
    strategy::{AnyStrategy, Options, StrategyEntry},
};

use super::{Failure, app_explore::NO_UPDATE, output::eprintln};

/// What a run is about: a strategy of the catalogue, or an application.
pub(super) enum Subject<'a> {
    /// A strategy with its options.
    Strategy(&'a StrategyEntry, Options),
    /// An application, not yet started.
    App(Arc<App>),
}

/// What an application's file says. Every command that runs what stands in one
/// comes by here, or by [`announce`], and names it first.
pub(super) fn read_app(path: &Path) -> Result<AppFile, Failure> {
    let file = parsed(path)?;
    announce(path);
    Ok(file)
}

/// Says whose commands are run.
pub(super) fn announce(app: &Path) {
    eprintln!("app: {}, whose commands are run", app.display());
}

fn parsed(path: &Path) -> Result<AppFile, Failure> {
    AppFile::read(path).map_err(|error| match error {
        AppFileError::Io { path, source } => Failure::reading(&path, &source),
        AppFileError::Form(error) => error.into(),
    })
}

impl Subject<'_> {
    /// The application of a file. Whoever runs it must [`announce`] it first.
    pub(super) fn app(path: &Path) -> Result<Self, Failure> {
        Ok(Self::App(Arc::new(App::new(parsed(path)?))))
    }

    /// The same subject, for an attempt of its own: an application is started
    /// once.
    pub(super) fn anew(&self) -> Self {
        match self {
            Self::Strategy(entry, options) => Self::Strategy(entry, options.clone()),
            Self::App(app) => Self::App(Arc::new(App::new(app.file.clone()))),
        }
    }

    pub(super) fn build(&self) -> Result<Arc<dyn AnyStrategy>, Failure> {
        match self {
            Self::Strategy(entry, options) => (entry.build)(options).map_err(Failure::usage),
            Self::App(app) => Ok(Arc::clone(app) as Arc<dyn AnyStrategy>),
        }
    }

    /// Whether these faults can strike it: an application makes no steps of ours
    /// at which its clients could be struck.
    pub(super) fn suits(&self, faults: &[Fault]) -> Result<(), Failure> {
        let Self::App(app) = self else { return Ok(()) };
        for fault in faults {
            match fault.strike() {
                None => {}
                Some(Strike::Manual(_)) if app.file.rows.update.is_some() => {}
                Some(Strike::Manual(_)) => return Err(Failure::usage(NO_UPDATE)),
                Some(_) => {
                    let why = format!(
                        "--fault {fault}: it strikes clients between two steps of a strategy, and \
                         an application takes its own"
                    );
                    return Err(Failure::usage(why));
                }
            }
        }
        Ok(())
    }

    /// Says in a run's settings what it was about.
    pub(super) fn describe(&self, settings: &mut RunSettings) {
        match self {
            Self::Strategy(entry, options) => {
                entry.name.clone_into(&mut settings.strategy);
                entry.source.clone_into(&mut settings.source);
                let pairs = options.iter();
                settings.options =
                    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                settings.given = Some(options.besides(entry.options));
            }
            Self::App(app) => {
                settings.strategy.clone_from(&app.file.name);
                settings.source = app.file.source();
                settings.app = Some(app.file.source());
                settings.given = Some(std::collections::BTreeMap::new());
                settings.invalidation = app.file.invalidation;
            }
        }
    }

    /// Clients, if nobody said how many.
    pub(super) const fn clients(&self) -> u64 {
        match self {
            Self::Strategy(..) => 16,
            // Each has an instance of its own.
            Self::App(_) => 8,
        }
    }

    /// The cluster with the subject on it. If that fails, the cluster is taken
    /// down.
    pub(super) async fn on(
        &self,
        cluster: Box<dyn Cluster>,
        clients: u64,
        seed: u64,
        reading: Reading,
    ) -> Result<Arc<dyn Cluster>, ClusterError> {
        let cluster: Arc<dyn Cluster> = Arc::from(cluster);
        let Self::App(app) = self else { return Ok(cluster) };
        match AppCluster::start(Arc::clone(&cluster), Arc::clone(app), clients, seed, reading).await
        {
            Ok(app) => Ok(Arc::new(app)),
            Err(error) => {
                super::run::take_down(&*cluster).await;
                Err(error)
            }
        }
    }
}
