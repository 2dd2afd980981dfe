//! Attending over HTTP: notices as lines of JSON, decisions by POST.

mod json;
mod stream;

use super::body::Fields;
use super::reply;
use crate::attend::{Attend, Attention, Decision, Waits};
use crate::control::Uncovered;
use crate::error::Error;
use crate::link::lock;
use crate::registry::Registry;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// More controllers at once are refused.
const MOST_ATTENTIONS: usize = 64;

/// The most bytes of notices that may wait to be read by all of them together:
/// room for so many that ask for nothing in particular.
const MOST_TOGETHER: usize = MOST_ATTENTIONS * (8 << 20);

/// The attentions of clients that read them now.
#[derive(Debug, Default)]
pub(super) struct Attentions(Mutex<BTreeMap<u64, Weak<Subscription>>>);

/// What one client reads. It ends when the client has gone, as its connection
/// then drops it.
#[derive(Debug)]
struct Subscription {
    id: u64,
    attention: Attention,
    /// Whether raw bytes are wanted.
    raw: Raw,
    registry: Arc<Registry>,
    /// True once it is to end.
    ended: watch::Sender<bool>,
}

/// Whether the bytes of messages are told as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    Told,
    LeftOut,
}

/// An open connection that cannot be followed, and whose it is.
#[derive(Debug, Serialize)]
struct Unfollowed {
    proxy: String,
    #[serde(flatten)]
    uncovered: Uncovered,
}

/// Answers what is under `/x/attend`; None for an unknown route.
pub(super) fn route(
    attentions: &Attentions,
    registry: &Arc<Registry>,
    method: &Method,
    segments: &[&str],
    body: &[u8],
) -> Option<Response> {
    let (get, post) = (method == Method::GET, method == Method::POST);
    Some(match segments {
        [] if post => match begin(attentions, registry, body) {
            Ok((subscription, uncovered)) => stream::answer(subscription, &uncovered),
            Err(refused) => reply::error(&refused),
        },
        [id] if method == Method::DELETE => {
            reply::empty(attentions.find(id).map(|subscription| subscription.end()))
        }
        [id, "decide"] if post => reply::empty(decide(attentions, id, body)),
        [id, "waiting"] if get => {
            let waiting = attentions.find(id).map(|one| one.attention.waiting());
            reply::result(StatusCode::OK, waiting)
        }
        [id, "proxies"] if post => {
            let added = || {
                let fields = Fields::parse(body)?;
                fields.only(&["proxy"])?;
                add(&*attentions.find(id)?, &fields.required("proxy")?)
            };
            reply::result(StatusCode::OK, added())
        }
        [] | [_] | [_, "decide" | "waiting" | "proxies"] => {
            reply::status(StatusCode::METHOD_NOT_ALLOWED)
        }
        _ => return None,
    })
}

impl Attentions {
    fn find(&self, id: &str) -> Result<Arc<Subscription>, Error> {
        let id: Option<u64> = id.parse().ok();
        let found = id.and_then(|id| lock(&self.0).get(&id).and_then(Weak::upgrade));
        found.ok_or(Error::AttentionNotFound)
    }

    fn insert(&self, subscription: &Arc<Subscription>) -> Result<(), Error> {
        let mut all = lock(&self.0);
        all.retain(|_, one| one.strong_count() > 0);
        if all.len() >= MOST_ATTENTIONS {
            let reason = format!("{MOST_ATTENTIONS} controllers attend already");
            return Err(Error::Refused(reason));
        }
        let capacity = |one: &Subscription| one.attention.capacity();
        let others = all.values().filter_map(Weak::upgrade).map(|one| capacity(&one)).sum();
        let left = MOST_TOGETHER.saturating_sub(others);
        if capacity(subscription) > left {
            let reason = format!(
                "capacity: {left} bytes are left of the {MOST_TOGETHER} that notices may take for \
                 all controllers together"
            );
            return Err(Error::Refused(reason));
        }
        all.insert(subscription.id, Arc::downgrade(subscription));
        Ok(())
    }
}

