use std::fmt;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mishap {
    /// No connection: the client learns at once that nothing happened.
    Fails,
    /// The request never arrives; the client gives up waiting.
    RequestLost,
    /// The call is executed, but the client gives up waiting for the reply.
    ReplyLost,
    /// The client gives up waiting; the call is executed later.
    Delayed,
}

impl Mishap {
    /// Every mishap.
    pub const ALL: [Self; 4] = [Self::Fails, Self::RequestLost, Self::ReplyLost, Self::Delayed];

    /// Its words in a `.race` file.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::RequestLost => "request lost",
            Self::ReplyLost => "reply lost",
            Self::Delayed => "delayed",
        }
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
