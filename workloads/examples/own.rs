//! The binary that `quarrel new my-cache` makes, for the tests that run it.

#[path = "../../harness/cli/src/scaffold/strategy.rs"]
pub mod strategy;
#[path = "../../harness/cli/src/scaffold/workload.rs"]
pub mod workload;

fn main() -> std::process::ExitCode {
    let mut catalogue = quarrel_workloads::catalogue();
    catalogue.strategies.push(strategy::ENTRY);
    catalogue.workloads.push(workload::ENTRY);
    quarrel_harness::cli::main(catalogue)
}
