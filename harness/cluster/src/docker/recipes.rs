use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use tokio::process::Command;

use super::{
    super::{
        ClusterError, Reaper,
        links::ProxySpec,
        owned::{OwnedFolder, owned_path},
    },
    run_id::RunId,
};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../recipes/", $name)))),*]
    };
}

/// The scripts and definitions of the folder `docker/`, as they were when this
/// program was built: it needs no source tree to run. `recipes` is a link to that
/// folder, so that the package of this crate has them, too.
const FILES: [(&str, &str); 12] = files![
    "images.sh",
    "host-base.sh",
    "debian-base.sh",
    "closure.sh",
    "packages.Dockerfile",
    "postgres.Dockerfile",
    "cache.Dockerfile",
    "node.sh",
    "cache.sh",
    "supervise.sh",
    "proxy-image.sh",
    "proxy.json",
];

/// One of the files.
pub(super) fn text(name: &str) -> &'static str {
    let file = FILES.iter().find(|(known, _)| *known == name);
    file.expect("only files that are there are asked for").1
}

/// The proxy's links, as `docker/proxy.json` has them.
pub(super) fn links() -> Vec<ProxySpec> {
    #[derive(Deserialize)]
    struct Entry {
        name: String,
        listen: String,
        upstream: String,
    }
    let entries: Vec<Entry> =
        serde_json::from_str(text("proxy.json")).expect("the file is in this repository");
    entries
        .into_iter()
        .map(|Entry { name, listen, upstream }| ProxySpec { name, listen, upstream })
        .collect()
}

/// The files, where a shell can run them.
#[derive(Debug)]
pub(super) struct Recipes {
    folder: PathBuf,
    /// Says to others that we live.
    _owned: OwnedFolder,
}

impl Recipes {
    /// Writes them to a folder that dies with this value, or with quarrel.
    pub(super) fn write(run: &RunId, reaper: &Reaper) -> Result<Self, ClusterError> {
        let parent = std::env::temp_dir();
        super::super::sweep_stale(&parent);
        let folder = owned_path(&parent, &run.name());
        let failed = |error: std::io::Error| {
            ClusterError::new(
                format!("{}: {error}", folder.display()),
                "set TMPDIR to a folder that can be written to",
            )
        };
        reaper.watch_folder(&folder);
        let owned = OwnedFolder::create(folder.clone()).map_err(failed)?;
        let recipes = Self { folder: folder.clone(), _owned: owned };
        for (name, text) in FILES {
            fs::write(folder.join(name), text).map_err(failed)?;
        }
        Ok(recipes)
    }

    /// Runs a script with its progress on our standard error; what it printed.
    /// The error is the script's exit status.
    pub(super) async fn run(
        &self,
        script: &str,
        arguments: &[&Path],
    ) -> Result<String, std::io::Error> {
        // `output` would take the progress, too, whatever it was told.
        let child = Command::new("bash")
            .arg(self.folder.join(script))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.wait_with_output().await?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(std::io::Error::other(output.status.to_string()))
        }
    }
}

impl Drop for Recipes {
    fn drop(&mut self) {
        // What stays is removed by the reaper or the next sweep.
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[cfg(test)]
mod tests {
    use super::links;
    use quarrel_strategy::cluster::Link;

    #[test]
    fn every_link_has_a_proxy() {
        let links = links();
        for link in Link::ALL {
            assert!(links.iter().any(|spec| spec.name == link.name()), "{link}");
        }
    }
}
