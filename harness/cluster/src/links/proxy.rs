#[cfg(feature = "toxiproxy")]
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value as Json, json};

use super::{
    Impairment, LinkChange, ProxySpec,
    http::{Http, ProxyState},
};

const DOWNSTREAM: &str = "downstream";

pub(super) fn populate(http: &Http, specs: &[ProxySpec]) -> Result<Vec<ProxySpec>, String> {
    writes::populate(http, specs)?;
    specs
        .iter()
        .map(|spec| {
            let made = http.proxy(&spec.name)?;
            if made.upstream == spec.upstream && made.enabled {
                Ok(ProxySpec { name: made.name, listen: made.listen, upstream: made.upstream })
            } else {
                Err(format!("proxy {} was not made as asked, but as {made:?}", spec.name))
            }
        })
        .collect()
}

pub(super) fn change(http: &Http, name: &str, change: &LinkChange) -> Result<(), String> {
    match change {
        // What the client library lacks, or does without a word about errors.
        LinkChange::Impair(impairment) => {
            let (kind, stream, attributes) = toxic(*impairment);
            let toxic = json!({ "type": kind, "stream": stream, "attributes": attributes });
            http.post(&format!("proxies/{name}/toxics"), &toxic)?;
        }
        LinkChange::Redirect(upstream) => {
            let listen = http.proxy(name)?.listen;
            let proxy = json!({ "listen": listen, "upstream": upstream, "enabled": true });
            http.post(&format!("proxies/{name}"), &proxy)?;
        }
        other => writes::change(http, name, other)?,
    }
    let now = http.proxy(name)?;
    if shows(&now, change) {
        Ok(())
    } else {
        Err(format!("proxy {name} did not take {change:?}; it is now {now:?}"))
    }
}

/// The proxy's own name for an impairment: type, stream, attributes.
fn toxic(impairment: Impairment) -> (&'static str, &'static str, Json) {
    match impairment {
        Impairment::DropRequests => ("timeout", "upstream", json!({ "timeout": 0 })),
        Impairment::Reset => ("reset_peer", DOWNSTREAM, json!({ "timeout": 0 })),
        Impairment::SlowClose(delay) => {
            ("slow_close", DOWNSTREAM, json!({ "delay": millis(delay) }))
        }
        Impairment::Slice { bytes, pause } => {
            let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            let attributes =
                json!({ "average_size": bytes, "size_variation": bytes / 4, "delay": micros });
            ("slicer", DOWNSTREAM, attributes)
        }
        Impairment::Limit { bytes } => ("limit_data", DOWNSTREAM, json!({ "bytes": bytes })),
        Impairment::Bandwidth { kb_per_s } => {
            ("bandwidth", DOWNSTREAM, json!({ "rate": kb_per_s }))
        }
    }
}

pub(super) fn remove(http: &Http, name: &str) -> Result<(), String> {
    // One that is gone already is removed.
    if !http.has(name)? {
        return Ok(());
    }
    writes::remove(http, name)?;
    if http.has(name)? { Err(format!("proxy {name} was not removed")) } else { Ok(()) }
}

fn shows(proxy: &ProxyState, change: &LinkChange) -> bool {
    let toxic = |kind: &str, attribute: &str, number: u64| {
        proxy.toxics.iter().any(|toxic| {
            toxic.kind == kind
                && toxic.stream == DOWNSTREAM
                && toxic.attributes[attribute].as_u64() == Some(number)
        })
    };
    match change {
        LinkChange::Latency { latency, jitter } => {
            toxic("latency", "latency", millis(*latency))
                && toxic("latency", "jitter", millis(*jitter))
        }
        LinkChange::Cut => !proxy.enabled,
        LinkChange::DropReplies => toxic("timeout", "timeout", 0),
        LinkChange::Impair(impairment) => {
            let (kind, stream, attributes) = self::toxic(*impairment);
            proxy.toxics.iter().any(|toxic| {
                toxic.kind == kind && toxic.stream == stream && toxic.attributes == attributes
            })
        }
        LinkChange::Redirect(upstream) => proxy.upstream == *upstream,
        LinkChange::Restore => proxy.enabled && proxy.toxics.is_empty(),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The client panics where others return errors.
#[cfg(feature = "toxiproxy")]
fn caught<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map_or("its client panicked", String::as_str);
        Err(why.to_owned())
    })
}

#[cfg(feature = "toxiproxy")]
mod writes {
    use std::{cell::RefCell, net::SocketAddr};

    use toxiproxy_rust::{
        client::Client,
        proxy::{Proxy, ProxyPack},
    };

