//! The command `quarrel`.

fn main() -> std::process::ExitCode {
    quarrel_harness::cli::main(quarrel_workloads::catalogue())
}
