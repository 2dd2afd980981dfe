use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RunFolder, is_ours};

/// What a run ran on. The file `env.json`: no secrets, no names of machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The commit that was checked out where quarrel was started, if that is
    /// a Git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When the run's clock stood at zero, UTC, to a few milliseconds: by it
    /// the servers' logs are put beside the run. None for simulated time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_zero: Option<Timestamp>,
    /// The versions of what the cluster is made of.
    #[serde(flatten)]
    pub pieces: BTreeMap<String, String>,
}

impl Environment {
    /// What `env.json` of a run says; nothing if it cannot be read.
    #[must_use]
    pub fn of(run: &RunFolder) -> Self {
        let text = run.text(RunFolder::ENVIRONMENT).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// The commit that is checked out in the Git repository around `folder`, by
/// its files alone: git itself need not be there, and is not trusted to run in
/// a folder of somebody else's. A repository above that is somebody else's is
/// none of this folder's.
#[must_use]
pub fn checked_out(folder: &Path) -> Option<String> {
    let around = folder.ancestors().find(|folder| git_folder(folder).is_some())?;
    if around != folder && !is_ours(&around.join(".git")).unwrap_or(false) {
        return None;
    }
    let git = git_folder(around)?;
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else { return is_commit(&head).then_some(head) };
    // A work tree beside the repository shares its branches.
    let shared = read(&git.join("commondir")).map_or_else(|| git.clone(), |to| git.join(to));
    let loose = [&git, &shared].into_iter().find_map(|at| read(&at.join(name)));
    let packed = || {
        let all = read(&shared.join("packed-refs"))?;
        let line = all.lines().find(|line| line.ends_with(&format!(" {name}")))?;
        Some(line.split(' ').next()?.to_owned())
    };
    loose.or_else(packed).filter(|commit| is_commit(commit))
}

/// The folder of a repository, whose `.git` may be a file that says where.
fn git_folder(work_tree: &Path) -> Option<PathBuf> {
    let git = work_tree.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = read(&git)?;
    Some(work_tree.join(text.strip_prefix("gitdir: ")?))
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn is_commit(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn the_commit_is_read_wherever_git_keeps_it() {
        let scratch = tempfile::tempdir().unwrap();
        let git = scratch.path().join(".git");
        let inner = scratch.path().join("a/b");
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::create_dir_all(&inner).unwrap();
        fs::write(git.join("HEAD"), format!("{ONE}\n")).unwrap();
        assert_eq!(checked_out(&inner).as_deref(), Some(ONE), "a detached head");

        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(checked_out(&inner), None, "a branch without commits");
        fs::write(git.join("packed-refs"), format!("# pack-refs\n{ONE} refs/heads/main\n"))
            .unwrap();
        assert_eq!(checked_out(&inner).as_deref(), Some(ONE), "a packed branch");
        let newer = ONE.replace('0', "9");
        fs::write(git.join("refs/heads/main"), format!("{newer}\n")).unwrap();
        assert_eq!(checked_out(&inner), Some(newer.clone()), "a loose branch wins");

        // Whoever may give files away can leave one for others to find.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&git, Some(12_345), None).unwrap();
            assert_eq!(checked_out(&inner), None, "somebody else's, above");
            assert_eq!(checked_out(scratch.path()), Some(newer.clone()), "it is here");
            std::os::unix::fs::lchown(&git, Some(0), None).unwrap();
        }

        let beside = scratch.path().join("beside");
        let tree = git.join("worktrees/beside");
        fs::create_dir_all(&tree).unwrap();
        fs::create_dir_all(&beside).unwrap();
        fs::write(beside.join(".git"), format!("gitdir: {}\n", tree.display())).unwrap();
        fs::write(tree.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(tree.join("commondir"), "../..\n").unwrap();
        assert_eq!(checked_out(&beside), Some(newer), "a work tree beside it");
    }

    #[test]
    fn an_older_file_has_only_versions() {
        let old: Environment = serde_json::from_str(r#"{"redis": "7.0.15"}"#).unwrap();
        assert_eq!((old.commit, old.clock_zero), (None, None));
        assert_eq!(old.pieces["redis"], "7.0.15");
    }
}
