//! Somebody's existing deployment. Quarrel lives there in a schema and behind a
//! key prefix of its own, both named after the run, removes both at the end, and
//! touches nothing else.

use std::{net::SocketAddr, time::Duration};

use quarrel_checkers::Lsn;
use redis::ConnectionAddr;
use sqlx::postgres::PgConnectOptions;

use super::{
    Boxed, Cluster, ClusterError, ClusterKind, Control, ControlError, Link, RealCluster, Roles,
    Unsupported, admin,
    links::{Links, ProxySpec},
};
use crate::stores::{
    Backend,
    real::{Endpoints, Schema, Sending, TimeLimits},
};

/// Where an external cluster is.
#[derive(Clone, Debug, Default)]
pub struct ExternalOptions {
    /// `postgres://USER@HOST:PORT/DATABASE` of the primary.
    pub primary: String,
    /// The same of a streaming replica of it, or of the primary again.
    pub replica: String,
    /// `redis://HOST:PORT/DB`.
    pub cache: String,
    /// `HOST:PORT` of the API of a Toxiproxy that reaches the servers at the
    /// addresses above, and whose free ports can be reached from here.
    pub toxiproxy: Option<String>,
    /// How long clients wait.
    pub limits: TimeLimits,
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
pub async fn start(options: ExternalOptions) -> Result<Box<dyn Cluster>, ClusterError> {
    let id = format!("{:08x}", rand::random::<u32>());
    let schema = Schema::new(&format!("quarrel_{id}"), &format!("r{id}"))
        .map_err(|error| ClusterError::new(error.to_string(), "report this as a bug"))?;
    // The braces keep all keys of the run in one slot of a Redis cluster.
    let prefix = format!("quarrel:{{{id}}}:");
    let probes = Endpoints::from_urls(
        &options.primary,
        &options.replica,
        &options.cache,
        &schema,
        &prefix,
        // Whatever stands between us and the server.
        Sending::Whole,
    )
    .map_err(|error| ClusterError::new(error.to_string(), "see quarrel run --help"))?;
    let mut pieces = look(&probes).await?;
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
    let guest = Guest { schema, prefix, links: links.clone() };
    match settle(&probes, &guest).await {
        Ok(clients) => {
            let kind = ClusterKind::External;
            let limits = options.limits;
            let roles = Roles::default();
            let real =
                RealCluster { kind, pieces, clients, probes, roles, limits, links, nodes: None };
            Ok(Box::new(External { real, guest }))
        }
        Err(error) => {
            guest.leave(&probes).await;
            Err(error)
        }
    }
}

/// Looks whether the servers are what they should be, and changes nothing.
async fn look(probes: &Endpoints) -> Result<Vec<(String, String)>, ClusterError> {
    for (name, url) in probes.urls("").into_iter().take(2) {
        let options = if name == "primary" { &probes.primary } else { &probes.replica };
        let replays = admin::in_recovery(options).await.map_err(|error| {
            ClusterError::new(
                format!("the {name} at {url} does not answer: {error}"),
                format!("psql '{url}'; the address is that of --{name}"),
            )
        })?;
        if name == "primary" && replays {
            return Err(ClusterError::new(
                format!("{url} is a replica, and takes no writes"),
                "--primary with the URL of the server that it replicates",
            ));
        }
    }
    let cache = admin::cache_version(&probes.cache, PATIENCE).await.map_err(|error| {
        let (_, url) = probes.urls("").remove(2);
        ClusterError::new(
            format!("the cache at {url} does not answer: {error}"),
            "redis-cli -u URL ping; the address is that of --cache",
        )
    })?;
    let postgres = admin::version(&probes.primary)
        .await
        .map_err(|error| ClusterError::new(format!("the primary is gone: {error}"), "once more"))?;
    Ok(vec![("postgres".to_owned(), postgres), ("redis".to_owned(), cache)])
}

/// Makes the schema and the proxies; where clients connect.
async fn settle(probes: &Endpoints, guest: &Guest) -> Result<Endpoints, ClusterError> {
    let made = admin::create_tables(&probes.primary, &guest.schema, admin::Ground::Guest).await;
    made.map_err(|error| {
        let user = probes.primary.get_username();
        ClusterError::new(
            format!("cannot make the schema {}: {error}", guest.schema),
            format!("GRANT CREATE ON DATABASE … TO {user}"),
        )
    })?;
    admin::sees_schema(&probes.replica, &guest.schema, PATIENCE).await.map_err(|error| {
        ClusterError::new(
            format!(
                "the schema {} made on the primary does not arrive at the replica: {error}",
                guest.schema
            ),
            "--replica with the URL of a server that streams from that very primary",
        )
    })?;
    let Some(links) = &guest.links else { return Ok(probes.clone()) };
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
    let clients = through(probes, links.api(), &ports)?;
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
fn through(probes: &Endpoints, api: SocketAddr, ports: &[u16]) -> Result<Endpoints, ClusterError> {
    let host = api.ip().to_string();
    let postgres = |options: &PgConnectOptions, port: u16| options.clone().host(&host).port(port);
    let info = probes.cache.get_connection_info().clone();
    let cache = redis::Client::open(info.set_addr(ConnectionAddr::Tcp(host.clone(), ports[2])))
        .map_err(|error| ClusterError::new(error.to_string(), "see quarrel run --help"))?;
    let mut clients = probes.clone();
    clients.primary = postgres(&probes.primary, ports[0]);
    clients.replica = postgres(&probes.replica, ports[1]);
    clients.cache = cache;
    Ok(clients)
}

async fn resolve(address: &str) -> Result<SocketAddr, ClusterError> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let unknown = |why: String| {
        ClusterError::new(format!("--toxiproxy {address}: {why}"), "--toxiproxy HOST:8474")
    };
    let mut found =
        tokio::net::lookup_host(address).await.map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("no such host".to_owned()))
}

