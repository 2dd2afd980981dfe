//! The file that says how an application is started and spoken to.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use quarrel_checkers::Invalidation;
use quarrel_run::results::FormError;
use serde::Deserialize;
use toml::Spanned;

use super::{
    template::{Template, Words},
    value_at::ValueAt,
};

/// An application's file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AppFileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It says something that makes no sense.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// What an `app.toml` says, checked.
#[derive(Clone, Debug)]
pub struct AppFile {
    /// What results call the application.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The folder that commands run in: the file's own.
    pub folder: PathBuf,
    /// The shell command that starts an instance.
    pub command: Template,
    /// How many instances.
    pub instances: Instances,
    /// What tells that an instance is ready.
    pub ready: Ready,
    /// How long an instance may take to become ready.
    pub patience: Duration,
    /// Environment of every command, with placeholders for addresses.
    pub env: BTreeMap<String, Template>,
    /// A command that runs once, against the stores themselves.
    pub setup: Option<Template>,
    /// How requests reach it.
    pub speaks: Speaks,
    /// Its rows.
    pub rows: Rows,
    /// The key in Redis of a row's entry, if it can be said.
    pub entry: Option<Template>,
    /// Who keeps its cache in step with its rows, if that was said.
    pub invalidation: Option<Invalidation>,
    /// What people said of its steps.
    pub steps: Steps,
    /// Which messages a search holds until their turn comes.
    pub replies: Replies,
}

/// What a search does with the replies of requests that it held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// They go on by themselves.
    #[default]
    GoOn,
    /// They wait for their turn: what an application does between a reply and
    /// its next request, such as reading a clock, has its place in an order.
    Held,
}

/// How many instances there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instances {
    /// One for each client: whose request caused a message is certain.
    #[default]
    PerClient,
    /// One for all.
    Shared,
}

/// What tells that an instance is ready.
#[derive(Clone, Debug)]
pub enum Ready {
    /// A GET of this path answers 2xx.
    Path(String),
    /// A line of its output contains this.
    Line(String),
    /// Its port takes a connection; nothing else was said.
    Port,
}

/// How requests reach an application.
#[derive(Clone, Debug)]
pub enum Speaks {
    /// HTTP.
    Http(Box<HttpRequests>),
    /// One JSON object a line, on standard input and output.
    Stdio,
}

/// The requests of an application that speaks HTTP.
#[derive(Clone, Debug)]
pub struct HttpRequests {
    /// Reads a row.
    pub read: Reads,
    /// Changes one.
    pub write: Writes,
}

/// A request that reads a row.
#[derive(Clone, Debug)]
pub struct Reads {
    /// The request.
    pub request: HttpRequest,
    /// Where its answer has the value.
    pub value: ValueAt,
}

/// A request that changes a row.
#[derive(Clone, Debug)]
pub struct Writes {
    /// The request.
    pub request: HttpRequest,
    /// Statuses that say that it surely did nothing.
    pub refused: Vec<u16>,
}

/// An HTTP request with placeholders.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// `GET`, `PUT`, ….
    pub method: String,
    /// Path and query.
    pub path: Template,
    /// The body, if it has one.
    pub body: Option<Template>,
    /// Header fields.
    pub headers: BTreeMap<String, String>,
}

/// Statements about the rows themselves.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Makes a fresh row.
    pub insert: Template,
    /// Reads a row's value.
    pub select: Template,
    /// Changes a row by hand, beside the application, if that can be said.
    pub update: Option<Template>,
    /// The number of the first key; quarrel's keys count up from it.
    pub first: u64,
}

