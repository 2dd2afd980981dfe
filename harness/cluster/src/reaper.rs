use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
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

    /// Starts a program that it kills, with an empty standard input; `set_up`
    /// says what becomes of its output. The program begins once this knows of it.
    ///
    /// # Errors
    ///
    /// When there is no shell. A program that is nowhere ends with status 127.
    pub fn spawn(
        &self,
        program: &Command,
        set_up: impl FnOnce(&mut Command) -> &mut Command,
    ) -> io::Result<Child> {
        let mut child = set_up(&mut waiting(program)).spawn()?;
        self.watch_process(child.id());
        begin(&mut child);
        Ok(child)
    }

    /// Has it kill a process.
    fn watch_process(&self, pid: u32) {
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

/// A program that begins when a line comes in, and never if there is none.
/// Whoever kills quarrel before its reaper knows of the process leaves a shell
/// that waits for a line, finds that none will come, and ends.
fn waiting(program: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"read -r _ && exec "$@" </dev/null"#, "sh"]);
    shell.arg(program.get_program()).args(program.get_args()).stdin(Stdio::piped());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// Lets it begin. One that has ended meanwhile says so by its status.
fn begin(waiting: &mut Child) {
    if let Some(mut line) = waiting.stdin.take() {
        drop(line.write_all(b"\n"));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Command {
        let mut echo = Command::new("sh");
        echo.args(["-c", r#"printf '%s|%s|' "$1" "$WORD"; cat"#, "sh", "a b"]).env("WORD", "c d");
        echo
    }

    fn said(child: Child) -> String {
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_program_begins_when_it_is_let() {
        let reaper = Reaper::start().unwrap();
        let child = reaper.spawn(&echo(), |echo| echo.stdout(Stdio::piped())).unwrap();
        // With its own words, and nothing to read.
        assert_eq!(said(child), "a b|c d|");
        reaper.done();
    }

    #[test]
    fn a_program_of_which_no_reaper_was_told_never_begins() {
        let mut child = waiting(&echo()).stdout(Stdio::piped()).spawn().unwrap();
        // As when quarrel is killed here.
        drop(child.stdin.take());
        assert_eq!(said(child), "");
    }

    #[test]
    fn what_was_spawned_dies_with_the_reaper_s_pipe() {
        let reaper = Reaper::start().unwrap();
        let mut sleep = Command::new("sleep");
        let mut child = reaper.spawn(sleep.arg("600"), |sleep| sleep).unwrap();
        drop(reaper);
        assert!(!child.wait().unwrap().success());
    }
}
