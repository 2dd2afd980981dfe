use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Child, Command, Stdio},
};

use super::{Authority, free_port, until_said};

/// A pgbouncer that runs; it is killed when this is dropped.
pub(crate) struct Pooler {
    process: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

/// What a pooler is to be.
pub(crate) struct Pooling<'a> {
    /// `session` or `transaction`: what it gives a server to.
    pub(crate) mode: &'a str,
    /// The ports of the servers that it calls `primary` and `replica`.
    pub(crate) ports: [u16; 2],
    /// The database there.
    pub(crate) database: &'a str,
    /// Who comes in, and by what certificates; without them anybody does, as
    /// the superuser.
    pub(crate) door: Option<Door<'a>>,
}

/// What a client of a pooler must show, and what the pooler shows the servers.
pub(crate) struct Door<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

impl Pooler {
    pub(crate) fn start(pooling: &Pooling<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Pgbouncer refuses to run as root, and nobody must find its files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let Pooling { mode, ports: [primary, replica], database, door } = pooling;
        let (user, door) = match door {
            None => ("user=postgres", "auth_type = any\n".to_owned()),
            Some(Door { authority, user, password }) => {
                let list = folder.path().join("users.txt");
                fs::write(&list, format!("\"{user}\" \"{password}\"\n")).unwrap();
                let [certificate, key] = ["server.crt", "server.key"].map(|f| authority.file(f));
                let door = format!(
                    "auth_type = scram-sha-256\nauth_file = {}\n\
                     client_tls_sslmode = require\nclient_tls_cert_file = {certificate}\n\
                     client_tls_key_file = {key}\nserver_tls_sslmode = require\n",
                    list.display()
                );
                ("", door)
            }
        };
        let text = format!(
            "[databases]\n\
             primary = host=127.0.0.1 port={primary} dbname={database} {user}\n\
             replica = host=127.0.0.1 port={replica} dbname={database} {user}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1,::1\nlisten_port = {port}\nunix_socket_dir =\n\
             pool_mode = {mode}\ndefault_pool_size = 40\n\
             ignore_startup_parameters = options,extra_float_digits\n{door}"
        );
        let configuration = folder.path().join("pgbouncer.ini");
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new("pgbouncer");
        command.arg(&configuration).stdin(Stdio::null()).stderr(Stdio::piped());
        if rustix::process::getuid().is_root() {
            const NOBODY: u32 = 65_534;
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut process = command.spawn().expect("docker/packages.sh installs pgbouncer");
        until_said(process.stderr.take().unwrap(), "process up");
        Self { process, port, _folder: folder }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
