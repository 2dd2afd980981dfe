//! A database made once and copied for every cluster: `initdb` takes a second,
//! a copy a few milliseconds, and a clean copy of the same template is a valid
//! standby without a base backup.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use quarrel_strategy::cluster::ClusterError;
use rustix::process::geteuid;

use super::{
    super::{
        Reaper,
        owned::{OwnedFolder, owned_path},
        sweep_stale,
    },
    Binaries,
    process::{run, unprivileged},
};

/// The slot that the replica streams from.
pub(super) const SLOT: &str = "replica";

/// The settings of every node. They are written into `postgresql.conf`, since
/// settings given as options would beat `ALTER SYSTEM`.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 1200
shared_buffers = 64MB
jit = off
autovacuum = off
# The data die with the cluster, and no test here is about power failure.
fsync = off
full_page_writes = off
synchronous_commit = local
wal_level = logical
max_wal_senders = 8
max_replication_slots = 8
wal_retrieve_retry_interval = 100ms
wal_receiver_status_interval = 1s
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
hot_standby = on
hot_standby_feedback = on
logging_collector = off
log_min_messages = warning
";

/// The template for these binaries, made if it is not there yet.
pub(super) async fn ensure(binaries: &Binaries) -> Result<PathBuf, ClusterError> {
    let binaries = binaries.clone();
    tokio::task::spawn_blocking(move || ensure_blocking(&binaries))
        .await
        .expect("making the template does not panic")
}

fn ensure_blocking(binaries: &Binaries) -> Result<PathBuf, ClusterError> {
    let folder = cache_folder();
    let fingerprint = rustc_hash::FxBuildHasher;
    let hash = std::hash::BuildHasher::hash_one(&fingerprint, (SETTINGS, SLOT));
    let template = folder.join(format!("postgres-{}-{hash:016x}", binaries.major));
    if template.join("PG_VERSION").is_file() {
        return Ok(template);
    }
    let failed = |what: String| {
        ClusterError::new(
            format!("cannot make the database template {}: {what}", template.display()),
            "quarrel doctor",
        )
    };
    fs::create_dir_all(&folder).map_err(|e| failed(e.to_string()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
        .map_err(|e| failed(e.to_string()))?;
    // Made beside and renamed, so that two runs at once, or a killed one, never
    // leave half a template.
    sweep_stale(&folder);
    let making = Making::begin(&folder).map_err(|e| failed(e.to_string()))?;
    make(binaries, &making).map_err(failed)?;
    match fs::rename(making.path.join("data"), &template) {
        Ok(()) => Ok(template),
        // Somebody else was faster with the same thing.
        Err(_) if template.join("PG_VERSION").is_file() => Ok(template),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The folder in which a template is made, which goes with this, or with
/// quarrel.
struct Making {
    path: PathBuf,
    reaper: Reaper,
    _folder: OwnedFolder,
}

impl Making {
    fn begin(parent: &Path) -> io::Result<Self> {
        let path = owned_path(parent, &format!("{:08x}", rand::random::<u32>()));
        let reaper = Reaper::start()?;
        reaper.watch_folder(&path);
        let folder = OwnedFolder::create(path.clone())?;
        Ok(Self { path, reaper, _folder: folder })
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // What is left of it the next run sweeps.
        drop(fs::remove_dir_all(&self.path));
        self.reaper.done();
    }
}

fn make(binaries: &Binaries, making: &Making) -> Result<(), String> {
    let Making { path, reaper, .. } = making;
    let data = path.join("data");
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(|e| e.to_string())?;
    let mut initdb = unprivileged(binaries.postgres("initdb"));
    initdb
        .arg("-D")
        .arg(&data)
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .args(["--wal-segsize=1", "--no-sync", "--no-instructions"]);
    run(&initdb, reaper)?;
    let conf = data.join("postgresql.conf");
    let settings = fs::read_to_string(&conf).map_err(|e| e.to_string())? + SETTINGS;
    fs::write(&conf, settings).map_err(|e| e.to_string())?;
    // The single-user server makes the slot and stops cleanly: no port, no
    // socket, nobody to wait for.
    let mut single = unprivileged("sh");
    single.args(["-c", r#"printf '%s\n' "$1" | "$2" --single -D "$3" postgres"#, "sh"]);
    single.arg(format!("SELECT pg_create_physical_replication_slot('{SLOT}', true)"));
    single.arg(binaries.postgres("postgres")).arg(&data);
    run(&single, reaper)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}

/// Where templates are kept. Postgres, which runs as another user if quarrel is
/// root, must be able to read it; root's home it cannot.
fn cache_folder() -> PathBuf {
    if geteuid().is_root() {
        return PathBuf::from("/var/cache/quarrel");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("quarrel")
}
