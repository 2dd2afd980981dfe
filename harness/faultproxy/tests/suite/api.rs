//! The HTTP API answers as Toxiproxy 2.12.0 does.

use crate::testbed::{call, call_as, start};
use std::net::TcpListener;

/// Addresses nobody listens on.
fn free_addresses() -> [String; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound").to_string())
}

/// Whether `text` is `pattern`, where "…" stands for any text.
fn matches(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or("")) else {
        return false;
    };
    let mut open_end = false;
    for part in parts {
        open_end = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    open_end || rest.is_empty()
}

#[test]
fn answers_every_case_as_toxiproxy_does() {
    let server = start();
    let addresses = free_addresses();
    let fill = |text: &str| {
        let mut text = text.to_owned();
        for (index, address) in addresses.iter().enumerate() {
            let port = address.rsplit(':').next().expect("a port");
            text = text
                .replace(&format!("$P{index}"), address)
                .replace(&format!("$PORT{index}"), port);
        }
        text
    };
    let cases: Vec<&str> = include_str!("api_cases.txt").split("\n# ").skip(1).collect();
    assert_eq!(cases.len(), 74);
    for case in cases {
        let mut lines = case.lines();
        let name = lines.next().expect("a name");
        let (asked, expected): (Vec<&str>, Vec<&str>) =
            lines.filter(|line| !line.is_empty()).partition(|line| line.starts_with("> "));
        let (request, agent) = asked[0][2..].split_once(" as ").unwrap_or((&asked[0][2..], "test"));
        let (method, path) = request.split_once(' ').expect("method and path");
        let body = asked.get(1).map_or(String::new(), |body| fill(&body[2..]));
        let answer = call_as(server.api_addr(), method, path, &body, agent);
        let (status, content_type) = expected[0].split_once(' ').expect("status and type");
        assert_eq!(answer.status.to_string(), status, "{name}: {answer:?}");
        let answered = answer.content_type.as_deref().unwrap_or("-");
        assert_eq!(answered, content_type, "{name}: {answer:?}");
        let wanted = fill(expected.get(1).unwrap_or(&""));
        assert!(
            matches(&answer.body, &wanted),
            "{name}: answered {}\n  instead of {wanted}",
            answer.body
        );
    }
    let left: Vec<String> = server.proxies().iter().map(|p| p.name.to_string()).collect();
    assert_eq!(left, ["dis", "lh", "new", "ok1", "ok2", "upp", "wt", "z0"]);
}

#[test]
fn metrics_are_shown_only_when_asked_for() {
    use quarrel_faultproxy::{Config, FaultProxy, MetricsPage, NewProxy, Seed};
    let config = Config { metrics: MetricsPage::Shown, ..Config::embedded(Seed(1)) };
    let server = FaultProxy::start(&config).expect("it starts");
    let echo = crate::testbed::Server::echo();
    let view = server
        .create_proxy(NewProxy::new("a\"b", "127.0.0.1:0", echo.addr.to_string()))
        .expect("it listens");
    let mut client = crate::testbed::Client::connect(view.listen.parse().expect("bound"));
    client.echo(b"12345");
    // A client may have its bytes before they are counted.
    crate::testbed::eventually("all is counted", || {
        server.connections("a\"b").is_ok_and(|all| all[0].downstream_bytes.sent == 5)
    });
    let answer = call(server.api_addr(), "GET", "/metrics", "");
    assert_eq!(answer.status, 200);
    for line in [
        "# TYPE toxiproxy_proxy_received_bytes_total counter".to_owned(),
        format!(
            "toxiproxy_proxy_sent_bytes_total{{direction=\"downstream\",listener=\"{}\",proxy=\"a\\\"b\",upstream=\"{}\"}} 5",
            view.listen, echo.addr
        ),
        "faultproxy_open_connections{proxy=\"a\\\"b\"} 1".to_owned(),
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line}\nin {}", answer.body);
    }
}

#[test]
fn a_config_file_makes_the_proxies_it_lists() {
    use quarrel_faultproxy::{Config, Enabled, FaultProxy, Seed, ToxicKind};
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let start = |text: &str| {
        std::fs::write(file.path(), text).expect("it is writable");
        FaultProxy::start(&Config {
            config: Some(file.path().to_owned()),
            ..Config::embedded(Seed(1))
        })
    };
    let server = start(
        r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"},
            {"name":"b","listen":"127.0.0.1:0","upstream":"127.0.0.1:9","enabled":false}]"#,
    )
    .expect("the file is sound");
    let enabled: Vec<Enabled> = server.proxies().iter().map(|p| p.enabled).collect();
    assert_eq!(enabled, [Enabled::Yes, Enabled::No]);
    let proxy = r#""name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:9""#;
    let slow = r#"[{"type":"latency","toxicity":0.5,"attributes":{"latency":5}}]"#;
    let server = start(&format!(r#"[{{{proxy},"toxics":{slow}}}]"#)).expect("the file is sound");
    let toxics = server.proxy("a").expect("it is listed").toxics;
    assert_eq!((toxics.len(), toxics[0].toxicity), (1, 0.5));
    assert_eq!(toxics[0].kind, ToxicKind::Latency { latency_ms: 5, jitter_ms: 0 });
    for (toxics, reason) in [
        (r#"[{"type":"nonsense"}]"#, "invalid toxic type"),
        (r#"[{"type":"bandwidth","attributes":{"rate":-1}}]"#, "is negative"),
        (r#"[{"type":"noop"},{"type":"noop"}]"#, "toxic already exists"),
        (r#"{"type":"noop"}"#, "an array of toxics"),
    ] {
        let text = format!(r#"[{{{proxy},"toxics":{toxics}}}]"#);
        let error = start(&text).expect_err("a bad toxic").to_string();
        assert!(error.contains(reason), "{toxics}: {error}");
    }
    let error = start(r#"[{"name":"a"}]"#).expect_err("no upstream").to_string();
    assert!(error.contains("missing required field: upstream at proxy 1"), "{error}");
    let error = start("{").expect_err("not JSON").to_string();
    assert!(error.contains("bad request body"), "{error}");
}

#[test]
fn a_reset_enables_every_proxy_it_can() {
    let server = start();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("bound");
    let free = "127.0.0.1:0";
    for (name, listen) in [("a", taken.to_string()), ("b", free.to_owned())] {
        let body =
            format!(r#"{{"name":"{name}","listen":"{listen}","upstream":"x:1","enabled":false}}"#);
        assert_eq!(call(server.api_addr(), "POST", "/proxies", &body).status, 201);
    }
    let answer = call(server.api_addr(), "POST", "/reset", "");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("address already in use"), "{answer:?}");
    let shown = call(server.api_addr(), "GET", "/proxies/b", "").json();
    assert_eq!(shown["enabled"], true);
}
