//! The fault proxy as a value: start it, drive it, drop it.

use crate::address::{self, Address};
use crate::api;
use crate::attend::{Attend, Attention};
use crate::control::RuleAdded;
use crate::core::Core;
use crate::error::{Error, StartError};
use crate::event::EventPage;
use crate::link::MessageLog;
use crate::link::connection::ConnectionView;
use crate::link::hold::Release;
use crate::link::plan::Close;
use crate::listen::{self, Door};
use crate::message::Protocol;
use crate::message::wal::WalPosition;
use crate::proxy::{Enabled, Proxy, ProxyView};
use crate::registry::{NewProxy, Registry, Resolved};
use crate::rule::{HeldMessage, NewRule, RuleView};
use crate::seed::Seed;
use crate::threads::Threads;
use crate::timer::Timer;
use crate::toxic::{NewToxic, Stream, Toxic, ToxicKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The port that Toxiproxy's clients expect.
pub const DEFAULT_PORT: u16 = 8474;

/// Whether `/metrics` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricsPage {
    /// 404.
    #[default]
    Hidden,
    /// Prometheus text: bytes by proxy and direction, open connections.
    Shown,
}

/// How to start a fault proxy.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the API; an empty one is loopback.
    pub host: String,
    /// Port of the API; 0 takes a free one, see [`FaultProxy::api_addr`].
    pub port: u16,
    /// A JSON file of proxies to start with, as the body of `/populate`.
    pub config: Option<PathBuf>,
    /// Decides every draw; none takes one from the operating system.
    pub seed: Option<Seed>,
    /// Whether `/metrics` answers.
    pub metrics: MetricsPage,
    /// Threads that carry the connections, each some of them, apart from the
    /// caller's runtime so that its load does not skew latencies.
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: DEFAULT_PORT,
            config: None,
            seed: None,
            metrics: MetricsPage::Hidden,
            threads: std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4)),
        }
    }
}

impl Config {
    /// For embedding: loopback, a free port, this seed.
    #[must_use]
    pub fn embedded(seed: Seed) -> Self {
        Self { port: 0, seed: Some(seed), ..Self::default() }
    }
}

/// A running fault proxy with its own threads. Dropping it closes all
/// listeners and connections at once; nothing is left behind.
///
/// No method waits for data or for a peer, so they may be called from async
/// code. Only a listen address that is a host name (instead of an IP address)
/// is looked up while the caller waits.
#[derive(Debug)]
pub struct FaultProxy {
    registry: Arc<Registry>,
    api: Door,
    api_addr: SocketAddr,
    // Dropped in this order: tasks may hold alarms of the timer.
    _threads: Threads,
    _timer: Timer,
}

impl FaultProxy {
    /// Starts the threads, the API and the proxies of the config file.
    ///
    /// # Errors
    ///
    /// The API address is taken, or the config file is unreadable or wrong.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let timer = Timer::start().map_err(StartError::Threads)?;
        let threads = Threads::start(config.threads).map_err(StartError::Threads)?;
        let handle = threads.control();
        let seed = config.seed.unwrap_or_else(Seed::from_entropy);
        let core = Arc::new(Core::new(seed, timer.handle(), (handle.clone(), threads.carriers())));
        let registry = Arc::new(Registry::new(core));
        let address = match config.host.parse::<std::net::Ipv6Addr>() {
            Ok(v6) => format!("[{v6}]:{}", config.port),
            Err(_) => format!("{}:{}", config.host, config.port),
        };
        let (api, api_addr) = {
            let _inside = handle.enter();
            open_api(&address).map_err(|source| StartError::Api { address, source })?
        };
        if let Some(path) = &config.config {
            populate_from(&registry, path)?;
        }
        handle.spawn(api::serve(Arc::clone(&registry), api.clone(), config.metrics));
        Ok(Self { registry, api, api_addr, _threads: threads, _timer: timer })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn api_addr(&self) -> SocketAddr {
        self.api_addr
    }

