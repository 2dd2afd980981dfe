//! Controllers in any language: notices as lines of JSON, decisions by POST.

use super::{proxy, wait_for_requests};
use crate::testbed::{
    Client, Got, PATIENCE, call, data, eventually, native, packed, settled, start,
};
use quarrel_faultproxy::{FaultProxy, Protocol};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// A client that reads lines as they come.
struct Controller {
    api: SocketAddr,
    lines: BufReader<TcpStream>,
    id: u64,
    hello: Value,
}

impl Controller {
    fn attend(api: SocketAddr, body: &Value) -> Self {
        let mut stream = TcpStream::connect(api).expect("the API listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let body = body.to_string();
        let head = "POST /x/attend HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).expect("it takes requests");
        let mut controller = Self { api, lines: BufReader::new(stream), id: 0, hello: Value::Null };
        let status = controller.text();
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        while !controller.text().is_empty() {}
        controller.hello = controller.next();
        assert_eq!(controller.hello["event"], "attending");
        controller.id = controller.hello["attention"].as_u64().expect("an id");
        controller
    }

    fn text(&mut self) -> String {
        let mut line = String::new();
        let len = self.lines.read_line(&mut line).expect("the stream goes on");
        assert!(len > 0, "the answer ended");
        line.trim_end().to_owned()
    }

    /// The next line of JSON, whatever chunks it comes in.
    fn next(&mut self) -> Value {
        loop {
            let line = self.text();
            if line.starts_with('{') {
                return serde_json::from_str(&line).expect("a line is JSON");
            }
        }
    }

    fn next_of(&mut self, event: &str) -> Value {
        loop {
            let line = self.next();
            if line["event"] == event {
                return line;
            }
        }
    }

    fn decide(&self, told: &Value, decision: &str) -> u16 {
        let body = json!({"id": told["id"], "decision": decision});
        self.post("decide", &body)
    }

    fn post(&self, what: &str, body: &Value) -> u16 {
        let path = format!("/x/attend/{}/{what}", self.id);
        call(self.api, "POST", &path, &body.to_string()).status
    }
}

fn redis() -> (FaultProxy, native::Node, SocketAddr) {
    let (server, node) = (start(), native::redis());
    let addr = proxy(&server, "p", node.addr, Protocol::Redis);
    (server, node, addr)
}

#[test]
fn a_controller_reads_what_is_said_and_decides_each_message() {
    let (server, node, addr) = redis();
    let mut controller = Controller::attend(
        server.api_addr(),
        &json!({"proxies": ["p"], "requests": true, "replies": true, "raw": true}),
    );
    assert_eq!(controller.hello["uncovered"], json!([]));
    let (mut client, mut around) = (Client::connect(addr), Client::connect(node.addr));
    client.send(&packed(&["SET", "user:1", "Alex"]));
    let opened = controller.next();
    assert_eq!(opened["event"], "opened");
    assert_eq!((&opened["proxy"], &opened["seq"]), (&json!("p"), &json!(1)));
    let set = controller.next();
    assert_eq!((&set["event"], &set["name"]), (&json!("request"), &json!("SET")));
    assert_eq!((&set["waits"], &set["keys"]), (&json!(true), &json!(["user:1"])));
    assert_eq!(set["raw"], "*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$4\r\nAlex\r\n");
    let path = format!("/x/attend/{}/waiting", controller.id);
    let waiting = call(server.api_addr(), "GET", &path, "");
    assert_eq!(waiting.json(), json!([set["id"]]));
    around.send(&packed(&["EXISTS", "user:1"]));
    assert_eq!(around.get(), data(b":0\r\n"));
    assert_eq!(controller.decide(&set, "forward"), 204);
    assert_eq!(controller.decide(&set, "forward"), 404);
    let ok = controller.next_of("reply");
    assert_eq!((&ok["request_id"], &ok["value"]), (&set["id"], &json!("OK")));
    assert_eq!(controller.decide(&ok, "drop_reply"), 409);
    let delay = json!({"id": ok["id"], "decision": "delay", "delay_ms": 50});
    assert_eq!(controller.post("decide", &delay), 204);
    assert_eq!(client.get(), data(b"+OK\r\n"));
    client.send(&packed(&["GET", "user:1"]));
    let get = controller.next_of("request");
    assert_eq!(controller.decide(&get, "reset_after"), 204);
    assert_eq!(client.get(), Got::Rst);
    let closed = controller.next_of("closed");
    assert_eq!((&closed["how"], &closed["undecided"]), (&json!("reset"), &json!([])));
}

#[test]
fn a_controller_that_goes_away_lets_everything_go_on() {
    let (server, _node, addr) = redis();
    let wanted = json!({"proxies": ["p"], "requests": true});
    let mut controller = Controller::attend(server.api_addr(), &wanted);
    let mut client = Client::connect(addr);
    client.send(&packed(&["INCR", "n"]).repeat(3));
    controller.next_of("request");
    let id = controller.id;
    drop(controller);
    let mut got = Vec::new();
    while got.len() < 12 {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?} after {got:?}"),
        }
    }
    assert_eq!(got, b":1\r\n:2\r\n:3\r\n");
    let path = format!("/x/attend/{id}/waiting");
    let gone = || call(server.api_addr(), "GET", &path, "").status == 404;
    eventually("the attention is over", gone);
    // The proxy is free for the next one, and DELETE ends that.
    let mut controller = Controller::attend(server.api_addr(), &wanted);
    client.send(&packed(&["INCR", "n"]));
    controller.next_of("request");
    let path = format!("/x/attend/{}", controller.id);
    assert_eq!(call(server.api_addr(), "DELETE", &path, "").status, 204);
    assert_eq!(client.get(), data(b":4\r\n"));
    // The chunk that ends the answer.
    while controller.text() != "0" {}
}

