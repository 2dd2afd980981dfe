use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, Subcommand};
use quarrel_app::{
    App, AppFault, AppFile, AppRace, AppReport, Choices, Clients, Limits, Reading, Replayed,
    Replies, examine, explore_app, learn, replay_app, sweep_app,
};
use quarrel_checkers::Guarantee;
use quarrel_report::report::command_line;
use quarrel_run::{
    judge::Expectation,
    results::{FormError, write_text},
};
use quarrel_strategy::{record::Stop, stores::TimeLimits};

use super::{
    Failure,
    choose::{Choice, Wanted, start},
    output::{self, eprintln, print, println},
    perform::interrupted,
    run::{asked, duration, take_down},
    signals::stop_on_signals,
    subject::{Subject, read_app},
};

/// What a search of an application takes beside the options of any search.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Applications")]
pub(super) struct AppExploreArgs {
    /// An application in place of a strategy: its app.toml. Its own messages to real stores are held and let go on in every order
    #[arg(long, value_name = "FILE", conflicts_with = "strategy")]
    pub(super) app: Option<PathBuf>,
    /// Where to run an application: auto, docker or native
    #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>(), requires = "app")]
    cluster: Choice,
    /// The longest that the search of an application may take
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = duration, requires = "app")]
    time: Duration,
    /// How often a break of an application is performed again before it is told
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=1000), requires = "app")]
    replays: u64,
    /// Which messages of an application wait for their turn: requests or requests+replies [default: as its file says, else requests]
    #[arg(long, value_name = "WHICH", value_parser = ["requests", "requests+replies"], requires = "app")]
    hold: Option<String>,
    /// Print, and write to --out, tokens for what its rows, statements, headers and messages hold. Such a race can be read, and not be replayed
    #[arg(long, requires = "app")]
    redact: bool,
}

/// What any search takes, as far as it counts for applications.
pub(super) struct Asked<'a> {
    pub(super) args: &'a AppExploreArgs,
    pub(super) most_clients: usize,
    /// Names of faults.
    pub(super) faults: Vec<String>,
    pub(super) strikes: usize,
    pub(super) expect: Expectation,
    pub(super) out: Option<&'a Path>,
    pub(super) json: bool,
}

/// A change by hand needs to be told how.
pub(super) const NO_UPDATE: &str = "manual-sql: the application's file has no [rows] update, the \
     statement by which a row is changed by hand";

/// Which clients there are in the spaces that are searched, the smallest first.
const SPACES: [Clients; 3] = [
    Clients { writers: 1, readers: 1 },
    Clients { writers: 2, readers: 1 },
    Clients { writers: 1, readers: 2 },
];

/// Exit code 0 if no order breaks it and all were tried, 1 if one does, 2 if
/// something was left out, 130 if somebody stopped it before one did.
pub(super) fn explore(file: &Path, asked: &Asked<'_>) -> Result<u8, Failure> {
    if asked.args.redact {
        output::redact();
    }
    if asked.expect.guarantee != Guarantee::Linearizable {
        // Nothing could ever break them, and all would be said to hold.
        let why = format!(
            "--expect {}: an application is only explored for linearizable, as each client \
             makes one request",
            asked.expect
        );
        return Err(Failure::usage(why));
    }
    let file = read_app(file)?;
    let mut faults = Vec::new();
    for name in &asked.faults {
        let fault: AppFault = name.parse().map_err(Failure::usage)?;
        if fault == AppFault::ManualSql && file.rows.update.is_none() {
            return Err(Failure::usage(NO_UPDATE));
        }
        faults.push(fault);
    }
    let replies = match asked.args.hold.as_deref() {
        None => file.replies,
        Some("requests") => Replies::GoOn,
        Some(_) => Replies::Held,
    };
    let choices = Choices { faults, strikes: asked.strikes, replies };
    let fits = |clients: &&Clients| clients.writers + clients.readers <= asked.most_clients;
    let spaces: Vec<Clients> = SPACES.iter().filter(fits).copied().collect();
    let searched = spaces.clone();
    let limits = Limits {
        time: asked.args.time,
        replays: usize::try_from(asked.args.replays).unwrap_or(usize::MAX),
        choices,
        ..Limits::default()
    };
    let report = with_app(file, asked.args.cluster, &spaces, |app, stop| async move {
        explore_app(&app, &searched, &limits, &stop).await
    })?;
    let Started { came_to: report, ended } = report;
    tell(&report, asked)?;
    Ok(match (&report.finding, report.holds()) {
        (Some(_), _) => 1,
        (None, true) => 0,
        (None, false) => ended.code(2),
    })
}

