//! A cluster that outlives the command: held by a process of its own, which
//! takes it down when it is told to, or is killed.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use clap::{Args, Subcommand};
use quarrel_cluster::start_time;
use quarrel_strategy::{
    cluster::{ClusterError, ClusterKind},
    stores::TimeLimits,
};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::output::{eprintln, print, println};
use super::{
    Failure,
    choose::{Choice, ExternalArgs, Wanted, start},
    leftovers::{PrimaryArgs, SweepArgs, sweep},
    signals::stop_on_signals,
};

#[derive(Args, Clone, Debug)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Starts a cluster and leaves it up
    Up(UpArgs),
    /// Says which clusters are up, and how to reach them
    Status {
        /// What to print: text or json
        #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
        format: String,
        #[command(flatten)]
        on: PrimaryArgs,
    },
    /// Takes a cluster down
    Down {
        /// Which one
        #[arg(long, default_value = "default", value_name = "NAME", value_parser = name)]
        name: String,
    },
    /// Removes what killed runs left on somebody's servers: only what bears
    /// quarrel's mark, and only of runs whose hearts have stopped
    Sweep(SweepArgs),
    /// Holds a cluster until a signal comes
    #[command(hide = true)]
    Hold(UpArgs),
}

#[derive(Args, Clone, Debug)]
struct UpArgs {
    /// What of: auto, docker or native
    #[arg(long, default_value = "auto", value_name = "KIND", value_parser = real)]
    cluster: Choice,
    /// What to call it, where there are several
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = name)]
    name: String,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// What is known of a cluster that is up. A file per cluster holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    name: String,
    cluster: String,
    /// The process that holds it, and when that started.
    pid: u32,
    start: u64,
    /// Where its parts are, by name.
    addresses: BTreeMap<String, String>,
}

/// Between two looks whether a holder has ended, which takes it a second or two.
const POLL: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1500;

pub(super) fn cluster(args: ClusterArgs) -> Result<u8, Failure> {
    match args.action {
        Action::Up(args) => up(&args),
        Action::Status { format, on } => status(&format, &on),
        Action::Sweep(args) => sweep(&args),
        Action::Down { name } => down(&name),
        Action::Hold(args) => hold(&args),
    }
}

fn up(args: &UpArgs) -> Result<u8, Failure> {
    if let Some(held) = Held::read(&args.name)? {
        let advice = format!("quarrel cluster down --name {0}, or another --name", held.name);
        let what = format!("cluster {} is up already", held.name);
        return Err(ClusterError::new(what, advice).into());
    }
    let kind = match args.cluster {
        Choice::Auto => "auto".to_owned(),
        Choice::Kind(kind) => kind.to_string(),
    };
    let exe = std::env::current_exe().map_err(Failure::environment)?;
    // A session of its own, so that it outlives this terminal.
    let mut holder = Command::new("setsid")
        .arg(exe)
        .args(["cluster", "hold", "--name", &args.name, "--cluster", &kind])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::environment)?;
    let said = holder.stderr.take().expect("the pipe was asked for");
    // Images may have to be made first: its progress is ours.
    let echo = thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            eprintln!("{line}");
        }
    });
    let mut ready = String::new();
    let stdout = holder.stdout.take().expect("the pipe was asked for");
    BufReader::new(stdout).read_line(&mut ready).map_err(Failure::environment)?;
    if ready.is_empty() {
        let status = holder.wait().map_err(Failure::environment)?;
        drop(echo.join());
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(70);
        return Err(Failure { code, message: "the cluster did not come up".to_owned() });
    }
    let held: Held = serde_json::from_str(&ready).map_err(Failure::bug)?;
    show(&[held], &args.format)
}

fn status(format: &str, on: &PrimaryArgs) -> Result<u8, Failure> {
    on.tell()?;
    let mut all = Vec::new();
    for entry in fs::read_dir(folder()?).map_err(Failure::environment)?.flatten() {
        if let Some(name) = entry.path().file_stem().and_then(|stem| stem.to_str()) {
            all.extend(Held::read(name)?);
        }
    }
    if all.is_empty() && format == "text" {
        println!("no cluster is up; quarrel cluster up starts one");
        return Ok(0);
    }
    show(&all, format)
}

fn down(name: &str) -> Result<u8, Failure> {
    let Some(held) = Held::read(name)? else {
        println!("no cluster {name} is up");
        return Ok(0);
    };
    let pid = i32::try_from(held.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::bug(format!("no process has id {}", held.pid)))?;
    kill_process(pid, Signal::TERM).map_err(Failure::environment)?;
    for _ in 0..LOOKS {
        if start_time(held.pid) != Some(held.start) {
            println!("cluster {name} is down");
            return Ok(0);
        }
        thread::park_timeout(POLL);
    }
    let what = format!("cluster {name} is not down after {} s", (POLL * LOOKS).as_secs());
    Err(ClusterError::new(what, format!("kill -9 {}", held.pid)).into())
}

