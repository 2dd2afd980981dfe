//! Ten thousand idle connections cost little memory and disturb nobody.
//!
//! Alone in its process, as it takes nearly all file descriptors there are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kernel and proxy included; two megabytes of buffers for each would be 20 GB.
const MOST_BYTES_EACH: u64 = 16 << 10;

const PROGRAM: &str = env!("CARGO_BIN_EXE_quarrel-faultproxy");

/// The program, which ends when dropped.
struct Proxy {
    process: Child,
    api: SocketAddr,
}

impl Proxy {
    fn start(mut command: Command) -> Self {
        let mut process = command
            .args(["-port", "0", "-seed", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let output = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("it tells its address");
        let address = line.split("http://").nth(1);
        let address = address.and_then(|rest| rest.split(',').next());
        let api = address.and_then(|address| address.parse().ok());
        Self { process, api: api.expect("an address") }
    }

    fn of_proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.process.id())
    }

    fn memory(&self) -> u64 {
        number_of(&self.of_proc("status"), "VmRSS") * 1024
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(self.of_proc("fd")).map_or(0, Iterator::count)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An upstream that the kernel answers for: nobody accepts, the backlog does.
fn silent_upstream() -> (socket2::Socket, SocketAddr) {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("valid");
    socket.bind(&any.into()).expect("loopback has a free port");
    socket.listen(4000).expect("bound");
    let addr = socket.local_addr().expect("bound");
    let addr = addr.as_socket().expect("IPv4");
    (socket, addr)
}

/// An upstream that reads to the end of every connection.
fn patient_upstream() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    addr
}

/// Makes a proxy and tells where it listens.
fn proxy_to(api: SocketAddr, name: &str, upstream: SocketAddr) -> SocketAddr {
    let body = format!(r#"{{"name":"{name}","listen":"127.0.0.1:0","upstream":"{upstream}"}}"#);
    listen_of(&post(api, "/proxies", &body))
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// A line of a file of /proc, such as `VmRSS:  1234 kB`; its number.
fn number_of(file: &str, line: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("Linux tells");
    let line = text.lines().find(|l| l.starts_with(line)).expect("it is there");
    let digits =
        line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).expect("a number")
}

fn post(api: SocketAddr, path: &str, body: &str) -> String {
    call(api, "POST", path, body)
}

fn get(api: SocketAddr, path: &str) -> String {
    call(api, "GET", path, "")
}

fn call(api: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(api).expect("the API listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it takes requests");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// The listen address in the answer to a created proxy.
fn listen_of(answer: &str) -> SocketAddr {
    let rest = answer.split("\"listen\":\"").nth(1).expect("a proxy was made");
    let address = rest.split('"').next().expect("an address");
    address.parse().expect("an address")
}

#[test]
fn ten_thousand_idle_connections_are_cheap() {
    // The proxy needs two descriptors for each. Where fewer than 20,100 are
    // allowed, as many connections as there can be.
    let allowed = number_of("/proc/self/limits", "Max open files");
    let count = usize::try_from(allowed.saturating_sub(200) / 2).expect("fits").min(10_000);
    assert!(count >= 100, "only {allowed} open files are allowed");
    let proxy = Proxy::start(Command::new(PROGRAM));
    let before = proxy.memory();
    let (mut upstreams, mut clients) = (Vec::new(), Vec::new());
    while clients.len() < count {
        let (socket, addr) = silent_upstream();
        let listen = proxy_to(proxy.api, &format!("p{}", upstreams.len()), addr);
        // Fewer than its backlog takes.
        for _ in 0..(count - clients.len()).min(3000) {
            clients.push(TcpStream::connect(listen).expect("the proxy listens"));
        }
        upstreams.push(socket);
    }
    eventually("all are forwarded", || proxy.descriptors() >= 2 * count);
    let after = proxy.memory();
    let each = after.saturating_sub(before) / count as u64;
    println!("{count} connections: {each} bytes each");
    assert!(each < MOST_BYTES_EACH, "{each} bytes for each of {count}");

    // The API answers, also when it must reach all of them.
    let begin = Instant::now();
    let toxic = r#"{"type":"latency","attributes":{"latency":1}}"#;
    assert!(post(proxy.api, "/proxies/p0/toxics", toxic).starts_with("HTTP/1.1 200"));
    assert!(post(proxy.api, "/proxies/p0", r#"{"enabled":false}"#).starts_with("HTTP/1.1 200"));
    assert!(begin.elapsed() < Duration::from_secs(10));
    let mut byte = [0];
    clients[0].set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
    assert_eq!(clients[0].read(&mut byte).expect("closed in order"), 0);
}

#[test]
fn the_program_takes_all_descriptors_it_may_have() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 64; exec \"$0\" \"$@\"", PROGRAM]);
    let proxy = Proxy::start(command);
    let (_upstream, addr) = silent_upstream();
    let listen = proxy_to(proxy.api, "p", addr);
    let _clients: Vec<_> =
        (0..100).map(|_| TcpStream::connect(listen).expect("the kernel takes it")).collect();
    eventually("all are forwarded", || proxy.descriptors() >= 200);
}

#[test]
fn a_proxy_out_of_file_descriptors_recovers() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", PROGRAM]);
    let proxy = Proxy::start(command);
    let listen = proxy_to(proxy.api, "p", patient_upstream());
    let clients: Vec<_> =
        (0..100).map(|_| TcpStream::connect(listen).expect("the kernel takes it")).collect();
    eventually("there is none left", || proxy.descriptors() >= 62);
    drop(clients);
    // Behind those that still wait to be accepted, and take every descriptor
    // once more: no client hears of that.
    let client = TcpStream::connect(listen).expect("the kernel takes it");
    let client = client.local_addr().expect("connected").to_string();
    // The API is reached again, and the new connection is forwarded.
    assert!(post(proxy.api, "/reset", "").starts_with("HTTP/1.1 204"));
    let open = || get(proxy.api, "/x/proxies/p/connections");
    eventually("the new one is alone", || {
        let open = open();
        open.matches("\"client\"").count() == 1 && open.contains(&client)
    });
}
