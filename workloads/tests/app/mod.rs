//! Small applications, right and wrong, in a language that is everywhere.

mod causes;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const FILE: &str = r#"
[app]
command = "exec /usr/bin/python3 app.py"
ready-within = "5s"
setup = "psql -q '{primary}' -c 'CREATE TABLE things (id bigint PRIMARY KEY, name text)'"
env = { DATABASE = "{primary}", CACHE = "{cache}" }
[read]
request = "GET /{key}"
value = "body"
[write]
request = "PUT /{key}"
body = "{value}"
[rows]
insert = "INSERT INTO things (id, name) VALUES ({key}, {value})"
select = "SELECT name FROM things WHERE id = {key}"
"#;

/// Serves what `read` and `write` do, which a case puts in front of it.
const SERVER: &str = r#"
import http.server, os, psycopg2
database = psycopg2.connect(os.environ["DATABASE"])
database.autocommit = True

def sql(text, *values):
    with database.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone() if cursor.description else None

def read(key):
    return sql("SELECT name FROM things WHERE id = %s", key)[0]

def write(key, value):
    sql("UPDATE things SET name = %s WHERE id = %s", value, key)

#CASE

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one piece: two would wait for each other.
    wbufsize = -1
    def log_message(self, *of): pass
    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(read(int(self.path[1:])))
    def do_PUT(self):
        value = self.rfile.read(int(self.headers["content-length"])).decode()
        write(int(self.path[1:]), value)
        self.answer("")

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Reads and writes the primary.
pub(crate) const HONEST: &str = "";

/// Keeps what it is given to itself.
pub(crate) const IN_MEMORY: &str = "
held = {}
honest = read
def read(key): return held.get(key) or honest(key)
def write(key, value): held[key] = value
";

/// Has secrets (they begin with zq) in its statements, its output and its
/// errors.
pub(crate) const TALKATIVE: &str = r#"
import sys
def read(key):
    print("zqlogged a reader", file=sys.stderr, flush=True)
    return sql("/* zqcomment */ SELECT name AS zqalias FROM things WHERE id = %s "
               "AND 'zqliteral' <> E'zq\\'escaped' AND $q$zq$$dollar$q$ <> ''", key)[0]
count = 0
def write(key, value):
    global count
    count += 1
    if count > 60 and count % 7 == 0:
        sql("SELECT 'zqunreadable'::int")
    sql("UPDATE things SET name = %s WHERE id = %s AND 'zqliteral' <> ''", value, key)
"#;

/// Keeps copies in its own memory, which nobody else's writes reach: put behind
/// another one.
pub(crate) const COPYING: &str = "
asked, told, copies = read, write, {}
def read(key):
    if key not in copies: copies[key] = asked(key)
    return copies[key]
def write(key, value):
    told(key, value)
    copies[key] = value
";

/// Answers something that was never written, once it is under way.
pub(crate) const GARBLING: &str = "
honest, count = read, 0
def read(key):
    global count
    count += 1
    return honest(key) if count < 50 else 'an apology'
";

/// Finds its port taken, the first time.
pub(crate) const LATE: &str = "
import subprocess, sys
if not os.path.exists('late'):
    open('late', 'w').close()
    taken = 'import socket, sys, time; held = socket.create_server((\"127.0.0.1\", int(sys.argv[1]))); print(flush=True); time.sleep(3)'
    other = subprocess.Popen([sys.executable, '-c', taken, os.environ['PORT']], stdout=subprocess.PIPE)
    other.stdout.readline()
    os._exit(1)
";

/// Ends in the middle of a storm.
pub(crate) const DYING: &str = "
honest, count = read, 0
def read(key):
    global count
    count += 1
    if count == 15: os._exit(9)
    return honest(key)
";

/// Writes only what it has read before, which a search lets it not do.
pub(crate) const REFUSING: &str = "
seen, look, change = set(), read, write
def read(key):
    seen.add(key)
    return look(key)
