//! Rules on a real Redis.

use crate::testbed::{Client, Got, call, data, eventually, native, packed, proxy_to, start};
use quarrel_faultproxy::{
    Error, FaultProxy, Framing, MessageLog, NewRule, ProxyEventKind, RuleAction,
};
use quarrel_faultproxy::{Protocol, Release, Stream};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(300);

/// A Redis behind a proxy that follows its messages; a client of it and one
/// that goes around the proxy.
fn redis() -> (FaultProxy, native::Node, Client, Client) {
    let (server, node) = (start(), native::redis());
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::On).expect("the proxy exists");
    let (through, around) = (Client::connect(addr), Client::connect(node.addr));
    (server, node, through, around)
}

fn ask(client: &mut Client, command: &str, reply: &[u8]) {
    client.send(format!("{command}\r\n").as_bytes());
    assert_eq!(client.get(), data(reply), "{command}");
}

fn rule(server: &FaultProxy, rule: NewRule) -> u64 {
    let added = server.add_rule("p", rule).expect("the proxy is followed");
    added.rule.id
}

#[test]
fn a_del_is_held_while_others_read_then_released_and_applied() {
    let (server, _node, mut writer, mut reader) = redis();
    ask(&mut writer, "SET user:1 old", b"+OK\r\n");
    rule(&server, NewRule::new(RuleAction::HoldRequest).on("DEL").key("user:1").times(1));
    writer.send(b"*2\r\n$3\r\nDEL\r\n$6\r\nuser:1\r\n");
    eventually("the DEL is held", || !server.held("p").expect("it exists").is_empty());
    ask(&mut reader, "GET user:1", b"$3\r\nold\r\n");
    assert_eq!(writer.get_within(MOMENT), Got::Silence);
    let held = server.held("p").expect("it exists");
    assert_eq!(held[0].text, "DEL user:1");
    assert_eq!(held[0].stream, Stream::Upstream);
    server.release_message("p", held[0].id).expect("it is held");
    assert_eq!(writer.get(), data(b":1\r\n"));
    ask(&mut reader, "GET user:1", b"$-1\r\n");
    assert_eq!(server.release_message("p", held[0].id), Err(Error::HeldNotFound));
}

#[test]
fn a_del_whose_reply_is_dropped_has_run_and_its_client_waits() {
    let (server, _node, mut writer, mut reader) = redis();
    ask(&mut writer, "SET user:1 old", b"+OK\r\n");
    ask(&mut writer, "SET user:2 old", b"+OK\r\n");
    rule(&server, NewRule::new(RuleAction::DropReply).on("DEL").ordinal(2));
    ask(&mut writer, "DEL user:2", b":1\r\n");
    writer.send(b"DEL user:1\r\n");
    eventually("the key is gone", || {
        reader.send(b"GET user:1\r\n");
        reader.get() == data(b"$-1\r\n")
    });
    assert_eq!(writer.get_within(MOMENT), Got::Silence);
    // The replies behind it arrive and are told apart.
    ask(&mut writer, "PING", b"+PONG\r\n");
    let rules = server.rules("p").expect("it exists");
    assert_eq!((rules[0].seen, rules[0].fired), (2, 1));
}

#[test]
fn a_reset_before_prevents_a_command_and_one_after_hides_its_success() {
    for (action, after) in
        [(RuleAction::ResetBefore, "$1\r\n1\r\n"), (RuleAction::ResetAfter, "$1\r\n2\r\n")]
    {
        let (server, _node, mut writer, mut reader) = redis();
        ask(&mut writer, "INCR n", b":1\r\n");
        rule(&server, NewRule::new(action).on("incr"));
        writer.send(b"INCR n\r\n");
        assert_eq!(writer.get(), Got::Rst);
        ask(&mut reader, "GET n", after.as_bytes());
    }
}

#[test]
fn nothing_of_a_pipeline_reaches_the_server_after_a_reset_before() {
    for _ in 0..20 {
        let (server, _node, mut writer, mut reader) = redis();
        rule(&server, NewRule::new(RuleAction::ResetBefore).on("SET").key("b"));
        let transaction: [&[&str]; 5] =
            [&["MULTI"], &["SET", "a", "1"], &["SET", "b", "1"], &["SET", "c", "1"], &["EXEC"]];
        let pipeline: Vec<u8> = transaction.iter().flat_map(|words| packed(words)).collect();
        writer.send(&pipeline);
        assert_eq!(writer.drain().1, Got::Rst);
        ask(&mut reader, "EXISTS a b c", b":0\r\n");
    }
}

