//! Messages of Postgres.

use super::*;

/// A message of Postgres with a type.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let len = u32::try_from(body.len() + 4).expect("short");
    [&len.to_be_bytes()[..], body].concat()
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// A Bind with binary parameters.
fn bind(name: &str, parameters: &[&[u8]]) -> Vec<u8> {
    let count = u16::try_from(parameters.len()).expect("few").to_be_bytes();
    let mut body = format!("\0{name}\0").into_bytes();
    body.extend([0, 1, 0, 1]);
    body.extend(count);
    for parameter in parameters {
        body.extend(u32::try_from(parameter.len()).expect("short").to_be_bytes());
        body.extend_from_slice(parameter);
    }
    body.extend([0, 0]);
    message(b'B', &body)
}

fn execute() -> Vec<u8> {
    message(b'E', b"\0\0\0\0\0")
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn flush() -> Vec<u8> {
    message(b'H', b"")
}

fn postgres(options: Attend) -> (FaultProxy, native::Node, Attention, Client) {
    let (server, node) = (start(), native::postgres());
    native::sql(
        node.addr,
        &["CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'old')"],
    );
    let addr = proxy(&server, "p", node.addr, Protocol::Postgres);
    let attention = server.attend("p", options).expect("the proxy is followed");
    let mut client = Client::connect(addr);
    client.send(&startup());
    let begin = request(&attention);
    assert!(begin.handshake && begin.waits == Waits::No, "{begin:?}");
    let ready = reply(&attention);
    assert_eq!((ready.handshake, ready.transaction), (true, Some(TransactionStatus::Idle)));
    (server, node, attention, client)
}

fn strongest(request: &WireRequest) -> (Ends, Strength, Option<Strength>) {
    match &request.detail {
        Detail::Postgres { ends, strongest, settles, .. } => (*ends, *strongest, *settles),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_is_what_its_strongest_statement_is() {
    let (_server, node, attention, mut client) = postgres(Attend::holding_requests());
    // As the JDBC driver begins a transaction.
    let update = "UPDATE t SET v = $1 WHERE id = $2";
    let group = [
        parse("", "BEGIN"),
        bind("", &[]),
        execute(),
        parse("", update),
        bind("", &[b"Alex", &1_i32.to_be_bytes()]),
        execute(),
        sync(),
    ];
    client.send(&group.concat());
    let both = request(&attention);
    assert_eq!((both.name.as_str(), both.waits), ("UPDATE", Waits::Yes));
    assert_eq!(strongest(&both), (Ends::Sync, Strength::Write, None));
    assert_eq!(both.text, format!("BEGIN; {update}"));
    assert!(both.keys.contains(&"Alex".to_owned()) && both.keys.contains(&"1".to_owned()));
    attention.decide(both.id, Decision::Forward).expect("it waits");
    let updated = reply(&attention);
    assert_eq!(updated.transaction, Some(TransactionStatus::Open));
    let tags: Vec<String> = updated.outcomes().into_iter().map(|one| one.tag).collect();
    assert_eq!(tags, ["BEGIN", "UPDATE 1"]);
    client.send(&message(b'Q', b"COMMIT\0"));
    let commit = request(&attention);
    assert_eq!(strongest(&commit), (Ends::Alone, Strength::Commit, None));
    let value = || native::sql(node.addr, &["SELECT v FROM t WHERE id = 1"]);
    assert_eq!(value(), "old");
    attention.decide(commit.id, Decision::ResetAfter).expect("it waits");
    assert_eq!(client.drain().1, Got::Rst);
    assert_eq!(value(), "Alex");
}

/// Some clients write each message of a group by itself, and lose the processor
/// in between: half a group would be taken for a PARSE, and the rest would go on
/// with it.
#[test]
fn a_group_that_comes_in_pieces_waits_as_a_whole() {
    let (_server, node, attention, mut client) = postgres(Attend::holding_requests());
    let (_kept, never) = std::sync::mpsc::channel::<()>();
    let update = "UPDATE t SET v = 'new' WHERE id = 1";
    for piece in [parse("", update), bind("", &[]), execute()] {
        client.send(&piece);
        let _ = never.recv_timeout(std::time::Duration::from_millis(25));
    }
    client.send(&sync());
    let whole = request(&attention);
    assert_eq!((whole.name.as_str(), whole.waits), ("UPDATE", Waits::Yes));
    assert_eq!(strongest(&whole), (Ends::Sync, Strength::Write, None));
    assert_eq!(native::sql(node.addr, &["SELECT v FROM t WHERE id = 1"]), "old");
    attention.decide(whole.id, Decision::Forward).expect("it waits");
    assert_eq!(reply(&attention).summary, "UPDATE 1");
}

#[test]
fn a_bare_sync_says_what_it_commits() {
    let (_server, node, attention, mut client) = postgres(Attend::holding_requests());
    client.send(&[parse("s", "UPDATE t SET v = $1"), message(b'D', b"Ss\0"), flush()].concat());
    let prepared = request(&attention);
    assert_eq!((prepared.name.as_str(), strongest(&prepared).0), ("PARSE", Ends::Flush));
    assert_eq!(strongest(&prepared).1, Strength::Nothing);
    attention.decide(prepared.id, Decision::Forward).expect("it waits");
    let described = reply(&attention);
    assert_eq!((described.request, described.complete, described.transaction), (2, true, None));
    // The type of the parameter is known from the server by now.
    client.send(&[bind("s", &[b"user"]), execute(), flush()].concat());
    let executed = request(&attention);
    assert_eq!(
        (executed.name.as_str(), executed.keys.as_slice()),
        ("UPDATE", &["user".into()][..])
    );
    let Detail::Postgres { steps, .. } = &executed.detail else { panic!("{executed:?}") };
    let GroupMessage::Bind { parameters, .. } = &steps[0] else { panic!("{steps:?}") };
    assert_eq!((parameters[0].oid, parameters[0].value.as_deref()), (Some(25), Some(&b"user"[..])));
    attention.decide(executed.id, Decision::Forward).expect("it waits");
    assert_eq!(reply(&attention).summary, "UPDATE 1");
    client.send(&sync());
    let settling = request(&attention);
    assert_eq!(settling.name, "SYNC");
    assert_eq!(strongest(&settling), (Ends::Sync, Strength::Nothing, Some(Strength::Write)));
    let value = || native::sql(node.addr, &["SELECT v FROM t"]);
    assert_eq!(value(), "old");
    attention.decide(settling.id, Decision::Forward).expect("it waits");
    assert_eq!(reply(&attention).transaction, Some(TransactionStatus::Idle));
    assert_eq!(value(), "user");
}

#[test]
fn rows_and_errors_of_replies_can_be_read_and_held() {
    let options = Attend { replies: Waits::Yes, ..Attend::watching() };
    let (_server, _node, attention, mut client) = postgres(options);
    client.send(&message(b'Q', b"SELECT id, v, NULL AS n FROM t; SELECT 1/0\0"));
    let answer = reply(&attention);
    assert_eq!((answer.waits, answer.error.as_deref()), (Waits::Yes, Some("22012")));
    let outcomes = answer.outcomes();
    let cells: Vec<Option<&[u8]>> =
        outcomes[0].rows[0].iter().map(|cell| cell.as_deref()).collect();
    assert_eq!(cells, [Some(&b"1"[..]), Some(b"old"), None]);
    assert_eq!(outcomes[0].columns[1].name, "v");
    assert_eq!(outcomes[1].error.as_ref().map(|error| error.code.as_str()), Some("22012"));
    // The answer to the start-up was not held.
    let (mut got, mut start) = (Vec::new(), true);
    while start {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?}"),
        }
        start = !got.ends_with(b"Z\0\0\0\x05I");
    }
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    attention.decide(answer.id, Decision::Forward).expect("it waits");
    assert!(matches!(client.get(), Got::Data(_)));
}

#[test]
fn a_proxy_that_refuses_encryption_keeps_clients_readable() {
    let (server, node) = (start(), native::postgres());
    let addr = proxy(&server, "p", node.addr, Protocol::Postgres);
    server.refuse_encryption("p", Refuses::Yes).expect("it exists");
    let attention = server.attend("p", Attend::watching()).expect("followed");
    let mut client = Client::connect(addr);
    client.send(&[0, 0, 0, 8, 4, 210, 22, 47]);
    assert_eq!(client.get(), data(b"N"));
    client.send(&[0, 0, 0, 8, 4, 210, 22, 48]);
    assert_eq!(client.get(), data(b"N"));
    client.send(&startup());
    assert_eq!(request(&attention).name, "STARTUP");
    client.send(&message(b'Q', b"SELECT 1\0"));
    assert_eq!(request(&attention).name, "SELECT");
    let mut insisting = Client::connect(addr);
    insisting.send(&[0, 0, 0, 8, 4, 210, 22, 47]);
    assert_eq!(insisting.get(), data(b"N"));
    drop(insisting);
    let reason = loop {
        if let NoticeKind::FramingLost { reason } = next(&attention).what {
            break reason;
        }
    };
    assert_eq!(reason, "the client insists on encryption");
}

#[test]
fn passwords_are_not_told() {
    let (_server, _node, attention, mut client) = postgres(Attend::watching());
    client.send(&message(b'Q', b"CREATE ROLE ann PASSWORD 'sesame'\0"));
    let told = request(&attention);
    assert_eq!(told.text, "CREATE ROLE ann PASSWORD (hidden)");
    assert!(told.raw.is_empty() && !format!("{told:?}").contains("sesame"), "{told:?}");
}

#[test]
fn a_copy_by_the_extended_protocol_is_followed() {
    let (_server, node, attention, mut client) = postgres(Attend::holding_all());
    let forward = |id: u64| attention.decide(id, Decision::Forward).expect("it waits");
    client.send(&[parse("", "COPY t FROM STDIN"), bind("", &[]), execute(), sync()].concat());
    let copy = request(&attention);
    assert_eq!((copy.name.as_str(), strongest(&copy).1), ("COPY", Strength::Write));
    forward(copy.id);
    let ask = reply(&attention);
    assert!(!ask.complete);
    forward(ask.id);
    client.send(&[message(b'd', b"2\ta\n3\tb\n"), message(b'c', b""), sync()].concat());
    let done = request(&attention);
    assert_eq!(done.name, "COPY DONE");
    let end = request(&attention);
    assert_eq!((end.name.as_str(), strongest(&end).2), ("SYNC", None));
    let count = || native::sql(node.addr, &["SELECT count(*) FROM t"]);
    assert_eq!(count(), "1");
    forward(done.id);
    forward(end.id);
    let copied = reply(&attention);
    assert_eq!((copied.request, copied.summary.as_str()), (copy.ordinal, "COPY 2"));
    forward(copied.id);
    let ready = reply(&attention);
    assert_eq!((ready.request, ready.transaction), (end.ordinal, Some(TransactionStatus::Idle)));
    forward(ready.id);
    assert_eq!(count(), "3");
    client.send(&message(b'Q', b"SELECT 1\0"));
    forward(request(&attention).id);
    assert_eq!(reply(&attention).summary, "SELECT 1");
}
