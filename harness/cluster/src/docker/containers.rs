use std::{collections::HashMap, mem::ManuallyDrop};

use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt as _, TestcontainersError,
    bollard::models::{HostConfig, PortBinding},
    core::{IntoContainerPort as _, Mount, error::ClientError},
    runners::AsyncRunner as _,
};

use super::{
    super::{ClusterError, Node},
    images::{Image, ProxyImage, Servers, Source},
    recipes::text,
    run_id::RunId,
};

/// A container whose `Drop` never runs: it would block a thread for each, and
/// panic where no runtime is left. All are removed together, by label.
type Kept = ManuallyDrop<ContainerAsync<GenericImage>>;

/// The containers of a cluster.
#[derive(Debug)]
pub(super) struct Containers {
    primary: Kept,
    replica: Kept,
    cache: Kept,
    proxy: Kept,
}

/// The ports of 127.0.0.1 at which the proxy's own are published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) api: u16,
    pub(super) client_primary: u16,
    pub(super) client_replica: u16,
    pub(super) client_cache: u16,
    pub(super) probe_primary: u16,
    pub(super) probe_replica: u16,
    pub(super) probe_cache: u16,
}

const API: u16 = 8474;
const CLIENT_PRIMARY: u16 = 15432;
const CLIENT_REPLICA: u16 = 15433;
const CLIENT_CACHE: u16 = 16379;
pub(super) const REPLICA_PRIMARY: u16 = 15434;
/// Where Postgres listens inside its container.
pub(super) const POSTGRES: u16 = 5432;
const PROBE_PRIMARY: u16 = 25432;
const PROBE_REPLICA: u16 = 25433;
const PROBE_CACHE: u16 = 26379;
const PUBLISHED: [u16; 7] =
    [API, CLIENT_PRIMARY, CLIENT_REPLICA, CLIENT_CACHE, PROBE_PRIMARY, PROBE_REPLICA, PROBE_CACHE];

/// Where the scripts are in an image of ours, and put in any other.
pub(super) const POSTGRES_SCRIPT: &str = "/quarrel/node.sh";
pub(super) const CACHE_SCRIPT: &str = "/quarrel/cache.sh";
const SUPERVISOR: &str = "/quarrel/supervise.sh";
const DATA: &str = "/quarrel/data";

impl Containers {
    /// Starts all of them at once, the proxy as soon as it has an image: each
    /// takes the engine the better part of a second.
    pub(super) async fn start(
        run: &RunId,
        servers: &Servers,
        proxy: impl Future<Output = Result<ProxyImage, ClusterError>>,
        seed: u64,
    ) -> Result<(Self, ProxyImage), ClusterError> {
        let proxy = async {
            let image = proxy.await?;
            let container = launch(run, "proxy", fault_proxy(&image, seed)).await?;
            Ok::<_, ClusterError>((container, image))
        };
        let (primary, replica, cache, proxy) = tokio::join!(
            launch(run, "primary", server(&servers.postgres, POSTGRES_SCRIPT, "primary")),
            launch(run, "replica", replica(run, &servers.postgres)),
            launch(run, "cache", server(&servers.cache, CACHE_SCRIPT, "serve")),
            proxy,
        );
        let (proxy, image) = proxy?;
        Ok((Self { primary: primary?, replica: replica?, cache: cache?, proxy }, image))
    }

    /// The container of a node.
    pub(super) fn of(&self, node: Node) -> &ContainerAsync<GenericImage> {
        match node {
            Node::Primary => &self.primary,
            Node::Replica => &self.replica,
            Node::Cache => &self.cache,
        }
    }

