//! The HTTP API: Toxiproxy's routes, and those under `/x/` that go beyond it.

mod beyond;
pub(crate) mod body;
mod metrics;
mod proxies;
mod reply;

use crate::listen::Door;
use crate::registry::Registry;
use crate::server::Metrics;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// The version whose API this is; clients ask for it.
const TOXIPROXY: &str = "2.12.0";

/// Larger bodies are refused; this is some ten thousand proxies.
const LARGEST_BODY: usize = 4 << 20;

/// A body that has not come by then does not come.
const BODY_TIME: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Api {
    registry: Arc<Registry>,
    metrics: Metrics,
    hosts: Hosts,
}

/// By which names the API may be called.
#[derive(Clone, Copy)]
enum Hosts {
    /// By those that only this machine gives: a web page can give a name of its
    /// own our address, and so pass for the same origin (DNS rebinding), but
    /// only a name with dots.
    OfThisMachine,
    /// Others reach it under whatever name they know.
    Any,
}

impl Hosts {
    fn allows(self, parts: &Parts) -> bool {
        let Some(host) = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
            return true;
        };
        let name = match host.strip_prefix('[') {
            Some(_) => return true,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        match self {
            Self::Any => true,
            Self::OfThisMachine => {
                !name.contains('.')
                    || name.parse::<std::net::IpAddr>().is_ok()
                    || name.ends_with(".localhost")
            }
        }
    }
}

/// Serves the API until the door is closed.
pub(crate) async fn serve(registry: Arc<Registry>, door: Door, metrics: Metrics) {
    let is_local = door.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let hosts = if is_local { Hosts::OfThisMachine } else { Hosts::Any };
    let router = Router::new().fallback(answer).with_state(Api { registry, metrics, hosts });
    if let Err(error) = axum::serve(door, router).await {
        tracing::error!(%error, "the API stopped");
    }
}

/// Routes by hand: unlike a router, Toxiproxy answers HEAD with 405 and tells
/// `/proxies` from `/proxies/`.
async fn answer(State(api): State<Api>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A web page must not be able to drive a proxy on the visitor's machine.
    let from_browser = parts
        .headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    if from_browser {
        return reply::text(StatusCode::FORBIDDEN, "User agent not allowed\n");
    }
    if parts.headers.contains_key(header::ORIGIN) || !api.hosts.allows(&parts) {
        return reply::text(StatusCode::FORBIDDEN, "Host or origin not allowed\n");
    }
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
    let segments: Option<Vec<String>> =
        parts.uri.path().trim_start_matches('/').split('/').map(decode).collect();
    let Some(segments) = segments else {
        return not_found();
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let ["x", rest @ ..] = segments.as_slice() {
        let asked = (&parts.method, parts.uri.query().unwrap_or(""));
        return beyond::route(&api.registry, asked, rest, &body).unwrap_or_else(not_found);
    }
    route(&api, &parts.method, &segments, &body).await
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
        ["metrics"] if api.metrics == Metrics::Hidden => not_found(),
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

/// Undoes percent-encoding; None for what is not UTF-8 afterwards.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn undoes_percent_encoding() {
        assert_eq!(decode("a%20b%2Fc").as_deref(), Some("a b/c"));
        assert_eq!(decode("100%").as_deref(), Some("100%"));
        assert_eq!(decode("%ff"), None);
    }
}
