use clap::Args;
use quarrel_cluster::native::Binaries;
use quarrel_report::report::Ink;
use serde::Serialize;

use super::{Failure, leftovers::PrimaryArgs, output::println};

#[derive(Args, Clone, Debug)]
pub(super) struct DoctorArgs {
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
    #[command(flatten)]
    on: PrimaryArgs,
}

/// Says what this machine can run, and the command that would mend the rest.
/// Exit code 0 if any cluster of real servers works, else 4.
pub(super) fn doctor(args: &DoctorArgs) -> Result<u8, Failure> {
    let mut findings = docker();
    findings.push(native());
    let works = findings.iter().any(|finding| finding.works && finding.part.is_none());
    findings.extend(external(&args.on));
    findings.push(Finding::fine("sim", "simulated stores: everywhere"));
    if args.format == "json" {
        println!("{}", serde_json::to_string_pretty(&findings).map_err(Failure::bug)?);
    } else {
        findings.iter().for_each(Finding::say);
    }
    Ok(if works { 0 } else { 4 })
}

/// Something that was looked for.
#[derive(Debug, Serialize)]
struct Finding {
    /// The kind of cluster that it is about.
    cluster: &'static str,
    /// Which part of it, if not the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    works: bool,
    /// What is there, or what is wrong.
    text: String,
    /// What would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn fine(cluster: &'static str, text: impl Into<String>) -> Self {
        Self { cluster, part: None, works: true, text: text.into(), advice: None }
    }

    fn missing(cluster: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { works: false, advice, ..Self::fine(cluster, text) }
    }

    fn say(&self) {
        let ink = Ink::colours();
        let (style, word) = if self.works { (ink.good, "yes") } else { (ink.bad, " no") };
        let (name, part) = match &self.part {
            Some(part) => ("", format!("{part}: ")),
            None => (self.cluster, String::new()),
        };
        println!("{style}{word}{style:#} {name:<8} {part}{}", self.text);
        if let Some(advice) = &self.advice {
            println!("{:12} try: {advice}", "");
        }
    }
}

fn native() -> Finding {
    match Binaries::find() {
        Ok(binaries) => {
            let (postgres, redis) = (binaries.postgres.display(), binaries.redis.display());
            let text = format!("Postgres {} in {postgres}, Redis at {redis}", binaries.major);
            Finding::fine("native", text)
        }
        Err(missing) => Finding::missing("native", missing.to_string(), missing.advice()),
    }
}

/// What killed runs left on servers of somebody, if it was said where.
fn external(on: &PrimaryArgs) -> Vec<Finding> {
    let part = |finding| Finding { part: Some("leftovers".to_owned()), ..finding };
    match on.find() {
        Ok(leftovers) => leftovers
            .iter()
            .map(|leftover| {
                part(Finding::missing("external", leftover.to_string(), "quarrel cluster sweep"))
            })
            .collect(),
        Err(error) => vec![part(Finding::missing("external", error.what, error.advice))],
    }
}

#[cfg(feature = "docker")]
fn docker() -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    match runtime.block_on(quarrel_cluster::docker::report()) {
        Ok(report) => {
            let mut findings = vec![Finding::fine("docker", report.engine)];
            findings.extend(report.images.into_iter().map(|image| {
                let part = Some(format!("image of {}", image.role));
                let finding = match image.state {
                    Ok(state) => Finding::fine("docker", state),
                    Err(how) => Finding::missing("docker", image.name, how),
                };
                Finding { part, ..finding }
            }));
            findings
        }
        Err(error) => vec![Finding::missing("docker", error.what, error.advice)],
    }
}

#[cfg(not(feature = "docker"))]
fn docker() -> Vec<Finding> {
    vec![Finding::missing("docker", "built without it", "cargo build --features docker")]
}
