//! Real servers and the programs that load them, all on loopback.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server process, ended when dropped.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    process: Child,
    _dir: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Postgres ends at once, and takes its memory with it, on SIGQUIT.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        for _ in 0..100 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("bound").port()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn serve(command: &mut Command, dir: TempDir, port: u16) -> Server {
    let log = File::create(dir.path().join("log")).expect("a new file");
    let process = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("an open file"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let server = Server { addr, process, _dir: dir };
    until("a server", || TcpStream::connect(addr).is_ok());
    server
}

pub(crate) fn redis() -> Server {
    let (dir, port) = (tempfile::tempdir().expect("a temporary directory"), free_port());
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]);
    command.arg(dir.path());
    serve(&mut command, dir, port)
}

/// A program of Postgres, the newest that is installed.
fn program(name: &str) -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = installed.map(|entry| entry.path().join("bin").join(name)).filter(|p| p.exists());
    found.max().unwrap_or_else(|| name.into())
}

/// Postgres refuses to run as root; root runs it as its own user.
fn as_postgres(name: &str, dir: &Path) -> Command {
    let id = |flag: &str, user: &str| {
        let id = Command::new("id").args([flag, user]).output().expect("id is everywhere");
        String::from_utf8_lossy(&id.stdout).trim().parse::<u32>().ok()
    };
    let own = Command::new("id").arg("-u").output().expect("id is everywhere").stdout;
    if own != b"0\n" {
        return Command::new(program(name));
    }
    chown(dir, id("-u", "postgres"), id("-g", "postgres")).expect("root may");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program(name));
    command
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("no {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {text}{said}");
    text
}

/// With the tables of pgbench, and room for hundreds of connections.
pub(crate) fn postgres() -> Server {
    let (dir, port) = (tempfile::tempdir().expect("a temporary directory"), free_port());
    let data = dir.path().join("data");
    let init = ["--no-sync", "-A", "trust", "-U", "postgres", "-D"];
    succeed(as_postgres("initdb", dir.path()).args(init).arg(&data));
    let mut command = as_postgres("postgres", dir.path());
    command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=300",
        "fsync=off",
        "autovacuum=off",
    ] {
        command.args(["-c", setting]);
    }
    let server = serve(&mut command, dir, port);
    until("Postgres", || {
        pgbench(server.addr, &["-i", "-q"]).output().is_ok_and(|o| o.status.success())
    });
    server
}

fn pgbench(addr: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(program("pgbench"));
    command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &addr.port().to_string()]);
    command.args(args).arg("postgres").env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
    command
}

/// Transactions that read one row each.
#[derive(Clone, Copy)]
pub(crate) struct Pgbench {
    pub(crate) mode: &'static str,
    pub(crate) clients: usize,
    pub(crate) each: usize,
}

impl Pgbench {
    /// Transactions a second, the connecting aside.
    pub(crate) fn run(self, addr: SocketAddr) -> f64 {
        let (clients, each) = (self.clients.to_string(), self.each.to_string());
        let load = ["-n", "-S", "-M", self.mode, "-c", &clients, "-t", &each];
        let said = succeed(&mut pgbench(addr, &load));
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        rate.and_then(|rate| rate.parse().ok()).expect("pgbench tells tps")
    }
}

#[derive(Clone, Copy)]
pub(crate) struct RedisBenchmark {
    pub(crate) command: &'static str,
    pub(crate) pipelined: usize,
    pub(crate) clients: usize,
    pub(crate) requests: usize,
}

impl RedisBenchmark {
    /// Requests a second.
    pub(crate) fn run(self, addr: SocketAddr) -> f64 {
        let mut command = Command::new("redis-benchmark");
        command.args(["-h", "127.0.0.1", "-p", &addr.port().to_string(), "--csv"]);
        command.args(["-t", self.command, "-P", &self.pipelined.to_string()]);
        command.args(["-c", &self.clients.to_string(), "-n", &self.requests.to_string()]);
        let said = succeed(&mut command);
        let wanted = format!("\"{}\",\"", self.command.to_uppercase());
        let rate = said.lines().find_map(|line| line.strip_prefix(&wanted)?.split('"').next());
        rate.and_then(|rate| rate.parse().ok()).expect("redis-benchmark tells a rate")
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

fn until_ready(connection: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let (mut got, mut end) = (0, Vec::new());
    loop {
        let len = connection.read(buffer).expect("open");
        assert!(len > 0, "the server closed the connection");
        got += len;
        end.extend_from_slice(&buffer[len.saturating_sub(6)..len]);
        if end.ends_with(b"Z\0\0\0\x05I") {
            return got;
        }
        end.drain(..end.len().saturating_sub(6));
    }
}

/// Megabytes a second of a query's answer, to a client that only reads.
pub(crate) fn query(addr: SocketAddr, sql: &str) -> f64 {
    let mut connection = TcpStream::connect(addr).expect("it listens");
    let mut buffer = vec![0; 256 << 10];
    let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let len = u32::try_from(body.len() + 4).expect("short");
    connection.write_all(&[&len.to_be_bytes()[..], body].concat()).expect("open");
    until_ready(&mut connection, &mut buffer);
    let start = Instant::now();
    connection.write_all(&message(b'Q', format!("{sql}\0").as_bytes())).expect("open");
    let got = until_ready(&mut connection, &mut buffer);
    got as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// Seconds until `len` bytes have come from a server that sends them at once.
pub(crate) fn receive(addr: SocketAddr, len: usize) -> f64 {
    let mut connection = TcpStream::connect(addr).expect("it listens");
    let start = Instant::now();
    connection.write_all(b"g").expect("open");
    let mut buffer = vec![0; 256 << 10];
    let mut got = 0;
    while got < len {
        let part = connection.read(&mut buffer).expect("open");
        assert!(part > 0, "the server closed the connection");
        got += part;
    }
    start.elapsed().as_secs_f64()
}

/// Sends so many bytes for the first one that it gets.
pub(crate) fn source(len: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let block = vec![7; len];
        for mut stream in listener.incoming().flatten() {
            // A client that has gone ends it.
            let _ = stream.read_exact(&mut [0]).and_then(|()| stream.write_all(&block));
        }
    });
    addr
}
