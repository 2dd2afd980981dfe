//! Toxiproxy's routes.

use super::body::{self, Fields};
use super::reply;
use crate::address;
use crate::error::{Error, ErrorBody};
use crate::proxy::{Enabled, ProxyView};
use crate::registry::{Forgotten, Registry, Resolved};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) fn list(registry: &Registry) -> Response {
    let all: BTreeMap<_, _> =
        registry.proxies().iter().map(|proxy| (proxy.name.to_string(), proxy.view())).collect();
    reply::json(StatusCode::OK, &all)
}

pub(crate) async fn create(registry: &Registry, body: &[u8]) -> Response {
    let created = async {
        let new = body::proxy(&Fields::parse(body)?)?;
        new.check()?;
        registry.create(&Resolved::from(new).await)
    };
    reply::result(StatusCode::CREATED, created.await)
}

pub(crate) fn show(registry: &Registry, name: &str) -> Response {
    let view = registry.proxy(name).map(|proxy| proxy.view());
    reply::result(StatusCode::OK, view)
}

pub(crate) async fn update(registry: &Registry, name: &str, body: &[u8]) -> Response {
    let updated = async {
        let proxy = registry.proxy(name)?;
        let before = proxy.view();
        let fields = Fields::parse(body)?;
        // The name is ignored, but must be one.
        fields.string("name")?;
        let listen = fields.string("listen")?.unwrap_or(before.listen);
        let upstream = fields.string("upstream")?;
        let enabled = fields.boolean("enabled")?.map_or(before.enabled, Enabled::from);
        let address = address::resolve(&listen).await?;
        let upstream = upstream.as_deref().unwrap_or(&before.upstream);
        if let Some(tls) = fields.sub("tls")? {
            proxy.set_tls(&body::tls(&tls)?)?;
        }
        proxy.update(&listen, &address, upstream, enabled)?;
        Ok(proxy.view())
    };
    reply::result(StatusCode::OK, updated.await)
}

pub(crate) async fn reset(registry: &Registry) -> Result<(), Error> {
    let mut addresses = BTreeMap::new();
    let mut unresolved = Ok(());
    for proxy in registry.proxies() {
        match address::resolve(&proxy.view().listen).await {
            Ok(address) => {
                addresses.insert(proxy.name.to_string(), address);
            }
            Err(error) => unresolved = unresolved.and(Err(error)),
        }
    }
    registry.reset(&addresses).and(unresolved)
}

/// The answer to a populate; an empty list is null, as Go writes it.
#[derive(Serialize)]
struct Populate {
    #[serde(flatten)]
    error: Option<ErrorBody>,
    proxies: Option<Vec<ProxyView>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forgot: Vec<Forgotten>,
}

pub(crate) async fn populate(registry: &Registry, body: &[u8]) -> Response {
    let (proxies, error, forgot) = match body::populate(body) {
        Err(error) => (vec![], Some(error), vec![]),
        Ok(all) => {
            let mut resolved = Vec::with_capacity(all.len());
            for new in all {
                resolved.push(Resolved::from(new).await);
            }
            let populated = registry.populate(&resolved);
            (populated.proxies, populated.error, populated.forgot)
        }
    };
    let code = error.as_ref().map_or(201, Error::status);
    let answer = Populate {
        error: error.as_ref().map(ErrorBody::from),
        proxies: (!proxies.is_empty()).then_some(proxies),
        forgot,
    };
    let code = StatusCode::from_u16(code).expect("all statuses are real ones");
    reply::json(code, &answer)
}

pub(crate) fn toxics(registry: &Registry, name: &str) -> Response {
    let toxics = registry.proxy(name).map(|proxy| proxy.toxics());
    reply::result(StatusCode::OK, toxics)
}

pub(crate) fn add_toxic(registry: &Registry, name: &str, body: &[u8]) -> Response {
    let added = || {
        let proxy = registry.proxy(name)?;
        let fields = Fields::parse(body)?;
        let new = body::toxic(&fields, |name| proxy.toxic(name).is_ok())?;
        proxy.add_toxic(new)
    };
    reply::result(StatusCode::OK, added())
}

pub(crate) fn toxic(registry: &Registry, name: &str, toxic: &str) -> Response {
    let found = registry.proxy(name).and_then(|proxy| proxy.toxic(toxic));
    reply::result(StatusCode::OK, found)
}

pub(crate) fn update_toxic(registry: &Registry, name: &str, toxic: &str, body: &[u8]) -> Response {
    let updated = || {
        let proxy = registry.proxy(name)?;
        proxy.toxic(toxic)?;
        let fields = Fields::parse(body)?;
        let attributes = fields.object("attributes")?;
        proxy.update_toxic(toxic, &attributes, fields.number("toxicity")?)
    };
    reply::result(StatusCode::OK, updated())
}

pub(crate) fn remove_toxic(registry: &Registry, name: &str, toxic: &str) -> Result<(), Error> {
    registry.proxy(name)?.remove_toxic(toxic)
}
