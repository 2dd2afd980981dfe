use std::path::{Path, PathBuf};

/// The programs that a native cluster needs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The folder with `postgres` and `initdb`.
    pub postgres: PathBuf,
    /// The major version of Postgres, from the name of its folder or its own
    /// word.
    pub major: String,
    /// `redis-server`, or `valkey-server`.
    pub redis: PathBuf,
}

/// A program is not on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissingBinary {
    /// No `postgres` and `initdb`.
    #[error("no Postgres server on this machine (looked in /usr/lib/postgresql/*/bin and PATH)")]
    Postgres,
    /// No `redis-server`.
    #[error("no Redis server on this machine (looked for redis-server and valkey-server in PATH)")]
    Redis,
}

impl MissingBinary {
    /// The command that would help.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Postgres => "apt-get install postgresql   (or your system's package)",
            Self::Redis => "apt-get install redis-server   (or your system's package)",
        }
    }
}

impl Binaries {
    /// Finds them: the newest Postgres under `/usr/lib/postgresql`, else on
    /// `PATH`.
    ///
    /// # Errors
    ///
    /// Names the first that is missing.
    pub fn find() -> Result<Self, MissingBinary> {
        let postgres = debian_postgres()
            .or_else(|| on_path("postgres").and_then(|file| Some(file.parent()?.to_owned())))
            .filter(|folder| folder.join("initdb").is_file())
            .ok_or(MissingBinary::Postgres)?;
        let redis = ["redis-server", "valkey-server"]
            .iter()
            .find_map(|name| on_path(name))
            .ok_or(MissingBinary::Redis)?;
        Ok(Self { major: major(&postgres), postgres, redis })
    }

    /// A program of Postgres's.
    #[must_use]
    pub fn postgres(&self, program: &str) -> PathBuf {
        self.postgres.join(program)
    }
}

fn debian_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            folder.join("postgres").is_file().then_some((version, folder))
        })
        .max()
        .map(|(_, folder)| folder)
}

/// The major version that `postgres --version` tells.
fn major(folder: &Path) -> String {
    let output = std::process::Command::new(folder.join("postgres")).arg("--version").output();
    output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| {
            let number = text.split_whitespace().find(|word| word.starts_with(char::is_numeric))?;
            Some(number.split('.').next()?.to_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The first executable of this name on `PATH`, or where Debian puts servers.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