impl Subscription {
    fn end(&self) {
        self.ended.send_replace(true);
    }
}

const FIELDS: [&str; 8] =
    ["proxies", "requests", "replies", "pushes", "text_cap", "value_cap", "capacity", "raw"];

/// The most bytes of one message, and of all that waits to be read, that a
/// client may ask for.
const LARGEST_VALUE: u64 = 1 << 20;
const LARGEST_CAPACITY: u64 = 64 << 20;

fn begin(
    attentions: &Attentions,
    registry: &Arc<Registry>,
    body: &[u8],
) -> Result<(Arc<Subscription>, Vec<Unfollowed>), Error> {
    let fields = Fields::parse(body)?;
    fields.only(&FIELDS)?;
    let proxies = fields.strings("proxies")?;
    if proxies.is_empty() {
        return Err(Error::MissingField("proxies".into()));
    }
    let waits = |name: &str| {
        let wanted = fields.boolean(name)?.unwrap_or(false);
        Ok::<_, Error>(if wanted { Waits::Yes } else { Waits::No })
    };
    let watching = Attend::watching();
    let bytes = |name: &str, default: usize, most: u64| {
        let given = fields.whole(name)?;
        match given {
            Some(given) if given > most => {
                Err(Error::BadBody(format!("{name} must be at most {most}, not {given}")))
            }
            given => Ok(given.and_then(|given| usize::try_from(given).ok()).unwrap_or(default)),
        }
    };
    let options = Attend {
        requests: waits("requests")?,
        replies: waits("replies")?,
        pushes: waits("pushes")?,
        text_cap: bytes("text_cap", watching.text_cap, 64 << 10)?,
        raw_cap: bytes("value_cap", watching.raw_cap, LARGEST_VALUE)?,
        capacity: bytes("capacity", watching.capacity, LARGEST_CAPACITY)?,
    };
    let raw = if fields.boolean("raw")? == Some(true) { Raw::Told } else { Raw::LeftOut };
    let subscription = Arc::new(Subscription {
        id: registry.core.next_id(),
        attention: Attention::new(registry, options),
        raw,
        registry: Arc::clone(registry),
        ended: watch::Sender::new(false),
    });
    attentions.insert(&subscription)?;
    let mut uncovered = Vec::new();
    for proxy in &proxies {
        uncovered.extend(add(&subscription, proxy)?);
    }
    Ok((subscription, uncovered))
}

fn add(subscription: &Subscription, proxy: &str) -> Result<Vec<Unfollowed>, Error> {
    let uncovered = subscription.attention.add(proxy)?.into_iter();
    Ok(uncovered.map(|uncovered| Unfollowed { proxy: proxy.to_owned(), uncovered }).collect())
}

fn decide(attentions: &Attentions, id: &str, body: &[u8]) -> Result<(), Error> {
    let subscription = attentions.find(id)?;
    let fields = Fields::parse(body)?;
    fields.only(&["id", "decision", "delay_ms"])?;
    let missing = |name: &str| Error::MissingField(name.to_owned());
    let message = fields.whole("id")?.ok_or_else(|| missing("id"))?;
    let delay_ms = fields.whole("delay_ms")?;
    let decision = match fields.required("decision")?.as_str() {
        "forward" => Decision::Forward,
        "delay" => {
            let delay_ms = delay_ms.ok_or_else(|| missing("delay_ms"))?;
            return subscription
                .attention
                .decide(message, Decision::Delay(Duration::from_millis(delay_ms)));
        }
        "drop" => Decision::Drop,
        "drop_reply" => Decision::DropReply,
        "reset_before" => Decision::ResetBefore,
        "reset_after" => Decision::ResetAfter,
        other => {
            return Err(Error::BadBody(format!(
                "decision {other:?} is none of forward, delay, drop, drop_reply, reset_before, \
                 reset_after"
            )));
        }
    };
    if delay_ms.is_some() {
        return Err(Error::BadBody("delay_ms is for the decision delay only".into()));
    }
    subscription.attention.decide(message, decision)
}
