use testcontainers::bollard::{
    Docker,
    errors::Error,
    models::{Ipam, IpamConfig, NetworkCreateRequest},
};

use super::{super::ClusterError, run_id::RunId};

/// Makes the cluster's network. Its subnet is small and named, as those that
/// the engine chooses by itself are large, and few.
pub(super) async fn create(docker: &Docker, run: &RunId) -> Result<(), ClusterError> {
    if let Ok(subnet) = std::env::var("QUARREL_SUBNET") {
        return try_subnet(docker, run, &subnet).await.map_err(|error| {
            ClusterError::new(
                format!("no network with QUARREL_SUBNET={subnet}: {error}"),
                "a subnet that nobody uses, such as QUARREL_SUBNET=10.213.0.0/28, or none",
            )
        });
    }
    let mut last = String::new();
    for _ in 0..TRIES {
        // 10.213.77.0/28 is that of docker/compose.yaml.
        let (third, fourth) = (rand::random_range(128..=255_u8), rand::random_range(0..16_u8) * 16);
        match try_subnet(docker, run, &format!("10.213.{third}.{fourth}/28")).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(ClusterError::new(
        format!("no network for the containers: {last}"),
        "docker network prune, or QUARREL_SUBNET=ADDRESS/28 with a subnet that nobody uses",
    ))
}

/// Somebody has the subnet with a chance of one in 2,000 for each cluster that
/// runs beside this one.
const TRIES: usize = 8;

async fn try_subnet(docker: &Docker, run: &RunId, subnet: &str) -> Result<(), Error> {
    let config = IpamConfig { subnet: Some(subnet.to_owned()), ..IpamConfig::default() };
    let request = NetworkCreateRequest {
        name: run.name(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        labels: Some(run.labels()),
        ..NetworkCreateRequest::default()
    };
    docker.create_network(request).await.map(drop)
}