    /// The seed of all draws; print it, so that a run can be repeated.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.registry.core.seed
    }

    /// Stops it, as dropping does.
    pub fn stop(self) {
        drop(self);
    }

    /// All proxies, by name.
    #[must_use]
    pub fn proxies(&self) -> Vec<ProxyView> {
        let proxies = self.registry.proxies();
        proxies.iter().map(|proxy| proxy.view()).collect()
    }

    /// One proxy.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn proxy(&self, name: &str) -> Result<ProxyView, Error> {
        Ok(self.find(name)?.view())
    }

    /// Makes a proxy; the view tells the port it was given.
    ///
    /// # Errors
    ///
    /// The name is taken or empty, or the address cannot be bound.
    pub fn create_proxy(&self, new: NewProxy) -> Result<ProxyView, Error> {
        self.registry.create(&Resolved::blocking(new))
    }

    /// Stops a proxy and forgets it.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn delete_proxy(&self, name: &str) -> Result<(), Error> {
        self.registry.delete(name)
    }

    /// Enables or disables (`down`) a proxy. A proxy that is enabled again
    /// gets the same port.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`], or the address cannot be bound any more.
    pub fn set_enabled(&self, name: &str, enabled: Enabled) -> Result<(), Error> {
        let proxy = self.find(name)?;
        match enabled {
            Enabled::Yes => proxy.enable(&address::resolve_blocking(&proxy.view().listen)?),
            Enabled::No => {
                proxy.disable();
                Ok(())
            }
        }
    }

    /// Points a proxy at another server, closing its connections if that is
    /// a change.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`], or the address cannot be bound any more.
    pub fn set_upstream(&self, name: &str, upstream: &str) -> Result<(), Error> {
        let proxy = self.find(name)?;
        let view = proxy.view();
        let address = address::resolve_blocking(&view.listen)?;
        proxy.update(&view.listen, &address, upstream, view.enabled)
    }

    /// Adds a toxic to a proxy, at the end of its direction.
    ///
    /// # Errors
    ///
    /// The proxy is unknown, the name is taken, or an attribute is absurd.
    pub fn add_toxic(&self, proxy: &str, toxic: NewToxic) -> Result<Toxic, Error> {
        self.find(proxy)?.add_toxic(toxic)
    }

    /// Changes what a toxic does; it keeps its name, direction and draws.
    ///
    /// # Errors
    ///
    /// The proxy or the toxic is unknown, or an attribute is absurd.
    pub fn set_toxic(&self, proxy: &str, toxic: &str, kind: ToxicKind) -> Result<Toxic, Error> {
        self.find(proxy)?.set_toxic(toxic, kind)
    }

    /// Removes a toxic.
    ///
    /// # Errors
    ///
    /// The proxy or the toxic is unknown.
    pub fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), Error> {
        self.find(proxy)?.remove_toxic(toxic)
    }

    /// Removes all toxics and rules, opens all holds and enables all proxies.
    /// Who attends a proxy stays.
    ///
    /// # Errors
    ///
    /// The first proxy that could not be enabled; the others are.
    pub fn reset(&self) -> Result<(), Error> {
        let mut addresses = std::collections::BTreeMap::new();
        for proxy in self.registry.proxies() {
            let address = address::resolve_blocking(&proxy.view().listen)?;
            addresses.insert(proxy.name.to_string(), address);
        }
        self.registry.reset(&addresses)
    }

    /// The open connections of a proxy, in the order of their ordinals.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn connections(&self, proxy: &str) -> Result<Vec<ConnectionView>, Error> {
        let connections = self.find(proxy)?.link.connections();
        Ok(connections.iter().map(|one| one.view()).collect())
    }

    /// Closes one connection on both sides.
    ///
    /// # Errors
    ///
    /// The proxy is unknown, or the connection is over.
    pub fn close_connection(&self, proxy: &str, connection: u64, how: Close) -> Result<(), Error> {
        self.find(proxy)?.open_connection(connection)?.close(how);
        Ok(())
    }

    /// Tells a proxy what its connections speak, which rules and holds by LSN
    /// need. It counts for connections opened from now on, as messages can
    /// only be told apart from the first byte.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn set_protocol(
        &self,
        proxy: &str,
        protocol: Option<Protocol>,
        logs: MessageLog,
    ) -> Result<(), Error> {
        self.find(proxy)?.set_protocol(protocol, logs);
        Ok(())
    }

    /// Holds a direction without losing a byte: of one connection, or of all
    /// of a proxy and those to come.
    ///
    /// # Errors
    ///
    /// The proxy is unknown, or the connection is over.
    pub fn hold(&self, proxy: &str, stream: Stream, connection: Option<u64>) -> Result<(), Error> {
        self.find(proxy)?.hold(stream, connection)
    }

    /// Holds the WAL of replication streams from a position on; what is not
    /// WAL passes as long as no WAL is held before it. A replica gives such a
    /// connection up after its `wal_receiver_timeout` (a minute by default).
    ///
    /// # Errors
    ///
    /// The proxy is unknown or not set to [`Protocol::Postgres`], or the
    /// connection is over or no replication stream.
    pub fn hold_wal(
        &self,
        proxy: &str,
        connection: Option<u64>,
        lsn: WalPosition,
    ) -> Result<(), Error> {
        self.find(proxy)?.hold_wal(connection, lsn)
    }

    /// Releases what was held, or a part of it: of one connection, or of all
    /// that are held (each gets its own share of [`Release::Bytes`]).
    ///
    /// # Errors
    ///
    /// Nothing is held, or [`Release::UpTo`] finds no replication stream.
    pub fn release(
        &self,
        proxy: &str,
        stream: Stream,
        connection: Option<u64>,
        release: Release,
    ) -> Result<(), Error> {
        self.find(proxy)?.release(stream, connection, release)
    }

    /// Adds a rule on messages. Rules are asked in the order of their
    /// creation; the first one that acts decides, all that match count.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where messages cannot be told apart: the proxy has
    /// no protocol, or the one connection meant is encrypted, copies,
    /// replicates, or lost its framing otherwise.
    pub fn add_rule(&self, proxy: &str, rule: NewRule) -> Result<RuleAdded, Error> {
        self.find(proxy)?.add_rule(rule)
    }

    /// The rules of a proxy, with how often they matched and acted.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn rules(&self, proxy: &str) -> Result<Vec<RuleView>, Error> {
        Ok(self.find(proxy)?.rules())
    }

    /// Removes a rule and releases what it holds; its last counts.
    ///
    /// # Errors
    ///
    /// The proxy or the rule is unknown.
    pub fn remove_rule(&self, proxy: &str, rule: u64) -> Result<RuleView, Error> {
        self.find(proxy)?.remove_rule(rule)
    }

    /// The messages that wait to be released, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::ProxyNotFound`].
    pub fn held(&self, proxy: &str) -> Result<Vec<HeldMessage>, Error> {
        Ok(self.find(proxy)?.link.held())
    }

    /// Lets a held message go on.
    ///
    /// # Errors
    ///
    /// The proxy is unknown, or nothing is held under this id.
    pub fn release_message(&self, proxy: &str, held: u64) -> Result<(), Error> {
        self.find(proxy)?.release_message(held)
    }

    /// Attends a proxy: reads its messages, and may have each one wait for a
    /// decision. More proxies can be [added](Attention::add) to the same
    /// attention, hundreds if need be.
    ///
    /// The proxy's protocol must be set. Attending before the first connection
    /// misses nothing; of connections that are open, messages are told of from
    /// now on.
    ///
    /// ```
    /// use quarrel_faultproxy::{Attend, Config, Decision, FaultProxy, MessageLog, NewProxy};
    /// use quarrel_faultproxy::{NoticeKind, Protocol, Seed};
    /// use std::io::{Read, Write};
    /// use std::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// // What stands in for Redis here answers one command.
    /// let redis = TcpListener::bind("127.0.0.1:0")?;
    /// let upstream = redis.local_addr()?.to_string();
    /// std::thread::spawn(move || -> std::io::Result<()> {
    ///     let (mut stream, _) = redis.accept()?;
    ///     stream.read(&mut [0; 64])?;
    ///     stream.write_all(b"$4\r\nAlex\r\n")
    /// });
    ///
    /// let server = FaultProxy::start(&Config::embedded(Seed(42)))?;
    /// let view = server.create_proxy(NewProxy::new("cache", "127.0.0.1:0", upstream))?;
    /// server.set_protocol("cache", Some(Protocol::Redis), MessageLog::Off)?;
    /// let attention = server.attend("cache", Attend::holding_requests())?;
    ///
    /// let mut client = TcpStream::connect(&view.listen)?;
    /// client.write_all(b"*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n")?;
    /// loop {
    ///     let notice = attention.next_within(Duration::from_secs(10)).expect("it is told");
    ///     match notice.what {
    ///         NoticeKind::Request(request) => {
    ///             assert_eq!((request.name.as_str(), &*request.keys), ("GET", &["user:1".into()][..]));
    ///             attention.decide(request.id, Decision::Forward)?;
    ///         }
    ///         NoticeKind::Reply(reply) => {
    ///             assert_eq!(reply.value().unwrap().bytes(), Some(&b"Alex"[..]));
    ///             break;
    ///         }
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The proxy is unknown, was given no protocol, or is attended already.
    pub fn attend(&self, proxy: &str, options: Attend) -> Result<Attention, Error> {
        let attention = Attention::new(&self.registry, options);
        attention.add(proxy)?;
        Ok(attention)
    }

    /// Up to `limit` events with a number above `since`.
    #[must_use]
    pub fn events(&self, since: u64, limit: usize) -> EventPage {
        self.registry.core.events.since(since, limit)
    }

    /// The moment from which events count their nanoseconds.
    #[must_use]
    pub fn epoch(&self) -> Instant {
        self.registry.core.events.start()
    }

    pub(crate) fn find(&self, name: &str) -> Result<Arc<Proxy>, Error> {
        self.registry.proxy(name)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.api.close();
        self.registry.close();
    }
}

fn open_api(address: &str) -> std::io::Result<(Door, SocketAddr)> {
    let resolved = address::resolve_blocking(address).map_err(std::io::Error::other)?;
    let door = Door::open(listen::bind(&resolved)?)?;
    match door.local_addr()? {
        Address::Tcp(address) => Ok((door, address)),
        Address::Unix(_) => Err(std::io::Error::other("the API is served over TCP only")),
    }
}

fn populate_from(registry: &Registry, path: &std::path::Path) -> Result<(), StartError> {
    let text = std::fs::read(path)
        .map_err(|source| StartError::ConfigFile { path: path.to_owned(), source })?;
    let failed = |source| StartError::Populate { path: path.to_owned(), source };
    let new = api::body::populate(&text).map_err(failed)?;
    let resolved: Vec<_> = new.into_iter().map(Resolved::blocking).collect();
    match registry.populate(&resolved).error {
        Some(error) => Err(failed(error)),
        None => Ok(()),
    }
}
