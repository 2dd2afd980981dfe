use quarrel_checkers::{History, Index, Time};
use quarrel_sim::Move;

use super::Race;

/// What came of a course.
pub struct SimulatedRace {
    /// The course in words, as it happened, up to where the claim came true.
    /// Name and options of its strategy are left for the caller to fill in.
    pub race: Race,
    /// Whether the claim came true.
    pub came_true: bool,
    /// The moves that were possible, up to there.
    pub moves: Vec<Move>,
    /// For each of these moves the client and the operation, counted from 0
    /// within the client, that it is a turn of; none if it is nobody's.
    pub owners: Vec<Option<(usize, usize)>>,
    /// When each of these moves was made.
    pub instants: Vec<Time>,
    /// How many turns were hurried.
    pub hurried: usize,
    /// The operations, in the order in which they began.
    pub operations: Vec<SimulatedOperation>,
    /// Whether nobody is in the middle of anything at the end.
    pub is_settled: bool,
    /// What clients saw.
    pub history: History,
    /// The invocation of the operation that the claim came true of: for a claim
    /// about the end the read of an auditor.
    pub victim: Option<Index>,
}

/// An operation of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedOperation {
    /// Its client and its number among that client's.
    pub owner: (usize, usize),
    /// Its invocation.
    pub invoke: Index,
    /// Whether it ended.
    pub has_ended: bool,
}
