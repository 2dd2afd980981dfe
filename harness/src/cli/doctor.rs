use super::output::println;

use crate::{cluster::native::Binaries, report::Ink};

/// Says what this machine can run, and the command that would mend the rest.
/// Exit code 0 if any cluster of real servers works, else 4.
pub(super) fn doctor() -> u8 {
    let works = [docker(), native()];
    Line::Fine.say("sim", "simulated stores: everywhere");
    if works.contains(&Line::Fine) { 0 } else { 4 }
}

/// What a line of the report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Fine,
    Missing,
}

impl Line {
    fn say(self, what: &str, text: &str) {
        let ink = Ink::colours();
        let (style, word) = match self {
            Self::Fine => (ink.good, "yes"),
            Self::Missing => (ink.bad, " no"),
        };
        println!("{style}{word}{style:#} {what:<8} {text}");
    }

    fn advise(self, what: &str, text: &str, advice: &str) {
        self.say(what, text);
        println!("{:12} try: {advice}", "");
    }
}

fn native() -> Line {
    match Binaries::find() {
        Ok(binaries) => {
            let (postgres, redis) = (binaries.postgres.display(), binaries.redis.display());
            let text = format!("Postgres {} in {postgres}, Redis at {redis}", binaries.major);
            Line::Fine.say("native", &text);
            Line::Fine
        }
        Err(missing) => {
            Line::Missing.advise("native", &missing.to_string(), missing.advice());
            Line::Missing
        }
    }
}

#[cfg(feature = "docker")]
fn docker() -> Line {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    match runtime.block_on(crate::cluster::docker::report()) {
        Ok(report) => {
            Line::Fine.say("docker", &report.engine);
            for image in report.images {
                let what = format!("image of {}: ", image.role);
                match image.state {
                    Ok(state) => Line::Fine.say("", &(what + &state)),
                    Err(how) => Line::Missing.advise("", &(what + &image.name), &how),
                }
            }
            Line::Fine
        }
        Err(error) => {
            Line::Missing.advise("docker", &error.what, &error.advice);
            Line::Missing
        }
    }
}

#[cfg(not(feature = "docker"))]
fn docker() -> Line {
    Line::Missing.advise("docker", "built without it", "cargo build --features docker");
    Line::Missing
}
