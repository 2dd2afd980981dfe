use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::lifeline;

/// A cluster that `quarrel cluster up` started; dropping it takes it down.
pub(crate) struct Held {
    folder: tempfile::TempDir,
    pub(crate) pid: u32,
    addresses: BTreeMap<String, String>,
}

impl Held {
    pub(crate) fn up(kind: &str) -> Self {
        Self::up_with(kind, &[])
    }

    /// The same, with more variables.
    pub(crate) fn up_with(kind: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let up = quarrel(&folder, &["up", "--cluster", kind, "--format", "json"], variables);
        let mut held = Self { folder, pid: 0, addresses: BTreeMap::new() };
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        let clusters: Value = serde_json::from_slice(&up.stdout).unwrap();
        assert_eq!(held.status(), clusters, "status says what up said");
        held.pid = u32::try_from(clusters[0]["pid"].as_u64().unwrap()).unwrap();
        held.addresses = serde_json::from_value(clusters[0]["addresses"].clone()).unwrap();
        held
    }

    /// What `quarrel cluster status` says.
    pub(crate) fn status(&self) -> Value {
        let status = quarrel(&self.folder, &["status", "--format", "json"], &[]);
        serde_json::from_slice(&status.stdout).unwrap()
    }

    /// Where a part of it is.
    pub(crate) fn url(&self, part: &str) -> &str {
        &self.addresses[part]
    }

    pub(crate) fn down(&self) -> Output {
        quarrel(&self.folder, &["down"], &[])
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.down();
    }
}

fn quarrel(folder: &tempfile::TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command
        .arg("cluster")
        .args(arguments)
        .env("XDG_RUNTIME_DIR", folder.path())
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    lifeline::spawn(&mut command).wait_with_output().unwrap()
}
