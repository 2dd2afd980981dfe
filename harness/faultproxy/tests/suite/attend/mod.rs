//! A controller attends proxies of real servers.

mod http;
mod postgres;

use crate::testbed::{Client, Got, data, eventually, native, packed, settled, start};
use quarrel_faultproxy::attend::{Detail, Peer, Waits, WireReply, WireRequest, WireValue};
use quarrel_faultproxy::{
    Attend, Attention, Decision, Ends, Error, FaultProxy, GroupMessage, MessageLog, NewProxy,
    Notice, NoticeKind, Protocol, Refuses, Strength, TransactionStatus,
};
use std::net::SocketAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(200);

/// A proxy that speaks a protocol and has had no connection.
fn proxy(server: &FaultProxy, name: &str, upstream: SocketAddr, protocol: Protocol) -> SocketAddr {
    let new = NewProxy::new(name, "127.0.0.1:0", upstream.to_string());
    let view = server.create_proxy(new).expect("loopback has a free port");
    server.set_protocol(name, Some(protocol), MessageLog::Off).expect("it exists");
    view.listen.parse().expect("a bound address")
}

fn redis(options: Attend) -> (FaultProxy, native::Node, Attention, SocketAddr) {
    let (server, node) = (start(), native::redis());
    let addr = proxy(&server, "p", node.addr, Protocol::Redis);
    let attention = server.attend("p", options).expect("the proxy is followed");
    (server, node, attention, addr)
}

fn next(attention: &Attention) -> Notice {
    attention.next_within(PATIENCE).expect("something is told")
}

/// The next request, whatever is told before it.
fn request(attention: &Attention) -> WireRequest {
    loop {
        if let NoticeKind::Request(request) = next(attention).what {
            return request;
        }
    }
}

fn reply(attention: &Attention) -> WireReply {
    loop {
        if let NoticeKind::Reply(reply) = next(attention).what {
            return reply;
        }
    }
}

/// Waits until the proxy `p` has read so many bytes of its only client.
fn wait_for_requests(server: &FaultProxy, bytes: usize) {
    let read = || {
        let connections = server.connections("p").expect("it exists");
        connections.first().map_or(0, |connection| connection.upstream_bytes.received)
    };
    eventually("all of it has come", || read() == bytes as u64);
}

#[test]
fn what_is_watched_goes_on_and_is_told_in_order() {
    let (server, _node, attention, addr) = redis(Attend::watching());
    let mut client = Client::connect(addr);
    client.send(&packed(&["SET", "user:1", "Alex"]));
    assert_eq!(client.get(), data(b"+OK\r\n"));
    let both = [packed(&["get", "user:1"]), packed(&["DEL", "a", "b"])].concat();
    client.send(&both);
    let first = next(&attention);
    assert!(matches!(first.what, NoticeKind::Opened { .. }), "{first:?}");
    assert_eq!((&*first.proxy, first.connection, first.seq), ("p", 1, 1));
    let set = request(&attention);
    assert_eq!((set.ordinal, set.name.as_str(), set.text.as_str()), (1, "SET", "SET user:1 Alex"));
    assert_eq!((set.keys.as_slice(), set.waits), (&["user:1".to_owned()][..], Waits::No));
    assert_eq!(set.raw, packed(&["SET", "user:1", "Alex"]));
    assert!(!set.with_previous);
    let ok = reply(&attention);
    assert_eq!((ok.request, ok.request_id, ok.complete), (1, Some(set.id), true));
    assert_eq!(ok.value(), Some(WireValue::Simple("OK".into())));
    let (get, del) = (request(&attention), request(&attention));
    assert_eq!((get.name.as_str(), get.with_previous), ("GET", false));
    assert_eq!((del.name.as_str(), del.with_previous), ("DEL", true));
    assert_eq!(del.keys, ["a", "b"]);
    assert_eq!(reply(&attention).value().expect("whole").bytes(), Some(&b"Alex"[..]));
    client.send(&packed(&["INCR", "user:1"]));
    assert_eq!(reply(&attention).value(), Some(WireValue::Integer(0)));
    assert_eq!(reply(&attention).error.as_deref(), Some("ERR"));
    drop(client);
    let mut closed = false;
    while !closed {
        closed = matches!(next(&attention).what, NoticeKind::Closed { .. });
    }
    drop(attention);
    server.attend("p", Attend::watching()).expect("nobody attends any more");
}

