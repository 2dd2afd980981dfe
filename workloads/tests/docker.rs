//! Runs on containers.

mod lifecycle;

use std::process::Command;

use lifecycle::{Child, Kind, possible, unknown_program};
use rustix::process::Signal;

const DOCKER: Kind = Kind { name: "docker", traces: labelled };

/// Everything of the engine's that is labelled with the process id of a
/// quarrel.
fn labelled(pid: u32) -> Vec<String> {
    let owner = format!("/{pid}/");
    let kinds: [&[&str]; 3] =
        [&["container", "ls", "--all"], &["network", "ls"], &["volume", "ls"]];
    let list = |kind: &&[&str]| {
        let format = r#"{{json .}} owner={{.Label "dev.quarrel.owner"}}"#;
        let filter = "label=dev.quarrel.owner";
        let output = docker(&[kind, &["--filter", filter, "--format", format][..]].concat())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let of_ours = |line: &&str| line.rsplit(" owner=").next().unwrap().contains(&owner);
        text.lines().filter(of_ours).map(str::to_owned).collect::<Vec<_>>()
    };
    kinds.iter().flat_map(list).collect()
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

fn here() -> bool {
    possible("container engine", &mut docker(&["version"]))
}

#[test]
fn cache_aside_is_convicted_of_refilling_from_a_lagging_replica() {
    if here() {
        DOCKER.convicts_cache_aside();
    }
}

#[test]
fn primary_only_is_acquitted_under_the_same_fault() {
    if here() {
        DOCKER.acquits_primary_only();
    }
}

#[test]
fn two_clusters_run_side_by_side() {
    if here() {
        DOCKER.runs_two_side_by_side();
    }
}

#[test]
fn a_cluster_stays_up_until_it_is_told_to_go() {
    if here() {
        DOCKER.stays_up_until_told();
    }
}

#[test]
fn nothing_is_left_after_a_failure() {
    if here() {
        DOCKER.cleans_up_after_a_failure();
    }
}

#[test]
fn nothing_is_left_after_a_panic() {
    if here() {
        DOCKER.cleans_up_after_a_panic();
    }
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    if here() {
        DOCKER.stops_cleanly_at(Signal::INT);
    }
}

#[test]
fn nothing_is_left_after_sigterm() {
    if here() {
        DOCKER.stops_cleanly_at(Signal::TERM);
    }
}

#[test]
fn nothing_is_left_after_ctrl_c_while_it_starts() {
    if here() {
        DOCKER.stops_cleanly_while_it_starts();
    }
}

#[test]
fn nothing_is_left_after_kill_9() {
    if here() {
        DOCKER.cleans_up_after_kill_9();
    }
}

#[test]
fn nothing_is_left_after_kill_9_while_it_starts() {
    if here() {
        DOCKER.cleans_up_after_kill_9_while_it_starts();
    }
}

/// Only a shell that cleans up: the engine starts the rest.
#[test]
fn nothing_is_left_after_kill_9_before_anything_is_there() {
    if here() {
        DOCKER.cleans_up_after_kill_9_at_each_child(1);
    }
}

#[test]
fn a_machine_without_an_engine_is_told_what_to_do() {
    let nowhere = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let finished = Child::run(&["primary-only", "--cluster", "docker"], &nowhere).wait();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let error = "no container engine at unix:///nowhere/docker.sock: there is no socket\n  try: sudo systemctl start docker";
    assert!(finished.stderr.contains(error), "{finished:?}");
}

#[test]
fn an_image_that_is_nowhere_is_named() {
    if !here() {
        return;
    }
    let missing = [("QUARREL_CACHE_IMAGE", "quarrel/nowhere:none")];
    let finished = Child::run(&["primary-only", "--cluster", "docker"], &missing).wait();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let error = "the image quarrel/nowhere:none for the cache is not here and cannot be pulled";
    assert!(finished.stderr.contains(error), "{finished:?}");
    DOCKER.leaves_nothing(&finished);
}

#[test]
fn the_making_of_an_image_is_told() {
    if !here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = unknown_program(folder.path());
    let run = ["primary-only", "--cluster", "docker", "--time", "1s"];
    let finished = Child::run_of(&program, &run, &[]).wait();
    let of_program = format!("label=dev.quarrel.exe={}", program.display());
    let made = docker(&["image", "ls", "--quiet", "--filter", &of_program]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    docker(&["image", "rm"]).args(made.split_whitespace()).output().unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("proxy: copying "), "{finished:?}");
    assert_eq!(made.lines().count(), 1, "{made}");
}

#[test]
fn a_container_that_ends_at_once_ends_the_wait() {
    if !here() {
        return;
    }
    // The cache's image has no Postgres in it.
    let wrong = [("QUARREL_POSTGRES_IMAGE", "quarrel/cache:local")];
    let finished = Child::run(&["primary-only", "--cluster", "docker"], &wrong).wait();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    assert!(finished.stderr.contains("ended: Exited"), "{finished:?}");
    DOCKER.leaves_nothing(&finished);
}

#[test]
fn a_replica_that_never_streams_shows_its_last_words() {
    if !here() {
        return;
    }
    // A plain image to quarrel, in which the replica asks for a slot that the
    // primary does not have.
    let image = format!("quarrel-test/no-slot:{}", std::process::id());
    let recipe = "FROM quarrel/postgres:local\nENV QUARREL_SLOT=nowhere\n\
                  LABEL dev.quarrel.role=none dev.quarrel.recipe=none\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), recipe).unwrap();
    let built = docker(&["build", "--tag", &image]).arg(folder.path()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let finished =
        Child::run(&["primary-only", "--cluster", "docker"], &[("QUARREL_POSTGRES_IMAGE", &image)])
            .wait();
    docker(&["image", "rm", &image]).output().unwrap();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    assert!(finished.stderr.contains("the replica does not stream"), "{finished:?}");
    assert!(
        finished.stderr.contains("replication slot \"nowhere\" does not exist"),
        "{finished:?}"
    );
    DOCKER.leaves_nothing(&finished);
}
