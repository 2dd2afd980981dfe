//! The command `quarrel` with a strategy of your own beside the built-in ones.

pub mod strategy;

fn main() -> std::process::ExitCode {
    let mut catalogue = quarrel_workloads::catalogue();
    catalogue.strategies.push(strategy::ENTRY);
    quarrel_harness::cli::main(catalogue)
}
