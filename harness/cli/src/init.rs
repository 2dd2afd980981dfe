use std::{fs::File, io::Write as _, path::Path};

use quarrel_run::results::FileError;

use super::{Failure, output::println, profile::PROJECT};

const TEMPLATE: &str = include_str!("scaffold/quarrel.toml.txt");

/// What the template calls the subject of its runs, and an application's.
const OF_A_STRATEGY: &str = "strategy = \"cache-aside\"";
const OF_AN_APP: &str = "app = \"app.toml\"";

/// Writes a project's file to begin with: about the application that is here, if
/// there is one. Nothing that is there is touched.
pub(super) fn init() -> Result<u8, Failure> {
    let path = Path::new(PROJECT);
    let text = match Path::new("app.toml").is_file() {
        true => TEMPLATE.replace(OF_A_STRATEGY, OF_AN_APP),
        false => TEMPLATE.to_owned(),
    };
    let mut file = match File::create_new(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::usage(format!("{PROJECT} exists already; it is not touched")));
        }
        made => made.map_err(FileError::io(path))?,
    };
    file.write_all(text.as_bytes()).map_err(FileError::io(path))?;
    println!(
        "made {PROJECT}: the runs of this project\n\
         \n  quarrel run --profile quick      simulated or on this machine, in seconds\
         \n  quarrel run --profile ci         all of them, one exit code"
    );
    Ok(0)
}
