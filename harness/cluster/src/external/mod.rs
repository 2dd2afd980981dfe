//! Somebody's existing deployment. Quarrel lives there in a schema and behind a
//! key prefix of its own, both named after the run, removes both at the end, and
//! touches nothing else.

mod leftovers;
mod look;

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use quarrel_checkers::Lsn;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub use leftovers::{Leftover, Proxies, STOPPED, Swept, find, sweep};

use super::{
    Boxed, Cluster, ClusterError, ClusterKind, Control, ControlError, Link, RealCluster, Roles,
    Unsupported, Vitals, admin,
    links::{Links, ProxySpec},
    register,
};
use crate::stores::{EndpointError, Endpoints, Schema, Sending, StoreUrl, authority};
use quarrel_strategy::stores::{Backend, TimeLimits};

use leftovers::Heart;

/// Where an external cluster is.
#[derive(Clone, Debug, Default)]
pub struct ExternalOptions {
    /// `postgres://USER@HOST:PORT/DATABASE` of the primary.
    pub primary: StoreUrl,
    /// The same of a streaming replica of it, or of the primary again.
    pub replica: StoreUrl,
    /// `redis://HOST:PORT/DB`.
    pub cache: StoreUrl,
    /// `HOST:PORT` of the API of a Toxiproxy that reaches the servers at the
    /// addresses above, and whose free ports can be reached from here.
    pub toxiproxy: Option<String>,
    /// How long clients wait.
    pub limits: TimeLimits,
    /// How many clients there will be at once, each with a connection to every
    /// server.
    pub clients: u64,
}

/// What is quarrel's own there.
#[derive(Debug)]
struct Guest {
    schema: Schema,
    prefix: String,
    links: Option<Links>,
}

/// An external cluster.
struct External {
    real: RealCluster,
    guest: Guest,
    heart: Mutex<Option<Heart>>,
}

/// How long a server that runs may take to answer, and a replica that streams
/// to catch up.
const PATIENCE: Duration = Duration::from_secs(10);

const ROUTED: [Link; 3] = [Link::ClientPrimary, Link::ClientReplica, Link::ClientCache];

/// Attaches to a deployment and makes the schema.
///
/// # Errors
///
/// When an address is none, a server does not answer or plays another part, or
/// the schema cannot be made.
pub fn start(options: ExternalOptions) -> Boxed<'static, Result<Box<dyn Cluster>, ClusterError>> {
    Box::pin(async move {
        let wrong =
            |error: EndpointError| ClusterError::new(error.to_string(), "see quarrel run --help");
        let id = look::number(&options.cache).await?;
        let schema = Schema::new(&format!("quarrel_{id}"), &format!("r{id}"))
            .map_err(|error| ClusterError::new(error.to_string(), "report this as a bug"))?;
        let ExternalOptions { primary, replica, cache, .. } = &options;
        // Whatever stands between us and the server.
        let sending = Sending::Whole;
        let probes = Endpoints::from_urls(primary, replica, cache, &schema, &prefix(&id), sending)
            .map_err(wrong)?;
        let mut pieces = look::look(&probes, options.clients).await?;
        let api = match &options.toxiproxy {
            Some(address) => Some(resolve(address).await?),
            None => None,
        };
        let links = api.map(|api| Links::named(api, format!("quarrel-{id}-")));
        if let Some(links) = &links {
            let version = links.version().await.map_err(|error| {
                ClusterError::new(error.to_string(), "start toxiproxy-server, or quarrel proxy")
            })?;
            pieces.push(("toxiproxy".to_owned(), version));
        }
        // From here on there is something to remove.
        let guest = Guest { schema: schema.clone(), prefix: prefix(&id), links: links.clone() };
        match settle(&probes, &guest).await {
            Ok(clients) => {
                let heart = Heart::start(probes.primary.clone(), schema);
                let kind = ClusterKind::External;
                let limits = options.limits;
                let roles = Roles::default();
                let real = RealCluster {
                    kind,
                    pieces,
                    clients,
                    probes,
                    roles,
                    limits,
                    links,
                    nodes: None,
                };
                let external = External { real, guest, heart: Mutex::new(Some(heart)) };
                Ok(Box::new(external) as Box<dyn Cluster>)
            }
            Err(error) => {
                guest.leave(&probes).await;
                Err(error)
            }
        }
    })
}

