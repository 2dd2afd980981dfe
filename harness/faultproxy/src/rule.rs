//! Rules on messages: which ones, and what happens to them.

use crate::error::Error;
use crate::message::Command;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a rule does to a message it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleAction {
    /// The request waits, and what follows it on its connection, until it is
    /// released.
    HoldRequest,
    /// The request runs; its reply, and what follows it, waits.
    HoldReply,
    /// The request never reaches the server, and so is never answered.
    DropRequest,
    /// The request runs; its reply never reaches the client.
    DropReply,
    /// As holding, released after a while.
    DelayRequest {
        /// How long, in milliseconds.
        delay_ms: u64,
    },
    /// As holding, released after a while.
    DelayReply {
        /// How long, in milliseconds.
        delay_ms: u64,
    },
    /// The connection is reset instead of forwarding the request: it surely
    /// did not run.
    ResetBefore,
    /// The connection is reset when the whole reply has arrived here: the
    /// request surely ran, and the client cannot know.
    ResetAfter,
}

impl RuleAction {
    /// The action of this name in the API.
    ///
    /// # Errors
    ///
    /// [`Error::BadBody`] for an unknown name, or a delay that is missing.
    pub fn named(name: &str, delay_ms: Option<u64>) -> Result<Self, Error> {
        let delay =
            || delay_ms.ok_or_else(|| Error::BadBody(format!("{name} needs delay_ms, an integer")));
        Ok(match name {
            "hold_request" => Self::HoldRequest,
            "hold_reply" => Self::HoldReply,
            "drop_request" => Self::DropRequest,
            "drop_reply" => Self::DropReply,
            "delay_request" => Self::DelayRequest { delay_ms: delay()? },
            "delay_reply" => Self::DelayReply { delay_ms: delay()? },
            "reset_before" => Self::ResetBefore,
            "reset_after" => Self::ResetAfter,
            _ => {
                return Err(Error::BadBody(format!(
                    "action {name:?} is none of hold_request, hold_reply, drop_request, \
                     drop_reply, delay_request, delay_reply, reset_before, reset_after"
                )));
            }
        })
    }

