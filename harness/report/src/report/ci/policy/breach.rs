use std::{fmt, time::Duration};

use quarrel_checkers::{Class, Guarantee, Validity, gravest_exit, millis};
use quarrel_run::results::{RunOutcome, VerdictFile};

use super::Bounds;
use crate::report::terminal::printable;

pub(super) const NEVER_HEALS: &str = "never-heals";

/// What is worse than staleness, the worst first. No bound on staleness covers
/// it: it is denied unless it is allowed by its name. Divergence in the end is
/// [`NEVER_HEALS`].
const GRAVE: [Class; 52] = [
    Class::LostWrite,
    Class::PhantomRead,
    Class::DirtyRead,
    Class::FutureRead,
    Class::LostUpdate,
    Class::G0,
    Class::G1a,
    Class::G1b,
    Class::G1c,
    Class::ObservedTransactionVanishes,
    Class::FracturedRead,
    Class::WriteCoInitRead,
    Class::WriteCoRead,
    Class::CyclicCf,
    Class::GSingle,
    Class::GNonadjacent,
    Class::GUpdate,
    Class::G2Item,
    Class::NotParallelSnapshotIsolated,
    Class::NotSnapshotIsolated,
    Class::NotUpdateSerializable,
    Class::NotSerializable,
    Class::Internal,
    Class::IncompatibleOrder,
    Class::G0Process,
    Class::G1cProcess,
    Class::ObservedTransactionVanishesProcess,
    Class::FracturedReadProcess,
    Class::GSingleProcess,
    Class::GNonadjacentProcess,
    Class::GUpdateProcess,
    Class::G2ItemProcess,
    Class::NotParallelSnapshotIsolatedProcess,
    Class::NotSnapshotIsolatedProcess,
    Class::NotUpdateSerializableProcess,
    Class::NotSerializableProcess,
    Class::G0Realtime,
    Class::G1cRealtime,
    Class::ObservedTransactionVanishesRealtime,
    Class::FracturedReadRealtime,
    Class::WriteCoInitReadRealtime,
    Class::WriteCoReadRealtime,
    Class::CyclicCfRealtime,
    Class::GNonadjacentRealtime,
    Class::GUpdateRealtime,
    Class::G2ItemRealtime,
    Class::NotParallelSnapshotIsolatedRealtime,
    Class::NotSnapshotIsolatedRealtime,
    Class::NotUpdateSerializableRealtime,
    Class::NotSerializableRealtime,
    Class::NotLinearizable,
    Class::NonMonotonicWrite,
];

/// The rest of [`GRAVE`]: what a session wrote is ordered before what it read.
const LEAST_GRAVE: Class = Class::WriteBeforeRead;

fn grave() -> impl Iterator<Item = Class> {
    GRAVE.into_iter().chain([LEAST_GRAVE])
}

/// Whether a name is denied by itself, so that allowing it makes a difference.
pub(super) fn can_be_allowed(name: &str) -> bool {
    name == NEVER_HEALS || grave().any(|class| class.to_string() == name)
}

/// What a policy says of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling {
    /// It did nothing that is not accepted.
    Accepted,
    /// It did what is not accepted, the worst first.
    Beyond(Vec<Breach>),
    /// What it did could not be decided.
    Undecided(String),
    /// It showed nothing.
    Vacuous(String),
    /// The world that it ran in broke: why.
    Environment(String),
}

/// Something that a run did and its policy does not accept.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// Which kind of thing.
    pub kind: BreachKind,
    /// What was seen.
    pub seen: String,
    /// What was accepted.
    pub accepted: String,
}

/// What a policy can accept by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum BreachKind {
    /// An anomaly that is worse than staleness, denied unless allowed.
    Grave(String),
    /// An anomaly or a cause that the policy denies.
    Denied(String),
    /// Reads staler, or more often stale, than accepted.
    Stale {
        /// The staleness of the stalest.
        worst: Duration,
        /// The share among the reads at risk.
        share: f64,
    },
    /// The guarantee did not hold, and none of the above says why.
    Guarantee,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (policy: {})", self.seen, self.accepted)
    }
}

