use std::{fs, io, path::PathBuf};

use clap::Args;
use clap_complete::Shell;
use quarrel_run::results::FileError;
use quarrel_strategy::strategy::Catalogue;

use super::{Failure, command};
use crate::output::{print_own, println};

#[derive(Args, Clone, Debug)]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ManArgs {
    /// The folder to write them to; it is made where there is none
    folder: PathBuf,
}

/// Prints completions for a shell.
pub(super) fn completions(args: &CompletionsArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command(catalogue), "quarrel", &mut text);
    print_own(&String::from_utf8(text).map_err(Failure::bug)?);
    Ok(0)
}

/// Writes `quarrel.1`, `quarrel-run.1` and so on.
pub(super) fn man(args: &ManArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(FileError::io(folder))?;
    let written: io::Result<()> = clap_mangen::generate_to(command(catalogue), folder);
    written.map_err(FileError::io(folder))?;
    println!("manual pages are in {}", folder.display());
    Ok(0)
}
