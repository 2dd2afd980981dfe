use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

/// How long a client may take to send the head of a request, the first and
/// every later one of a connection.
pub(super) const HEAD: Duration = Duration::from_secs(10);

/// The most connections at once. A browser opens six, and one for each run that
/// it follows.
const CONNECTIONS: usize = 256;

/// How long to wait when no more connections can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers whoever connects, each on a task of their own. Somebody who connects
/// and does not say what they want within `head` is not waited for.
pub(super) async fn answer(
    listener: TcpListener,
    routes: Router,
    head: Duration,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
        let Ok((stream, _)) = listener.accept().await else {
            // It went away, or there are no more file descriptors for now.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head)
                .serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is its client's loss.
            drop(serving.await);
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn who_does_not_say_what_they_want_is_hung_up_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", get(async || "here"));
        tokio::spawn(answer(listener, routes, Duration::from_millis(50)));
        for said in ["", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut heard = String::new();
            // It ends, or the test does not.
            stream.read_to_string(&mut heard).await.unwrap();
            assert!(!heard.contains("here"), "{heard}");
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 200") && heard.ends_with("here"), "{heard}");
    }
}