fn tell(report: &AppReport, asked: &Asked<'_>) -> Result<(), Failure> {
    if asked.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{report}");
    }
    if let (Some(path), Some(finding)) = (asked.out, &report.finding) {
        if path.exists() {
            return Err(Failure::usage(format!("{} exists; name another file", path.display())));
        }
        write_text(path, &output::shown(finding.race.to_text()))?;
        let app = finding.race.app.to_string_lossy();
        let again = command_line(["quarrel", "replay", &path.to_string_lossy(), "--app", &app]);
        eprintln!("written: {}; {again} makes it happen again", path.display());
    }
    Ok(())
}

/// Performs a race of an application. Exit code 0 if it broke each time, 1 if it
/// did not, 2 if its messages never came as written.
///
/// The application is named beside the race, which somebody may have sent: its
/// commands are run.
pub(super) fn replay(
    path: &Path,
    text: &str,
    app: Option<&Path>,
    choice: Choice,
    times: usize,
) -> Result<u8, Failure> {
    let race = AppRace::parse(text).map_err(|(line, why)| FormError::at(path, line, 1, why))?;
    let Some(app) = app else {
        let named = race.app.to_string_lossy();
        let again = command_line(["quarrel", "replay", &path.to_string_lossy(), "--app", &named]);
        let why = format!(
            "{} is a race of an application; name the application, whose commands are then run: \
             {again}",
            path.display()
        );
        return Err(Failure::usage(why));
    };
    let file = read_app(app)?;
    let spaces = [race.clients];
    let replayed = with_app(file, choice, &spaces, |app, stop| async move {
        let_be_stopped(&stop, replay_app(&app, &race, times)).await
    })?
    .unless_stopped()?;
    let Replayed { times, same, broken, other } = &replayed;
    println!("broken {broken} of {times} times; its messages went on as written {same} times");
    if let Some(other) = other {
        println!("  = nondeterministic: {other}");
    }
    Ok(match (*broken, *same) {
        (broken, _) if broken == *times => 0,
        (_, 0) => 2,
        _ => 1,
    })
}

/// An application as it is: what it says to its stores
#[derive(Args, Clone, Debug)]
pub(super) struct AppArgs {
    #[command(subcommand)]
    command: AppCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum AppCommand {
    /// Starts it, reads and writes one row, and shows what each request said to the stores
    Doctor {
        /// Its app.toml; the commands in it are run
        file: PathBuf,
        /// Where to run it: auto, docker or native
        #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
        cluster: Choice,
        /// Print tokens for what its rows, statements, headers and messages hold
        #[arg(long)]
        redact: bool,
    },
    /// Makes each request alone, cold and warm, and shows what of its messages is taken for of no matter
    Learn {
        /// Its app.toml; the commands in it are run
        file: PathBuf,
        /// Where to run it: auto, docker or native
        #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
        cluster: Choice,
        /// Add what was learnt to the file, as its table [steps]
        #[arg(long)]
        write: bool,
        /// Print tokens for what its rows, statements, headers and messages hold
        #[arg(long)]
        redact: bool,
    },
    /// Breaks the connection before and after every message of a write and of a read, and shows which leave the cache wrong and which answers lie
    Faults {
        /// Its app.toml; the commands in it are run
        file: PathBuf,
        /// Where to run it: auto, docker or native
        #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
        cluster: Choice,
        /// Print tokens for what its rows, statements, headers and messages hold
        #[arg(long)]
        redact: bool,
    },
}

/// Exit code 0 if all that it said could be read, 2 if not; of faults, 1 if one
/// left something wrong.
pub(super) fn app(args: &AppArgs) -> Result<u8, Failure> {
    let (AppCommand::Doctor { redact, .. }
    | AppCommand::Learn { redact, .. }
    | AppCommand::Faults { redact, .. }) = &args.command;
    if *redact {
        output::redact();
    }
    let alone = [Clients { writers: 0, readers: 0 }];
    match &args.command {
        AppCommand::Doctor { file, cluster, .. } => {
            let file = read_app(file)?;
            let found = with_app(file, *cluster, &alone, |app, stop| async move {
                let_be_stopped(&stop, examine(&app)).await
            })?
            .unless_stopped()?;
            print!("{found}");
            Ok(if found.is_clear() { 0 } else { 2 })
        }
        AppCommand::Learn { file, cluster, write, .. } => {
            let read = read_app(file)?;
            if *write && (!read.steps.local.is_empty() || !read.steps.background.is_empty()) {
                let why = format!("{} has a table [steps]: take it out first", file.display());
                return Err(Failure::usage(why));
            }
            let found = with_app(read, *cluster, &alone, |app, stop| async move {
                let_be_stopped(&stop, learn(&app)).await
            })?
            .unless_stopped()?;
            print!("{found}");
            if *write {
                let text = std::fs::read_to_string(file);
                let text = text.map_err(|error| Failure::reading(file, &error))?;
                write_text(file, &format!("{}\n\n{}", text.trim_end(), found.steps()))?;
                eprintln!("written: [steps] in {}", file.display());
            }
            Ok(if found.is_clear() { 0 } else { 2 })
        }
        AppCommand::Faults { file, cluster, .. } => {
            let one = [Clients { writers: 1, readers: 0 }];
            let file = read_app(file)?;
            let Started { came_to: swept, ended } = with_app(
                file,
                *cluster,
                &one,
                |app, stop| async move { sweep_app(&app, &stop).await },
            )?;
            print!("{swept}");
            Ok(match (swept.wrong(), swept.is_complete()) {
                (1.., _) => 1,
                (0, true) => 0,
                (0, false) => ended.code(2),
            })
        }
    }
}

/// What came of some work on an application.
struct Started<T> {
    came_to: T,
    ended: Ended,
}

/// Who ended it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself,
    BySomebody,
}

