//! What an application says to its stores, written down as steps like those of
//! any strategy: which store, which kind of call, of which row, with which
//! value, and what came back.
//!
//! A [`Scribe`] pairs requests with replies. [`Spans`] know whose operation an
//! instance was serving: it serves one client, so that a message between an
//! operation's begin and end is that operation's; others are an agent's. The
//! verbs are those that the rules of causes know: whatever reads an entry is a
//! `GET`, whatever stores one a `SET`, whatever removes one a `DEL`. What a
//! transaction writes is not there before its `COMMIT`, which is the step that
//! carries the value. Versions are told afterwards, from the primary's log
//! ([`Commit`](quarrel_strategy::record::Commit)).

mod call;
mod listener;
mod names;
mod scribe;
mod spans;

pub(super) use listener::{Listener, gap};
pub(super) use names::Names;
pub(super) use scribe::{Owner, Place, Scribe};
pub(super) use spans::{Answered, Spans};
