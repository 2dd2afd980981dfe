//! Paths, names and numbers of requests, as Toxiproxy 2.12.0 treats them.

use crate::testbed::{Answer, Client, Server, call, start};
use std::net::SocketAddr;

fn get(api: SocketAddr, path: &str) -> Answer {
    call(api, "GET", path, "")
}

#[test]
fn every_answer_carries_a_request_id_of_its_own() {
    let server = start();
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/version", "/proxies", "/proxies", "/proxies/nope", "/x/events"] {
        let answer = get(server.api_addr(), path);
        let id = answer.header("X-Toxiproxy-Request-Id").expect("an id").to_owned();
        assert_eq!(id.len(), 20, "{id}");
        assert!(seen.insert(id), "{seen:?}");
    }
}

#[test]
fn a_path_that_is_not_clean_is_sent_to_its_clean_form() {
    let server = start();
    for (asked, clean) in [
        ("//proxies", "/proxies"),
        ("/proxies//nope", "/proxies/nope"),
        ("/x/../version", "/version"),
        ("/./proxies/.", "/proxies"),
        ("/proxies//", "/proxies/"),
        ("//x/events?since=1&limit=2", "/x/events?since=1&limit=2"),
    ] {
        let answer = get(server.api_addr(), asked);
        assert_eq!((answer.status, answer.header("Location")), (301, Some(clean)), "{asked}");
        assert_eq!(answer.body, "");
    }
    // As it stands there, a slash at the end is another path.
    assert_eq!(get(server.api_addr(), "/proxies/").status, 404);
    assert_eq!(get(server.api_addr(), "/").status, 404);
}

#[test]
fn a_port_may_be_a_name() {
    let (server, echo) = (start(), Server::echo());
    let create = |name: &str, listen: &str, upstream: &str| {
        let body = serde_json::json!({"name": name, "listen": listen, "upstream": upstream});
        call(server.api_addr(), "POST", "/proxies", &body.to_string())
    };
    // Where /etc/services has it or not, this one is known; it may be taken.
    let made = create("web", "127.0.0.1:http", "127.0.0.1:9");
    match made.status {
        201 => assert_eq!(made.json()["listen"], "127.0.0.1:80"),
        _ => assert!(made.body.contains("listen tcp 127.0.0.1:80: bind: "), "{made:?}"),
    }
    let unknown = create("q", "127.0.0.1:no-such-port", "127.0.0.1:9");
    assert_eq!(unknown.status, 500);
    assert!(unknown.body.contains("lookup tcp/no-such-port: unknown port"), "{unknown:?}");
    // An upstream without a host is this machine, as in Go.
    let made = create("e", "127.0.0.1:0", &format!(":{}", echo.addr.port()));
    let listen = made.json()["listen"].as_str().expect("an address").parse().expect("bound");
    Client::connect(listen).echo(b"a");
    let made = create("u", "127.0.0.1:0", "127.0.0.1:no-such-port");
    assert_eq!(made.status, 201, "dialled only on demand");
    let listen = made.json()["listen"].as_str().expect("an address").parse().expect("bound");
    assert_eq!(Client::connect(listen).get(), crate::testbed::Got::Fin);
    let events = get(server.api_addr(), "/x/events").body;
    assert!(events.contains("lookup tcp/no-such-port: unknown port"), "{events}");
}
