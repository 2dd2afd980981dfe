//! Changing which server is the primary.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fencing, Link, Node, RealCluster, admin, links::LinkChange};
use crate::stores::Endpoints;

/// Which server has which role. A server keeps its name, its folder and its
/// port; a failover changes its role.
#[derive(Debug)]
pub struct Roles(Mutex<Assigned>);

#[derive(Clone, Copy, Debug)]
struct Assigned {
    /// Where clients write.
    primary: Node,
    /// Who replays; none between a promotion and the old primary's return.
    replica: Option<Node>,
}

impl Default for Roles {
    fn default() -> Self {
        Self(Mutex::new(Assigned { primary: Node::Primary, replica: Some(Node::Replica) }))
    }
}

impl Roles {
    /// The server that has the role of `node` now.
    pub(super) fn holder(&self, node: Node) -> Node {
        let assigned = *self.lock();
        match node {
            Node::Primary => assigned.primary,
            Node::Replica => assigned.replica.unwrap_or(assigned.primary),
            Node::Cache => Node::Cache,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Assigned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn other(node: Node) -> Node {
    match node {
        Node::Primary => Node::Replica,
        _ => Node::Primary,
    }
}

impl RealCluster {
    /// Where probes find primary and replica now.
    pub(super) fn probes_now(&self) -> Endpoints {
        let of = |node| match self.roles.holder(node) {
            Node::Replica => self.probes.replica.clone(),
            _ => self.probes.primary.clone(),
        };
        let mut probes = self.probes.clone();
        (probes.primary, probes.replica) = (of(Node::Primary), of(Node::Replica));
        probes
    }

    /// Makes the replica a primary. Clients still write to the old one, if it
    /// still runs.
    pub(super) async fn promote(&self, fencing: Fencing) -> Result<(), String> {
        let assigned = *self.roles.lock();
        let heir = assigned.replica.ok_or("there is no replica to promote")?;
        if fencing == Fencing::Fenced {
            self.nodes()?.kill(assigned.primary).await?;
        }
        let probes = self.probes_now();
        let promoted = admin::promote(&probes.replica).await;
        promoted.map_err(|error| format!("the {heir} was not promoted: {error}"))
    }

    /// Sends clients to the server that was promoted.
    pub(super) async fn switch(&self) -> Result<(), String> {
        let assigned = *self.roles.lock();
        let heir = assigned.replica.ok_or("nobody was promoted")?;
        self.redirect(Link::ClientPrimary, heir).await?;
        *self.roles.lock() = Assigned { primary: heir, replica: None };
        Ok(())
    }

    /// Makes the old primary the replica of the new one: a fresh copy, as it
    /// may have written what the new one never saw.
    pub(super) async fn rejoin(&self) -> Result<(), String> {
        let assigned = *self.roles.lock();
        if assigned.replica.is_some() {
            return Err("no replica is missing".to_owned());
        }
        let (primary, returned) = (assigned.primary, other(assigned.primary));
        let nodes = self.nodes()?;
        // It runs if it was not fenced; that it does not run is fine.
        drop(nodes.kill(returned).await);
        nodes.rebuild(returned, primary).await?;
        self.redirect(Link::ReplicaPrimary, primary).await?;
        self.link(Link::ReplicaPrimary, LinkChange::Restore).await?;
        nodes.start(returned).await?;
        self.redirect(Link::ClientReplica, returned).await?;
        self.roles.lock().replica = Some(returned);
        let probes = self.probes_now();
        let streams = admin::streams(&probes.primary, &probes.replica, admin::LIMIT).await;
        streams.map_err(|error| format!("the {returned} does not stream: {error}"))
    }

    async fn redirect(&self, link: Link, node: Node) -> Result<(), String> {
        let address = self.nodes()?.address(node).ok_or("the server's address is not known")?;
        self.link(link, LinkChange::Redirect(address)).await
    }
}
