//! Notices as JSON. Bytes that are UTF-8 are strings, others
//! `{"base64": "…"}`.

use super::Raw;
use crate::attend::{
    Detail, Notice, NoticeKind, Peer, Push, StatementOutcome, StreamEnd, Waits, WireReply,
    WireRequest, WireValue as Resp,
};
use crate::message::{Ends, GroupMessage, Parameter, Protocol, Strength, TransactionStatus};
use base64::Engine;
use serde_json::{Map, Value, json};

pub(super) fn notice(notice: &Notice, protocol: Option<Protocol>, raw: Raw) -> Value {
    let (event, rest) = match &notice.what {
        NoticeKind::Opened { client } => ("opened", json!({"client": client.to_string()})),
        NoticeKind::Closed { how, undecided } => {
            ("closed", json!({"how": how, "undecided": undecided}))
        }
        NoticeKind::Gone { side, how, waiting } => {
            let side = match side {
                Peer::Client => "client",
                Peer::Server => "server",
            };
            let how = match how {
                StreamEnd::Fin => "fin",
                StreamEnd::Rst => "rst",
            };
            ("gone", json!({"side": side, "how": how, "waiting": waiting}))
        }
        NoticeKind::FramingLost { reason } => ("framing_lost", json!({"reason": reason})),
        NoticeKind::Request(told) => ("request", request(told, raw)),
        NoticeKind::Reply(told) => ("reply", reply(told, protocol, raw)),
        NoticeKind::Push(told) => ("push", push(told, raw)),
        NoticeKind::Missed { notices } => ("missed", json!({"notices": notices})),
    };
    let mut line = Map::new();
    line.insert("event".into(), event.into());
    line.insert("seq".into(), notice.seq.into());
    line.insert("at_ns".into(), notice.at_ns.into());
    line.insert("proxy".into(), (&*notice.proxy).into());
    line.insert("connection".into(), notice.connection.into());
    if let Value::Object(rest) = rest {
        line.extend(rest);
    }
    Value::Object(line)
}

fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)}),
    }
}

fn waits(waits: Waits) -> bool {
    waits == Waits::Yes
}

/// Adds what is only there if it is wanted.
fn with(mut told: Value, name: &str, value: Option<Value>) -> Value {
    if let (Some(map), Some(value)) = (told.as_object_mut(), value) {
        map.insert(name.to_owned(), value);
    }
    told
}

fn raw_of(raw: Raw, told: &[u8]) -> Option<Value> {
    (raw == Raw::Told).then(|| bytes(told))
}

fn request(told: &WireRequest, raw: Raw) -> Value {
    let statements = told.statements.iter().map(|one| {
        let strength = (told.detail != Detail::Redis).then(|| strength(one.strength));
        let shown = json!({"name": one.name, "text": one.text, "keys": one.keys});
        let shown = with(shown, "strength", strength);
        with(shown, "script", one.script.as_deref().map(Value::from))
    });
    let shown = json!({
        "id": told.id,
        "ordinal": told.ordinal,
        "waits": waits(told.waits),
        "with_previous": told.with_previous,
        "handshake": told.handshake,
        "size": told.size,
        "name": told.name,
        "text": told.text,
        "text_cut": told.text_cut,
        "keys": told.keys,
        "statements": statements.collect::<Vec<_>>(),
    });
    let shown = with(shown, "postgres", postgres(&told.detail));
    with(shown, "raw", raw_of(raw, &told.raw))
}

fn postgres(detail: &Detail) -> Option<Value> {
    let Detail::Postgres { steps, ends, strongest, settles, transaction } = detail else {
        return None;
    };
    let ends = match ends {
        Ends::Alone => "alone",
        Ends::Sync => "sync",
        Ends::Flush => "flush",
        Ends::Open => "open",
    };
    Some(json!({
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "ends": ends,
        "strongest": strength(*strongest),
        "settles": settles.map(strength),
        "transaction": transaction.map(transaction_name),
    }))
}

fn step(step: &GroupMessage) -> Value {
    let name = match step {
        GroupMessage::Query => "query",
        GroupMessage::FunctionCall => "function_call",
        GroupMessage::Parse { .. } => "parse",
        GroupMessage::Bind { .. } => "bind",
        GroupMessage::Describe => "describe",
        GroupMessage::Execute => "execute",
        GroupMessage::Close => "close",
        GroupMessage::CopyDone => "copy_done",
        GroupMessage::CopyFail => "copy_fail",
        GroupMessage::Startup => "startup",
    };
    match step {
        GroupMessage::Parse { statement } => json!({"step": name, "statement": statement}),
        GroupMessage::Bind { statement, parameters } => {
            let parameters: Vec<_> = parameters.iter().map(parameter).collect();
            json!({"step": name, "statement": statement, "parameters": parameters})
        }
        _ => json!({"step": name}),
    }
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "value": parameter.value.as_deref().map(bytes),
        "binary": parameter.binary,
        "oid": parameter.oid,
        "readings": parameter.readings,
    })
}