#[test]
fn nothing_of_a_pipeline_reaches_the_client_after_a_reset_after() {
    for _ in 0..20 {
        let (server, _node, mut writer, mut reader) = redis();
        rule(&server, NewRule::new(RuleAction::ResetAfter).on("INCR").ordinal(2));
        writer.send(&packed(&["INCR", "n"]).repeat(4));
        let (got, end) = writer.drain();
        assert_eq!(end, Got::Rst);
        assert!(b":1\r\n".starts_with(&got), "{}", String::from_utf8_lossy(&got));
        let ran = |reader: &mut Client| {
            reader.send(b"GET n\r\n");
            reader.get() != data(b"$1\r\n1\r\n")
        };
        eventually("the second one has run", || ran(&mut reader));
    }
}

#[test]
fn a_key_is_matched_as_a_whole_wherever_it_stands() {
    let (server, _node, mut client, _) = redis();
    let id = rule(&server, NewRule::new(RuleAction::DropRequest).key("user:1"));
    let seen = || server.rules("p").expect("it exists")[0].seen;
    for passes in ["SET user:1:name x", "SET user:12 x", "SET other user:1"] {
        ask(&mut client, passes, b"+OK\r\n");
    }
    assert_eq!(seen(), 0);
    let mut many: Vec<String> = (0..200).map(|n| format!("key:{n}")).collect();
    many.push("user:1".to_owned());
    let mut words = vec!["DEL"];
    words.extend(many.iter().map(String::as_str));
    client.send(&packed(&words));
    eventually("the last of many keys is matched", || seen() == 1);
    server.remove_rule("p", id).expect("it exists");
    let long = "k".repeat(5_000);
    rule(&server, NewRule::new(RuleAction::DropRequest).key(long.clone()));
    client.send(&packed(&["SET", &long, "x"]));
    eventually("a long key is matched", || seen() == 1);
}

#[test]
fn passwords_stand_in_no_event() {
    let (server, _node, mut client, _) = redis();
    client.send(&packed(&["AUTH", "ann", "opensesame"]));
    assert!(matches!(client.get(), Got::Data(_)));
    ask(&mut client, "PING", b"+PONG\r\n");
    let events = format!("{:?}", server.events(0, usize::MAX));
    assert!(events.contains("AUTH ann (hidden)"), "{events}");
    assert!(!events.contains("opensesame"), "{events}");
}

#[test]
fn a_rule_that_can_never_act_is_refused() {
    let (server, _node, _client, _) = redis();
    let zero = [
        NewRule::new(RuleAction::DropReply).ordinal(0),
        NewRule::new(RuleAction::DropReply).times(0),
        NewRule::new(RuleAction::DropReply).on(" "),
    ];
    for rule in zero {
        assert!(matches!(server.add_rule("p", rule), Err(Error::BadBody(_))));
    }
}

#[test]
fn a_dropped_request_does_not_run_and_what_follows_does() {
    let (server, _node, mut writer, _) = redis();
    rule(&server, NewRule::new(RuleAction::DropRequest).on("SET").key("a"));
    writer.send(b"SET a 1\r\nSET b 2\r\nMGET a b\r\n");
    let expected = b"+OK\r\n*2\r\n$-1\r\n$1\r\n2\r\n";
    let mut got = Vec::new();
    while got.len() < expected.len() {
        match writer.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?} after {got:?}"),
        }
    }
    assert_eq!(got, expected);
}

#[test]
fn a_delayed_reply_comes_late_and_a_held_one_when_released() {
    let (server, _node, mut client, mut reader) = redis();
    let delay_ms = 200;
    rule(&server, NewRule::new(RuleAction::DelayReply { delay_ms }).on("SET").times(1));
    let begin = std::time::Instant::now();
    ask(&mut client, "SET a 1", b"+OK\r\n");
    assert!(begin.elapsed() >= Duration::from_millis(delay_ms));
    let hold = rule(&server, NewRule::new(RuleAction::HoldReply).on("SET"));
    client.send(b"SET a 2\r\n");
    eventually("it has run", || {
        reader.send(b"GET a\r\n");
        reader.get() == data(b"$1\r\n2\r\n")
    });
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    // Removing the rule releases what it holds.
    server.remove_rule("p", hold).expect("it exists");
    assert_eq!(client.get(), data(b"+OK\r\n"));
}

