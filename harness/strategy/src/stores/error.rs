use quarrel_checkers::{Certainty, Site};

/// A call to a store did not bring an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{site}: {message}")]
pub struct StoreError {
    /// Which store.
    pub site: Site,
    /// Whether it proves that nothing happened. Anything not known to be
    /// definite is indefinite.
    pub certainty: Certainty,
    /// What the client saw, in the store's words.
    pub message: String,
    /// Whether the connection may still be used. After a time-out or a broken
    /// connection it must not: a late reply would answer the wrong question.
    pub connection: ConnectionState,
    /// Whose want it was.
    pub want: Want,
}

/// Whose want an error shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Want {
    /// Of the store or of the way to it: what a run is about.
    #[default]
    Theirs,
    /// Of this process: it is out of descriptors, ports, buffers or memory. It
    /// says nothing about anybody else.
    Ours,
    /// Of a right that whoever keeps the store did not give us. No fault takes
    /// one away, and an application that runs has it.
    Rights,
}

/// Whether a connection survived an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// In step with its server.
    Usable,
    /// Broken, or out of step.
    Broken,
}

impl StoreError {
    /// It surely did nothing, and the connection is fine: the server said no.
    #[must_use]
    pub fn refused(site: Site, message: impl Into<String>) -> Self {
        Self {
            site,
            certainty: Certainty::Definite,
            message: message.into(),
            connection: ConnectionState::Usable,
            want: Want::Theirs,
        }
    }

    /// It surely did nothing: no connection could be made.
    #[must_use]
    pub fn unreachable(site: Site, message: impl Into<String>) -> Self {
        Self {
            site,
            certainty: Certainty::Definite,
            message: message.into(),
            connection: ConnectionState::Broken,
            want: Want::Theirs,
        }
    }

    /// Nobody knows whether it had its effect.
    #[must_use]
    pub fn unknown(site: Site, message: impl Into<String>) -> Self {
        Self {
            site,
            certainty: Certainty::Indefinite,
            message: message.into(),
            connection: ConnectionState::Broken,
            want: Want::Theirs,
        }
    }

    /// What of it says nothing about the store, if anything does.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        match self.want {
            Want::Theirs => None,
            Want::Ours => Some(format!("quarrel itself ran out of something: {self}")),
            Want::Rights => Some(format!(
                "the {} does not let quarrel do what the strategy needs: {}",
                self.site, self.message
            )),
        }
    }

    /// The same, for want of something of `whose`.
    #[must_use]
    pub const fn for_want(mut self, whose: Want) -> Self {
        self.want = whose;
        self
    }
}