/// What the keys of the run with this number begin with. The braces keep all
/// of them in one slot of a Redis cluster.
fn prefix(id: &str) -> String {
    format!("quarrel:{{{id}}}:")
}

/// Makes the schema and the proxies; where clients connect.
async fn settle(probes: &Endpoints, guest: &Guest) -> Result<Endpoints, ClusterError> {
    let made = admin::create_tables(&probes.primary, &guest.schema, admin::Owner::Somebody).await;
    made.map_err(|error| {
        let user = probes.primary.get_username();
        ClusterError::new(
            format!("cannot make the schema {}: {error}", guest.schema),
            format!("GRANT CREATE ON DATABASE … TO {user}"),
        )
    })?;
    register::sees_schema(&probes.replica, &guest.schema, PATIENCE).await.map_err(|error| {
        ClusterError::new(
            format!(
                "the schema {} made on the primary does not arrive at the replica: {error}",
                guest.schema
            ),
            "--replica with the URL of a server that streams from that very primary",
        )
    })?;
    let Some(links) = &guest.links else { return Ok(probes.clone()) };
    let noted = register::note_proxies(&probes.primary, &guest.schema, links.api()).await;
    noted
        .map_err(|error| ClusterError::new(format!("the primary is gone: {error}"), "once more"))?;
    let made = links.populate(guest.specs(probes, links)?).await.map_err(|error| {
        ClusterError::new(error.to_string(), "a Toxiproxy that may open new ports")
    })?;
    let mut ports = Vec::new();
    for spec in &made {
        let port = spec.listen.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        ports.push(port.ok_or_else(|| {
            ClusterError::new(
                format!("Toxiproxy says that {} listens at {}", spec.name, spec.listen),
                "a Toxiproxy of version 2",
            )
        })?);
    }
    let clients = through(probes, links.api(), &ports);
    // A Toxiproxy in a container publishes only the ports that it was told.
    admin::accepts(&clients.primary, Duration::from_secs(2)).await.map_err(|error| {
        ClusterError::new(
            format!("the port {} of Toxiproxy cannot be reached: {error}", made[0].listen),
            "a Toxiproxy whose free ports can be reached from here, such as quarrel proxy",
        )
    })?;
    Ok(clients)
}

/// The same stores, reached at ports of the proxy.
fn through(probes: &Endpoints, api: SocketAddr, ports: &[u16]) -> Endpoints {
    let host = api.ip().to_string();
    let postgres = |options: &PgConnectOptions, port: u16| {
        let there = options.clone().host(&host).port(port);
        // The name in the certificate is the server's, not the proxy's. That it
        // is the right one the probes have seen, at the very address to which
        // the proxy leads; here the authority that signed it must do.
        match options.get_ssl_mode() {
            PgSslMode::VerifyFull => there.ssl_mode(PgSslMode::VerifyCa),
            _ => there,
        }
    };
    let mut clients = probes.clone();
    clients.primary = postgres(&probes.primary, ports[0]);
    clients.replica = postgres(&probes.replica, ports[1]);
    clients.cache = probes.cache.through(SocketAddr::new(api.ip(), ports[2]));
    clients
}

async fn resolve(address: &str) -> Result<SocketAddr, ClusterError> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let unknown = |why: String| {
        // It has no password; somebody may have given one all the same.
        let shown = StoreUrl::from(address.to_owned());
        ClusterError::new(format!("--toxiproxy {shown}: {why}"), "--toxiproxy HOST:8474")
    };
    let mut found =
        tokio::net::lookup_host(address).await.map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("no such host".to_owned()))
}

