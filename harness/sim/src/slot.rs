//! A client's end of its links.

use std::task::Waker;

use quarrel_checkers::Site;
use quarrel_strategy::stores::Request;

use super::{Wait, network::Answer};

/// Which way a client's calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Over the links that faults strike.
    Links,
    /// Beside them.
    Beside,
}

/// A client's end of its links. It has one call under way at most.
pub(super) struct Slot {
    pub(super) route: Route,
    /// Which of the sites it has a connection to.
    pub(super) connected: [bool; 3],
    /// Bytes of answers that each of these connections has let through.
    pub(super) passed: [u64; 3],
    pub(super) ticket: u64,
    pub(super) state: CallState,
    pub(super) waker: Option<Waker>,
}

pub(super) enum CallState {
    Quiet,
    /// On its way there.
    Sent(Request),
    /// At the store, which does not answer for now.
    Held(Request),
    /// At the store, which waits for the replica or a lock.
    Waits(Request, Wait),
    /// On its way back.
    Answered(Site, Answer),
    /// Here.
    Here(Answer),
}

impl Slot {
    pub(super) const fn new(route: Route) -> Self {
        Self {
            route,
            connected: [false; 3],
            passed: [0; 3],
            ticket: 0,
            state: CallState::Quiet,
            waker: None,
        }
    }
}
