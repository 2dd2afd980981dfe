use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use super::{
    super::{
        ClusterError, Reaper,
        owned::{OwnedFolder, owned_path},
        sweep_stale,
    },
    process::run,
};

/// The folder that holds one cluster's data and logs, and dies with it.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) root: PathBuf,
    pub(super) reaper: Arc<Reaper>,
    folder: OwnedFolder,
}

impl Workspace {
    /// Makes a folder with two copies of the template: on the memory disk if
    /// there is one, as a cluster's data are worth nothing afterwards.
    pub(super) async fn create(template: &Path) -> Result<Self, ClusterError> {
        let parent = parent();
        sweep_stale(&parent);
        let root = owned_path(&parent, &format!("{:08x}", rand::random::<u32>()));
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            ClusterError::new(
                format!("{}: {what}: {error}", root.display()),
                "set TMPDIR to a folder with 500 MB free",
            )
        };
        let reaper = Reaper::start().map_err(|e| failed("no shell to clean up after me", &e))?;
        let reaper = Arc::new(reaper);
        reaper.watch_folder(&root);
        let folder = OwnedFolder::create(root.clone()).map_err(|e| failed("cannot be made", &e))?;
        // Postgres runs as another user if quarrel is root.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o711))
            .map_err(|e| failed("cannot be opened to Postgres", &e))?;
        let workspace = Self { root: root.clone(), reaper, folder };
        let copies =
            ["primary", "replica"].map(|node| copy(template, root.join(node), &workspace.reaper));
        for copied in futures::future::join_all(copies).await {
            if let Err(why) = copied {
                workspace.remove();
                return Err(failed("cannot take the template", &why));
            }
        }
        let made = fs::create_dir(workspace.cache())
            .and_then(|()| fs::create_dir(workspace.root.join("logs")));
        if let Err(error) = made {
            workspace.remove();
            return Err(failed("cannot be filled", &error));
        }
        Ok(workspace)
    }

    /// Whether the folder is where it was made, and still the same.
    pub(super) fn is_there(&self) -> bool {
        self.folder.is_there()
    }

    pub(super) fn data(&self, node: &str) -> PathBuf {
        self.root.join(node)
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.root.join("logs").join(format!("{node}.log"))
    }

    /// Removes the folder; what could not be removed.
    pub(super) fn remove(&self) -> Vec<String> {
        let removed = fs::remove_dir_all(&self.root);
        self.reaper.done();
        removed
            .err()
            .filter(|error| error.kind() != io::ErrorKind::NotFound)
            .map(|error| format!("{} is still there: {error}", self.root.display()))
            .into_iter()
            .collect()
    }
}

fn parent() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && std::env::var_os("TMPDIR").is_none() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// One that went on would fill the folder that is being removed.
async fn copy(from: &Path, to: PathBuf, reaper: &Arc<Reaper>) -> Result<(), String> {
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto"]).arg(from).arg(to);
    let reaper = Arc::clone(reaper);
    let copied = tokio::task::spawn_blocking(move || run(&cp, &reaper)).await;
    copied.map_err(|error| error.to_string())?
}