impl Guest {
    fn specs(&self, probes: &Endpoints, links: &Links) -> Result<Vec<ProxySpec>, ClusterError> {
        let postgres =
            |options: &PgConnectOptions| format!("{}:{}", options.get_host(), options.get_port());
        let upstreams = [
            postgres(&probes.primary),
            postgres(&probes.replica),
            probes.cache.get_connection_info().addr().to_string(),
        ];
        if let Some(socket) = upstreams.iter().find(|upstream| upstream.starts_with('/')) {
            return Err(ClusterError::new(
                format!("no Toxiproxy can forward to {socket}"),
                "HOST:PORT instead of a socket file in the URLs",
            ));
        }
        let listen = if links.api().ip().is_loopback() { "127.0.0.1:0" } else { "0.0.0.0:0" };
        let specs = ROUTED.iter().zip(upstreams).map(|(link, upstream)| ProxySpec {
            name: links.name(*link),
            listen: listen.to_owned(),
            upstream,
        });
        Ok(specs.collect())
    }

    /// Removes what is quarrel's own; what could not be removed.
    async fn leave(&self, probes: &Endpoints) -> Vec<String> {
        let schema = async {
            let left = admin::drop_schema(&probes.primary, &self.schema).await.err()?;
            Some(format!("schema {}: {left}; DROP SCHEMA {} CASCADE", self.schema, self.schema))
        };
        let keys = async {
            let left = admin::drop_keys(&probes.cache, &self.prefix).await.err()?;
            Some(format!("keys {}*: {left}", self.prefix))
        };
        let proxies = async {
            let links = self.links.as_ref()?;
            let names = ROUTED.iter().map(|link| links.name(*link)).collect();
            links.remove(names).await.err().map(|left| left.to_string())
        };
        let (schema, keys, proxies) = tokio::join!(schema, keys, proxies);
        [schema, keys, proxies].into_iter().flatten().collect()
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

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        self.real.logs()
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        Box::pin(self.guest.leave(&self.real.probes))
    }
}
