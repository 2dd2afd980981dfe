//! Real servers as local processes, gone when dropped.

use super::authority::Authority;
use super::eventually;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// A server process with its directory and its port on loopback.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    pub(crate) dir: TempDir,
    process: Child,
    stop_signal: &'static str,
}

impl Drop for Node {
    fn drop(&mut self) {
        // The orderly signal first: Postgres removes its shared memory on it.
        let pid = self.process.id().to_string();
        let signalled = Command::new("kill").args([self.stop_signal, &pid]).status();
        let is_asked = signalled.is_ok_and(|status| status.success());
        let (ended, end) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = self.process.wait();
                let _ = ended.send(());
            });
            if !is_asked || end.recv_timeout(Duration::from_secs(5)).is_err() {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
        });
    }
}

impl Node {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn wait_until_it_answers(&mut self, answers: impl Fn() -> bool) {
        eventually("the server answers", || {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("the server ended with {status}: {}", self.log());
            }
            answers()
        });
    }
}

/// A port that nobody is given who asks for any: a listener of another test
/// would be taken for the server.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(997);
    loop {
        let turn = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + turn % COUNT).expect("below 32000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn redis() -> Node {
    redis_with(|command, port| {
        command.args(["--port", &port.to_string()]);
    })
}

fn redis_with(configure: impl Fn(&mut Command, u16)) -> Node {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let port = free_port();
    let log = File::create(dir.path().join("log")).expect("a new file");
    let mut command = Command::new("redis-server");
    configure(&mut command, port);
    let process = command
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(dir.path())
        .stdout(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot run redis-server ({error}): install the package redis-server")
        });
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let mut node = Node { addr, dir, process, stop_signal: "-TERM" };
    node.wait_until_it_answers(|| TcpStream::connect(addr).is_ok());
    node
}

/// A Redis that is reached over TLS only.
pub(crate) fn redis_over_tls(authority: &Authority) -> Node {
    let files = ["server.crt", "server.key", "ca.crt"].map(|name| authority.file(name));
    redis_with(|command, port| {
        command
            .args(["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"])
            .arg("--tls-cert-file")
            .arg(&files[0])
            .arg("--tls-key-file")
            .arg(&files[1])
            .arg("--tls-ca-cert-file")
            .arg(&files[2]);
    })
}

/// Has a Postgres take connections over TLS only.
pub(crate) fn require_tls(node: &Node, authority: &Authority) {
    let dir = node.dir.path();
    authority.lend(dir);
    let set = |name: &str, value: &str| format!("ALTER SYSTEM SET {name} = '{value}'");
    let file = |name: &str| dir.join(name).display().to_string();
    std::fs::write(dir.join("data/pg_hba.conf"), "hostssl all all all trust\n")
        .expect("it is writable");
    sql(
        node.addr,
        &[
            &set("ssl_cert_file", &file("server.crt")),
            &set("ssl_key_file", &file("server.key")),
            &set("ssl", "on"),
            "SELECT pg_reload_conf()",
        ],
    );
    let how = format!("host=127.0.0.1 port={} user=postgres sslmode=", node.addr.port());
    let answers = |mode: &str| {
        let mut command = Command::new(postgres_program("psql"));
        let output = command.args(["-X", "-c", "SELECT 1", &format!("{how}{mode}")]).output();
        output.expect("psql runs").status.success()
    };
    eventually("it takes TLS and nothing else", || answers("require") && !answers("disable"));
}

/// Asks one thing of what a connection string names.
pub(crate) fn sql_at(how: &str, statement: &str) -> String {
    let mut command = Command::new(postgres_program("psql"));
    command.env("PGCONNECT_TIMEOUT", "10");
    run(command.args(["-X", "-A", "-t", "-q", "-c", statement, how]))
}

/// A program of Postgres, the newest that is installed.
fn postgres_program(name: &str) -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let program = entry.path().join("bin").join(name);
            program.exists().then_some((version, program))
        })
        .collect();
    versions.sort();
    match versions.pop() {
        Some((_, program)) => program,
        // Other systems have it on the path.
        None => match Command::new(name).arg("--version").output() {
            Ok(_) => name.into(),
            Err(error) => panic!("cannot run {name} ({error}): install the package postgresql"),
        },
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id is everywhere");
    id.stdout == b"0\n"
}

