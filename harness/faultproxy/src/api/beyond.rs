//! The routes under `/x/`.

use super::body::Fields;
use super::reply;
use crate::error::Error;
use crate::link::hold::Release;
use crate::link::plan::Close;
use crate::link::{MessageLog, Refuses};
use crate::message::Protocol;
use crate::registry::Registry;
use crate::rule::{NewRule, RuleAction};
use crate::toxic::Stream;
use axum::http::{Method, StatusCode};
use axum::response::Response;

/// Events answered when no limit is asked for.
const DEFAULT_LIMIT: u64 = 1000;

/// Answers what is under `/x/`; None for an unknown route.
pub(crate) fn route(
    registry: &Registry,
    (method, query): (&Method, &str),
    segments: &[&str],
    body: &[u8],
) -> Option<Response> {
    let get = method == Method::GET;
    let post = method == Method::POST;
    let answer = match segments {
        ["events"] if get => events(registry, query),
        ["proxies", p, "connections"] if get => connections(registry, p),
        ["proxies", p, "connections", n, "close"] if post => {
            reply::empty(close(registry, p, n, body))
        }
        ["proxies", p, "protocol"] if get => show_protocol(registry, p),
        ["proxies", p, "protocol"] if post => reply::empty(protocol(registry, p, body)),
        ["proxies", p, "tls"] if post => reply::empty(tls(registry, p, body)),
        ["proxies", p, "encryption"] if post => reply::empty(encryption(registry, p, body)),
        ["proxies", p, "hold"] if post => reply::empty(hold(registry, p, body)),
        ["proxies", p, "release"] if post => reply::empty(release(registry, p, body)),
        ["proxies", p, "rules"] if get => {
            let rules = registry.proxy(p).map(|proxy| proxy.rules());
            reply::result(StatusCode::OK, rules)
        }
        ["proxies", p, "rules"] if post => add_rule(registry, p, body),
        ["proxies", p, "rules", id] if method == Method::DELETE => remove_rule(registry, p, id),
        ["proxies", p, "held"] if get => {
            let held = registry.proxy(p).map(|proxy| proxy.link.held());
            reply::result(StatusCode::OK, held)
        }
        ["proxies", p, "held", id, "release"] if post => {
            reply::empty(release_message(registry, p, id))
        }
        ["events"]
        | [
            "proxies",
            _,
            "connections" | "protocol" | "tls" | "encryption" | "hold" | "release" | "rules"
            | "held",
        ]
        | ["proxies", _, "connections", _, "close"]
        | ["proxies", _, "rules", _]
        | ["proxies", _, "held", _, "release"] => reply::status(StatusCode::METHOD_NOT_ALLOWED),
        _ => return None,
    };
    Some(answer)
}

/// A body that may be absent, where every field has a default.
fn fields(body: &[u8]) -> Result<Fields, Error> {
    Fields::parse(if body.is_empty() { b"{}" } else { body })
}

/// A number in a path or query.
fn number(what: &str, text: &str) -> Result<u64, Error> {
    text.parse().map_err(|_| Error::BadBody(format!("{what} must be a whole number, not {text:?}")))
}

fn stream(fields: &Fields) -> Result<Stream, Error> {
    let text = fields.string("stream")?;
    text.map_or(Ok(Stream::Downstream), |text| Stream::parse(&text))
}

fn events(registry: &Registry, query: &str) -> Response {
    let page = || {
        let mut since = 0;
        let mut limit = DEFAULT_LIMIT;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "since" => since = number(name, value)?,
                "limit" => limit = number(name, value)?,
                _ => {}
            }
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(registry.core.events.since(since, limit))
    };
    reply::result(StatusCode::OK, page())
}

fn connections(registry: &Registry, proxy: &str) -> Response {
    let views = registry.proxy(proxy).map(|proxy| {
        let connections = proxy.link.connections();
        connections.iter().map(|one| one.view()).collect::<Vec<_>>()
    });
    reply::result(StatusCode::OK, views)
}

fn close(registry: &Registry, proxy: &str, ordinal: &str, body: &[u8]) -> Result<(), Error> {
    let proxy = registry.proxy(proxy)?;
    let how = match fields(body)?.string("how")?.as_deref() {
        None | Some("fin") => Close::Fin,
        Some("rst") => Close::Rst,
        Some(other) => {
            return Err(Error::BadBody(format!("how must be fin or rst, not {other:?}")));
        }
    };
    proxy.open_connection(number("connection", ordinal)?)?.close(how);
    Ok(())
}

