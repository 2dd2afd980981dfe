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
        }
    }
}
