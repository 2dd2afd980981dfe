//! Whether a cluster came up, and what to say if it did not.

use std::time::Duration;

use super::{RealCluster, admin};

/// Waits until everything answers; what the pieces say they are. Each server
/// has `patience`; `proxy` says where the fault proxy runs.
pub(super) async fn ready(
    cluster: &RealCluster,
    patience: Duration,
    proxy: &str,
) -> Result<Vec<(String, String)>, String> {
    let say = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let postgres = async {
        let (primary, replica) = (&cluster.probes.primary, &cluster.probes.replica);
        admin::accepts(primary, patience)
            .await
            .map_err(|e| say("the primary does not accept", &e))?;
        let schema = cluster.probes.schema();
        admin::create_tables(primary, schema, admin::Owner::Us)
            .await
            .map_err(|e| say("no tables", &e))?;
        admin::streams(primary, replica, patience)
            .await
            .map_err(|e| say("the replica does not stream", &e))?;
        admin::version(primary).await.map_err(|e| say("the primary is gone", &e))
    };
    let cache = async {
        admin::cache_version(&cluster.probes.cache, patience)
            .await
            .map_err(|e| say("Redis does not answer", &e))
    };
    let links = async {
        match &cluster.links {
            Some(links) => links.version().await.map(Some).map_err(|e| e.to_string()),
            None => Ok(None),
        }
    };
    let (postgres, cache, links) = tokio::try_join!(postgres, cache, links)?;
    let mut pieces = vec![("postgres".to_owned(), postgres), ("redis".to_owned(), cache)];
    pieces.extend(links.map(|version| (format!("fault proxy ({proxy})"), version)));
    Ok(pieces)
}

/// The end of every server's log, for an error message.
pub(super) fn last_lines(logs: &[(String, String)]) -> String {
    logs.iter()
        .flat_map(|(node, text)| {
            let skip = text.lines().count().saturating_sub(3);
            text.lines().skip(skip).map(move |line| format!("\n  {node}: {line}"))
        })
        .collect()
}
