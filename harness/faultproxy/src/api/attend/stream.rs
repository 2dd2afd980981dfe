//! An answer that goes on: one line of JSON for each notice.

use super::{Subscription, Unfollowed, json};
use crate::attend::Notice;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use serde_json::json;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A line is sent at least so often, so that a client that has gone is found
/// out, and a client can tell that we have not.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Lines that are there already go together, up to about so many bytes.
const MOST_AT_ONCE: usize = 64 << 10;

pub(super) fn answer(subscription: Arc<Subscription>, uncovered: &[Unfollowed]) -> Response {
    let hello = json!({"event": "attending", "attention": subscription.id, "uncovered": uncovered});
    let lines = Lines { subscription, waits: Waits::ToSay(format!("{hello}\n").into()) };
    let mut response = Response::new(Body::new(lines));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The body of the answer. Dropping it ends the attention, so that everything
/// that waits goes on.
struct Lines {
    subscription: Arc<Subscription>,
    waits: Waits,
}

/// What the next line waits for; None ends them.
type Next = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

enum Waits {
    ToSay(Bytes),
    For(Next),
}

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let said = match &mut self.waits {
            Waits::ToSay(said) => Some(std::mem::take(said)),
            Waits::For(next) => match next.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(said) => said,
            },
        };
        self.waits = Waits::For(Box::pin(next(Arc::clone(&self.subscription))));
        Poll::Ready(said.map(|said| Ok(Frame::data(said))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

async fn next(subscription: Arc<Subscription>) -> Option<Bytes> {
    let mut ended = subscription.ended.subscribe();
    let first = tokio::select! {
        biased;
        // It cannot fail: we hold the sender.
        _ = ended.wait_for(|ended| *ended) => return None,
        notice = subscription.attention.next() => notice,
        () = tokio::time::sleep(HEARTBEAT) => {
            return Some(Bytes::from_static(b"{\"event\":\"idle\"}\n"));
        }
    };
    let mut lines = line(&subscription, &first);
    while lines.len() < MOST_AT_ONCE
        && let Some(notice) = subscription.attention.try_next()
    {
        lines.push_str(&line(&subscription, &notice));
    }
    Some(lines.into())
}

fn line(subscription: &Subscription, notice: &Notice) -> String {
    let proxy = subscription.registry.proxy(&notice.proxy);
    let protocol = proxy.ok().and_then(|proxy| proxy.link.protocol());
    format!("{}\n", json::notice(notice, protocol, subscription.raw))
}
