use std::{
    fs,
    io::{self, BufRead as _},
    path::{Path, PathBuf},
};

use clap::Args;
use quarrel_app::AppFile;
use quarrel_report::report::command_line;
use quarrel_run::results::{FileError, FormError};

use super::{
    Failure,
    output::{eprint, eprintln, println},
};

/// What the file of an application says. What is needed and not given is asked
/// for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Applications")]
pub(super) struct NewAppArgs {
    /// Writes the file of an application in place of a crate; what is needed and not given below is asked for
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "app.toml",
        conflicts_with_all = ["name", "path", "git"]
    )]
    pub(super) app: Option<PathBuf>,
    /// The shell command that starts one instance, at the port $PORT
    #[arg(long, requires = "app")]
    command: Option<String>,
    /// A variable of its environment, as in DATABASE_URL={primary}; by default that and REDIS_URL={cache}
    #[arg(long, value_name = "NAME=TEXT", requires = "app")]
    env: Vec<String>,
    /// Runs once before, on the stores themselves: it makes the tables
    #[arg(long, value_name = "COMMAND", requires = "app")]
    setup: Option<String>,
    /// What answers 2xx when an instance is ready, as in "GET /health"
    #[arg(long, value_name = "REQUEST", requires = "app")]
    ready: Option<String>,
    /// It is no HTTP server: JSON lines on its standard input and output
    #[arg(long, requires = "app", conflicts_with_all = ["read", "value", "write", "body", "ready"])]
    stdio: bool,
    /// The request that reads a row, as in "GET /profiles/{key}"
    #[arg(long, value_name = "REQUEST", requires = "app")]
    read: Option<String>,
    /// Where its answer has the value: json:/POINTER, regex:PATTERN, header:NAME or body
    #[arg(long, value_name = "PLACE", requires = "app")]
    value: Option<String>,
    /// The request that changes a row, as in "PUT /profiles/{key}"
    #[arg(long, value_name = "REQUEST", requires = "app")]
    write: Option<String>,
    /// Its body, as in '{"name": "{value}"}'
    #[arg(long, requires = "app")]
    body: Option<String>,
    /// The statement that makes a row, with {key} and {value}
    #[arg(long, value_name = "SQL", requires = "app")]
    insert: Option<String>,
    /// The statement that reads its value, with {key}
    #[arg(long, value_name = "SQL", requires = "app")]
    select: Option<String>,
    /// The key of its entry in Redis, as in profile:{key}
    #[arg(long, value_name = "KEY", requires = "app")]
    entry: Option<String>,
}

/// Writes a file with comments. Nothing that is there is touched.
pub(super) fn new_app(path: &Path, args: &NewAppArgs) -> Result<u8, Failure> {
    if path.symlink_metadata().is_ok() {
        let why = format!("{} exists already; name another: --app FILE", path.display());
        return Err(Failure::usage(why));
    }
    let mut draft = Draft { stdio: args.stdio, ..Draft::default() };
    let parts = PARTS.iter().filter(|part| !args.stdio || part.is_for_stdio);
    let has_body = args.stdio
        || [&args.body, &args.write].into_iter().flatten().any(|text| text.contains("{value}"));
    let is_complete = has_body
        && parts.clone().filter(|part| part.is_needed).all(|part| (part.given)(args).is_some());
    for part in parts {
        let text = match (part.given)(args) {
            Some(text) => {
                draft
                    .takes(part, &text)
                    .map_err(|why| Failure::usage(format!("--{} `{text}`: {why}", part.name)))?;
                text
            }
            None if is_complete => part.usual.map(|usual| usual(&draft)).unwrap_or_default(),
            None => ask(part, &draft)?,
        };
        *(part.place)(&mut draft) = text;
    }
    let text = draft.text();
    AppFile::parse(path, &text).map_err(|error| Failure::usage(error.to_string()))?;
    fs::write(path, text).map_err(FileError::io(path))?;
    let file = path.to_string_lossy();
    println!(
        "written: {file}\n\
         \n  {}      what each of its requests says to the stores\
         \n  {}    every order of their messages",
        command_line(["quarrel", "app", "doctor", &file]),
        command_line(["quarrel", "explore", "--app", &file])
    );
    Ok(0)
}

/// One thing that the file says.
struct Part {
    /// As flag, and in the file.
    name: &'static str,
    question: &'static str,
    is_needed: bool,
    is_for_stdio: bool,
    given: fn(&NewAppArgs) -> Option<String>,
    place: fn(&mut Draft) -> &mut String,
    /// What it mostly is, after what was said before.
    usual: Option<fn(&Draft) -> String>,
}

