use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::Authority;

/// A Postgres that somebody else holds, seen by its owner.
pub(crate) struct Postgres {
    /// As a superuser, without TLS.
    pub(crate) url: String,
    data: PathBuf,
}

/// Who may come in, and how. The owner and the replica come without a word.
const DOOR: &str = "host all,replication postgres 127.0.0.1/32 trust\n\
                    hostssl all shop_card 127.0.0.1/32 cert\n\
                    hostssl all all 127.0.0.1/32 scram-sha-256\n";

impl Postgres {
    pub(crate) async fn at(url: &str) -> Self {
        Self::find(url).await.unwrap_or_else(|| panic!("nobody at {url}"))
    }

    /// None if it does not run.
    pub(crate) async fn find(url: &str) -> Option<Self> {
        let mut owner = PgConnection::connect(url).await.ok()?;
        let data: String =
            sqlx::query_scalar("SHOW data_directory").fetch_one(&mut owner).await.unwrap();
        Some(Self { url: url.to_owned(), data: data.into() })
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.connect().await.execute(sql).await.unwrap();
    }

    /// Lets everybody but its owner in only by TLS, and by a password or a
    /// certificate.
    pub(crate) async fn guard(&self, authority: &Authority) {
        for name in ["server.crt", "server.key", "ca.crt"] {
            self.put(name, &fs::read_to_string(authority.file(name)).unwrap());
        }
        self.put("pg_hba.conf", DOOR);
        let mut owner = self.connect().await;
        for sql in [
            "ALTER SYSTEM SET ssl_ca_file = 'ca.crt'",
            "ALTER SYSTEM SET ssl = on",
            "SELECT pg_reload_conf()",
        ] {
            owner.execute(sql).await.unwrap();
        }
        // The postmaster reads them when it comes to it.
        let guarded = format!("{}?sslmode=require", self.url);
        while PgConnection::connect(&guarded).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// Writes a file of the server's own.
    fn put(&self, name: &str, text: &str) {
        let path = self.data.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let owner = fs::metadata(&self.data).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Ends it at once and starts it again. Its own supervisor does not know
    /// the new process, which must be ended by [`Postgres::stop`].
    pub(crate) fn restart(&self) {
        self.control(&["restart", "-m", "immediate", "-l", "/dev/null", "-w"]);
    }

    pub(crate) fn stop(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    fn control(&self, arguments: &[&str]) {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap();
        let pid = file.lines().next().unwrap();
        let binary = fs::read_link(Path::new("/proc").join(pid).join("exe")).unwrap();
        let owner = fs::metadata(&self.data).unwrap();
        let [user, group] = [owner.uid(), owner.gid()].map(|id| id.to_string());
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
        }
        let status = command
            .arg(binary.with_file_name("pg_ctl"))
            .arg("-D")
            .arg(&self.data)
            .args(arguments)
            .current_dir("/")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pg_ctl {arguments:?}");
    }
}

/// The port of an address.
pub(crate) fn port(url: &str) -> u16 {
    let (_, rest) = url.rsplit_once(':').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Everything that stands in a database, as text.
pub(crate) fn dump(url: &str) -> String {
    let output = Command::new("pg_dump").args(["--inserts", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A word that is drawn anew for each dump.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n")
}