impl Breach {
    /// Its name, as `allow` and `deny` have it.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            BreachKind::Grave(name) | BreachKind::Denied(name) => name,
            BreachKind::Stale { .. } => "stale-read",
            BreachKind::Guarantee => "guarantee",
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Beyond(_) => "beyond",
            Self::Undecided(_) => "undecided",
            Self::Vacuous(_) => "vacuous",
            Self::Environment(_) => "failed",
        })
    }
}

impl Ruling {
    pub(super) fn of(bounds: Option<&Bounds>, verdict: &VerdictFile) -> Self {
        let breaches = breaches(bounds, verdict);
        match verdict.outcome {
            RunOutcome::Environment => Self::Environment(printable(&verdict.reason)),
            _ if !breaches.is_empty() => Self::Beyond(breaches),
            RunOutcome::Undecided => Self::Undecided(printable(&verdict.reason)),
            RunOutcome::Vacuous => Self::Vacuous(printable(&verdict.reason)),
            RunOutcome::Held(_) => Self::Accepted,
            // What went wrong is accepted: that nothing else did is another
            // claim, which needs its own evidence.
            RunOutcome::Violated if verdict.truncated => Self::Undecided(
                "nothing beyond what is accepted was seen, but the history breaks off".to_owned(),
            ),
            RunOutcome::Violated => match &verdict.nothing_at_stake {
                Some(why) => Self::Vacuous(printable(why)),
                None => Self::Accepted,
            },
        }
    }

    /// Its place in a list that begins with what is worst: grave anomalies in
    /// their order, then what is denied, stale, or only not as expected, then
    /// what was not decided, and last what is accepted.
    #[must_use]
    pub fn rank(&self) -> usize {
        let grave = |name: &String| {
            let known = grave().position(|class| class.to_string() == *name);
            // Stores that never agree again stand right behind lost writes.
            known.map_or(1, |at| if at == 0 { 0 } else { at + 1 })
        };
        let last = GRAVE.len() + 2;
        match self {
            Self::Beyond(breaches) => {
                let rank = |breach: &Breach| match &breach.kind {
                    BreachKind::Grave(name) => grave(name),
                    BreachKind::Denied(_) => last,
                    BreachKind::Stale { .. } => last + 1,
                    BreachKind::Guarantee => last + 2,
                };
                breaches.iter().map(rank).min().unwrap_or(last)
            }
            Self::Environment(_) => last + 3,
            Self::Undecided(_) => last + 4,
            Self::Vacuous(_) => last + 5,
            Self::Accepted => last + 6,
        }
    }

    /// The exit code that says so.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Beyond(_) => 1,
            Self::Undecided(_) => 2,
            Self::Vacuous(_) => 3,
            Self::Environment(_) => 4,
        }
    }

    /// The exit code of several. No run at all showed nothing.
    #[must_use]
    pub fn exit_code_of(rulings: &[Self]) -> u8 {
        gravest_exit(rulings.iter().map(Self::exit_code))
    }
}

fn breaches(bounds: Option<&Bounds>, verdict: &VerdictFile) -> Vec<Breach> {
    let is_in = |list: fn(&Bounds) -> &Vec<String>, name: &str| {
        bounds.is_some_and(|bounds| list(bounds).iter().any(|known| known == name))
    };
    let mut breaches = Vec::new();
    for (name, seen) in worse_than_stale(verdict) {
        if !is_in(|bounds| &bounds.allow, &name) {
            let accepted = "never".to_owned();
            breaches.push(Breach { kind: BreachKind::Grave(name), seen, accepted });
        }
    }
    for name in bounds.map_or(&[][..], |bounds| &bounds.deny) {
        let is_told = breaches.iter().any(|breach| breach.name() == name);
        if let Some(seen) = seen(verdict, name).filter(|_| !is_told) {
            let accepted = "never".to_owned();
            breaches.push(Breach { kind: BreachKind::Denied(name.clone()), seen, accepted });
        }
    }
    breaches.extend(too_stale(bounds, verdict));
    // A guarantee that did not hold, and nothing that the policy knows of.
    let is_explained = worse_than_stale(verdict).next().is_some() || share(verdict) > 0.0;
    if breaches.is_empty() && verdict.outcome == RunOutcome::Violated && !is_explained {
        let seen = printable(&verdict.reason);
        let accepted = verdict.expected.to_string();
        breaches.push(Breach { kind: BreachKind::Guarantee, seen, accepted });
    }
    breaches
}

