//! The HTTP API: Toxiproxy's routes, and those under `/x/` that go beyond it.

mod attend;
mod beyond;
pub(crate) mod body;
mod guard;
mod metrics;
mod path;
mod proxies;
mod reply;
mod request_id;
mod serving;

use crate::listen::Door;
use crate::registry::Registry;
use crate::server::MetricsPage;
use attend::Attentions;
use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use guard::Hosts;
use path::Path;
use request_id::RequestId;
use std::sync::Arc;
use std::time::Duration;

/// The version whose API this is; clients ask for it.
const TOXIPROXY: &str = "2.12.0";

/// Larger bodies are refused; this is some ten thousand proxies.
const LARGEST_BODY: usize = 4 << 20;

/// A body that has not come by then does not come.
const BODY_TIME: Duration = Duration::from_secs(10);

struct Api {
    registry: Arc<Registry>,
    metrics: MetricsPage,
    hosts: Hosts,
    attentions: Attentions,
}

/// Serves the API until the door is closed.
pub(crate) async fn serve(registry: Arc<Registry>, door: Door, metrics: MetricsPage) {
    let hosts = Hosts::of(&door);
    let api = Api { registry, metrics, hosts, attentions: Attentions::default() };
    serving::accept(door, Arc::new(api)).await;
}

/// Answers one request. Every answer carries a number of its own, by which its
/// line in the log is found.
async fn answer(api: &Api, parts: Parts, body: Body) -> Response {
    let id = RequestId::next();
    let mut answer = decide(api, &parts, body).await;
    tracing::debug!(
        request_id = id.as_str(),
        method = %parts.method,
        path = parts.uri.path(),
        status = answer.status().as_u16(),
        "answered"
    );
    answer.headers_mut().insert(request_id::HEADER, id.into());
    answer
}

/// Routes by hand: unlike a router, Toxiproxy answers HEAD with 405 and tells
/// `/proxies` from `/proxies/`.
async fn decide(api: &Api, parts: &Parts, body: Body) -> Response {
    if let Some(refused) = api.hosts.refuse(parts) {
        return refused;
    }
    let segments = match path::read(parts.uri.path()) {
        Path::Clean(segments) => segments,
        Path::Moved(to) => return reply::moved(&to, parts.uri.query()),
        Path::NoText => return not_found(),
    };
    let body = match tokio::time::timeout(BODY_TIME, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let error = crate::error::Error::BadBody(error.to_string());
            return reply::error(&error);
        }
        Err(_) => {
            let mut late = reply::status(StatusCode::REQUEST_TIMEOUT);
            late.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return late;
        }
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let ["x", "attend", rest @ ..] = segments.as_slice() {
        let routed = attend::route(&api.attentions, &api.registry, &parts.method, rest, &body);
        return routed.unwrap_or_else(not_found);
    }
    if let ["x", rest @ ..] = segments.as_slice() {
        let asked = (&parts.method, parts.uri.query().unwrap_or(""));
        return beyond::route(&api.registry, asked, rest, &body).unwrap_or_else(not_found);
    }
    route(api, &parts.method, &segments, &body).await
}

async fn route(api: &Api, method: &Method, segments: &[&str], body: &Bytes) -> Response {
    let registry = &*api.registry;
    let get = method == Method::GET;
    let post = method == Method::POST;
    let change = post || method == Method::PATCH;
    let delete = method == Method::DELETE;
    match segments {
        _ if segments.contains(&"") => not_found(),
        ["version"] if get => reply::version(TOXIPROXY),
        ["metrics"] if api.metrics == MetricsPage::Hidden => not_found(),
        ["metrics"] if get => metrics::show(registry),
        ["reset"] if post => reply::empty(proxies::reset(registry).await),
        ["populate"] if post => proxies::populate(registry, body).await,
        ["proxies"] if get => proxies::list(registry),
        ["proxies"] if post => proxies::create(registry, body).await,
        ["proxies", name] if get => proxies::show(registry, name),
        ["proxies", name] if change => proxies::update(registry, name, body).await,
        ["proxies", name] if delete => reply::empty(registry.delete(name)),
        ["proxies", name, "toxics"] if get => proxies::toxics(registry, name),
        ["proxies", name, "toxics"] if post => proxies::add_toxic(registry, name, body),
        ["proxies", name, "toxics", toxic] if get => proxies::toxic(registry, name, toxic),
        ["proxies", name, "toxics", toxic] if change => {
            proxies::update_toxic(registry, name, toxic, body)
        }
        ["proxies", name, "toxics", toxic] if delete => {
            reply::empty(proxies::remove_toxic(registry, name, toxic))
        }
        ["version" | "reset" | "populate" | "proxies" | "metrics"]
        | ["proxies", _]
        | ["proxies", _, "toxics"]
        | ["proxies", _, "toxics", _] => reply::status(StatusCode::METHOD_NOT_ALLOWED),
        _ => not_found(),
    }
}

fn not_found() -> Response {
    reply::text(StatusCode::NOT_FOUND, "404 page not found\n")
}