    /// The id of each, by name.
    pub(super) fn ids(&self) -> [(&'static str, String); 4] {
        [
            ("primary", self.primary.id().to_owned()),
            ("replica", self.replica.id().to_owned()),
            ("cache", self.cache.id().to_owned()),
            ("proxy", self.proxy.id().to_owned()),
        ]
    }

    /// Where the proxy's ports were published.
    pub(super) async fn ports(&self) -> Result<Ports, String> {
        let published = self.proxy.ports().await.map_err(|error| error.to_string())?;
        let host = |port: u16| {
            published
                .map_to_host_port_ipv4(port.tcp())
                .ok_or_else(|| format!("the proxy's port {port} was not published"))
        };
        Ok(Ports {
            api: host(API)?,
            client_primary: host(CLIENT_PRIMARY)?,
            client_replica: host(CLIENT_REPLICA)?,
            client_cache: host(CLIENT_CACHE)?,
            probe_primary: host(PROBE_PRIMARY)?,
            probe_replica: host(PROBE_REPLICA)?,
            probe_cache: host(PROBE_CACHE)?,
        })
    }
}

/// Postgres or the cache: data in memory, nothing published.
fn server(image: &Image, script: &str, role: &str) -> ContainerRequest<GenericImage> {
    let request = named(&image.name)
        .with_cmd(["sh", script, role])
        .with_mount(Mount::tmpfs_mount(DATA))
        .with_host_config_modifier(|host| publish(host, &[]));
    match image.source {
        Source::Made => request,
        // Of another day, or the plain official one.
        Source::Named => {
            let file = script.rsplit('/').next().unwrap_or(script);
            request
                .with_copy_to(script, text(file).as_bytes().to_vec())
                .with_copy_to(SUPERVISOR, text("supervise.sh").as_bytes().to_vec())
        }
    }
}

fn replica(run: &RunId, image: &Image) -> ContainerRequest<GenericImage> {
    server(image, POSTGRES_SCRIPT, "replica")
        .with_env_var("QUARREL_UPSTREAM_HOST", format!("{}-proxy", run.name()))
        .with_env_var("QUARREL_UPSTREAM_PORT", REPLICA_PRIMARY.to_string())
}

fn fault_proxy(proxy: &ProxyImage, seed: u64) -> ContainerRequest<GenericImage> {
    let (api, seed) = (API.to_string(), seed.to_string());
    let command = match &proxy.quarrel {
        Some(quarrel) => {
            vec![quarrel, "proxy", "-host", "0.0.0.0", "-port", &api, "-seed", &seed]
        }
        None => vec!["-host=0.0.0.0", "-port=8474"],
    };
    let image = PUBLISHED
        .iter()
        .fold(named(&proxy.image.name), |image, port| image.with_exposed_port(port.tcp()));
    image.with_cmd(command).with_host_config_modifier(|host| publish(host, &PUBLISHED))
}

/// Publishes `ports` at free ports of 127.0.0.1, and no others, whatever the
/// image declares.
fn publish(host: &mut HostConfig, ports: &[u16]) {
    host.publish_all_ports = Some(false);
    let binding =
        PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some("0".to_owned()) };
    let bindings: HashMap<String, Option<Vec<PortBinding>>> =
        ports.iter().map(|port| (format!("{port}/tcp"), Some(vec![binding.clone()]))).collect();
    host.port_bindings = Some(bindings);
}

fn named(image: &str) -> GenericImage {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => GenericImage::new(name, tag),
        _ => GenericImage::new(image, "latest"),
    }
}

async fn launch(
    run: &RunId,
    role: &str,
    request: ContainerRequest<GenericImage>,
) -> Result<Kept, ClusterError> {
    let image = request.descriptor();
    request
        .with_container_name(format!("{}-{role}", run.name()))
        .with_network(run.name())
        .with_labels(run.labels())
        .start()
        .await
        .map(ManuallyDrop::new)
        .map_err(|error| explain(role, &image, &error))
}

fn explain(role: &str, image: &str, error: &TestcontainersError) -> ClusterError {
    let text = error.to_string();
    if matches!(error, TestcontainersError::Client(ClientError::PullImage { .. })) {
        return ClusterError::new(
            format!("the image {image} for the {role} is not here and cannot be pulled: {text}"),
            "unset the variable QUARREL_…_IMAGE that names it; docker/images.sh makes one",
        );
    }
    let taken = ["port is already allocated", "address already in use"];
    let advice = if taken.iter().any(|words| text.contains(words)) {
        "once more: another program took the port a moment ago"
    } else {
        "quarrel doctor; another cluster: --cluster native"
    };
    ClusterError::new(format!("cannot start the {role}: {text}"), advice)
}
