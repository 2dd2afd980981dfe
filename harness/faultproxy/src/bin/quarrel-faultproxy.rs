//! The fault proxy alone, with Toxiproxy's flags.

use quarrel_faultproxy::{Config, MetricsPage, Seed, run_until_stopped};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: quarrel-faultproxy [flags]
  -host ADDRESS    address of the API (default 127.0.0.1)
  -port PORT       port of the API; 0 takes a free one (default 8474)
  -config FILE     JSON file of proxies to start with
  -seed NUMBER     decides every draw (default: random, printed)
  -proxy-metrics   answer /metrics
  -version         print the version
Flags may be written with one dash or two, and with = before the value.";

fn main() -> ExitCode {
    let config = match parse(std::env::args().skip(1)) {
        Ok(Some(config)) => config,
        Ok(None) => return ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    let served = run_until_stopped(&config, |server| {
        println!("API on http://{}, seed {}", server.api_addr(), server.seed());
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(4)
        }
    }
}

/// None: the question was answered, there is nothing to serve.
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Config>, String> {
    let mut config = Config::default();
    while let Some(arg) = args.next() {
        let flag = arg
            .strip_prefix("--")
            .or_else(|| arg.strip_prefix('-'))
            .ok_or_else(|| format!("unexpected argument {arg}"))?;
        let (flag, inline) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (flag, None),
        };
        let mut value = || {
            inline.clone().or_else(|| args.next()).ok_or_else(|| format!("-{flag} needs a value"))
        };
        match flag {
            "host" => config.host = value()?,
            "port" => config.port = number(flag, &value()?)?,
            "config" => config.config = Some(value()?.into()),
            "seed" => config.seed = Some(Seed(number(flag, &value()?)?)),
            "proxy-metrics" => config.metrics = MetricsPage::Shown,
            "version" => {
                println!("quarrel-faultproxy version {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            "h" | "help" => {
                println!("{USAGE}");
                return Ok(None);
            }
            _ => return Err(format!("unknown flag {arg}")),
        }
    }
    Ok(Some(config))
}

fn number<T: std::str::FromStr>(flag: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("-{flag} needs a number in its range, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Option<Config>, String> {
        parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn takes_flags_as_toxiproxy_does() {
        let args = ["-host", "::1", "--port=99", "-seed", "7", "-proxy-metrics"];
        let config = parsed(&args).expect("sound").expect("to be served");
        assert_eq!((config.host.as_str(), config.port), ("::1", 99));
        assert_eq!((config.seed, config.metrics), (Some(Seed(7)), MetricsPage::Shown));
        let config = parsed(&[]).expect("sound").expect("to be served");
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8474));
    }

    #[test]
    fn says_which_flag_is_wrong() {
        for (args, complaint) in [
            (&["-port", "x"][..], "-port needs a number in its range, not x"),
            (&["-port"], "-port needs a value"),
            (&["-nope"], "unknown flag -nope"),
            (&["8474"], "unexpected argument 8474"),
        ] {
            assert_eq!(parsed(args).expect_err("wrong"), complaint);
        }
    }
}
