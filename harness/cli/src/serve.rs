use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use quarrel_report::web::{Noting, ServeOptions, Server};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::output::{eprintln, println};

#[derive(Args, Clone, Debug)]
pub(super) struct ServeArgs {
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// Address to listen on; others than loopback show the results to the whole network
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 7480, value_name = "PORT")]
    port: u16,
    /// What is accepted of each case: the trend shows it
    #[arg(long, default_value = "policy.toml", value_name = "FILE")]
    policy: PathBuf,
    /// Let those who look at a run leave notes on its moments, in its folder; only on a loopback address; without it nothing is ever written
    #[arg(long)]
    notes: bool,
}

/// Shows the results folder in a browser until a signal ends it.
pub(super) fn serve(args: &ServeArgs) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    if !args.results.is_dir() && args.results != std::path::Path::new("results") {
        return Err(Failure::usage(format!("there is no folder {}", args.results.display())));
    }
    if args.notes && !args.host.is_loopback() {
        return Err(Failure::usage(format!(
            "--notes: only on a loopback address, and {} is none: whoever can reach it could write, \
             and so could pages of others in a visitor's browser",
            args.host
        )));
    }
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::environment)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::environment)?;
        let address = SocketAddr::new(args.host, args.port);
        let policy = Some(args.policy.clone());
        let noting = if args.notes { Noting::On } else { Noting::Off };
        let options = ServeOptions { results: args.results.clone(), address, policy, noting };
        let server = Server::bind(options).await.map_err(|error| {
            Failure::environment(format!(
                "could not listen on {address}: {error}; --port 0 takes a free port"
            ))
        })?;
        if !args.host.is_loopback() {
            eprintln!(
                "note: everybody who can reach {address} can read these results, and so can any page \
                 that somebody who can opens in a browser"
            );
        }
        println!("http://{}", server.address());
        let stop = async move {
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        server.run(stop).await.map_err(Failure::environment)
    })?;
    Ok(0)
}