/// What people said of an application's steps.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Steps {
    /// Shapes, with `*` at the end for anything, whose order does not matter.
    #[serde(default)]
    pub local: Vec<String>,
    /// Shapes of messages that belong to no request.
    #[serde(default)]
    pub background: Vec<String>,
    /// Which messages are held until their turn comes.
    hold: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    app: RawApp,
    read: Option<RawRead>,
    write: Option<RawWrite>,
    rows: RawRows,
    cache: Option<RawCache>,
    #[serde(default)]
    steps: Steps,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawApp {
    name: Option<String>,
    command: Option<Spanned<String>>,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default)]
    instances: Instances,
    ready: Option<Spanned<String>>,
    ready_line: Option<String>,
    ready_within: Option<Spanned<String>>,
    #[serde(default)]
    env: BTreeMap<String, Spanned<String>>,
    setup: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    #[default]
    Http,
    Stdio,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawRead {
    request: Spanned<String>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    value: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawWrite {
    request: Spanned<String>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    refused: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawRows {
    insert: Spanned<String>,
    select: Spanned<String>,
    update: Option<Spanned<String>>,
    first_key: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawCache {
    entry: Option<Spanned<String>>,
    invalidation: Option<Invalidation>,
}

/// The first key of an application whose file names none: above what its own
/// set-up is likely to have made.
const FIRST_KEY: u64 = 1_000_000;

const PATIENCE: Duration = Duration::from_secs(30);

impl AppFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or where in it something makes no sense.
    pub fn read(path: &Path) -> Result<Self, AppFileError> {
        let text = fs::read_to_string(path)
            .map_err(|source| AppFileError::Io { path: path.to_owned(), source })?;
        Ok(Self::parse(path, &text)?)
    }

    /// Checks the text of the file at `path`.
    ///
    /// # Errors
    ///
    /// Where in it something makes no sense.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FormError> {
        let raw: Raw = toml::from_str(text).map_err(|error| FormError::toml(path, text, &error))?;
        Checked { path, text }.file(raw)
    }

    /// What tells results which application this was.
    #[must_use]
    pub fn source(&self) -> String {
        self.path.display().to_string()
    }
}

/// Checks parts of a file, and says where in it one is wrong.
struct Checked<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Checked<'_> {
    fn file(&self, raw: Raw) -> Result<AppFile, FormError> {
        let Raw { app, read, write, rows, cache, steps } = raw;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let ready = match (&app.ready, app.ready_line) {
            (Some(ready), None) => Ready::Path(self.get(ready)?),
            (None, Some(line)) => Ready::Line(line),
            (None, None) => Ready::Port,
            (Some(ready), Some(_)) => {
                return Err(self.wrong(ready, "`ready` and `ready-line` exclude each other"));
            }
        };
        let command = app
            .command
            .as_ref()
            .ok_or_else(|| self.missing("app", "command = \"…\", which starts the application"))?;
        let replies = self.replies(&steps)?;
        let speaks = match app.protocol {
            Protocol::Stdio => Speaks::Stdio,
            Protocol::Http => Speaks::Http(Box::new(HttpRequests {
                read: self.read(read.ok_or_else(|| {
                    self.missing("read", "request = \"GET /…/{key}\" and value = \"json:/…\"")
                })?)?,
                write: self.write(write.ok_or_else(|| {
                    self.missing(
                        "write",
                        "request = \"PUT /…/{key}\" and body = '{… \"{value}\" …}'",
                    )
                })?)?,
            })),
        };
        let env = app
            .env
            .iter()
            .map(|(name, text)| Ok((name.clone(), self.words(text, Words::Addresses)?)));
        let patience = app.ready_within.as_ref().map(|text| {
            quarrel_strategy::strategy::parse_duration(text.as_ref())
                .ok_or_else(|| self.wrong(text, "expected a time: 30s"))
        });
        Ok(AppFile {
            name: app.name.unwrap_or_else(|| named_after(self.path)),
            path: self.path.to_owned(),
            folder,
            command: self.words(command, Words::Addresses)?,
            instances: app.instances,
            replies,
            ready,
            patience: patience.transpose()?.unwrap_or(PATIENCE),
            env: env.collect::<Result<_, FormError>>()?,
            setup: app
                .setup
                .as_ref()
                .map(|setup| self.words(setup, Words::Addresses))
                .transpose()?,
            speaks,
            rows: self.rows(&rows)?,
            invalidation: cache.as_ref().and_then(|cache| cache.invalidation),
            entry: cache
                .and_then(|cache| cache.entry)
                .map(|entry| self.with_key(&entry, Words::Key))
                .transpose()?,
            steps,
        })
    }

    /// Which messages wait to be let go on.
    fn replies(&self, steps: &Steps) -> Result<Replies, FormError> {
        let Some(hold) = &steps.hold else { return Ok(Replies::GoOn) };
        match hold.as_ref().as_str() {
            "requests" => Ok(Replies::GoOn),
            "requests+replies" => Ok(Replies::Held),
            _ => Err(self.wrong(hold, "expected \"requests\" or \"requests+replies\"")),
        }
    }

    fn rows(&self, rows: &RawRows) -> Result<Rows, FormError> {
        let insert = self.with_key(&rows.insert, Words::KeyAndValue)?;
        if !insert.has("value") {
            return Err(self.wrong(&rows.insert, "a row is inserted with its {value}"));
        }
        let select = self.with_key(&rows.select, Words::Key)?;
        let update = rows.update.as_ref().map(|update| {
            let template = self.with_key(update, Words::KeyAndValue)?;
            let is_whole = template.has("value");
            if is_whole { Ok(template) } else { Err(self.wrong(update, "it has no {value}")) }
        });
        let first = rows.first_key.unwrap_or(FIRST_KEY);
        Ok(Rows { insert, select, update: update.transpose()?, first })
    }

    fn read(&self, raw: RawRead) -> Result<Reads, FormError> {
        let request = self.request(&raw.request, raw.body.as_ref(), raw.headers, Words::Key)?;
        let value =
            ValueAt::parse(raw.value.as_ref()).map_err(|why| self.wrong(&raw.value, &why))?;
        Ok(Reads { request, value })
    }

    fn write(&self, raw: RawWrite) -> Result<Writes, FormError> {
        let request =
            self.request(&raw.request, raw.body.as_ref(), raw.headers, Words::KeyAndValue)?;
        let has_value = request.path.has("value")
            || request.body.as_ref().is_some_and(|body| body.has("value"));
        if !has_value {
            return Err(self.wrong(&raw.request, "neither path nor body has a {value}"));
        }
        Ok(Writes { request, refused: raw.refused })
    }

    fn request(
        &self,
        request: &Spanned<String>,
        body: Option<&Spanned<String>>,
        headers: BTreeMap<String, String>,
        words: Words,
    ) -> Result<HttpRequest, FormError> {
        let expected = "expected a method and a path: GET /profiles/{key}";
        let Some((method, path)) = request.as_ref().split_once(' ') else {
            return Err(self.wrong(request, expected));
        };
        let path = path.trim();
        if method.is_empty()
            || !method.bytes().all(|byte| byte.is_ascii_uppercase())
            || !path.starts_with('/')
        {
            return Err(self.wrong(request, expected));
        }
        let path = Template::parse(path, words).map_err(|why| self.wrong(request, &why))?;
        let body = body.map(|body| self.words(body, words)).transpose()?;
        let has_key = path.has("key") || body.as_ref().is_some_and(|body| body.has("key"));
        if !has_key {
            return Err(self.wrong(request, "neither path nor body has a {key}"));
        }
        Ok(HttpRequest { method: method.to_owned(), path, body, headers })
    }

    /// The path of a `GET /path`.
    fn get(&self, text: &Spanned<String>) -> Result<String, FormError> {
        let path = text.as_ref().strip_prefix("GET ").map(str::trim);
        path.filter(|path| path.starts_with('/'))
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(text, "expected GET and a path: GET /health"))
    }

    fn words(&self, text: &Spanned<String>, words: Words) -> Result<Template, FormError> {
        Template::parse(text.as_ref(), words).map_err(|why| self.wrong(text, &why))
    }

    fn with_key(&self, text: &Spanned<String>, words: Words) -> Result<Template, FormError> {
        let template = self.words(text, words)?;
        if template.has("key") { Ok(template) } else { Err(self.wrong(text, "it has no {key}")) }
    }

    fn wrong(&self, part: &Spanned<String>, problem: &str) -> FormError {
        FormError::in_text(self.path, self.text, part.span().start, problem)
    }

    fn missing(&self, table: &str, what: &str) -> FormError {
        let line = self.text.lines().position(|line| line.trim() == format!("[{table}]"));
        FormError::at(
            self.path,
            line.map_or(1, |line| line + 1),
            1,
            format!("[{table}] needs {what}"),
        )
    }
}

/// `flask` for `apps/flask/app.toml`, `profiles` for `profiles.toml`.
fn named_after(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if stem != "app" {
        return stem;
    }
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole.parent().and_then(Path::file_name);
    folder.map_or(stem, |name| name.to_string_lossy().into_owned())
}
