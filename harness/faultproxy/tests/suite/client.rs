//! The Rust client for Toxiproxy drives the fault proxy.

use crate::testbed::{Client, Got, Server, start};
use std::time::Duration;
use toxiproxy_rust::client::Client as Toxiproxy;
use toxiproxy_rust::proxy::ProxyPack;

#[test]
fn toxiproxy_rust_makes_poisons_and_resets_proxies() {
    let (server, echo) = (start(), Server::echo());
    // The client blocks and panics inside a runtime, so it has this thread.
    let toxiproxy = Toxiproxy::new(server.api_addr());
    assert!(toxiproxy.is_running());
    let version = toxiproxy.version().expect("it answers");
    assert!(version.contains("2.12.0"), "{version}");
    let made = toxiproxy
        .populate(vec![ProxyPack::new("p".into(), "127.0.0.1:0".into(), echo.addr.to_string())])
        .expect("loopback has a free port");
    assert_eq!(made.len(), 1);
    let addr = server.proxy("p").expect("it was made").listen;
    let addr = addr.parse().expect("a bound address");
    let mut client = Client::connect(addr);
    client.echo(b"before");

    let proxy = toxiproxy.find_proxy("p").expect("it was made");
    proxy
        .with_latency("downstream".into(), 60, 0, 1.0)
        .apply(|| assert!(client.echo(b"slow") >= Duration::from_millis(60)))
        .expect("the toxic can be added and removed");
    assert!(server.proxy("p").expect("it exists").toxics.is_empty());

    proxy
        .with_down(|| {
            assert_eq!(client.get(), Got::Fin);
            std::net::TcpStream::connect(addr).expect_err("nobody listens");
        })
        .expect("it can be disabled and enabled");
    Client::connect(addr).echo(b"up again");

    proxy
        .with_timeout("upstream".into(), 0, 1.0)
        .with_bandwidth("upstream".into(), 9, 1.0)
        .with_slow_close("upstream".into(), 9, 1.0)
        .with_slicer("upstream".into(), 9, 1, 1, 1.0)
        .with_limit_data("upstream".into(), 9, 1.0);
    let toxics = server.proxy("p").expect("it exists").toxics;
    let kinds: Vec<&str> = toxics.iter().map(|toxic| toxic.kind.name()).collect();
    assert_eq!(kinds, ["timeout", "bandwidth", "slow_close", "slicer", "limit_data"]);
    toxiproxy.reset().expect("it can be reset");
    assert!(server.proxy("p").expect("it exists").toxics.is_empty());
    proxy.delete().expect("it exists");
    assert!(server.proxies().is_empty());
}
