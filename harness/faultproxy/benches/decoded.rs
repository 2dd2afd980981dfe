//! What it costs to follow messages: the work of real clients with real
//! servers, through a plain forwarder, haproxy (where it is installed), and the
//! fault proxy with decoding off, on, with a rule, logging, and attended. All
//! ways take turns within one run, as two runs on one machine rarely agree.
//!
//! `cargo bench -p quarrel-faultproxy --bench decoded [-- ROW ...]`, where a
//! row is a part of its name. `ROUNDS=N` changes how often each way is tried.

mod plain;
mod real;
mod ways;

use plain::plain_forwarder;
use quarrel_faultproxy::{Config, FaultProxy, NewToxic, Protocol, Seed, Stream, ToxicKind};
use real::{Pgbench, RedisBenchmark};
use std::net::SocketAddr;
use ways::{Way, Ways};

const EACH: [Way; 7] = [
    Way::Plain,
    Way::Haproxy,
    Way::Undecoded,
    Way::Decoded,
    Way::Rule,
    Way::Logging,
    Way::Attended,
];
const MAIN: [Way; 5] = [Way::Plain, Way::Haproxy, Way::Undecoded, Way::Decoded, Way::Logging];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let threads = Config::default().threads;
    let server = FaultProxy::start(&Config::embedded(Seed(1))).expect("it starts");
    let mut bench =
        Bench { ways: Ways::new(server, plain_forwarder(threads), threads), wanted, rounds };
    println!(
        "{threads} threads each; loopback; medians of {rounds} rounds, and of their ratios to \
         the same round undecoded; CPU is that of the forwarder, per request"
    );
    bench.redis();
    bench.postgres();
    bench.delayed();
}

/// What a row should show.
enum Goal {
    /// Decoded at least this share of undecoded.
    Decoded(f64),
    /// Undecoded at least as fast as haproxy.
    Haproxy,
    /// Decoded as above, and its CPU at most this share of undecoded's.
    DecodedAndCpu(f64, f64),
}

struct Bench {
    ways: Ways,
    wanted: Vec<String>,
    rounds: usize,
}

impl Bench {
    fn is_wanted(&self, row: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| row.contains(wanted.as_str()))
    }

    fn redis(&mut self) {
        let server = real::redis();
        let ways = self.ways.to(server.addr, Protocol::Redis, &EACH);
        let row = |command, pipelined, clients, requests| RedisBenchmark {
            command,
            pipelined,
            clients,
            requests,
        };
        for (work, goal) in [
            (row("set", 16, 50, 160_000), Goal::Decoded(0.9)),
            (row("get", 64, 50, 400_000), Goal::Decoded(0.85)),
            (row("get", 1, 16, 20_000), Goal::Haproxy),
            (row("get", 1, 200, 20_000), Goal::Haproxy),
        ] {
            let RedisBenchmark { command, pipelined, clients, requests } = work;
            let name = format!("redis-benchmark {command} -P {pipelined} -c {clients}");
            self.row(&name, &ways, requests, &goal, |addr| work.run(addr));
        }
    }

    fn postgres(&mut self) {
        let server = real::postgres();
        let ways = self.ways.to(server.addr, Protocol::Postgres, &MAIN);
        for (name, sql, rows) in [
            (
                "SELECT of 10^6 rows, MB/s",
                "SELECT i, 'account'||i FROM generate_series(1,1000000) i",
                1_000_000,
            ),
            (
                "COPY OUT of 2*10^6 rows, MB/s",
                "COPY (SELECT i, 'account'||i FROM generate_series(1,2000000) i) TO STDOUT",
                2_000_000,
            ),
        ] {
            self.row(name, &ways, rows, &Goal::Decoded(1.0 / 1.15), |addr| real::query(addr, sql));
        }
        for mode in ["simple", "prepared"] {
            for (clients, each) in [(1, 2_000), (16, 300), (200, 30)] {
                let work = Pgbench { mode, clients, each };
                let goal = if clients == 16 {
                    Goal::DecodedAndCpu(0.95, 1.2)
                } else {
                    Goal::Decoded(0.95)
                };
                let name = format!("pgbench -S -M {mode} -c {clients}");
                self.row(&name, &ways, clients * each, &goal, |addr| work.run(addr));
            }
        }
    }

    fn row(
        &self,
        name: &str,
        ways: &[(Way, SocketAddr)],
        requests: usize,
        goal: &Goal,
        work: impl Fn(SocketAddr) -> f64,
    ) {
        if !self.is_wanted(name) {
            return;
        }
        let mut measured = Measured::new(ways);
        for round in 0..self.rounds {
            // Each way is the first one at times.
            for at in 0..ways.len() {
                let at = (at + round) % ways.len();
                let (way, addr) = ways[at];
                let before = self.ways.cpu(way);
                measured.rates[at].push(work(addr));
                let cpu = (self.ways.cpu(way) - before).as_secs_f64() * 1e6;
                measured.costs[at].push(cpu / requests as f64);
            }
        }
        measured.report(name, goal);
    }

    /// A second's latency must not make a transfer slower than it was.
    fn delayed(&self) {
        const LEN: usize = 32 << 20;
        let name = "latency of 1,000 ms, 32 MiB";
        if !self.is_wanted(name) {
            return;
        }
        let upstream = real::source(LEN);
        let server = &self.ways.server;
        let open = |name: &str| -> SocketAddr {
            let new = quarrel_faultproxy::NewProxy::new(name, "127.0.0.1:0", upstream.to_string());
            let view = server.create_proxy(new).expect("loopback has a free port");
            view.listen.parse().expect("a bound address")
        };
        let (fast, slow) = (open("fast"), open("slow"));
        let kind = ToxicKind::Latency { latency_ms: 1_000, jitter_ms: 0 };
        server.add_toxic("slow", NewToxic::new(kind, Stream::Downstream)).expect("it is sound");
        let (mut fasts, mut slows) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            fasts.push(real::receive(fast, LEN));
            slows.push(real::receive(slow, LEN));
        }
        let (fast, slow) = (median(&fasts), median(&slows));
        let speed = LEN as f64 / 1e6 / slow;
        let mark = if slow <= 1.0 + 2.0 * fast + 0.02 { "ok" } else { "MISSED" };
        println!(
            "{name}: {slow:.3} s, {speed:.1} MB/s; without {fast:.3} s \
             (goal: a second, and not twice the time without: {mark})"
        );
    }
}