#[test]
fn a_direction_is_held_and_released_byte_by_byte() {
    let (server, _node, mut client, _) = redis();
    ask(&mut client, "PING", b"+PONG\r\n");
    server.hold("p", Stream::Downstream, Some(1)).expect("it is open");
    client.send(b"PING\r\n");
    let held = || server.connections("p").expect("it exists")[0].downstream_bytes.held;
    eventually("the reply is held", || held() == 7);
    server.release("p", Stream::Downstream, Some(1), Release::Bytes(3)).expect("it is held");
    assert_eq!(client.get(), data(b"+PO"));
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    server.release("p", Stream::Downstream, Some(1), Release::All).expect("it is held");
    assert_eq!(client.get(), data(b"NG\r\n"));
    ask(&mut client, "PING", b"+PONG\r\n");
}

#[test]
fn rules_are_refused_where_messages_cannot_be_told_apart() {
    let (server, node, mut client, _) = redis();
    ask(&mut client, "MONITOR", b"+OK\r\n");
    eventually("its framing is lost", || {
        server.connections("p").expect("it exists")[0].framing == Framing::Lost("MONITOR")
    });
    let one = NewRule { connection: Some(1), ..NewRule::new(RuleAction::DropReply) };
    let refused = server.add_rule("p", one).expect_err("refused").to_string();
    assert_eq!(refused, "connection 1 of proxy p takes no rules: MONITOR");
    let all = server.add_rule("p", NewRule::new(RuleAction::DropReply).on("SET"));
    let uncovered = all.expect("others are covered").uncovered;
    assert_eq!(uncovered.len(), 1);
    assert_eq!(uncovered[0].framing, Framing::Lost("MONITOR"));
    // Its bytes still flow.
    let mut other = Client::connect(node.addr);
    ask(&mut other, "SET a 1", b"+OK\r\n");
    let Got::Data(seen) = client.get() else {
        panic!("MONITOR shows commands");
    };
    assert!(String::from_utf8_lossy(&seen).contains("\"SET\" \"a\" \"1\""));
}

#[test]
fn pushes_of_resp3_are_not_taken_for_replies() {
    let (server, _node, mut client, mut other) = redis();
    let wait_for = |client: &mut Client, end: &[u8]| {
        let mut got = Vec::new();
        while !got.ends_with(end) {
            match client.get() {
                Got::Data(part) => got.extend(part),
                end => panic!("{end:?} after {}", String::from_utf8_lossy(&got)),
            }
        }
        got
    };
    client.send(b"HELLO 3\r\n");
    // The last entry of its map: no modules.
    wait_for(&mut client, b"modules\r\n*0\r\n");
    ask(&mut client, "CLIENT TRACKING ON", b"+OK\r\n");
    ask(&mut client, "GET a", b"_\r\n");
    ask(&mut other, "SET a 1", b"+OK\r\n");
    let push = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n";
    assert_eq!(wait_for(&mut client, b"a\r\n"), push);
    rule(&server, NewRule::new(RuleAction::DropReply).on("INCR"));
    client.send(b"INCR n\r\nGET a\r\n");
    assert_eq!(wait_for(&mut client, b"1\r\n"), b"$1\r\n1\r\n");
    ask(&mut client, "GET n", b"$1\r\n1\r\n");
}

#[test]
fn the_event_log_tells_the_steps_of_an_application() {
    let (server, _node, mut client, _) = redis();
    ask(&mut client, "SET a 1", b"+OK\r\n");
    ask(&mut client, "GET a", b"$1\r\n1\r\n");
    let page = server.events(0, usize::MAX);
    let steps: Vec<String> = page
        .events
        .iter()
        .filter_map(|event| match &event.happening {
            ProxyEventKind::Request { text, .. } => Some(format!("> {text}")),
            ProxyEventKind::Reply { request, summary, .. } => Some(format!("{request} {summary}")),
            _ => None,
        })
        .collect();
    assert_eq!(steps, ["> SET a 1", "1 +OK", "> GET a", "2 $1"]);
    assert!(page.events.is_sorted_by_key(|event| event.at_ns));
    assert!(page.events.iter().any(|event| event.happening == ProxyEventKind::Dialled));
}

