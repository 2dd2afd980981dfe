use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Cleans up after a quarrel that was killed.
///
/// A shell in a session of its own reads what to clean from a pipe. When the
/// pipe closes, however quarrel ended, it removes what it was told and did not
/// hear to be gone: nobody can be killed too hard to clean up.
#[derive(Debug)]
pub struct Reaper {
    pipe: Mutex<ChildStdin>,
}

/// Kinds of line: `pid PID START`, `group PID START`, `dir PATH`, `label LABEL`, `done`. A process
/// is named with its start time, so that a recycled id is never killed.
/// Postgres gets QUIT, which lets it free its shared memory, then KILL.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids= groups= dirs= labels=
while IFS=' ' read -r kind what more; do
  case $kind in
    pid) pids="$pids $what:$more" ;;
    group) groups="$groups $what:$more" ;;
    dir) dirs="$dirs
$what" ;;
    label) labels="$labels $what" ;;
    done) exit 0 ;;
  esac
done
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() { [ "$(started "${1%%:*}")" = "${1##*:}" ]; }
# A group may outlive the process that it is named after, but no other gets its
# id as long as one of it lives.
for g in $groups; do
  p=$(started "${g%%:*}")
  [ -z "$p" ] || [ "$p" = "${g##*:}" ] || continue
  kill -s TERM -- "-${g%%:*}" 2>/dev/null
done
for p in $pids; do
  alive "$p" || continue
  kill -CONT $(cat /proc/${p%%:*}/task/*/children 2>/dev/null) "${p%%:*}" 2>/dev/null
  kill -QUIT "${p%%:*}" 2>/dev/null
done
n=0
for p in $pids; do
  while alive "$p" && [ $n -lt 20 ]; do n=$((n + 1)); sleep 0.1; done
  if alive "$p"; then kill -KILL "${p%%:*}" 2>/dev/null; fi
done
for g in $groups; do
  while kill -s 0 -- "-${g%%:*}" 2>/dev/null && [ $n -lt 20 ]; do n=$((n + 1)); sleep 0.1; done
  p=$(started "${g%%:*}")
  [ -z "$p" ] || [ "$p" = "${g##*:}" ] || continue
  kill -s KILL -- "-${g%%:*}" 2>/dev/null
done
# What a process wrote as it died may have come behind the first look.
printf '%s\n' "$dirs" | while IFS= read -r d; do
  case $d in */quarrel-*) ;; *) continue ;; esac
  n=0
  while rm -rf -- "$d" 2>/dev/null; [ -e "$d" ] && [ $n -lt 20 ]; do n=$((n + 1)); sleep 0.1; done
done
# What quarrel asked of the engine just before it died may still be on its way,
# so a second look, a second later, must find nothing.
clean() {
  c=$(docker ps -aq --filter "label=$1"); [ -z "$c" ] || { docker rm -fv $c; found=1; }
  c=$(docker network ls -q --filter "label=$1"); [ -z "$c" ] || { docker network rm $c; found=1; }
  c=$(docker volume ls -q --filter "label=$1"); [ -z "$c" ] || { docker volume rm -f $c; found=1; }
}
for l in $labels; do
  n=0
  while [ $n -lt 5 ]; do
    found=; clean "$l"
    [ $n = 0 ] || [ -n "$found" ] || break
    n=$((n + 1)); sleep 1
  done
done >/dev/null 2>&1
"#;

impl Reaper {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When there is no shell.
    pub fn start() -> std::io::Result<Self> {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal goes to quarrel's process group.
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take().expect("the pipe was asked for");
        Ok(Self { pipe: Mutex::new(pipe) })
    }

    /// Has it kill a process.
    pub fn watch_process(&self, pid: u32) {
        if let Some(start) = start_time(pid) {
            self.say(&format!("pid {pid} {start}"));
        }
    }

    /// Has it end a process group, which has the id of its first process.
    pub fn watch_group(&self, pid: u32) {
        if let Some(start) = start_time(pid) {
            self.say(&format!("group {pid} {start}"));
        }
    }

    /// Has it remove a folder. Its last part must begin with `quarrel-`.
    pub fn watch_folder(&self, path: &Path) {
        self.say(&format!("dir {}", path.display()));
    }

    /// Has it remove everything of Docker's that carries a label.
    pub fn watch_label(&self, label: &str) {
        self.say(&format!("label {label}"));
    }

    /// Tells it that nothing is left to do.
    pub fn done(&self) {
        self.say("done");
    }

    fn say(&self, line: &str) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        // It can only be gone if somebody killed it; the sweep at the next
        // start is the second net.
        drop(writeln!(pipe, "{line}"));
    }
}

/// When a process started, in the kernel's ticks since boot; nothing if it does
/// not run. With its id it names a process for good.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19)?.parse().ok()
}
