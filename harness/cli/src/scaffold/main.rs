//! The command `quarrel` with a strategy and a workload of your own beside the
//! built-in ones.

pub mod strategy;
pub mod workload;

fn main() -> std::process::ExitCode {
    let mut catalogue = quarrel_workloads::catalogue();
    catalogue.strategies.push(strategy::ENTRY);
    catalogue.workloads.push(workload::ENTRY);
    quarrel_harness::cli::main(catalogue)
}
