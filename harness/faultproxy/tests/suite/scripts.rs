//! Scripts of a real Redis are known by their texts, though `EVALSHA` names
//! only a digest.

use crate::testbed::{Client, data, native, packed, proxy_to, start};
use quarrel_faultproxy::{
    FaultProxy, MessageLog, NewProxy, NewRule, Protocol, ProxyEventKind, RuleAction,
};
use std::net::SocketAddr;

const SCRIPT: &str = "return redis.call('INCRBY', KEYS[1], 5)";

/// Has the server load the script; its digest.
fn load(addr: SocketAddr) -> String {
    let mut client = Client::connect(addr);
    client.send(&packed(&["SCRIPT", "LOAD", SCRIPT]));
    let crate::testbed::Got::Data(reply) = client.get() else { panic!("it answers") };
    String::from_utf8(reply).expect("text").lines().nth(1).expect("a digest").to_owned()
}

fn rule_on_text() -> NewRule {
    NewRule {
        contains: Some("'INCRBY'".into()),
        ..NewRule::new(RuleAction::DropRequest).on("EVALSHA").key("a")
    }
}

fn unknown(server: &FaultProxy) -> Vec<String> {
    let events = server.events(0, 10_000).events.into_iter();
    let digests = events.filter_map(|event| match event.happening {
        ProxyEventKind::ScriptUnknown { digest } => Some(digest),
        _ => None,
    });
    digests.collect()
}

#[test]
fn a_rule_finds_a_script_by_its_text_once_that_was_seen() {
    for loads_by in ["SCRIPT LOAD", "EVAL", "eval_ro"] {
        let (server, node) = (start(), native::redis());
        let addr = proxy_to(&server, node.addr);
        server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
        // Nobody asks for anything yet; another proxy learns of it as well.
        let digest = match loads_by {
            "SCRIPT LOAD" => load(addr),
            other => {
                let mut client = Client::connect(addr);
                client.send(&packed(&[other, SCRIPT, "1", "b"]));
                client.get();
                load(node.addr)
            }
        };
        let other = NewProxy::new("q", "127.0.0.1:0", node.addr.to_string());
        let view = server.create_proxy(other).expect("a free port");
        server.set_protocol("q", Some(Protocol::Redis), MessageLog::On).expect("it exists");
        server.add_rule("q", rule_on_text()).expect("followed");
        let mut client = Client::connect(view.listen.parse().expect("bound"));
        client.send(&packed(&["EVALSHA", &digest.to_uppercase(), "1", "a"]));
        client.send(&packed(&["EVALSHA", &digest, "1", "c"]));
        assert_eq!(client.get(), data(b":5\r\n"), "{loads_by}");
        assert_eq!(server.rules("q").expect("it exists")[0].fired, 1, "{loads_by}");
        let mut around = Client::connect(node.addr);
        around.send(&packed(&["EXISTS", "a"]));
        assert_eq!(around.get(), data(b":0\r\n"));
        assert_eq!(unknown(&server), [""; 0]);
        let logged = server.events(0, 10_000).events.into_iter().any(|event| {
            matches!(event.happening, ProxyEventKind::Request { script: Some(text), .. } if text == SCRIPT)
        });
        assert!(logged, "{loads_by}");
    }
}

#[test]
fn a_script_that_was_loaded_around_the_proxy_is_said_to_be_unknown() {
    let (server, node) = (start(), native::redis());
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
    server.add_rule("p", rule_on_text()).expect("followed");
    let by_key = NewRule::new(RuleAction::DelayReply { delay_ms: 1 }).on("evalsha").key("a");
    server.add_rule("p", by_key).expect("followed");
    let digest = load(node.addr);
    let mut client = Client::connect(addr);
    for sum in ["5", "10"] {
        client.send(&packed(&["EVALSHA", &digest, "1", "a"]));
        assert_eq!(client.get(), data(format!(":{sum}\r\n").as_bytes()));
    }
    let fired: Vec<u64> =
        server.rules("p").expect("it exists").iter().map(|rule| rule.fired).collect();
    assert_eq!(fired, [0, 2]);
    assert_eq!(unknown(&server), std::slice::from_ref(&digest));
    // An EVAL of the same text makes it known.
    client.send(&packed(&["EVAL", SCRIPT, "1", "b"]));
    assert_eq!(client.get(), data(b":5\r\n"));
    client.send(&packed(&["EVALSHA", &digest, "1", "a"]));
    client.send(&packed(&["PING"]));
    assert_eq!(client.get(), data(b"+PONG\r\n"));
}