    use super::{DOWNSTREAM, Http, LinkChange, ProxySpec, caught, millis};

    thread_local! {
        /// The client of the links' own thread. To make one is to read every
        /// certificate of the machine: a second on a busy one, by which each
        /// fault would come and go late.
        static CLIENT: RefCell<Option<(SocketAddr, Client)>> = const { RefCell::new(None) };
    }

    /// Asks through the client that the last call left. One that panicked is
    /// poisoned for good, and one that failed may be out of step: both are
    /// thrown away.
    fn ask<T>(
        http: &Http,
        question: impl FnOnce(&Client) -> Result<T, String>,
    ) -> Result<T, String> {
        let kept = CLIENT.take().filter(|(api, _)| *api == http.api);
        let (_, client) = kept.unwrap_or_else(|| (http.api, Client::new(http.api)));
        let answer = question(&client)?;
        CLIENT.set(Some((http.api, client)));
        Ok(answer)
    }

    pub(super) fn populate(http: &Http, specs: &[ProxySpec]) -> Result<(), String> {
        caught(|| {
            let pack = |spec: &ProxySpec| {
                ProxyPack::new(spec.name.clone(), spec.listen.clone(), spec.upstream.clone())
            };
            ask(http, |client| client.populate(specs.iter().map(pack).collect()).map(drop))
        })
    }

    pub(super) fn change(http: &Http, name: &str, change: &LinkChange) -> Result<(), String> {
        caught(|| ask(http, |client| tell(&client.find_proxy(name)?, change)))
    }

    fn tell(proxy: &Proxy, change: &LinkChange) -> Result<(), String> {
        match *change {
            LinkChange::Latency { latency, jitter } => {
                let (latency, jitter) = (clamp(millis(latency)), clamp(millis(jitter)));
                proxy.with_latency(DOWNSTREAM.to_owned(), latency, jitter, 1.0);
                Ok(())
            }
            LinkChange::Cut => proxy.disable(),
            LinkChange::DropReplies => {
                proxy.with_timeout(DOWNSTREAM.to_owned(), 0, 1.0);
                Ok(())
            }
            LinkChange::Restore => {
                proxy.delete_all_toxics()?;
                proxy.enable()
            }
            LinkChange::Impair(_) | LinkChange::Redirect(_) => {
                unreachable!("{change:?} is posted, not told the client")
            }
        }
    }

    pub(super) fn remove(http: &Http, name: &str) -> Result<(), String> {
        caught(|| ask(http, |client| client.find_proxy(name)?.delete()))
    }

    fn clamp(millis: u64) -> u32 {
        u32::try_from(millis).unwrap_or(u32::MAX)
    }
}

#[cfg(not(feature = "toxiproxy"))]
mod writes {
    use serde_json::json;

    use super::{DOWNSTREAM, Http, LinkChange, ProxySpec, millis};

    pub(super) fn populate(http: &Http, specs: &[ProxySpec]) -> Result<(), String> {
        let pack = |spec: &ProxySpec| json!({ "name": spec.name, "listen": spec.listen, "upstream": spec.upstream });
        http.post("populate", &specs.iter().map(pack).collect())
    }

    pub(super) fn remove(http: &Http, name: &str) -> Result<(), String> {
        http.delete(&format!("proxies/{name}"))
    }

    pub(super) fn change(http: &Http, name: &str, change: &LinkChange) -> Result<(), String> {
        let toxics = format!("proxies/{name}/toxics");
        let proxy = format!("proxies/{name}");
        match *change {
            LinkChange::Latency { latency, jitter } => {
                let attributes = json!({ "latency": millis(latency), "jitter": millis(jitter) });
                let toxic =
                    json!({ "type": "latency", "stream": DOWNSTREAM, "attributes": attributes });
                http.post(&toxics, &toxic)
            }
            LinkChange::Cut => http.post(&proxy, &json!({ "enabled": false })),
            LinkChange::DropReplies => {
                let toxic = json!({ "type": "timeout", "stream": DOWNSTREAM, "attributes": { "timeout": 0 } });
                http.post(&toxics, &toxic)
            }
            LinkChange::Restore => {
                for toxic in http.proxy(name)?.toxics {
                    http.delete(&format!("{toxics}/{}", toxic.name))?;
                }
                http.post(&proxy, &json!({ "enabled": true }))
            }
            LinkChange::Impair(_) | LinkChange::Redirect(_) => {
                unreachable!("{change:?} is posted above")
            }
        }
    }
}