#[test]
fn everything_beyond_toxiproxy_can_be_asked_for_by_http() {
    let (server, node) = (start(), native::redis());
    let addr = proxy_to(&server, node.addr);
    let api = server.api_addr();
    let post = |path: &str, body: &str| call(api, "POST", &format!("/x/proxies/p/{path}"), body);
    let refused = post("rules", r#"{"action":"hold_request","command":"DEL"}"#);
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("knows no protocol"), "{refused:?}");
    assert_eq!(post("protocol", r#"{"protocol":"redis","log_messages":true}"#).status, 204);
    let shown = call(api, "GET", "/x/proxies/p/protocol", "").body;
    assert_eq!(shown, r#"{"log_messages":true,"protocol":"redis"}"#);
    let mut client = Client::connect(addr);
    ask(&mut client, "SET a 1", b"+OK\r\n");
    let rule = post("rules", r#"{"action":"hold_request","command":"DEL","key":"a"}"#);
    assert_eq!(rule.status, 201, "{rule:?}");
    let rule = rule.json()["id"].as_u64().expect("an id");
    client.send(b"DEL a\r\n");
    let mut held = serde_json::Value::Null;
    eventually("it is held", || {
        held = call(api, "GET", "/x/proxies/p/held", "").json();
        held[0]["id"].is_u64()
    });
    assert_eq!(held[0]["text"], "DEL a");
    assert_eq!(held[0]["rule"], rule);
    let id = &held[0]["id"];
    assert_eq!(post(&format!("held/{id}/release"), "").status, 204);
    assert_eq!(client.get(), data(b":1\r\n"));
    let removed = call(api, "DELETE", &format!("/x/proxies/p/rules/{rule}"), "");
    assert_eq!((removed.status, &removed.json()["fired"]), (200, &1.into()));
    assert_eq!(post("hold", r#"{"stream":"upstream"}"#).status, 204);
    client.send(b"PING\r\n");
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    assert_eq!(post("release", r#"{"stream":"upstream","bytes":2}"#).status, 204);
    assert_eq!(post("release", r#"{"stream":"upstream","lsn":"0/1"}"#).status, 409);
    assert_eq!(post("release", r#"{"stream":"upstream"}"#).status, 204);
    assert_eq!(client.get(), data(b"+PONG\r\n"));
    let events = call(api, "GET", "/x/events?since=0&limit=500", "").json();
    let kinds: Vec<_> = events["events"].as_array().expect("a list").iter().collect();
    assert!(
        kinds
            .iter()
            .any(|event| event["event"] == "rule_fired" && event["action"] == "hold_request")
    );
    let connections = call(api, "GET", "/x/proxies/p/connections", "").json();
    assert_eq!(connections[0]["framing"], "followed");
    assert_eq!(post("connections/1/close", r#"{"how":"rst"}"#).status, 204);
    assert_eq!(client.get(), Got::Rst);
    assert_eq!(post("connections/1/close", "").status, 404);
}

#[test]
fn what_makes_no_sense_is_refused_by_http() {
    let server = start();
    proxy_to(&server, "127.0.0.1:9".parse().expect("valid"));
    let api = server.api_addr();
    let post = |path: &str, body: &str| call(api, "POST", &format!("/x/proxies/p/{path}"), body);
    for (path, body, status) in [
        ("rules", r#"{"action":"explode"}"#, 400),
        ("rules", r#"{"action":"delay_reply"}"#, 400),
        ("rules", "{}", 400),
        ("rules", r#"{"action":"drop_reply","comand":"DEL"}"#, 400),
        ("rules", r#"{"action":"drop_reply","ordinal":0}"#, 400),
        ("rules", r#"{"action":"drop_reply","times":0}"#, 400),
        ("hold", r#"{"stream":"sideways"}"#, 400),
        ("release", r#"{"lsn":"x"}"#, 400),
        ("release", "{}", 409),
        ("protocol", r#"{"protocol":"mysql"}"#, 400),
        ("nothing", "", 404),
        ("held/999/release", "", 404),
    ] {
        assert_eq!(post(path, body).status, status, "{path} {body}");
    }
}