#[test]
fn each_message_waits_for_its_decision_and_keeps_its_order() {
    let (_server, node, attention, addr) = redis(Attend::holding_all());
    let (mut client, mut around) = (Client::connect(addr), Client::connect(node.addr));
    client.send(&[packed(&["SET", "a", "1"]), packed(&["SET", "b", "2"])].concat());
    let (a, b) = (request(&attention), request(&attention));
    assert_eq!((a.waits, attention.waiting()), (Waits::Yes, vec![a.id, b.id]));
    // The second one is decided first, and still passes second.
    attention.decide(b.id, Decision::Forward).expect("it waits");
    assert_eq!(attention.decide(b.id, Decision::Drop), Err(Error::HeldNotFound));
    around.send(&packed(&["EXISTS", "a", "b"]));
    assert_eq!(around.get(), data(b":0\r\n"));
    attention.decide(a.id, Decision::Forward).expect("it waits");
    let first = reply(&attention);
    assert_eq!((first.request, first.waits), (1, Waits::Yes));
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    assert!(matches!(attention.decide(first.id, Decision::DropReply), Err(Error::Refused(_))));
    attention.decide(first.id, Decision::Forward).expect("it waits");
    assert_eq!(client.get(), data(b"+OK\r\n"));
    let second = reply(&attention);
    attention.decide(second.id, Decision::Delay(MOMENT)).expect("it waits");
    assert_eq!(client.get_within(MOMENT / 4), Got::Silence);
    assert_eq!(client.get(), data(b"+OK\r\n"));
}

#[test]
fn what_is_dropped_never_arrives_and_the_rest_stays_paired() {
    let (_server, node, attention, addr) = redis(Attend::holding_requests());
    let (mut client, mut around) = (Client::connect(addr), Client::connect(node.addr));
    // The second one comes in pieces, each of which must go.
    let long = "x".repeat(1 << 20);
    let pipeline = [
        packed(&["INCR", "n"]),
        packed(&["SET", "long", &long]),
        packed(&["INCRBY", "n", "10"]),
        packed(&["GET", "n"]),
    ];
    let bytes = pipeline.concat();
    let mut sender = Client(client.0.try_clone().expect("a socket"));
    let sent = std::thread::spawn(move || {
        sender.send(&bytes);
    });
    let (mut names, mut replies) = (Vec::new(), Vec::new());
    while replies.len() < 3 {
        let request = match next(&attention).what {
            NoticeKind::Request(request) => request,
            NoticeKind::Reply(reply) => {
                replies.push(reply.request);
                continue;
            }
            _ => continue,
        };
        let decision = match names.len() {
            1 => Decision::Drop,
            2 => Decision::DropReply,
            _ => Decision::Forward,
        };
        attention.decide(request.id, decision).expect("it waits");
        names.push(request.name);
    }
    sent.join().expect("all of it is read");
    assert_eq!(names, ["INCR", "SET", "INCRBY", "GET"]);
    let mut got = Vec::new();
    while got.len() < 12 {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?} after {got:?}"),
        }
    }
    assert_eq!(got, b":1\r\n$2\r\n11\r\n");
    assert_eq!(replies, [1, 3, 4]);
    around.send(&packed(&["EXISTS", "long"]));
    assert_eq!(around.get(), data(b":0\r\n"));
}

#[test]
fn resets_before_and_after_a_request_and_a_reply() {
    for (on_reply, decision, ran, got) in [
        (false, Decision::ResetBefore, "$-1\r\n", &b""[..]),
        (false, Decision::ResetAfter, "$1\r\n1\r\n", b""),
        (true, Decision::ResetBefore, "$1\r\n1\r\n", b""),
        (true, Decision::ResetAfter, "$1\r\n1\r\n", b":1\r\n"),
    ] {
        let (_server, node, attention, addr) = redis(Attend::holding_all());
        let (mut client, mut around) = (Client::connect(addr), Client::connect(node.addr));
        client.send(&[packed(&["INCR", "n"]), packed(&["SET", "later", "1"])].concat());
        let mut id = request(&attention).id;
        if on_reply {
            attention.decide(id, Decision::Forward).expect("it waits");
            id = reply(&attention).id;
        }
        attention.decide(id, decision).expect("it waits");
        let (arrived, end) = client.drain();
        assert_eq!(end, Got::Rst, "{decision:?}");
        // What was delivered may be lost with the reset, but nothing else is.
        assert!(got.starts_with(&arrived), "{decision:?}: {arrived:?}");
        around.send(&packed(&["GET", "n"]));
        assert_eq!(around.get(), data(ran.as_bytes()), "{decision:?}");
        around.send(&packed(&["EXISTS", "later"]));
        assert_eq!(around.get(), data(b":0\r\n"), "{decision:?}");
        assert_eq!(attention.waiting(), Vec::<u64>::new());
    }
}

#[test]
fn a_client_that_has_gone_is_told_of_and_its_request_can_be_dropped() {
    let (_server, node, attention, addr) = redis(Attend::holding_requests());
    let mut around = Client::connect(node.addr);
    let mut client = Client::connect(addr);
    client.send(&packed(&["SET", "late", "1"]));
    let late = request(&attention);
    drop(client);
    let gone = loop {
        if let NoticeKind::Gone { side, waiting, .. } = next(&attention).what {
            break (side, waiting);
        }
    };
    assert_eq!(gone, (Peer::Client, vec![late.id]));
    attention.decide(late.id, Decision::Drop).expect("it still waits");
    let mut closed = None;
    while closed.is_none() {
        if let NoticeKind::Closed { undecided, .. } = next(&attention).what {
            closed = Some(undecided);
        }
    }
    assert_eq!(closed, Some(vec![]));
    around.send(&packed(&["EXISTS", "late"]));
    assert_eq!(around.get(), data(b":0\r\n"));
}

