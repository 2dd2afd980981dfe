use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use quarrel_run::results::FileError;

use super::{
    Failure,
    new_app::{NewAppArgs, new_app},
};
use crate::output::println;

const MAIN: &str = include_str!("scaffold/main.rs");
const LIB: &str =
    "//! A caching strategy and a workload of your own.\n\npub mod strategy;\npub mod workload;\n";
/// `cargo quarrel …` is the command with the strategy in it.
const ALIAS: &str = "[alias]\nquarrel = \"run --release --features command --\"\n";
const STRATEGY: &str = include_str!("scaffold/strategy.rs");
const WORKLOAD: &str = include_str!("scaffold/workload.rs");
const CARGO: &str = include_str!("scaffold/cargo.toml.txt");
/// What the templates call the strategy.
const TEMPLATE_NAME: &str = "my-cache";
/// The checkout that this quarrel was built from.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[derive(Args, Clone, Debug)]
pub(super) struct NewArgs {
    /// What the crate, its folder and its strategy are called
    #[arg(required_unless_present = "app")]
    name: Option<String>,
    /// The checkout of quarrel to depend on; by default the one that this quarrel was built from
    #[arg(long, value_name = "FOLDER", conflicts_with = "git", help_heading = "A crate")]
    path: Option<PathBuf>,
    /// A git repository of quarrel to depend on
    #[arg(long, value_name = "URL", help_heading = "A crate")]
    git: Option<String>,
    #[command(flatten)]
    app: NewAppArgs,
}

/// Makes a crate with a strategy to begin with, or the file of an application.
/// Nothing that is there is touched.
pub(super) fn new(args: &NewArgs) -> Result<u8, Failure> {
    if let Some(path) = &args.app.app {
        return new_app(path, &args.app);
    }
    let name = args.name.as_deref().unwrap_or_default();
    if !is_a_crate_name(name) {
        return Err(Failure::usage(format!(
            "`{name}` is no name for a crate: expected small letters, digits and dashes, \
             a letter first, as in my-cache"
        )));
    }
    let folder = Path::new(name);
    if folder.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("{name} exists already; take another name")));
    }
    let cargo = manifest(name, &source(args)?);
    let strategy = STRATEGY.replace(&format!("\"{TEMPLATE_NAME}\""), &format!("\"{name}\""));
    // The library is what a test builds; the command is a thin shell around it.
    let library = name.replace('-', "_");
    let own = "pub mod strategy;\npub mod workload;";
    let main = MAIN.replace(own, &format!("use {library}::{{strategy, workload}};"));
    let files = [
        ("Cargo.toml", cargo.as_str()),
        (".cargo/config.toml", ALIAS),
        ("src/lib.rs", LIB),
        ("src/main.rs", main.as_str()),
        ("src/strategy.rs", strategy.as_str()),
        ("src/workload.rs", WORKLOAD),
        (".gitignore", "/target\n/results\n"),
    ];
    fs::create_dir(folder).map_err(FileError::io(folder))?;
    fs::create_dir(folder.join(".cargo")).map_err(FileError::io(folder))?;
    fs::create_dir(folder.join("src")).map_err(FileError::io(folder))?;
    for (file, text) in files {
        let path = folder.join(file);
        fs::write(&path, text).map_err(FileError::io(&path))?;
    }
    println!(
        "made {name}: your strategy is in {name}/src/strategy.rs, a workload in {name}/src/workload.rs\n\
         \n  cd {name}\
         \n  cargo test                                          what the explorer says of it\
         \n  cargo quarrel run {name} --fault replica-lag        a storm\
         \n\nstorms run on this machine's Postgres and Redis, or simulated; for containers:\n\
         \n  cargo run --release --features docker -- run {name} --cluster docker"
    );
    Ok(0)
}

fn is_a_crate_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Where a crate finds quarrel.
enum Source {
    Path(PathBuf),
    Git(String),
}

fn source(args: &NewArgs) -> Result<Source, Failure> {
    if let Some(url) = &args.git {
        return Ok(Source::Git(url.clone()));
    }
    let given = args.path.clone().unwrap_or_else(|| BUILT_FROM.into());
    match given.canonicalize() {
        Ok(path) if path.join("harness/Cargo.toml").is_file() => Ok(Source::Path(path)),
        _ => Err(Failure::usage(format!(
            "{} is no checkout of quarrel; name one with --path FOLDER, or its repository with \
             --git URL",
            given.display()
        ))),
    }
}

fn manifest(name: &str, source: &Source) -> String {
    let of = |package: &str| match source {
        Source::Path(path) => {
            let path = path.join(package);
            format!("path = {}", toml::Value::String(path.display().to_string()))
        }
        Source::Git(url) => format!("git = {}", toml::Value::String(url.clone())),
    };
    let named = CARGO.replace("NAME", name);
    ["checkers", "harness", "workloads"]
        .into_iter()
        .fold(named, |text, package| text.replace(&format!("SOURCE-{package}"), &of(package)))
}
