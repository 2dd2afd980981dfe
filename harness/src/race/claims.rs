use quarrel_checkers::Key;

use super::Line;
use crate::{
    sim::{Claim, Ending, Play, linearizable},
    stores::Row,
    strategy::Action,
};

/// The claims about operations that a race has made so far.
#[derive(Default)]
pub(super) struct Claims(Vec<(usize, Claim, usize)>);

impl Claims {
    /// Notes the claim of a line, if it makes one, about the operation at
    /// `place` of the play.
    pub(super) fn note(&mut self, line: &Line, place: usize) {
        if let Some(claim) = line.claim {
            self.0.push((line.number, claim, place));
        }
    }

    /// The operation of the first claim, by its place in the play.
    pub(super) fn first(&self) -> Option<usize> {
        self.0.first().map(|(_, _, place)| *place)
    }

    /// Line, claim and whether it is true.
    pub(super) fn judged(
        &self,
        play: &Play,
        initial: impl Fn(Key) -> Option<Row>,
    ) -> Vec<(usize, Claim, bool)> {
        let judge = |&(line, claim, place): &(usize, Claim, usize)| {
            let is_true = match claim {
                Claim::NotLinearizable => {
                    let (Action::Read(key) | Action::Write(key, _)) = play.action(place);
                    !linearizable(play, *key, initial(*key).as_ref())
                }
                _ => claim.is_made_by(play, place),
            };
            (line, claim, is_true)
        };
        self.0.iter().map(judge).collect()
    }

    /// What is wrong in the end with `key`, of which a fresh client read `read`
    /// while the primary holds `primary`.
    pub(super) fn in_the_end(
        play: &Play,
        key: Key,
        read: Option<&Row>,
        primary: Option<&Row>,
    ) -> Option<Claim> {
        let held = primary.map_or(0, |row| row.version);
        let lost = play.operations().iter().any(|played| match (&played.action, &played.ending) {
            (Action::Write(of, value), Some(Ending::Written(version))) if *of == key => {
                *version > held
                    || (*version == held && primary.is_some_and(|row| row.value != *value))
            }
            _ => false,
        });
        if lost {
            Some(Claim::Lost)
        } else if read != primary {
            Some(Claim::Diverged)
        } else {
            None
        }
    }
}
