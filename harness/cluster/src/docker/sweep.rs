//! Removes things by their labels.

use std::collections::{BTreeSet, HashMap};

use futures::future::join_all;
use testcontainers::bollard::{
    Docker,
    errors::Error,
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    },
};

use super::run_id::{OWNER, RUN, is_gone};

/// Removes the clusters of processes that are gone: what neither quarrel nor
/// its reaper could remove. Clusters without an owner are people's own.
pub(super) async fn stale(docker: &Docker) {
    let filters = labelled(OWNER);
    let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let (containers, networks) = tokio::join!(
        docker.list_containers(Some(containers)),
        docker.list_networks(Some(networks))
    );
    // A sweep that fails leaves its work to the next.
    let containers = containers.unwrap_or_default().into_iter().filter_map(|c| c.labels);
    let networks = networks.unwrap_or_default().into_iter().filter_map(|n| n.labels);
    let runs: BTreeSet<String> = containers
        .chain(networks)
        .filter(|labels| labels.get(OWNER).is_some_and(|owner| is_gone(owner)))
        .filter_map(|labels| labels.get(RUN).map(|run| format!("{RUN}={run}")))
        .collect();
    join_all(runs.iter().map(|label| remove(docker, label))).await;
}

/// Removes all containers, with their volumes, and networks that carry `label`;
/// what could not be removed.
pub(super) async fn remove(docker: &Docker, label: &str) -> Vec<String> {
    let filters = labelled(label);
    let list = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = match docker.list_containers(Some(list)).await {
        Ok(containers) => containers,
        Err(error) => return vec![format!("containers labelled {label}: {error}")],
    };
    let ids = containers.into_iter().filter_map(|container| container.id);
    let removals = ids.map(|id| async move {
        let how = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = docker.remove_container(&id, Some(how)).await;
        complaint("container", &id, removed)
    });
    let mut left: Vec<String> = join_all(removals).await.into_iter().flatten().collect();
    // A network goes only after the last container on it.
    let list = ListNetworksOptionsBuilder::new().filters(&filters).build();
    for network in docker.list_networks(Some(list)).await.unwrap_or_default() {
        let Some(id) = network.id else { continue };
        left.extend(complaint("network", &id, docker.remove_network(&id).await));
    }
    left
}

fn complaint(what: &str, id: &str, removed: Result<(), Error>) -> Option<String> {
    match removed {
        // Somebody else was faster.
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => None,
        Err(error) => Some(format!("{what} {id}: {error}")),
    }
}

pub(super) fn labelled(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}
