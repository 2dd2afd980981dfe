//! Servers and clients to put on both sides of a fault proxy.

pub(crate) mod authority;
pub(crate) mod native;

use quarrel_faultproxy::{Config, FaultProxy, NewProxy, NewToxic, Seed, Stream, ToxicKind};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn start() -> FaultProxy {
    FaultProxy::start(&Config::embedded(Seed(7))).expect("loopback has a free port")
}

/// A proxy named `p` in front of `upstream`; its address.
pub(crate) fn proxy_to(server: &FaultProxy, upstream: SocketAddr) -> SocketAddr {
    let view = server
        .create_proxy(NewProxy::new("p", "127.0.0.1:0", upstream.to_string()))
        .expect("loopback has a free port");
    view.listen.parse().expect("a bound address")
}

pub(crate) fn add(server: &FaultProxy, kind: ToxicKind, stream: Stream) {
    server.add_toxic("p", NewToxic::new(kind, stream)).expect("the toxic is sound");
}

pub(crate) const fn latency(latency_ms: i64) -> ToxicKind {
    ToxicKind::Latency { latency_ms, jitter_ms: 0 }
}

/// Bytes that the first open connection of `p` has got from its server.
pub(crate) fn from_server(server: &FaultProxy) -> u64 {
    let connections = server.connections("p").expect("it exists");
    connections.first().map_or(0, |connection| connection.downstream_bytes.received)
}

/// What a server saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Data(Vec<u8>),
    Fin,
    Rst,
}

/// A server on loopback with a thread for each connection.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn start(serve: impl Fn(TcpStream, &Server) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let server =
            Self { addr: listener.local_addr().expect("it is bound"), seen: Arc::default() };
        let shared = server.clone();
        let serve = Arc::new(serve);
        // Both kinds of threads end with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serve, server) = (Arc::clone(&serve), shared.clone());
                stream.set_nodelay(true).expect("a TCP socket");
                std::thread::spawn(move || serve(stream, &server));
            }
        });
        server
    }

    /// Sends back what it gets.
    pub(crate) fn echo() -> Self {
        Self::start(|mut stream, server| {
            loop {
                match server.note(read(&mut stream)) {
                    Seen::Data(data) if stream.write_all(&data).is_ok() => {}
                    _ => return,
                }
            }
        })
    }

    /// Sends `reply` to the first data it gets, then closes.
    pub(crate) fn replies(reply: Vec<u8>) -> Self {
        Self::start(move |mut stream, server| {
            server.note(read(&mut stream));
            // A client that has gone is what some tests are about.
            let _ = stream.write_all(&reply);
        })
    }

    /// Notes what was seen and hands it back.
    pub(crate) fn note(&self, seen: Seen) -> Seen {
        self.seen.lock().expect("no panic inside").push(seen.clone());
        seen
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic inside").clone()
    }

    pub(crate) fn received(&self) -> Vec<u8> {
        let bytes = self.seen().into_iter().filter_map(|seen| match seen {
            Seen::Data(data) => Some(data),
            Seen::Fin | Seen::Rst => None,
        });
        bytes.flatten().collect()
    }

    pub(crate) fn wait_for(&self, seen: &Seen) {
        eventually(&format!("the server sees {seen:?}"), || self.seen().contains(seen));
    }
}

fn read(stream: &mut TcpStream) -> Seen {
    let mut buffer = vec![0; 65536];
    match stream.read(&mut buffer) {
        Ok(0) => Seen::Fin,
        Ok(len) => Seen::Data(buffer[..len].to_vec()),
        Err(_) => Seen::Rst,
    }
}

/// Waits for a condition, and fails if it does not come.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Looks in a row that must see the same before a count has stopped growing.
const LOOKS: u32 = 50;

/// Waits until a count has grown and grows no more; what it is then.
pub(crate) fn settled(what: &str, mut count: impl FnMut() -> usize) -> usize {
    let (mut last, mut same) = (0, 0);
    eventually(what, || {
        let now = count();
        same = if now > 0 && now == last { same + 1 } else { 0 };
        last = now;
        same == LOOKS
    });
    last
}

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Got {
    Data(Vec<u8>),
    Fin,
    Rst,
    /// Nothing, within the time it was given.
    Silence,
}

pub(crate) fn data(bytes: &[u8]) -> Got {
    Got::Data(bytes.to_vec())
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the proxy listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write_all(bytes).expect("the connection is open");
        self
    }

    pub(crate) fn get(&mut self) -> Got {
        self.get_within(PATIENCE)
    }

    pub(crate) fn get_within(&mut self, time: Duration) -> Got {
        self.0.set_read_timeout(Some(time)).expect("not zero");
        let mut buffer = vec![0; 65536];
        match self.0.read(&mut buffer) {
            Ok(0) => Got::Fin,
            Ok(len) => data(&buffer[..len]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Got::Silence,
                ErrorKind::ConnectionReset => Got::Rst,
                _ => panic!("unexpected: {error}"),
            },
        }
    }

    /// Reads until something else than data comes.
    pub(crate) fn drain(&mut self) -> (Vec<u8>, Got) {
        let mut all = Vec::new();
        loop {
            match self.get() {
                Got::Data(data) => all.extend(data),
                end => return (all, end),
            }
        }
    }

    /// Sends and expects the same back; how long it took.
    pub(crate) fn echo(&mut self, bytes: &[u8]) -> Duration {
        let start = Instant::now();
        self.send(bytes);
        let mut back = Vec::new();
        while back.len() < bytes.len() {
            match self.get() {
                Got::Data(part) => back.extend(part),
                other => panic!("instead of an echo: {other:?}"),
            }
        }
        assert_eq!(back, bytes);
        start.elapsed()
    }
}

/// A command of Redis, as clients send it.
pub(crate) fn packed(words: &[&str]) -> Vec<u8> {
    let strings = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), strings.collect::<String>()).into_bytes()
}

/// An answer of the API.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
    /// Its status line and headers.
    pub(crate) head: String,
}

impl Answer {
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

/// Calls the API.
pub(crate) fn call(api: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    call_as(api, method, path, body, "test")
}

pub(crate) fn call_as(
    api: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    agent: &str,
) -> Answer {
    let mut stream = TcpStream::connect(api).expect("the API listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {api}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("it takes requests");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers in UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).expect("a status line");
    let mut answer = Answer {
        status: status.parse().expect("a number"),
        content_type: None,
        body: body.trim().to_owned(),
        head: head.to_owned(),
    };
    answer.content_type = answer.header("content-type").map(str::to_owned);
    answer
}