fn strength(strength: Strength) -> Value {
    let name = match strength {
        Strength::Nothing => "nothing",
        Strength::Session => "session",
        Strength::Read => "read",
        Strength::Lock => "lock",
        Strength::Rollback => "rollback",
        Strength::Write => "write",
        Strength::Commit => "commit",
    };
    name.into()
}

const fn transaction_name(transaction: TransactionStatus) -> &'static str {
    match transaction {
        TransactionStatus::Idle => "idle",
        TransactionStatus::Open => "open",
        TransactionStatus::Failed => "failed",
    }
}

fn reply(told: &WireReply, protocol: Option<Protocol>, raw: Raw) -> Value {
    let shown = json!({
        "id": told.id,
        "request": told.request,
        "request_id": told.request_id,
        "waits": waits(told.waits),
        "complete": told.complete,
        "skipped": told.skipped,
        "handshake": told.handshake,
        "size": told.size,
        "summary": told.summary,
        "error": told.error,
        "transaction": told.transaction.map(transaction_name),
    });
    let shown = match protocol {
        Some(Protocol::Redis) => with(shown, "value", told.value().as_ref().map(value)),
        Some(Protocol::Postgres) => {
            let outcomes: Vec<_> = told.outcomes().iter().map(outcome).collect();
            with(shown, "outcomes", Some(outcomes.into()))
        }
        None => shown,
    };
    with(shown, "raw", raw_of(raw, &told.raw))
}

fn push(told: &Push, raw: Raw) -> Value {
    let shown = json!({
        "id": told.id,
        "waits": waits(told.waits),
        "kind": told.kind,
        "size": told.size,
    });
    let shown = match (told.kind.as_str(), told.notification()) {
        ("notification", Some((channel, payload))) => {
            let shown = with(shown, "channel", Some(channel.into()));
            with(shown, "payload", Some(payload.into()))
        }
        ("notification" | "error", _) => shown,
        _ => with(shown, "value", told.value().as_ref().map(value)),
    };
    with(shown, "raw", raw_of(raw, &told.raw))
}

/// A value of Redis. What JSON has no kind for is an object of one field.
fn value(told: &Resp) -> Value {
    match told {
        Resp::Nil => Value::Null,
        Resp::Simple(text) => text.as_str().into(),
        Resp::Error(text) => json!({"error": text}),
        Resp::Integer(number) => (*number).into(),
        Resp::Boolean(is) => (*is).into(),
        Resp::Number(text) => json!({"number": text}),
        Resp::Bulk(text) => bytes(text),
        Resp::Array(all) => all.iter().map(value).collect(),
        Resp::Map(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| json!([value(k), value(v)])).collect();
            json!({"map": pairs})
        }
        Resp::Cut(text) => json!({"cut": bytes(text)}),
    }
}

fn outcome(told: &StatementOutcome) -> Value {
    let columns = told
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "oid": column.oid, "binary": column.binary}));
    let rows = told
        .rows
        .iter()
        .map(|row| row.iter().map(|value| value.as_deref().map(bytes)).collect::<Vec<_>>());
    let error = told.error.as_ref();
    json!({
        "columns": columns.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "tag": told.tag,
        "error": error.map(|error| json!({"code": error.code, "message": error.message})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn values_without_a_kind_in_json_are_objects_of_one_field() {
        let bulk = |bytes: &'static [u8]| Resp::Bulk(Bytes::from_static(bytes));
        let all = Resp::Array(vec![
            Resp::Nil,
            Resp::Simple("OK".into()),
            bulk(b"Alex"),
            bulk(b"\xff\0"),
            Resp::Integer(-3),
            Resp::Error("ERR no".into()),
            Resp::Map(vec![(bulk(b"a"), Resp::Boolean(true))]),
            Resp::Cut(Bytes::from_static(b"ab")),
        ]);
        let expected = json!([
            null, "OK", "Alex", {"base64": "/wA="}, -3, {"error": "ERR no"},
            {"map": [["a", true]]}, {"cut": "ab"},
        ]);
        assert_eq!(value(&all), expected);
    }
}