/// Rates and microseconds of CPU a request, by way and round.
struct Measured<'a> {
    ways: &'a [(Way, SocketAddr)],
    rates: Vec<Vec<f64>>,
    costs: Vec<Vec<f64>>,
}

impl<'a> Measured<'a> {
    fn new(ways: &'a [(Way, SocketAddr)]) -> Self {
        let empty = vec![Vec::new(); ways.len()];
        Self { ways, rates: empty.clone(), costs: empty }
    }

    fn at(&self, way: Way) -> Option<usize> {
        self.ways.iter().position(|(other, _)| *other == way)
    }

    /// The median of what each round says of a way beside another.
    fn ratio(&self, values: &[Vec<f64>], way: Way, beside: Way) -> Option<f64> {
        let (way, beside) = (&values[self.at(way)?], &values[self.at(beside)?]);
        Some(median(&way.iter().zip(beside).map(|(one, other)| one / other).collect::<Vec<_>>()))
    }

    fn report(&self, name: &str, goal: &Goal) {
        println!("{name}");
        for (at, (way, _)) in self.ways.iter().enumerate() {
            let ratio = self.ratio(&self.rates, *way, Way::Undecoded).unwrap_or(f64::NAN);
            let cost = self.ratio(&self.costs, *way, Way::Undecoded).unwrap_or(f64::NAN);
            println!(
                "  {:10} {:>10.0}  x{ratio:.2}   CPU {:>6.2} us  x{cost:.2}",
                way.name(),
                median(&self.rates[at]),
                median(&self.costs[at]),
            );
        }
        let at_least = |what, ratio: f64, least: f64| {
            let mark = if ratio >= least { "ok" } else { "MISSED" };
            println!("  {what} {ratio:.2} (goal >= {least:.2}) {mark}");
        };
        let decoded = self.ratio(&self.rates, Way::Decoded, Way::Undecoded).unwrap_or(f64::NAN);
        match goal {
            Goal::Decoded(least) => at_least("decoded/undecoded", decoded, *least),
            Goal::DecodedAndCpu(least, most) => {
                at_least("decoded/undecoded", decoded, *least);
                let cost = self.ratio(&self.costs, Way::Decoded, Way::Undecoded);
                let cost = cost.unwrap_or(f64::NAN);
                let mark = if cost <= *most { "ok" } else { "MISSED" };
                println!("  CPU decoded/undecoded {cost:.2} (goal <= {most:.2}) {mark}");
            }
            Goal::Haproxy => {}
        }
        if let Some(ratio) = self.ratio(&self.rates, Way::Undecoded, Way::Haproxy) {
            at_least("undecoded/haproxy", ratio, 1.0);
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