fn hold(args: &UpArgs) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    runtime.block_on(async {
        let stop = stop_on_signals().map_err(Failure::environment)?;
        let wanted = Wanted {
            choice: args.cluster,
            external: ExternalArgs::default(),
            limits: TimeLimits::default(),
            seed: u64::from(rand::random::<u32>()),
            clients: 16,
        };
        let cluster = tokio::select! {
            biased;
            () = super::run::asked(&stop) => return Ok(130),
            started = start(&wanted) => started?,
        };
        if cluster.addresses().is_empty() {
            let what = format!("a {} cluster has no addresses to connect to", cluster.kind());
            return Err(ClusterError::new(what, "quarrel doctor").into());
        }
        let pid = std::process::id();
        let held = Held {
            name: args.name.clone(),
            cluster: cluster.kind().to_string(),
            pid,
            start: start_time(pid).unwrap_or_default(),
            addresses: cluster.addresses().into_iter().collect(),
        };
        let file = folder()?.join(format!("{}.json", args.name));
        let line = serde_json::to_string(&held).map_err(Failure::bug)?;
        fs::write(&file, &line).map_err(Failure::environment)?;
        println!("{line}");
        super::run::asked(&stop).await;
        cluster.down().await;
        fs::remove_file(&file).map_err(Failure::environment)?;
        Ok(0)
    })
}

impl Held {
    /// The cluster of this name, if its holder still runs.
    fn read(name: &str) -> Result<Option<Self>, Failure> {
        let file = folder()?.join(format!("{name}.json"));
        let Ok(mut opened) = fs::File::open(&file) else { return Ok(None) };
        let mut text = String::new();
        opened.read_to_string(&mut text).map_err(Failure::environment)?;
        let held: Option<Self> = serde_json::from_str(&text).ok();
        let held = held.filter(|held| start_time(held.pid) == Some(held.start));
        if held.is_none() {
            // Its holder was killed, and its reaper took the cluster down.
            drop(fs::remove_file(&file));
        }
        Ok(held)
    }

    fn address(&self, part: &str) -> &str {
        self.addresses.get(part).map_or("", String::as_str)
    }
}

/// Where the files are: the user's own folder for what dies with the machine.
fn folder() -> Result<PathBuf, Failure> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir())
        .map_or_else(
            || {
                let user = rustix::process::geteuid().as_raw();
                std::env::temp_dir().join(format!("quarrel-clusters-{user}"))
            },
            |folder| folder.join("quarrel-clusters"),
        );
    create(&folder).map_err(|error| {
        Failure::environment(format!(
            "{}: {error}\n  try: XDG_RUNTIME_DIR=FOLDER",
            folder.display()
        ))
    })?;
    Ok(folder)
}

fn create(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() { Ok(()) } else { fs::DirBuilder::new().mode(0o700).create(folder) }
}

fn show(clusters: &[Held], format: &str) -> Result<u8, Failure> {
    if format == "json" {
        println!("{}", serde_json::to_string_pretty(clusters).map_err(Failure::bug)?);
        return Ok(0);
    }
    for held in clusters {
        print!("{}", describe(held));
    }
    Ok(0)
}

fn describe(held: &Held) -> String {
    let width = held.addresses.keys().map(String::len).max().unwrap_or_default();
    let lines: String = held
        .addresses
        .iter()
        .map(|(name, address)| format!("  {name:width$}  {address}\n"))
        .collect();
    let (primary, replica) = (held.address("primary"), held.address("replica"));
    let (cache, api) = (held.address("cache"), held.address("toxiproxy"));
    format!(
        "cluster {} is up ({}, process {}); what begins with probe- is never faulted\n{lines}\n  \
         psql {primary}\n  \
         redis-cli -u {cache}\n  \
         curl {api}/proxies\n  \
         toxiproxy-cli --host {api} toxic add client-cache --type latency --attribute latency=100\n  \
         quarrel run cache-aside --cluster external --primary {primary} --replica {replica} --cache {cache} --toxiproxy {api}\n  \
         quarrel cluster down --name {}\n",
        held.name, held.cluster, held.pid, held.name
    )
}

fn name(text: &str) -> Result<String, String> {
    let fine = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if !text.is_empty() && text.chars().all(fine) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits and dashes".to_owned())
    }
}

fn real(text: &str) -> Result<Choice, String> {
    match text.parse()? {
        Choice::Kind(ClusterKind::External | ClusterKind::Sim) => {
            Err("only docker and native clusters can be up".to_owned())
        }
        choice => Ok(choice),
    }
}