def write(key, value):
    if key not in seen: raise OSError('read it first')
    change(key, value)
";

/// Writes once more when it has answered.
pub(crate) const BEHIND_THE_ANSWER: &str = "
import threading
def write(key, value):
    sql('UPDATE things SET name = %s WHERE id = %s', value, key)
    threading.Timer(0.02, touch, [key]).start()
def touch(key):
    other = psycopg2.connect(os.environ['DATABASE'])
    other.autocommit = True
    other.cursor().execute('UPDATE things SET name = name WHERE id = %s', (key,))
    other.close()
";

/// Tells the others of each write, who do nothing about it.
pub(crate) const TELLING: &str = "
import redis, threading
cache = redis.Redis.from_url(os.environ['CACHE'])
heard = cache.pubsub()
heard.subscribe('changes')
threading.Thread(target=lambda: [None for _ in heard.listen()], daemon=True).start()
def write(key, value):
    sql('UPDATE things SET name = %s WHERE id = %s', value, key)
    cache.publish('changes', key)
";

/// Asks both stores at once, for no good reason.
pub(crate) const AT_ONCE: &str = "
import redis, threading
cache = redis.Redis.from_url(os.environ['CACHE'])
honest = read
def read(key):
    look = threading.Thread(target=cache.get, args=[f'thing:{key}'])
    look.start()
    found = honest(key)
    look.join()
    return found
";

/// Takes its time.
pub(crate) const SLOW: &str = "
import time
honest = read
def read(key):
    time.sleep(0.3)
    return honest(key)
";

/// Files that make no sense, and what is to be said of each.
pub(crate) const WRONG_FILES: &[(&str, &str)] = &[
    ("[app]\ncommand = 1", "app.toml, line 2, column 11: invalid type: integer `1`"),
    (
        "[app]\ncomand = \"x\"",
        "app.toml, line 2, column 1: unknown key `comand`; did you mean `command`?",
    ),
    (
        "[app]\ncommand = \"x\"\n[rows]\ninsert = \"INSERT {key} {value}\"\nselect = \"SELECT {id}\"\n\
         [read]\nrequest = \"GET /{key}\"\nvalue = \"body\"\n[write]\nrequest = \"PUT /{key}/{value}\"",
        "app.toml, line 5, column 10: {id} is not known here: expected {key}",
    ),
    (
        "[app]\ncommand = \"x\"\n[rows]\ninsert = \"INSERT {key} {value}\"\nselect = \"SELECT {key}\"\n\
         [read]\nrequest = \"/{key}\"\nvalue = \"body\"",
        "app.toml, line 7, column 11: expected a method and a path",
    ),
    (
        "[app]\ncommand = \"x\"\n[rows]\ninsert = \"INSERT {key} {value}\"\nselect = \"SELECT {key}\"\n\
         [read]\nrequest = \"GET /{key}\"\nvalue = \"json\"",
        "app.toml, line 8, column 9: expected json:/POINTER, regex:PATTERN, header:NAME or body",
    ),
    (
        "[app]\ncommand = \"x\"\nprotocol = \"stdio\"\n[rows]\ninsert = \"INSERT {key} {value}\"\n\
         select = \"SELECT {key}\"\n[steps]\nhold = \"everything\"",
        "app.toml, line 8, column 8: expected \"requests\" or \"requests+replies\"",
    ),
    (
        "[app]\n[rows]\ninsert = \"INSERT {key} {value}\"\nselect = \"SELECT {key}\"",
        "app.toml, line 1, column 1: [app] needs command",
    ),
];

/// The file of a sample application.
pub(crate) fn sample(name: &str) -> String {
    sample_file(name, "app.toml")
}

/// One of several files of a sample application.
fn sample_file(name: &str, file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps").join(name);
    folder.join(file).to_str().unwrap().to_owned()
}

