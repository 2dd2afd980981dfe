use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// An authority that signs certificates, with a certificate of the server
/// `localhost`, which is also `::1` and not 127.0.0.1.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Servers that run as somebody else read in it, and nothing in it is
        // worth hiding.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let authority = Self { folder };
        let itself = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
        // Each has a name of its own: what another signed is a stranger's.
        let name =
            format!("/CN={}", authority.folder.path().display().to_string().replace('/', " "));
        let files = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", &name];
        authority.openssl(&[&itself[..], &files].concat());
        authority.sign("server", "localhost", "DNS:localhost,IP:::1");
        authority
    }

    /// Makes `NAME.crt` and `NAME.key` for `subject`, at these addresses.
    pub(crate) fn sign(&self, name: &str, subject: &str, addresses: &str) {
        let [key, asked, signed] = ["key", "csr", "crt"].map(|kind| format!("{name}.{kind}"));
        let subject = format!("/CN={subject}");
        let ask = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &asked];
        self.openssl(&[&ask[..], &["-subj", &subject]].concat());
        fs::write(self.folder.path().join("ext"), format!("subjectAltName={addresses}\n")).unwrap();
        let sign = ["x509", "-req", "-in", &asked, "-CA", "ca.crt", "-CAkey", "ca.key"];
        let how = ["-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", &signed];
        self.openssl(&[&sign[..], &how].concat());
        for file in [&key, &signed] {
            let path = self.folder.path().join(file);
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    /// A file of it, such as `ca.crt`.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        assert!(Path::new(&path).is_file(), "{}", path.display());
        path.to_str().unwrap().to_owned()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("docker/packages.sh installs openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
