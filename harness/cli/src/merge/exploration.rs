use quarrel_checkers::RunOutcome;
use serde_json::json;

use super::{Found, Joined, Share, differs};
use crate::{Failure, partition::PartSearch};

/// The shortest break of all shares, of equals that from the earliest beginning:
/// the one that a single machine finds. Without one, all that was searched.
pub(super) fn join(command: &str, shares: &[Share]) -> Result<Joined, Failure> {
    let mut searches: Vec<&PartSearch> = Vec::new();
    for share in shares {
        let Found::Exploration(search) = &share.part.found else {
            return Err(differs(command, share, "kind"));
        };
        // More shares than beginnings: nothing was asked of this one.
        if search.first_start.is_some() {
            searches.push(search);
        }
    }
    searches.sort_by_key(|search| search.first_start);
    let outcome = outcome(&searches);
    let broken = searches.iter().filter(|search| search.outcome == RunOutcome::Violated);
    let told: Vec<&&PartSearch> =
        match broken.min_by_key(|search| (search.steps, search.first_start)) {
            Some(shortest) => vec![shortest],
            None => searches.iter().collect(),
        };
    let text: Vec<&str> = told.iter().map(|search| search.text.as_str()).collect();
    Ok(Joined {
        code: outcome.exit_code(),
        text: text.concat(),
        json: json!({
            "kind": "exploration",
            "outcome": outcome.to_string(),
            "broken": told.first().and_then(|search| search.report.get("broken")),
            "searches": searches.iter().map(|search| &search.report).collect::<Vec<_>>(),
        }),
    })
}

/// The worst of them; but what was at stake from one beginning was at stake in
/// the whole.
fn outcome(searches: &[&PartSearch]) -> RunOutcome {
    let held = searches.iter().map(|search| search.outcome).find(|outcome| outcome.is_held());
    match (RunOutcome::of_all(searches.iter().map(|search| search.outcome)), held) {
        (RunOutcome::Vacuous, Some(held)) => held,
        (worst, _) => worst,
    }
}
