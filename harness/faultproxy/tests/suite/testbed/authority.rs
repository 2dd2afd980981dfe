//! Certificates for servers of a test.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An authority that signed a certificate for `localhost` and 127.0.0.1.
pub(crate) struct Authority(TempDir);

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self(tempfile::tempdir().expect("a temporary directory"));
        let new_key = ["req", "-newkey", "rsa:2048", "-nodes"];
        authority.openssl(
            &[
                &new_key[..],
                &["-x509", "-days", "2", "-subj", "/CN=authority of a test"],
                &["-keyout", "ca.key", "-out", "ca.crt"],
            ]
            .concat(),
        );
        let ask = ["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"];
        authority.openssl(&[&new_key[..], &ask].concat());
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
        std::fs::write(authority.0.path().join("names"), names).expect("it is writable");
        authority.openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.crt",
        ]);
        authority
    }

    /// A file of it: `ca.crt`, `server.crt` or `server.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies of the server's files that the owner of `dir` may read.
    pub(crate) fn lend(&self, dir: &Path) {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let owner = std::fs::metadata(dir).expect("it exists");
        for name in ["server.crt", "server.key"] {
            let copy = dir.join(name);
            std::fs::copy(self.file(name), &copy).expect("it is writable");
            let only_theirs = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&copy, only_theirs).expect("ours");
            chown(&copy, Some(owner.uid()), Some(owner.gid())).expect("root, or the same");
        }
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments).current_dir(self.0.path()).output();
        let output = output.unwrap_or_else(|error| {
            panic!("cannot run openssl ({error}): install the package openssl")
        });
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