#[test]
fn detaching_lets_everything_go_on_in_order() {
    let (_server, _node, attention, addr) = redis(Attend::holding_all());
    let mut client = Client::connect(addr);
    client.send(&packed(&["INCR", "n"]).repeat(50));
    request(&attention);
    drop(attention);
    let expected: String = (1..=50).map(|n| format!(":{n}\r\n")).collect();
    let mut got = Vec::new();
    while got.len() < expected.len() {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?} after {got:?}"),
        }
    }
    assert_eq!(String::from_utf8(got).expect("text"), expected);
}

#[test]
fn who_only_watches_and_does_not_read_misses_notices_by_number() {
    let (_server, _node, attention, addr) =
        redis(Attend { capacity: 20_000, ..Attend::watching() });
    let mut client = Client::connect(addr);
    for n in 1..=500 {
        client.send(&packed(&["INCR", "n"]));
        assert_eq!(client.get(), data(format!(":{n}\r\n").as_bytes()));
    }
    let (mut told, mut missed) = (0, 0);
    while told + missed < 1001 {
        match next(&attention).what {
            NoticeKind::Missed { notices } => missed += notices,
            _ => told += 1,
        }
    }
    assert!(missed > 500 && told > 5, "{told} told, {missed} missed");
}

#[test]
fn who_holds_and_does_not_read_makes_clients_wait() {
    let options = Attend { capacity: 20_000, ..Attend::holding_requests() };
    let (server, _node, attention, addr) = redis(options);
    let mut client = Client::connect(addr);
    client.send(&packed(&["INCR", "n"]).repeat(2000));
    wait_for_requests(&server, packed(&["INCR", "n"]).len() * 2000);
    let waiting = settled("no more requests are told of", || attention.waiting().len());
    assert!(waiting < 100, "{waiting}");
    for ordinal in 1..=2000 {
        let request = request(&attention);
        assert_eq!(request.ordinal, ordinal);
        attention.decide(request.id, Decision::Forward).expect("it waits");
    }
    // What is told of replies waits to be read, too.
    while reply(&attention).request < 2000 {}
    let mut got = Vec::new();
    while !got.ends_with(b":2000\r\n") {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hundreds_of_proxies_are_attended_at_once() {
    let (server, node) = (start(), native::redis());
    let addrs: Vec<_> =
        (0..300).map(|n| proxy(&server, &format!("p{n}"), node.addr, Protocol::Redis)).collect();
    let attention = server.attend("p0", Attend::holding_requests()).expect("followed");
    for n in 1..300 {
        attention.add(&format!("p{n}")).expect("followed");
    }
    assert!(matches!(attention.add("p7"), Err(Error::Refused(_))));
    let mut clients: Vec<_> = addrs.iter().map(|addr| Client::connect(*addr)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&packed(&["SET", &format!("k{n}"), "1"]));
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 300 {
        let notice = next(&attention);
        if let NoticeKind::Request(request) = notice.what {
            assert_eq!(format!("p{}", &request.keys[0][1..]), *notice.proxy);
            attention.decide(request.id, Decision::Forward).expect("it waits");
            seen.insert(notice.proxy);
        }
    }
    for client in &mut clients {
        assert_eq!(client.get(), data(b"+OK\r\n"));
    }
}

#[test]
fn invalidations_are_held_one_by_one() {
    let (_server, node, attention, addr) =
        redis(Attend { pushes: Waits::Yes, ..Attend::watching() });
    let (mut client, mut around) = (Client::connect(addr), Client::connect(node.addr));
    client.send(&packed(&["HELLO", "3"]));
    assert!(request(&attention).handshake);
    assert!(reply(&attention).handshake);
    for command in [&["CLIENT", "TRACKING", "ON"][..], &["GET", "a"], &["GET", "b"]] {
        client.send(&packed(command));
        reply(&attention);
    }
    around.send(&packed(&["MSET", "a", "1", "b", "2"]));
    let pushes: Vec<_> = (0..2)
        .map(|_| {
            loop {
                if let NoticeKind::Push(push) = next(&attention).what {
                    break push;
                }
            }
        })
        .collect();
    assert!(pushes.iter().all(|push| push.kind == "invalidate" && push.waits == Waits::Yes));
    attention.decide(pushes[0].id, Decision::Drop).expect("it waits");
    attention.decide(pushes[1].id, Decision::Forward).expect("it waits");
    let mut got = Vec::new();
    while !got.ends_with(b"invalidate\r\n*1\r\n$1\r\nb\r\n") {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?}"),
        }
    }
    let text = String::from_utf8(got).expect("text");
    assert_eq!(text.matches("invalidate").count(), 1, "{text}");
}