/// Postgres refuses to run as root; root runs it as its own user.
fn as_postgres(program: &str) -> Command {
    let program = postgres_program(program);
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn postgres_dir() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    if is_root() {
        let id = |flag: &str| -> u32 {
            let id = Command::new("id").args([flag, "postgres"]).output();
            let id = id.expect("id is everywhere").stdout;
            let id = String::from_utf8(id).expect("digits");
            id.trim().parse().expect("the package postgresql makes the user")
        };
        chown(dir.path(), Some(id("-u")), Some(id("-g"))).expect("root may");
        let everyone_in = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), everyone_in).expect("root may");
    }
    dir
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program exists");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}

pub(crate) fn postgres() -> Node {
    let dir = postgres_dir();
    let data = dir.path().join("data");
    run(as_postgres("initdb")
        .args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"])
        .arg(&data));
    start_postgres(dir, &data)
}

/// A replica of `primary` that streams from `source`.
pub(crate) fn replica(primary: &Node, source: SocketAddr) -> Node {
    let dir = postgres_dir();
    let data = dir.path().join("data");
    run(as_postgres("pg_basebackup")
        .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
        .arg(primary.addr.port().to_string())
        .args(["--no-sync", "-c", "fast", "-R", "-D"])
        .arg(&data));
    use std::io::Write;
    let mut settings = File::options()
        .append(true)
        .open(data.join("postgresql.auto.conf"))
        .expect("pg_basebackup -R wrote it");
    // The last setting of a name counts.
    writeln!(settings, "primary_conninfo = 'host=127.0.0.1 port={} user=postgres'", source.port())
        .expect("the file is open");
    start_postgres(dir, &data)
}

fn start_postgres(dir: TempDir, data: &Path) -> Node {
    let port = free_port();
    let log = File::create(dir.path().join("log")).expect("a new file");
    let process = as_postgres("postgres")
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string()])
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories="])
        .args(["-c", "fsync=off", "-c", "autovacuum=off"])
        .stderr(log)
        .stdout(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .expect("its initdb ran just now");
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let mut node = Node {
        addr,
        dir,
        process,
        // Immediate shutdown.
        stop_signal: "-QUIT",
    };
    node.wait_until_it_answers(|| try_sql(addr, &["SELECT 1"]).status.success());
    node
}

pub(crate) fn pgbench(addr: SocketAddr, mode: &str, args: &[&str]) -> Command {
    let mut command = Command::new(postgres_program("pgbench"));
    command
        .args(["-h", "127.0.0.1", "-U", "postgres", "-n", "-M", mode, "-f", "/dev/stdin"])
        .args(args)
        .args(["-p", &addr.port().to_string(), "postgres"]);
    command
}

/// A psql that reads a script.
pub(crate) fn psql_script(addr: SocketAddr) -> Command {
    let mut command = Command::new(postgres_program("psql"));
    command.args(["-h", "127.0.0.1", "-U", "postgres", "-X", "-A", "-p", &addr.port().to_string()]);
    command
}

fn psql(addr: SocketAddr, statements: &[&str]) -> Command {
    let mut command = Command::new(postgres_program("psql"));
    command
        .args(["-h", "127.0.0.1", "-U", "postgres", "-X", "-A", "-t", "-q"])
        .args(["-v", "ON_ERROR_STOP=1", "-p", &addr.port().to_string()])
        .env("PGCONNECT_TIMEOUT", "10");
    for statement in statements {
        command.args(["-c", statement]);
    }
    command
}

/// Runs statements on one connection, each as its own request.
pub(crate) fn try_sql(addr: SocketAddr, statements: &[&str]) -> Output {
    psql(addr, statements).output().expect("psql runs")
}

/// As [`try_sql`], and they must succeed; what they print.
pub(crate) fn sql(addr: SocketAddr, statements: &[&str]) -> String {
    run(&mut psql(addr, statements))
}

/// A client in the background; killed if still there when dropped.
pub(crate) struct Background(Child);

impl Background {
    /// A psql that reads `script`.
    pub(crate) fn psql(addr: SocketAddr, script: &str) -> Self {
        Self::fed(&mut psql(addr, &[]), script)
    }

    /// A pgbench that runs `script` once, with the extended protocol.
    pub(crate) fn pgbench(addr: SocketAddr, script: &str) -> Self {
        let mut command = pgbench(addr, "extended", &["-t", "1"]);
        command.stderr(Stdio::null());
        Self::fed(&mut command, script)
    }

    fn fed(command: &mut Command, script: &str) -> Self {
        use std::io::Write;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program exists");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(script.as_bytes()).expect("it reads");
        Self(child)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_some()
    }

    pub(crate) fn succeeds(mut self) {
        let mut status = None;
        eventually("the client ends", || {
            status = self.0.try_wait().expect("it is our child");
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