/// Runs a command with more in its environment.
fn quarrel_with(words: &[&str], results: &Path, env: &[(&str, &str)]) -> Output {
    command(words, results).envs(env.iter().copied()).output().unwrap()
}

fn command(words: &[&str], results: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(words).env("QUARREL_RESULTS", results).env("PYTHON", "/usr/bin/python3");
    command
}

pub(crate) fn quarrel(words: &[&str], results: &Path) -> Output {
    command(words, results).output().unwrap()
}

/// An application in a folder of its own.
pub(crate) struct App {
    folder: TempDir,
}

impl App {
    /// A program, with the usual file.
    pub(crate) fn of(program: &str) -> Self {
        let app = Self::with_file(FILE);
        fs::write(app.folder.path().join("app.py"), program).unwrap();
        app
    }

    /// A server that does what `case` says in place of what is right.
    pub(crate) fn serving(case: &str) -> Self {
        Self::of(&SERVER.replace("#CASE", case))
    }

    /// A file, and no program.
    pub(crate) fn with_file(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.toml"), text).unwrap();
        Self { folder }
    }

    fn command(&self, more: &[&str]) -> Command {
        let file = self.file();
        let file = file.to_str().unwrap();
        let words = ["run", "--app", file, "--cluster", "native", "--clients", "2", "--time", "2s"];
        // What is said last counts.
        let words: Vec<&str> = if more.contains(&"--time") {
            words[..7].iter().chain(more).copied().collect()
        } else {
            words.iter().chain(more).copied().collect()
        };
        command(&words, &self.results())
    }

    /// A command about it, with its results.
    pub(crate) fn quarrel(&self, words: &[&str]) -> Output {
        command(words, &self.results()).output().unwrap()
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("app.toml")
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    pub(crate) fn explore(&self) -> Output {
        let file = self.file();
        let words = ["explore", "--app", file.to_str().unwrap(), "--cluster", "native"];
        let words: Vec<_> = words.into_iter().chain(["--clients", "2"]).collect();
        command(&words, &self.results()).output().unwrap()
    }

    pub(crate) fn start(&self, more: &[&str]) -> Child {
        self.command(more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The same of any command, whose words follow after it.
    pub(crate) fn start_command(&self, words: &[&str]) -> Child {
        let mut command = command(words, &self.results());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Processes that run in its folder.
    pub(crate) fn instances(&self) -> Vec<String> {
        let here = self.folder.path().canonicalize().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let here = processes.filter(|process| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|folder| folder == here)
        });
        here.map(|process| process.path().display().to_string()).collect()
    }

    /// Returns when so many of its processes run.
    pub(crate) fn wait_until_it_serves(&self, child: &mut Child, processes: usize) {
        eventually("it serves", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            self.instances().len() >= processes
        });
    }

    /// Returns when none of its processes runs.
    pub(crate) fn wait_until_nothing_is_left(&self) {
        eventually("nothing of it is left", || self.instances().is_empty());
    }

    /// Returns when this run of it has written so much of its history that some
    /// of it must have been packed.
    pub(crate) fn wait_until_it_records(&self) {
        let recorded = || {
            // Beside the history files come and go while it storms.
            let runs = fs::read_dir(self.results()).into_iter().flatten().flatten();
            let histories = runs.map(|run| run.path().join("history.jsonl.zst"));
            let sizes = histories.filter_map(|history| history.metadata().ok());
            sizes.map(|file| file.len()).max().unwrap_or(0)
        };
        eventually("its history is written", || recorded() > 5_000);
    }
}

/// Waits for a condition, and fails if it does not come.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes that a process has started, and those that they have.
pub(crate) fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        // Behind the name, which may have brackets of its own: state and parent.
        let (head, rest) = stat.rsplit_once(')').unwrap();
        let number = head.split(' ').next().unwrap().parse::<u32>().unwrap();
        let parent = rest.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap();
        parents.push((number, parent));
    }
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let of = found[at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(number, _)| number));
        at += 1;
    }
    found.split_off(1)
}
