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

/// A page's token, by which it may write.
async fn token(address: SocketAddr, run: &str) -> String {
    let (_, told) = ask(address, &format!("GET /run/{run}/notes"), "localhost").await;
    told.split("data-token=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Two who serve the same folder take notes at once; what is in the file and is
/// none of ours stays, too.
#[tokio::test]
async fn no_note_is_lost_to_another_writer_or_to_what_cannot_be_read() {
    const EACH: usize = 20;
    let scratch = tempfile::tempdir().unwrap();
    let run = finished(scratch.path(), "20260301T080000Z-cache-aside-9f3a", "Alex");
    let notes = run.file("notes.jsonl");
    // A line of a later version, and one whose writer was killed.
    let before = "{\"at_ms\": 7, \"words\": [\"what comes later\"]}\n{\"at_ms\": 9, \"te";
    std::fs::write(&notes, before).unwrap();
    let one = serve_noting(scratch.path(), Noting::On).await;
    let other = serve_noting(scratch.path(), Noting::On).await;
    let mut sent = tokio::task::JoinSet::new();
    for address in [one, other] {
        let token = token(address, &run.name).await;
        for _ in 0..EACH {
            let (name, token) = (run.name.clone(), token.clone());
            sent.spawn(
                async move { send(address, &name, &format!("http://{address}"), &token).await },
            );
        }
    }
    assert_eq!(sent.join_all().await, vec![204; 2 * EACH]);
    let kept = std::fs::read_to_string(&notes).unwrap();
    let added = kept.strip_prefix(before).expect("what was there stays as it was");
    assert_eq!(added.matches("the old <b>one</b>").count(), 2 * EACH, "{kept}");
    let (_, told) = ask(one, &format!("GET /run/{}/notes", run.name), "localhost").await;
    assert!(told.contains("that cannot be read as notes: 2"), "{told}");

    // A file that cannot be read is left as it is.
    let bytes = [before.as_bytes(), &[0xFF, b'\n']].concat();
    std::fs::write(&notes, &bytes).unwrap();
    let token = token(one, &run.name).await;
    assert_eq!(send(one, &run.name, &format!("http://{one}"), &token).await, 507);
    assert_eq!(std::fs::read(&notes).unwrap(), bytes);
}