impl Ended {
    /// The exit code of what is not as it should be.
    const fn code(self, otherwise: u8) -> u8 {
        match self {
            Self::ByItself => otherwise,
            Self::BySomebody => 130,
        }
    }
}

impl<T> Started<Option<T>> {
    /// What came of work of which nothing is told if it was stopped.
    fn unless_stopped(self) -> Result<T, Failure> {
        self.came_to.ok_or_else(interrupted)
    }
}

/// Gives work up when somebody wants it to end.
async fn let_be_stopped<T>(
    stop: &Stop,
    work: impl Future<Output = Result<T, String>>,
) -> Result<Option<T>, String> {
    tokio::select! {
        biased;
        () = asked(stop) => Ok(None),
        done = work => done.map(Some),
    }
}

/// How long work that tells what it has come to, when it is to end, may take to
/// end.
const GRACE: Duration = Duration::from_secs(10);

/// Starts cluster and application, does `work`, and takes both down.
fn with_app<T, F>(
    file: AppFile,
    choice: Choice,
    spaces: &[Clients],
    work: impl FnOnce(Arc<App>, Stop) -> F,
) -> Result<Started<T>, Failure>
where
    F: Future<Output = Result<T, String>>,
{
    let instances = spaces.iter().map(|clients| clients.instances()).max().unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    runtime.block_on(async {
        let stop = stop_on_signals().map_err(Failure::environment)?;
        let limits = TimeLimits { connect: Duration::from_secs(1), call: Duration::from_secs(5) };
        let wanted = Wanted {
            external: super::choose::ExternalArgs::default(),
            choice,
            limits,
            seed: 0,
            clients: instances,
        };
        let app = Arc::new(App::new(file));
        let subject = Subject::App(Arc::clone(&app));
        let up = async {
            let cluster = start(&wanted).await?;
            subject.on(cluster, instances, wanted.seed, Reading::Messages).await
        };
        let cluster = tokio::select! {
            biased;
            () = asked(&stop) => return Err(interrupted()),
            up = up => up?,
        };
        let overdue = async {
            asked(&stop).await;
            tokio::time::sleep(GRACE).await;
        };
        let done = tokio::select! {
            biased;
            done = work(app, stop.clone()) => Some(done),
            () = overdue => None,
        };
        let died = cluster.missing();
        take_down(&*cluster).await;
        let ended = if stop.asked() { Ended::BySomebody } else { Ended::ByItself };
        let Some(done) = done else { return Err(interrupted()) };
        match (done, died) {
            (Ok(came_to), _) => Ok(Started { came_to, ended }),
            (Err(_), _) if ended == Ended::BySomebody => Err(interrupted()),
            (Err(why), Some(died)) => Err(Failure::environment(format!("{why}; {died} ended"))),
            (Err(why), None) => Err(Failure::environment(why)),
        }
    })
}