fn too_stale(bounds: Option<&Bounds>, verdict: &VerdictFile) -> Option<Breach> {
    let (worst, share) = (verdict.metrics.worst_staleness, share(verdict));
    let most = bounds.map_or(Duration::ZERO, Bounds::longest);
    let often = bounds.map_or(0.0, Bounds::share);
    (worst > most || share > often).then(|| Breach {
        kind: BreachKind::Stale { worst, share },
        seen: format!(
            "{:.3} % of the reads at risk were stale, the worst by {}",
            share * 100.0,
            millis(worst)
        ),
        accepted: format!("{:.3} %, {}", often * 100.0, millis(most)),
    })
}

fn share(verdict: &VerdictFile) -> f64 {
    let metrics = &verdict.metrics;
    metrics.stale_reads as f64 / metrics.reads_at_risk.max(1) as f64
}

/// Whatever a run did that no bound on staleness covers, the worst first.
fn worse_than_stale(verdict: &VerdictFile) -> impl Iterator<Item = (String, String)> {
    let names = grave().map(|class| class.to_string());
    let lost = Class::LostWrite.to_string();
    let names = names.flat_map(move |name| {
        let heals = (name == lost).then(|| NEVER_HEALS.to_owned());
        std::iter::once(name).chain(heals)
    });
    names.filter_map(|name| Some((name.clone(), seen(verdict, &name)?)))
}

/// How a run did what `name` stands for, if it did.
fn seen(verdict: &VerdictFile, name: &str) -> Option<String> {
    let metrics = &verdict.metrics;
    if name == NEVER_HEALS {
        return never_heals(verdict);
    }
    let counted = [
        (Class::LostWrite, metrics.lost_updates, "acknowledged writes are gone"),
        (Class::PhantomRead, metrics.phantom_reads, "reads of values that nobody wrote"),
        (Class::DirtyRead, metrics.dirty_reads, "reads of values whose write had failed"),
        (Class::FutureRead, metrics.future_reads, "reads of values not yet written"),
    ];
    let is_it = |anomaly: &&quarrel_checkers::Anomaly| {
        anomaly.class.to_string() == name
            || anomaly.cause.is_some_and(|cause| cause.to_string() == name)
    };
    let mut found = verdict.anomalies.iter().filter(is_it);
    let first = found.next().map(|anomaly| printable(&anomaly.explanation));
    let counted = counted.iter().find(|(class, ..)| class.to_string() == name);
    match (counted, first) {
        (Some((_, count, what)), first) if *count > 0 => {
            let first = first.map_or_else(String::new, |first| format!("; {first}"));
            Some(format!("{name}: {count} {what}{first}"))
        }
        (_, first) => {
            let more = match found.count() {
                0 => String::new(),
                more => format!(" (and at least {more} more)"),
            };
            first.map(|first| format!("{name}: {first}{more}"))
        }
    }
}

/// How the stores of a run did not agree in the end. Writes that are lost are
/// a name of their own.
fn never_heals(verdict: &VerdictFile) -> Option<String> {
    let mut anomalies = verdict.anomalies.iter();
    let told = anomalies.find(|anomaly| anomaly.class == Class::Divergence);
    let eventual = verdict.ladder.iter().find(|rung| rung.guarantee == Guarantee::Eventual);
    let broken = eventual.filter(|rung| rung.validity == Validity::Invalid);
    let only_lost =
        verdict.metrics.lost_updates > 0 && verdict.metrics.convergence.agree() != Some(false);
    let why = match (told, broken) {
        (_, Some(rung)) if told.is_some() || !only_lost => &rung.reason,
        (Some(anomaly), _) => &anomaly.explanation,
        _ => return None,
    };
    Some(format!("{NEVER_HEALS}: {}", printable(why)))
}
