//! The ways from a client to a server that are compared.

use crate::plain::Plain;
use crate::real::free_port;
use quarrel_faultproxy::Protocol;
use quarrel_faultproxy::{
    Attend, Attention, FaultProxy, MessageLog, NewProxy, NewRule, RuleAction,
};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// tokio's `copy_bidirectional`.
    Plain,
    Haproxy,
    Undecoded,
    Decoded,
    /// Decoded, with a rule that matches nothing.
    Rule,
    Logging,
    /// Decoded, with somebody told of every message.
    Attended,
}

impl Way {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Haproxy => "haproxy",
            Self::Undecoded => "undecoded",
            Self::Decoded => "decoded",
            Self::Rule => "one rule",
            Self::Logging => "logging",
            Self::Attended => "attended",
        }
    }
}

/// What offers the ways.
pub(crate) struct Ways {
    pub(crate) server: FaultProxy,
    pub(crate) plain: Plain,
    pub(crate) threads: usize,
    haproxies: Vec<Haproxy>,
}

impl Ways {
    pub(crate) const fn new(server: FaultProxy, plain: Plain, threads: usize) -> Self {
        Self { server, plain, threads, haproxies: Vec::new() }
    }

    /// Opens these ways to a server; without haproxy where it is not installed.
    pub(crate) fn to(
        &mut self,
        upstream: SocketAddr,
        protocol: Protocol,
        ways: &[Way],
    ) -> Vec<(Way, SocketAddr)> {
        let open = |way: &Way| {
            let addr = match way {
                Way::Plain => self.plain.forward(upstream),
                Way::Haproxy => {
                    let haproxy = Haproxy::start(upstream, self.threads)?;
                    let addr = haproxy.addr;
                    self.haproxies.push(haproxy);
                    addr
                }
                way => prepare(&self.server, *way, protocol, upstream),
            };
            Some((*way, addr))
        };
        ways.iter().filter_map(open).collect()
    }

    /// Time on the processor that the forwarder of a way has taken so far.
    pub(crate) fn cpu(&self, way: Way) -> Duration {
        match way {
            Way::Plain => cpu("self", "plain"),
            Way::Haproxy => {
                self.haproxies.iter().map(|one| cpu(&one.process.id().to_string(), "")).sum()
            }
            _ => cpu("self", "faultproxy"),
        }
    }
}

/// Of the threads of a process whose names begin so.
fn cpu(process: &str, name: &str) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("Linux tells");
    let nanos = tasks.flatten().filter_map(|task| {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).ok();
        let wanted = read("comm")?.starts_with(name);
        let nanos: u64 = read("schedstat")?.split(' ').next()?.parse().ok()?;
        wanted.then_some(nanos)
    });
    Duration::from_nanos(nanos.sum())
}

fn prepare(server: &FaultProxy, way: Way, protocol: Protocol, upstream: SocketAddr) -> SocketAddr {
    let name = format!("{} to {upstream}", way.name());
    let new = NewProxy::new(&name, "127.0.0.1:0", upstream.to_string());
    let view = server.create_proxy(new).expect("loopback has a free port");
    let logs = if way == Way::Logging { MessageLog::On } else { MessageLog::Off };
    if way != Way::Undecoded {
        server.set_protocol(&name, Some(protocol), logs).expect("it exists");
    }
    if way == Way::Rule {
        let never = NewRule::new(RuleAction::DropReply).on("FLUSHALL").key("nothing");
        server.add_rule(&name, never).expect("followed");
    }
    if way == Way::Attended {
        let attention = server.attend(&name, Attend::watching()).expect("followed");
        // It ends with the bench's process.
        std::thread::spawn(move || read_on(&attention));
    }
    view.listen.parse().expect("a bound address")
}

fn read_on(attention: &Attention) {
    loop {
        let _told = attention.next_within(Duration::from_secs(1));
    }
}

/// haproxy in TCP mode, ended when dropped.
struct Haproxy {
    addr: SocketAddr,
    process: Child,
    _dir: TempDir,
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Haproxy {
    fn start(upstream: SocketAddr, threads: usize) -> Option<Self> {
        Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().ok()?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = format!(
            "global\n  nbthread {threads}\n  maxconn 4096\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 600s\n  \
             timeout server 600s\n\
             listen way\n  bind {addr}\n  server one {upstream}\n"
        );
        let path = dir.path().join("haproxy.cfg");
        std::fs::write(&path, config).expect("a new file");
        let process = Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(path)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it was there just now");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(addr).is_err() {
            assert!(Instant::now() < deadline, "haproxy does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { addr, process, _dir: dir })
    }
}
