//! A guest behind a pooler that drops what a session asks for: somebody's
//! tables, which are called as quarrel's are, stay as they were.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Child as Process, Command, Stdio},
};

use sqlx::{Connection as _, Executor as _, PgConnection, postgres::PgListener};

use crate::lifecycle::{Child, Held, possible};

/// Somebody's database: tables with the names of ours, and a listener on a
/// channel with a likely name.
const THEIRS: &str = "CREATE TABLE kv (key bigint PRIMARY KEY, value text NOT NULL, \
       version bigint NOT NULL); \
     INSERT INTO kv SELECT n, 'theirs ' || n, 1 FROM generate_series(0, 50) n; \
     CREATE TABLE outbox (id bigserial PRIMARY KEY, key bigint NOT NULL, version bigint NOT NULL); \
     INSERT INTO outbox (key, version) SELECT n, 1 FROM generate_series(1, 10) n; \
     CREATE SCHEMA quarrel_0; CREATE TABLE quarrel_0.kv (key bigint PRIMARY KEY);";

/// A pgbouncer that runs; it is killed when this is dropped.
struct Pooler {
    process: Process,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// In front of the two servers at these ports, giving each session, or
    /// each transaction, a server.
    fn start(mode: &str, primary: u16, replica: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Pgbouncer refuses to run as root, and nobody must find its file.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let configuration = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n\
             primary = host=127.0.0.1 port={primary} dbname=shop user=postgres\n\
             replica = host=127.0.0.1 port={replica} dbname=shop user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = 40\n\
             ignore_startup_parameters = options,extra_float_digits\n"
        );
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new("pgbouncer");
        command.arg(&configuration).stdin(Stdio::null()).stderr(Stdio::piped());
        if rustix::process::getuid().is_root() {
            const NOBODY: u32 = 65_534;
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut process = command.spawn().expect("docker/packages.sh installs pgbouncer");
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let listens = said.by_ref().map_while(Result::ok).any(|line| line.contains("process up"));
        assert!(listens, "pgbouncer ended without a word that it is up");
        // It must never wait for somebody who reads what it says.
        std::thread::spawn(move || said.map_while(Result::ok).count());
        Self { process, port, _folder: folder }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn port(url: &str) -> u16 {
    let (_, rest) = url.rsplit_once(':').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Everything that stands in somebody's database, as text.
fn dump(url: &str) -> String {
    let output = Command::new("pg_dump").args(["--inserts", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A word that is drawn anew for each dump.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n")
}

/// Runs each strategy behind a pooler of this mode.
pub(crate) async fn spares_what_is_not_ours(mode: &str, strategies: &[&str]) {
    if !possible("pooler", Command::new("pgbouncer").arg("--version")) {
        return;
    }
    let held = Held::up("native");
    let (primary, replica) = (port(held.url("probe-primary")), port(held.url("probe-replica")));
    let mut owner = PgConnection::connect(held.url("probe-primary")).await.unwrap();
    owner.execute("CREATE DATABASE shop").await.unwrap();
    let shop = format!("postgres://postgres@127.0.0.1:{primary}/shop");
    let mut theirs = PgConnection::connect(&shop).await.unwrap();
    theirs.execute(sqlx::raw_sql(THEIRS)).await.unwrap();
    let mut listener = PgListener::connect(&shop).await.unwrap();
    listener.listen_all(["invalidate", "public_invalidate"]).await.unwrap();
    let before = dump(&shop);

    let pooler = Pooler::start(mode, primary, replica);
    let servers = [pooler.url("primary"), pooler.url("replica")];
    let cache = held.url("probe-cache");
    for strategy in strategies {
        let at = ["--primary", &servers[0], "--replica", &servers[1], "--cache", cache];
        let run = ["--cluster", "external", strategy, "--time", "1s", "--seed=7"];
        let finished = Child::run(&[&run[..], &at].concat(), &[]).wait();
        assert!(matches!(finished.code, Some(0 | 1)), "{strategy}: {finished:?}");
        let writes = finished.verdict()["metrics"]["writes"].as_u64();
        assert!(writes > Some(20), "{strategy}: {finished:?}");
        assert_eq!(dump(&shop), before, "{strategy}");
        let slots = "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical'";
        assert!(theirs.fetch_all(slots).await.unwrap().is_empty(), "{strategy}");
    }
    assert!(listener.next_buffered().is_none(), "a message on somebody's channel");
    // A pooler holds sessions of the database open; it goes first.
    drop(pooler);
}
