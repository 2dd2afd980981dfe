//! `/metrics`, in Prometheus' text format with Toxiproxy's names.

use super::reply;
use crate::registry::Registry;
use crate::toxic::Stream;
use axum::http::StatusCode;
use axum::response::Response;
use std::fmt::Write;

pub(crate) fn show(registry: &Registry) -> Response {
    let mut received = String::from(
        "# HELP toxiproxy_proxy_received_bytes_total The total number of bytes received on a given proxy link in a given direction\n\
         # TYPE toxiproxy_proxy_received_bytes_total counter\n",
    );
    let mut sent = String::from(
        "# HELP toxiproxy_proxy_sent_bytes_total The total number of bytes sent on a given proxy link in a given direction\n\
         # TYPE toxiproxy_proxy_sent_bytes_total counter\n",
    );
    let mut open = String::from(
        "# HELP faultproxy_open_connections Connections open now\n\
         # TYPE faultproxy_open_connections gauge\n",
    );
    for proxy in registry.proxies() {
        let view = proxy.view();
        for stream in Stream::BOTH {
            let labels = format!(
                "{{direction=\"{}\",listener=\"{}\",proxy=\"{}\",upstream=\"{}\"}}",
                stream.name(),
                escape(&view.listen),
                escape(&view.name),
                escape(&view.upstream)
            );
            let (bytes_in, bytes_out) = proxy.link.traffic(stream);
            // Writing to a string cannot fail.
            let _ = writeln!(received, "toxiproxy_proxy_received_bytes_total{labels} {bytes_in}");
            let _ = writeln!(sent, "toxiproxy_proxy_sent_bytes_total{labels} {bytes_out}");
        }
        let _ = writeln!(
            open,
            "faultproxy_open_connections{{proxy=\"{}\"}} {}",
            escape(&view.name),
            proxy.link.connections().len()
        );
    }
    let queued = registry.core.budget.queued();
    let queued = format!(
        "# HELP faultproxy_queued_bytes Bytes that have arrived and not yet left\n\
         # TYPE faultproxy_queued_bytes gauge\n\
         faultproxy_queued_bytes {queued}\n"
    );
    reply::typed(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        received + &sent + &open + &queued,
    )
}

/// Escapes a label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
