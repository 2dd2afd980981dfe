use quarrel_checkers::{Cause, Guarantee, Validity};
use quarrel_sim::Stuck;

use super::{Bounds, Exploration, Extent, Finding, Report, report};
use crate::race::Make;

/// Which guarantees a strategy keeps within some bounds.
pub struct Ladder {
    /// The guarantees that were looked at, strongest first. Those that follow
    /// from one that holds are not.
    pub rungs: Vec<LadderRung>,
    /// The strongest that holds; none while that is open.
    pub strongest: Option<Guarantee>,
}

/// One guarantee, and what the search for its break brought.
pub struct LadderRung {
    /// Which.
    pub guarantee: Guarantee,
    /// Whether it holds. Valid below [`LadderRung::below_steps`] is valid.
    pub validity: Validity,
    /// Where not everything was searched: it holds in every interleaving with
    /// fewer steps than this, and in a sample of the others.
    pub below_steps: Option<u32>,
    /// How it breaks.
    pub broken: Option<LadderBreak>,
    /// Complete interleavings covered, saturating.
    pub interleavings: u128,
    /// Those of them in which something could have been wrong.
    pub at_stake: u128,
    /// Distinct states met.
    pub states: usize,
}

/// How a guarantee breaks.
pub struct LadderBreak {
    /// What comes true.
    pub claim: quarrel_sim::Claim,
    /// Steps of the break.
    pub steps: usize,
    /// Why it breaks.
    pub cause: Cause,
    /// The race. None for a break that needs time to stand still.
    pub finding: Option<Finding>,
}

/// From the top down. A guarantee about the end is looked at before them all:
/// where the stores never agree again, nothing else counts.
const FROM_THE_TOP: [Guarantee; 5] = [
    Guarantee::Linearizable,
    Guarantee::Sequential,
    Guarantee::ReadYourWrites,
    Guarantee::MonotonicReads,
    Guarantee::Bounded,
];

/// Searches for breaks of one guarantee after the other, from the strongest
/// down to the first that holds within `bounds`, whose own guarantee is
/// overridden. `name` and `options` are what the races' first lines will say.
///
/// Holding means: no interleaving within the bounds breaks it. Of
/// [`Guarantee::Bounded`] it means that nothing is wrong any more once the
/// replica has caught up and nothing is pending, though no entry has expired;
/// of [`Guarantee::Eventual`], that nothing is once every entry has.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn ladder(
    make: &Make<'_>,
    name: &str,
    options: &[(String, String)],
    bounds: &Bounds,
) -> Result<Ladder, Stuck> {
    let rung = |guarantee| -> Result<LadderRung, Stuck> {
        let bounds = Bounds { guarantee, ..bounds.clone() };
        Ok(LadderRung::new(guarantee, report(make, name, options, &bounds)?))
    };
    let last = rung(Guarantee::Eventual)?;
    let heals = last.validity;
    let mut rungs = Vec::new();
    let mut strongest = None;
    for guarantee in FROM_THE_TOP {
        let found = rung(guarantee)?;
        let broken = found.broken.is_some();
        let validity = found.validity;
        rungs.push(found);
        if !broken {
            strongest = (validity == Validity::Valid).then_some(guarantee);
            break;
        }
    }
    let all_broken = rungs.iter().all(|rung| rung.broken.is_some());
    rungs.push(last);
    let strongest = match heals {
        Validity::Invalid => Some(Guarantee::None),
        Validity::Valid if all_broken => Some(Guarantee::Eventual),
        Validity::Valid => strongest,
        Validity::Unknown => None,
    };
    Ok(Ladder { rungs, strongest })
}

impl LadderRung {
    fn new(guarantee: Guarantee, report: Report) -> Self {
        let Exploration { broken, interleavings, at_stake, states, extent, .. } =
            report.exploration;
        let below_steps = match extent {
            Extent::Exhaustive => None,
            Extent::Sampled { exhaustive_below_steps, .. } => Some(exhaustive_below_steps),
        };
        let finding = report.finding;
        let broken = broken.map(|broken| LadderBreak {
            claim: broken.claim,
            steps: finding.as_ref().map_or(broken.steps, |finding| finding.race.steps()),
            cause: finding.as_ref().map_or(Cause::Unexplained, |finding| finding.cause),
            finding,
        });
        let validity = match (&broken, below_steps) {
            (Some(_), _) => Validity::Invalid,
            // Stopped before it began: nothing is known.
            (None, Some(0)) => Validity::Unknown,
            (None, _) => Validity::Valid,
        };
        Self { guarantee, validity, below_steps, broken, interleavings, at_stake, states }
    }
}