#[test]
fn rows_and_parameters_of_postgres_are_told() {
    let (server, node) = (start(), native::postgres());
    let addr = proxy(&server, "db", node.addr, Protocol::Postgres);
    let mut controller = Controller::attend(server.api_addr(), &json!({"proxies": ["db"]}));
    assert_eq!(native::sql(addr, &["SELECT 'Alex' AS name, 7"]), "Alex|7");
    let startup = controller.next_of("request");
    assert_eq!((&startup["name"], &startup["handshake"]), (&json!("STARTUP"), &json!(true)));
    let select = controller.next_of("request");
    assert_eq!(select["statements"][0]["strength"], "read");
    assert_eq!(select["postgres"]["ends"], "alone");
    assert!(select.get("raw").is_none(), "{select}");
    let mut reply = controller.next_of("reply");
    while reply["request"] != select["ordinal"] {
        reply = controller.next_of("reply");
    }
    assert_eq!(reply["outcomes"][0]["rows"], json!([["Alex", "7"]]));
    assert_eq!(reply["outcomes"][0]["columns"][0]["name"], "name");
    assert_eq!(reply["transaction"], "idle");
}

#[test]
fn what_cannot_be_attended_is_refused_with_a_reason() {
    let (server, _node, _addr) = redis();
    let api = server.api_addr();
    let ask = |body: &str| call(api, "POST", "/x/attend", body);
    for (body, status, reason) in [
        ("{}", 400, "missing required field: proxies"),
        (r#"{"proxies":["p"],"holds":true}"#, 400, "unknown field"),
        (r#"{"proxies":["p"],"capacity":99999999999}"#, 400, "at most"),
        (r#"{"proxies":["q"]}"#, 404, "proxy not found"),
        (r#"{"proxies":"p"}"#, 400, "an array of strings"),
    ] {
        let refused = ask(body);
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(refused.body.contains(reason), "{body}: {refused:?}");
    }
    let controller = Controller::attend(api, &json!({"proxies": ["p"]}));
    let taken = ask(r#"{"proxies":["p"]}"#);
    assert_eq!(taken.status, 409, "{taken:?}");
    assert_eq!(controller.post("decide", &json!({"id": 1, "decision": "maybe"})), 400);
    assert_eq!(controller.post("decide", &json!({"id": 1, "decision": "delay"})), 400);
    assert_eq!(controller.post("decide", &json!({"id": 1, "decision": "drop"})), 404);
    assert_eq!(controller.post("proxies", &json!({"proxy": "q"})), 404);
    assert_eq!(call(api, "POST", "/x/attend/77/decide", "{}").status, 404);
    assert_eq!(call(api, "PUT", "/x/attend", "{}").status, 405);
}

/// Each has room for so many bytes, and all together have room for 512 MiB.
#[test]
fn controllers_together_have_room_for_so_many_notices() {
    let (server, node, _addr) = redis();
    let api = server.api_addr();
    let wanted = |name: &str| json!({"proxies": [name], "capacity": 64 << 20});
    let names: Vec<String> = (0..9).map(|number| format!("p{number}")).collect();
    for name in &names {
        proxy(&server, name, node.addr, Protocol::Redis);
    }
    let (last, first) = names.split_last().expect("there are nine");
    let mut all: Vec<_> = first.iter().map(|name| Controller::attend(api, &wanted(name))).collect();
    let refused = call(api, "POST", "/x/attend", &wanted(last).to_string());
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("capacity: 0 bytes are left of the 536870912"), "{refused:?}");
    // Whoever leaves makes room, and nobody attends in vain.
    let gone = format!("/x/attend/{}", all.remove(0).id);
    eventually("there is room", || call(api, "GET", &format!("{gone}/waiting"), "").status == 404);
    Controller::attend(api, &wanted(last));
}

#[test]
fn a_controller_that_does_not_read_makes_clients_wait_and_loses_nothing() {
    let (server, _node, addr) = redis();
    let wanted = json!({"proxies": ["p"], "requests": true, "capacity": 20_000});
    let mut controller = Controller::attend(server.api_addr(), &wanted);
    let mut client = Client::connect(addr);
    client.send(&packed(&["INCR", "n"]).repeat(20_000));
    wait_for_requests(&server, packed(&["INCR", "n"]).len() * 20_000);
    // Its socket and ours take some; the rest is not even looked at.
    let path = format!("/x/attend/{}/waiting", controller.id);
    let list = || call(server.api_addr(), "GET", &path, "").json();
    let waiting = settled("no more requests are told of", || list().as_array().expect("ids").len());
    assert!(waiting < 20_000, "{waiting}");
    let drain = std::thread::spawn(move || {
        let mut got = Vec::new();
        while !got.ends_with(b":20000\r\n") {
            match client.get() {
                Got::Data(part) => got.extend(part),
                other => panic!("{other:?}"),
            }
        }
        let all: String = (1..=20_000).map(|n| format!(":{n}\r\n")).collect();
        assert!(got == all.as_bytes(), "replies are lost or out of order");
    });
    for ordinal in 1..=400 {
        let request = controller.next_of("request");
        assert_eq!(request["ordinal"], ordinal);
        assert_eq!(controller.decide(&request, "forward"), 204);
    }
    // What it was not told yet would wait for it.
    drop(controller);
    drain.join().expect("they arrive in order");
}