impl Guest {
    fn specs(&self, probes: &Endpoints, links: &Links) -> Result<Vec<ProxySpec>, ClusterError> {
        let postgres = |options: &PgConnectOptions| match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => authority(options.get_host(), options.get_port()),
        };
        let cache = match probes.cache.address() {
            Some((host, port)) => authority(&host, port),
            None => probes.cache.addr().to_string(),
        };
        let upstreams = [postgres(&probes.primary), postgres(&probes.replica), cache];
        if let Some(socket) = upstreams.iter().find(|upstream| upstream.starts_with('/')) {
            return Err(ClusterError::new(
                format!("no Toxiproxy can forward to {socket}"),
                "HOST:PORT instead of a socket file in the URLs",
            ));
        }
        let api = links.api().ip();
        let listen = match (api.is_loopback(), api.is_ipv6()) {
            (true, _) => authority(&api.to_string(), 0),
            (false, true) => "[::]:0".to_owned(),
            (false, false) => "0.0.0.0:0".to_owned(),
        };
        let specs = ROUTED.iter().zip(upstreams).map(|(link, upstream)| ProxySpec {
            name: links.name(*link),
            listen: listen.clone(),
            upstream,
        });
        Ok(specs.collect())
    }

    /// Removes what is quarrel's own; what could not be removed.
    async fn leave(&self, probes: &Endpoints) -> Vec<String> {
        let (keys, proxies, schema) =
            tokio::join!(self.leave_keys(probes), self.leave_proxies(), self.leave_schema(probes));
        [keys, proxies, schema].into_iter().flatten().collect()
    }

    /// The same, with the schema last and only if nothing else is left: by its
    /// mark the rest is found again.
    async fn leave_in_order(&self, probes: &Endpoints) -> Vec<String> {
        let (keys, proxies) = tokio::join!(self.leave_keys(probes), self.leave_proxies());
        let left: Vec<_> = [keys, proxies].into_iter().flatten().collect();
        if left.is_empty() { self.leave_schema(probes).await.into_iter().collect() } else { left }
    }

    async fn leave_schema(&self, probes: &Endpoints) -> Option<String> {
        let left = in_time(register::drop_schema(&probes.primary, &self.schema)).await.err()?;
        Some(format!("schema {}: {left}; later: quarrel cluster sweep", self.schema))
    }

    async fn leave_keys(&self, probes: &Endpoints) -> Option<String> {
        let left = in_time(admin::drop_keys(&probes.cache, &self.prefix)).await.err()?;
        Some(format!("keys {}*: {left}", self.prefix))
    }

    async fn leave_proxies(&self) -> Option<String> {
        let links = self.links.as_ref()?;
        let names = ROUTED.iter().map(|link| links.name(*link)).collect();
        links.remove(names).await.err().map(|left| left.to_string())
    }
}

/// What removing says, or that it stood still. A pooler takes connections for a
/// server that answers nothing.
async fn in_time<T, E: std::fmt::Display>(
    removing: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, removing).await {
        Ok(removed) => removed.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the server did not answer within {PATIENCE:?}")),
    }
}

impl Cluster for External {
    fn kind(&self) -> ClusterKind {
        self.real.kind()
    }

    fn pieces(&self) -> Vec<(String, String)> {
        self.real.pieces()
    }

    fn client(&self) -> Backend {
        self.real.client()
    }

    fn probe(&self) -> Backend {
        self.real.probe()
    }

    fn addresses(&self) -> Vec<(String, String)> {
        self.real.addresses()
    }

    fn timeline(&self) -> Boxed<'_, Result<u64, String>> {
        self.real.timeline()
    }

    fn received(&self) -> Boxed<'_, Result<Lsn, String>> {
        self.real.received()
    }

    fn close_lag(&self, link: Link) -> Boxed<'_, Result<Duration, String>> {
        self.real.close_lag(link)
    }

    fn supports(&self, control: &Control) -> Result<(), Unsupported> {
        self.real.supports(control)
    }

    fn apply<'a>(&'a self, control: &'a Control) -> Boxed<'a, Result<(), ControlError>> {
        self.real.apply(control)
    }

    fn vitals(&self) -> Boxed<'_, Result<Vec<Vitals>, String>> {
        self.real.vitals()
    }

    fn missing(&self) -> Option<String> {
        let heart = self.heart.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unmarked = heart.as_ref().is_some_and(Heart::is_unmarked);
        is_unmarked.then(|| format!("this run's mark in the schema {}", self.guest.schema))
    }

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        self.real.logs()
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(async {
            drop(self.heart.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.guest.leave(&self.real.probes).await
        })
    }
}
