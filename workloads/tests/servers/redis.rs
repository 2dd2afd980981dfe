use std::process::{Child, Command, Stdio};

use super::{Authority, free_port, until_said};

/// A Redis that runs; it is killed when this is dropped.
pub(crate) struct Redis {
    pub(crate) process: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

/// The server under one of its names.
fn binary() -> &'static str {
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    ["redis-server", "valkey-server"].into_iter().find(is_there).expect("a Redis is installed")
}

impl Redis {
    /// On a free port of loopback, with these settings besides.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        Self::launch(port, &[&["--port", &port_text], settings].concat(), "Ready to accept")
    }

    /// One that speaks TLS only, on both kinds of loopback.
    pub(crate) fn with_tls(authority: &Authority, settings: &[&str]) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        let [authorities, certificate, key] =
            ["ca.crt", "server.crt", "server.key"].map(|name| authority.file(name));
        let tls = [
            ["--port", "0"],
            ["--tls-port", &port_text],
            ["--tls-ca-cert-file", &authorities],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
        ];
        Self::launch(port, &[&tls.concat(), settings].concat(), "Ready to accept")
    }

    /// A Sentinel, which knows of no master.
    pub(crate) fn sentinel() -> Self {
        let port = free_port();
        let port_text = port.to_string();
        Self::launch(port, &["--sentinel", "--port", &port_text], "Sentinel ID is")
    }

    fn launch(port: u16, settings: &[&str], ready: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary());
        // A Sentinel must have a file to write to.
        let configuration = folder.path().join("redis.conf");
        std::fs::write(&configuration, "").unwrap();
        if settings.contains(&"--sentinel") {
            command.arg(&configuration);
        } else {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command
            .args(["--bind", "127.0.0.1", "-::1"])
            .args(settings)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        until_said(process.stdout.take().unwrap(), ready);
        Self { process, port, _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection without TLS, to set things up.
    pub(crate) fn connect(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Kills it and starts it again, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.end();
        let port = self.port.to_string();
        *self = Self::launch(self.port, &["--port", &port], "Ready to accept");
    }

    fn end(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

/// All keys, in order.
pub(crate) fn keys(connection: &mut redis::Connection) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(connection).unwrap();
    keys.sort_unstable();
    keys
}
