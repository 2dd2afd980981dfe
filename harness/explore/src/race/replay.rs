use std::fmt::{self, Write};

use quarrel_strategy::cluster::{BoxedHere, Cluster};

use super::{Line, LineEvent, Make, Race, RaceError, RaceRun, RaceStep, Told, force, simulate};

/// Keys between two replays, so that none finds what another left.
const KEYS_APART: u64 = 1_000_000;

/// Where a race is replayed.
pub enum ReplayOn<'a> {
    /// On simulated stores.
    Simulated,
    /// On a cluster, from this key on.
    Cluster {
        /// Which.
        cluster: &'a dyn Cluster,
        /// A key from which on nothing has been used.
        first_key: u64,
    },
}

/// How often a race was met. It is a count, never a promise.
#[derive(Clone, Debug, Default)]
pub struct ReplayTally {
    /// How often it went as written.
    pub hits: u64,
    /// How often it was tried.
    pub times: u64,
    /// Why it did not, the first time that it did not.
    pub complaint: Option<String>,
    /// The last performance.
    pub last: RaceRun,
}

impl ReplayTally {
    /// Whether every time was a hit.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        self.hits == self.times
    }
}

impl fmt::Display for ReplayTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} as written", self.hits, self.times)?;
        self.complaint.as_ref().map_or(Ok(()), |why| write!(f, "\n  first difference: {why}"))
    }
}

/// Replays a race `times` times. `tell` hears of every line before and after
/// it happens.
///
/// # Errors
///
/// When a line makes no sense, or the cluster cannot do what it says.
pub fn replay<'a>(
    race: &'a Race,
    make: &'a Make<'a>,
    on: &'a ReplayOn<'a>,
    times: u64,
    tell: &'a mut dyn FnMut(Told<'_>),
) -> BoxedHere<'a, Result<ReplayTally, RaceError>> {
    Box::pin(async move {
        let mut tally = ReplayTally::default();
        for time in 0..times {
            let run = match on {
                ReplayOn::Simulated => simulate(race, make, tell)?,
                ReplayOn::Cluster { cluster, first_key } => {
                    let first_key = first_key.wrapping_add(time * KEYS_APART);
                    force(race, make, *cluster, first_key, tell).await?
                }
            };
            tally.times += 1;
            match run.complaint() {
                None => tally.hits += 1,
                Some(complaint) => {
                    tally.complaint.get_or_insert(complaint);
                }
            }
            tally.last = run;
        }
        Ok(tally)
    })
}

impl fmt::Display for RaceStep {
    /// The line as it happened, in the grammar of races, with how it differed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("t={:<8} {}", self.at.to_string(), self.line.what);
        let reply = match &self.line.what {
            LineEvent::Step { reply, .. } => reply.as_ref(),
            LineEvent::Check { reply, .. } => Some(reply),
            _ => None,
        };
        if let Some(reply) = reply {
            write!(text, " -> {reply}")?;
        }
        if let Line { claim: Some(claim), .. } = self.line {
            write!(text, " {claim}")?;
        }
        f.write_str(text.trim_end())?;
        self.divergence.as_ref().map_or(Ok(()), |divergence| write!(f, "\n  {divergence}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{ReplayOn, Told, replay};
    use quarrel_sim::subjects;

    #[tokio::test]
    async fn a_replay_tells_every_line_and_counts() {
        let race = "key 1 = Alex, cached nowhere\npause replica\n\
                    Writer A: UPDATE 1 = Alice\nWriter A: DEL 1\nReader B: GET 1 -> Alex\n";
        let race = race.parse().unwrap();
        let mut told = String::new();
        let tally = replay(&race, &subjects::cache_aside, &ReplayOn::Simulated, 2, &mut |line| {
            if let Told::Happened(line) = line {
                told.push_str(&format!("{line}\n"));
            }
        })
        .await
        .unwrap();
        assert_eq!((tally.hits, tally.times), (0, 2));
        insta::assert_snapshot!(tally, @r"
        0/2 as written
          first difference: line 5: expected Alex, got miss: Writer A's DEL 1 was the last to change it
        ");
        assert!(told.starts_with("t=0ms"), "{told}");
        assert!(told.contains("Writer A: UPDATE 1 = Alice -> ok\n"), "{told}");
    }
}