fn show_protocol(registry: &Registry, proxy: &str) -> Response {
    let shown = registry.proxy(proxy).map(|proxy| {
        serde_json::json!({
            "protocol": proxy.link.protocol(),
            "log_messages": proxy.link.logs() == MessageLog::On,
        })
    });
    reply::result(StatusCode::OK, shown)
}

fn protocol(registry: &Registry, proxy: &str, body: &[u8]) -> Result<(), Error> {
    let proxy = registry.proxy(proxy)?;
    let fields = fields(body)?;
    let protocol = fields
        .string("protocol")?
        .map(|name| {
            Protocol::named(&name).ok_or_else(|| {
                Error::BadBody(format!("protocol must be redis, postgres or null, not {name:?}"))
            })
        })
        .transpose()?;
    let logs = match fields.boolean("log_messages")? {
        Some(true) => MessageLog::On,
        Some(false) | None => MessageLog::Off,
    };
    proxy.set_protocol(protocol, logs);
    Ok(())
}

fn tls(registry: &Registry, proxy: &str, body: &[u8]) -> Result<(), Error> {
    registry.proxy(proxy)?.set_tls(&super::body::tls(&fields(body)?)?)
}

fn encryption(registry: &Registry, proxy: &str, body: &[u8]) -> Result<(), Error> {
    let proxy = registry.proxy(proxy)?;
    let fields = fields(body)?;
    fields.only(&["refuses"])?;
    let refuses =
        fields.boolean("refuses")?.ok_or_else(|| Error::MissingField("refuses".into()))?;
    proxy.link.refuse_encryption(if refuses { Refuses::Yes } else { Refuses::No });
    Ok(())
}

fn hold(registry: &Registry, proxy: &str, body: &[u8]) -> Result<(), Error> {
    let proxy = registry.proxy(proxy)?;
    let fields = fields(body)?;
    let (stream, connection) = (stream(&fields)?, fields.whole("connection")?);
    match (fields.lsn("lsn")?, stream) {
        (None, _) => proxy.hold(stream, connection),
        (Some(lsn), Stream::Downstream) => proxy.hold_wal(connection, lsn),
        (Some(_), Stream::Upstream) => {
            Err(Error::BadBody("WAL flows downstream; only there it can be held by lsn".into()))
        }
    }
}

fn release(registry: &Registry, proxy: &str, body: &[u8]) -> Result<(), Error> {
    let proxy = registry.proxy(proxy)?;
    let fields = fields(body)?;
    let release = match (fields.whole("bytes")?, fields.lsn("lsn")?) {
        (None, None) => Release::All,
        (Some(bytes), None) => Release::Bytes(bytes),
        (None, Some(lsn)) => Release::UpTo(lsn),
        (Some(_), Some(_)) => {
            return Err(Error::BadBody("give bytes or lsn, not both".into()));
        }
    };
    proxy.release(stream(&fields)?, fields.whole("connection")?, release)
}

const RULE_FIELDS: [&str; 8] =
    ["action", "command", "key", "contains", "connection", "ordinal", "times", "delay_ms"];

fn add_rule(registry: &Registry, proxy: &str, body: &[u8]) -> Response {
    let added = || {
        let proxy = registry.proxy(proxy)?;
        let fields = Fields::parse(body)?;
        fields.only(&RULE_FIELDS)?;
        let name = fields.string("action")?.ok_or_else(|| Error::MissingField("action".into()))?;
        proxy.add_rule(NewRule {
            command: fields.string("command")?,
            key: fields.string("key")?,
            contains: fields.string("contains")?,
            connection: fields.whole("connection")?,
            ordinal: fields.whole("ordinal")?,
            times: fields.whole("times")?,
            action: RuleAction::named(&name, fields.whole("delay_ms")?)?,
        })
    };
    reply::result(StatusCode::CREATED, added())
}

fn remove_rule(registry: &Registry, proxy: &str, id: &str) -> Response {
    let removed = || registry.proxy(proxy)?.remove_rule(number("rule", id)?);
    reply::result(StatusCode::OK, removed())
}

fn release_message(registry: &Registry, proxy: &str, id: &str) -> Result<(), Error> {
    registry.proxy(proxy)?.release_message(number("held message", id)?)
}