    /// The action's name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldRequest => "hold_request",
            Self::HoldReply => "hold_reply",
            Self::DropRequest => "drop_request",
            Self::DropReply => "drop_reply",
            Self::DelayRequest { .. } => "delay_request",
            Self::DelayReply { .. } => "delay_reply",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
        }
    }

    /// What it means for the request, or else for the reply.
    pub(crate) const fn split(self) -> Result<RequestAction, ReplyAction> {
        match self {
            Self::HoldRequest => Ok(RequestAction::Hold),
            Self::DropRequest => Ok(RequestAction::Drop),
            Self::DelayRequest { delay_ms } => {
                Ok(RequestAction::Delay(Duration::from_millis(delay_ms)))
            }
            Self::ResetBefore => Ok(RequestAction::Reset),
            Self::HoldReply => Err(ReplyAction::Hold),
            Self::DropReply => Err(ReplyAction::Drop),
            Self::DelayReply { delay_ms } => {
                Err(ReplyAction::Delay(Duration::from_millis(delay_ms)))
            }
            Self::ResetAfter => Err(ReplyAction::ResetAfter),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestAction {
    Hold,
    Drop,
    Delay(Duration),
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyAction {
    Hold,
    Drop,
    Delay(Duration),
    ResetAfter,
}

/// A rule to be made. What is `None` matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewRule {
    /// The command's name in any case: `DEL`, `CONFIG SET`, `COMMIT`. The
    /// first word is enough.
    pub command: Option<String>,
    /// One of the command's keys; of a SQL statement, one of its parameters or
    /// of the literals in its text. The whole of it: `user:1` is not
    /// `user:1:name`. For parts of a text there is [`NewRule::contains`].
    pub key: Option<String>,
    /// Text that the command contains; of an `EVALSHA`, also the text of its
    /// script, if that was seen in an `EVAL` or a `SCRIPT LOAD` before (on any
    /// connection of the fault proxy). Where it was not, only the command's own
    /// text counts, and the event `script_unknown` names the digest, once.
    pub contains: Option<String>,
    /// The connection's ordinal in its proxy.
    pub connection: Option<u64>,
    /// Acts only on the message that matches the rest for this time, counted
    /// from 1 over all connections that the rule covers.
    pub ordinal: Option<u64>,
    /// Acts so many times at most.
    pub times: Option<u64>,
    /// What to do.
    #[serde(flatten)]
    pub action: RuleAction,
}

impl NewRule {
    /// A rule on every message, to be narrowed by setting fields.
    #[must_use]
    pub const fn new(action: RuleAction) -> Self {
        Self {
            command: None,
            key: None,
            contains: None,
            connection: None,
            ordinal: None,
            times: None,
            action,
        }
    }

    /// The same for commands of this name only.
    #[must_use]
    pub fn on(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// The same for this key only.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same for at most `times` messages.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// The same for the `ordinal`-th matching message only.
    #[must_use]
    pub const fn ordinal(mut self, ordinal: u64) -> Self {
        self.ordinal = Some(ordinal);
        self
    }

    /// Refuses a rule that can never act.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let never = |what: &str| Err(Error::BadBody(format!("{what}: the rule would never act")));
        match self {
            Self { ordinal: Some(0), .. } => never("ordinal is counted from 1"),
            Self { connection: Some(0), .. } => never("connections are counted from 1"),
            Self { times: Some(0), .. } => never("times is 0"),
            Self { command: Some(name), .. } if name.trim().is_empty() => never("command is empty"),
            _ => Ok(()),
        }
    }
}

/// A rule in force, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleView {
    /// Unique in this fault proxy.
    pub id: u64,
    /// What was asked for.
    #[serde(flatten)]
    pub rule: NewRule,
    /// Messages that matched so far.
    pub seen: u64,
    /// Messages it acted on so far.
    pub fired: u64,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: u64,
    pub(crate) rule: NewRule,
    seen: AtomicU64,
    fired: AtomicU64,
}

impl Rule {
    pub(crate) const fn new(id: u64, rule: NewRule) -> Self {
        Self { id, rule, seen: AtomicU64::new(0), fired: AtomicU64::new(0) }
    }

    pub(crate) fn view(&self) -> RuleView {
        RuleView {
            id: self.id,
            rule: self.rule.clone(),
            seen: self.seen.load(Ordering::Relaxed),
            fired: self.fired.load(Ordering::Relaxed),
        }
    }

    /// Whether the rule acts on this command; counts it if it matches.
    pub(crate) fn acts_on(&self, connection: u64, command: &Command) -> bool {
        let NewRule { command: name, key, contains, connection: only, ordinal, times, .. } =
            &self.rule;
        let wanted =
            |given: &Option<String>, test: &dyn Fn(&str) -> bool| given.as_deref().is_none_or(test);
        let matches = only.is_none_or(|only| only == connection)
            && wanted(name, &|name| command.is(name))
            && wanted(key, &|key| command.has_key(key))
            && wanted(contains, &|part| command.contains(part));
        if !matches {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if ordinal.is_some_and(|ordinal| ordinal != seen) {
            return false;
        }
        let limit = times.unwrap_or(u64::MAX);
        let under = |fired: u64| (fired < limit).then(|| fired + 1);
        self.fired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, under).is_ok()
    }
}

/// A message that waits to be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeldMessage {
    /// Unique in this fault proxy; what to release.
    pub id: u64,
    /// The rule that holds it.
    pub rule: u64,
    /// The connection's ordinal in its proxy.
    pub connection: u64,
    /// `upstream` for a request, `downstream` for a reply.
    pub stream: crate::toxic::Stream,
    /// The request's command.
    pub command: String,
    /// The request's text, cut short.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn del(key: &str) -> Command {
        Command {
            name: "DEL".into(),
            keys: vec![key.into()],
            text: format!("DEL {key}"),
            ..Command::default()
        }
    }

    #[test]
    fn the_ordinal_counts_matching_messages_only() {
        let rule = NewRule::new(RuleAction::DropReply).on("del").key("a").ordinal(2);
        let rule = Rule::new(1, rule);
        let acted: Vec<bool> =
            ["a", "b", "a", "a"].iter().map(|key| rule.acts_on(1, &del(key))).collect();
        assert_eq!(acted, [false, false, true, false]);
        assert_eq!((rule.view().seen, rule.view().fired), (3, 1));
    }

    #[test]
    fn times_limits_how_often_it_acts() {
        let rule = Rule::new(1, NewRule::new(RuleAction::HoldRequest).times(1));
        assert!(rule.acts_on(1, &del("a")));
        assert!(!rule.acts_on(1, &del("a")));
    }
}
