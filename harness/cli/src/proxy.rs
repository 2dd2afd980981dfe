use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::output::println;

#[derive(Args, Clone, Debug)]
pub(super) struct ProxyArgs {
    /// Address of the API
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: String,
    /// Port of the API; 0 takes a free one
    #[arg(long, default_value_t = quarrel_faultproxy::DEFAULT_PORT, value_name = "PORT")]
    port: u16,
    /// A JSON file of proxies to start with, as the body of POST /populate
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Decides every draw
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Answer /metrics in Prometheus's text form
    #[arg(long)]
    proxy_metrics: bool,
}

impl ProxyArgs {
    const fn metrics(&self) -> quarrel_faultproxy::MetricsPage {
        if self.proxy_metrics {
            quarrel_faultproxy::MetricsPage::Shown
        } else {
            quarrel_faultproxy::MetricsPage::Hidden
        }
    }
}

/// Toxiproxy's flags have one dash; `quarrel proxy` takes them as they are, so
/// that it can stand in for `toxiproxy-server`.
pub(super) fn accept_single_dashes(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    if words.get(1).is_some_and(|command| command == "proxy") {
        for word in &mut words[2..] {
            let long = word.len() > 2 && word.starts_with('-') && !word.starts_with("--");
            if long {
                word.insert(0, '-');
            }
        }
    }
    words
}

/// Serves the fault proxy until a signal ends it.
pub(super) fn proxy(args: &ProxyArgs) -> Result<u8, Failure> {
    let config = quarrel_faultproxy::Config {
        host: args.host.clone(),
        port: args.port,
        config: args.config.clone(),
        seed: args.seed.map(quarrel_faultproxy::Seed),
        ..quarrel_faultproxy::Config::default()
    };
    let config = quarrel_faultproxy::Config { metrics: args.metrics(), ..config };
    quarrel_faultproxy::run_until_stopped(&config, |server| {
        println!("API on http://{}, seed {}", server.api_addr(), server.seed());
    })
    .map_err(Failure::environment)?;
    Ok(0)
}