const PARTS: [Part; 11] = [
    Part {
        name: "command",
        question: "the command that starts one instance, at the port $PORT",
        is_needed: true,
        is_for_stdio: true,
        given: |args| args.command.clone(),
        place: |draft| &mut draft.command,
        usual: None,
    },
    Part {
        name: "env",
        question: "its environment, which says where the stores are",
        is_needed: false,
        is_for_stdio: true,
        given: |args| (!args.env.is_empty()).then(|| args.env.join(" ")),
        place: |draft| &mut draft.env,
        usual: Some(|_| "DATABASE_URL={primary} REDIS_URL={cache}".to_owned()),
    },
    Part {
        name: "setup",
        question: "a command that makes the tables, once (empty: none)",
        is_needed: false,
        is_for_stdio: true,
        given: |args| args.setup.clone(),
        place: |draft| &mut draft.setup,
        usual: None,
    },
    Part {
        name: "ready",
        question: "what answers 2xx when it is ready, as in GET /health (empty: its port is open)",
        is_needed: false,
        is_for_stdio: false,
        given: |args| args.ready.clone(),
        place: |draft| &mut draft.ready,
        usual: None,
    },
    Part {
        name: "read",
        question: "the request that reads a row, as in GET /profiles/{key}",
        is_needed: true,
        is_for_stdio: false,
        given: |args| args.read.clone(),
        place: |draft| &mut draft.read,
        usual: None,
    },
    Part {
        name: "value",
        question: "where its answer has the value: json:/name, regex:…, header:… or body",
        is_needed: true,
        is_for_stdio: false,
        given: |args| args.value.clone(),
        place: |draft| &mut draft.value,
        usual: None,
    },
    Part {
        name: "write",
        question: "the request that changes a row",
        is_needed: true,
        is_for_stdio: false,
        given: |args| args.write.clone(),
        place: |draft| &mut draft.write,
        usual: Some(|draft| draft.read.replacen("GET ", "PUT ", 1)),
    },
    Part {
        name: "body",
        question: "its body, with {value}",
        is_needed: false,
        is_for_stdio: false,
        given: |args| args.body.clone(),
        place: |draft| &mut draft.body,
        usual: Some(|draft| {
            draft
                .column()
                .map(|column| format!(r#"{{"{column}": "{{value}}"}}"#))
                .unwrap_or_default()
        }),
    },
    Part {
        name: "insert",
        question: "the statement that makes a row, with {key} and {value}",
        is_needed: true,
        is_for_stdio: true,
        given: |args| args.insert.clone(),
        place: |draft| &mut draft.insert,
        usual: Some(|draft| {
            let known = draft.table().zip(draft.column());
            let sql = known.map(|(table, column)| {
                format!("INSERT INTO {table} (id, {column}) VALUES ({{key}}, {{value}})")
            });
            sql.unwrap_or_default()
        }),
    },
    Part {
        name: "select",
        question: "the statement that reads its value",
        is_needed: true,
        is_for_stdio: true,
        given: |args| args.select.clone(),
        place: |draft| &mut draft.select,
        usual: Some(|draft| {
            let known = draft.table().zip(draft.column());
            let sql = known
                .map(|(table, column)| format!("SELECT {column} FROM {table} WHERE id = {{key}}"));
            sql.unwrap_or_default()
        }),
    },
    Part {
        name: "entry",
        question: "the key of its entry in Redis, as in profile:{key} (empty: nobody knows)",
        is_needed: false,
        is_for_stdio: true,
        given: |args| args.entry.clone(),
        place: |draft| &mut draft.entry,
        usual: None,
    },
];

/// Asks until the answer makes sense.
fn ask(part: &Part, draft: &Draft) -> Result<String, Failure> {
    let usual = part.usual.map(|usual| usual(draft)).filter(|usual| !usual.is_empty());
    loop {
        match &usual {
            Some(usual) => eprint!("{} [{usual}]: ", part.question),
            None => eprint!("{}: ", part.question),
        }
        let line = io::stdin().lock().lines().next().transpose().map_err(Failure::environment)?;
        let Some(line) = line else {
            eprintln!("");
            if !draft.needs(part) {
                return Ok(usual.unwrap_or_default());
            }
            return Err(Failure::usage(format!("nobody answers; say it with --{}", part.name)));
        };
        let answer = match (line.trim(), &usual) {
            ("", Some(usual)) => usual.clone(),
            (answer, _) => answer.to_owned(),
        };
        match draft.takes(part, &answer) {
            Ok(()) => return Ok(answer),
            Err(why) => eprintln!("  {why}"),
        }
    }
}

/// A file that is being made; what is empty is not said.
#[derive(Clone, Default)]
struct Draft {
    stdio: bool,
    command: String,
    env: String,
    setup: String,
    ready: String,
    read: String,
    value: String,
    write: String,
    body: String,
    insert: String,
    select: String,
    entry: String,
}

impl Draft {
    /// Whether the file's own reader takes this part, where those that are not
    /// yet known are in order.
    fn takes(&self, part: &Part, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return if self.needs(part) { Err("it is needed".to_owned()) } else { Ok(()) };
        }
        if part.name == "env" && !text.split_whitespace().next().is_some_and(is_a_variable) {
            return Err("expected NAME=TEXT, as in DATABASE_URL={primary}".to_owned());
        }
        let mut trial = self.clone();
        *(part.place)(&mut trial) = text.to_owned();
        let or = |text: &mut String, other: &str| {
            if text.is_empty() {
                other.clone_into(text);
            }
        };
        or(&mut trial.read, "GET /{key}");
        or(&mut trial.value, "body");
        or(&mut trial.write, "PUT /{key}");
        or(&mut trial.body, "{value}");
        or(&mut trial.insert, "{key} {value}");
        or(&mut trial.select, "{key}");
        let parsed = AppFile::parse(Path::new("app.toml"), &trial.text());
        parsed.map(drop).map_err(|error: FormError| error.problem().to_owned())
    }

    fn needs(&self, part: &Part) -> bool {
        part.is_needed || (part.name == "body" && !self.write.contains("{value}"))
    }

    /// What rows are in, if the requests name it.
    fn table(&self) -> Option<&str> {
        let (before, _) = self.read.split_once("/{key}")?;
        before.rsplit('/').next().filter(|name| is_a_name(name))
    }

    /// What the value is called in answers.
    fn column(&self) -> Option<&str> {
        let pointer = self.value.strip_prefix("json:/")?;
        pointer.rsplit('/').next().filter(|name| is_a_name(name))
    }

    fn text(&self) -> String {
        let env: Vec<_> = variables(&self.env)
            .iter()
            .filter_map(|one| one.split_once('='))
            .map(|(name, text)| format!("{name} = {}", toml_text(text)))
            .collect();
        let mut text = format!(
            "# How quarrel starts this application, reads a row of it and changes it.\n\
             # quarrel app doctor shows what each request says to the stores.\n\
             [app]\n\
             # Starts one instance, in this file's folder, at the port $PORT.\n\
             command = {}\n",
            toml_text(&self.command)
        );
        if self.stdio {
            text += "# One JSON object a line, on its standard input and output.\n\
                     protocol = \"stdio\"\n";
        }
        text += "# Where the stores are: {primary}, {replica} and {cache} are URLs, {primary.host},\n\
                 # .port, .user and .db their parts.\n";
        text += &format!("env = {{ {} }}\n", env.join(", "));
        text += "# Runs once before, against the stores themselves.\n";
        text += &said("setup", &self.setup, "python manage.py migrate");
        if !self.stdio {
            text += "# Answers 2xx when it is ready; if nothing is said here, its port is open.\n";
            text += &said("ready", &self.ready, "GET /health");
            text += "\n[read]\n# 404 says that there is no such row.\n";
            text += &said("request", &self.read, "");
            text += "# Or regex:PATTERN (its first group), header:NAME, body.\n";
            text += &said("value", &self.value, "");
            text += "\n[write]\n# 2xx is acknowledged; whatever else comes, or nothing, leaves unknown whether it\n\
                     # happened, but for statuses that are refused: these surely did nothing.\n";
            text += &said("request", &self.write, "");
            if !self.body.is_empty() {
                text += &said("body", &self.body, "");
            }
            text += "# refused = [409, 422]\n";
        }
        text += "\n[rows]\n# The rows themselves, on the primary; {value} comes with its quotes.\n";
        text += &said("insert", &self.insert, "");
        text += &said("select", &self.select, "");
        text +=
            "# Keys count up from here; there is no row with any of them.\n# first-key = 1000000\n";
        text +=
            "\n# The key of a row's entry in Redis: the stores are compared by it in the end.\n";
        if self.entry.is_empty() {
            text += "# [cache]\n";
        } else {
            text += "[cache]\n";
        }
        text + &said("entry", &self.entry, "profile:{key}")
    }
}

/// A line of the file; a comment with an example, if nothing was said.
fn said(name: &str, text: &str, example: &str) -> String {
    if text.is_empty() {
        format!("# {name} = {}\n", toml_text(example))
    } else {
        format!("{name} = {}\n", toml_text(text))
    }
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn is_a_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `NAME=TEXT`, one after the other; what is no name belongs to the text before.
fn variables(text: &str) -> Vec<String> {
    let mut variables: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match variables.last_mut() {
            Some(last) if !is_a_variable(word) => *last += &format!(" {word}"),
            _ => variables.push(word.to_owned()),
        }
    }
    variables
}

fn is_a_variable(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| is_a_name(name))
}
