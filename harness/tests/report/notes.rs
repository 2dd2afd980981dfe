//! Notes on moments of runs: who may leave them.

use std::net::SocketAddr;

use quarrel_harness::web::Noting;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::server::{ask, finished, serve, serve_noting};

/// The status of a note that is sent from a page of `origin`.
async fn send(address: SocketAddr, run: &str, origin: &str, token: &str) -> u16 {
    let body = json!({ "at_ms": 139, "text": " the old <b>one</b> ", "token": token }).to_string();
    let request = format!(
        "POST /run/{run}/notes HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_note_is_taken_from_this_servers_pages_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let notes = run.file("notes.jsonl");
    let page = format!("GET /run/{}/notes", run.name);

    // Without being asked to, nothing is written, whoever asks.
    let reading = serve(scratch.path()).await;
    let own = format!("http://{reading}");
    assert_eq!(send(reading, &run.name, &own, "").await, 403);
    let (_, told) = ask(reading, &page, "localhost").await;
    assert!(told.contains("quarrel serve --notes") && !told.contains("data-token"), "{told}");

    let address = serve_noting(scratch.path(), Noting::On).await;
    let own = format!("http://{address}");
    let (_, told) = ask(address, &page, "localhost").await;
    let token = told.split("data-token=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(send(address, &run.name, "http://evil.example", token).await, 403);
    assert_eq!(send(address, &run.name, &own, "guessed").await, 403);
    assert_eq!(send(address, "20260301T080000Z-none-0000", &own, token).await, 404);
    assert!(!notes.exists());
    assert_eq!(send(address, &run.name, &own, token).await, 204);
    let kept = std::fs::read_to_string(&notes).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!((&kept["at_ms"], &kept["text"]), (&json!(139), &json!("the old <b>one</b>")));
    let (_, told) = ask(address, &page, "localhost").await;
    assert!(told.contains("the old &lt;b&gt;one&lt;/b&gt;") && told.contains("#ms=139"), "{told}");
    let (_, told) = ask(address, &format!("GET /run/{}", run.name), "localhost").await;
    assert!(told.contains("Notes (1)"));
    // No other request writes.
    assert_eq!(ask(address, "POST /", "127.0.0.1").await.0, 405);
}
