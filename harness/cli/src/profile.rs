//! `quarrel.toml`: the runs that belong to a project, by profile.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Arg, ArgMatches, Command, parser::ValueSource};
use quarrel_checkers::gravest_exit;
use quarrel_report::report::Ink;
use quarrel_run::results::{FileError, FormError, VerdictFile, is_ours};
use quarrel_strategy::strategy::{Catalogue, KnownNames};
use serde_json::json;
use toml_edit::{Document, Item, Key, Table, Value};

use super::{
    Failure,
    memory::with_flag,
    output::{self, eprintln, println},
    partition::{Found, Part, PartRun, Partition, share},
    run::{Ended, command, makes_sense, one_of_many},
    words::told,
};

/// The project's file.
pub(super) const PROJECT: &str = "quarrel.toml";

/// The flag by which an application's data is not told.
const REDACT: &str = "redact";

/// What only the command line says of several runs.
const OUTSIDE: [&str; 3] = ["profile", "partition", "format"];

/// The runs of a profile, one after the other, with one summary and the gravest
/// of their exit codes.
pub(super) fn run(
    name: &str,
    format: &str,
    given: &ArgMatches,
    catalogue: &Catalogue,
) -> Result<u8, Failure> {
    let here = std::env::current_dir().map_err(Failure::environment)?;
    // What the command line says holds for all that is told, the names of files
    // among it.
    if given.get_flag(REDACT) {
        output::redact();
    }
    let project = Project::above(&here)?;
    let command = with_flag(command(catalogue)).no_binary_name(true);
    let runs = project.runs(name, &command, given)?;
    let mut parsed = Vec::new();
    for run in &runs {
        let matches = command.clone().try_get_matches_from(&run.words).map_err(|error| {
            let told = error.to_string();
            let told = told.trim_start_matches("error: ").lines().next().unwrap_or_default();
            project.wrong_at(run.at, told)
        })?;
        parsed.push(matches);
    }
    if parsed.iter().any(|matches| matches.get_flag(REDACT)) {
        output::redact();
    }
    let partition = given.get_one::<Partition>("partition").copied();
    // Whoever starts it sees which file decides, before anything of it runs.
    let split = partition.map_or_else(String::new, |share| format!(", share {share} of them"));
    eprintln!(
        "project: {}, profile {name}: {}{split}",
        project.path.display(),
        counted(runs.len())
    );
    for (run, matches) in runs.iter().zip(&parsed) {
        makes_sense(matches, catalogue).map_err(|failure| match failure.code {
            64 => project.wrong_at(run.at, failure.message),
            _ => failure,
        })?;
    }
    let costs: Vec<u64> = parsed.iter().map(cost_ms).collect();
    let share = share(partition, &costs);
    let mut done = Vec::new();
    for &at in &share {
        let (run, matches) = (&runs[at], &parsed[at]);
        eprintln!("run {} of {}: {}", at + 1, runs.len(), run.called());
        let ended = one_of_many(matches, catalogue);
        let ended = Done { number: at, called: run.called(), ended };
        let is_over = matches!(ended.code(), 70 | 130);
        done.push(ended);
        // Somebody stopped it, or nothing that it says can be trusted.
        if is_over {
            break;
        }
    }
    let code = gravest_exit(done.iter().map(Done::code));
    if let Some(partition) = partition.filter(|_| done.len() == share.len()) {
        let runs = done.iter().map(Done::to_part).collect();
        let results: &PathBuf = given.get_one("results").expect("it has a default");
        Part::leave(partition, Found::Runs { all: parsed.len(), runs }, results)?;
    }
    match format {
        "json" => {
            let runs: Vec<_> = done.iter().map(Done::to_json).collect();
            let left_out = share.len() - done.len();
            let name = output::shown(name.to_owned());
            let told =
                json!({"profile": name, "exit_code": code, "runs": runs, "not_run": left_out});
            // Its words are ours; what is not was made unreadable one by one.
            output::print_own(&format!("{told:#}\n"));
        }
        _ => summary(name, &done, share.len()),
    }
    Ok(code)
}

/// What is added to a storm's own time: servers that come up, stores that settle,
/// a verdict, a report.
const AROUND_MS: u64 = 5_000;

/// About how long a run lasts.
fn cost_ms(run: &ArgMatches) -> u64 {
    let time = run.get_one::<Duration>("time").copied().unwrap_or_default();
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_add(AROUND_MS)
}

/// A run that came to its end.
struct Done {
    /// Its place in the profile, from 0.
    number: usize,
    called: String,
    ended: Result<Ended, Failure>,
}

impl Done {
    const fn code(&self) -> u8 {
        match &self.ended {
            Ok(ended) => ended.code,
            Err(failure) => failure.code,
        }
    }

    const fn verdict(&self) -> Option<&VerdictFile> {
        match &self.ended {
            Ok(ended) => ended.verdict.as_ref(),
            Err(_) => None,
        }
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "command": output::shown(self.called.clone()),
            "exit_code": self.code(),
            "verdict": self.verdict(),
            "error": self.ended.as_ref().err().map(|failure| output::shown(failure.message.clone())),
        })
    }

    fn to_part(&self) -> PartRun {
        let (outcome, reason) = self.told();
        PartRun {
            number: self.number,
            command: self.called.clone(),
            exit_code: self.code(),
            outcome: outcome.to_owned(),
            reason,
            run: self.verdict().map(|verdict| verdict.run.clone()),
        }
    }

    /// What came of it, in a word and a sentence.
    fn told(&self) -> (&'static str, String) {
        let why = match (&self.ended, self.verdict()) {
            (Err(failure), _) => failure.message.clone(),
            (Ok(_), Some(verdict)) => verdict.reason.clone(),
            (Ok(_), None) => String::new(),
        };
        let violated = self.verdict().is_some_and(|v| v.outcome.exit_code() == 1);
        let word = match self.code() {
            0 if violated => "accepted",
            0 => "held",
            1 => "violated",
            2 => "undecided",
            3 => "vacuous",
            4 => "environment",
            130 => "interrupted",
            _ => "error",
        };
        (word, why)
    }
}

fn summary(name: &str, done: &[Done], all: usize) {
    let ink = Ink::colours();
    println!("\nprofile {name}:");
    for one in done {
        let style = match one.code() {
            0 => ink.good,
            1 => ink.bad,
            _ => ink.warn,
        };
        let (word, why) = one.told();
        println!("  {style}{word:<11}{style:#} {}", one.called);
        if !why.is_empty() {
            println!("              {why}");
        }
    }
    if done.len() < all {
        println!("  {} of {all} runs were not begun", all - done.len());
    }
}

/// A project's file.
struct Project {
    path: PathBuf,
    text: String,
    document: Document<String>,
}

/// A run of a profile, as the arguments of `quarrel run`.
struct Storm {
    words: Vec<String>,
    /// Behind how many bytes of the file it begins.
    at: usize,
}

impl Storm {
    fn called(&self) -> String {
        told(["run".to_owned()].into_iter().chain(self.words.iter().cloned()))
    }
}

impl Project {
    /// The file in `folder`, or in the nearest above it.
    fn above(folder: &Path) -> Result<Self, Failure> {
        let mut paths = folder.ancestors().map(|folder| folder.join(PROJECT));
        let path = paths.find(|path| path.is_file()).ok_or_else(|| {
            Failure::usage(format!(
                "--profile: there is no {PROJECT} here or above; quarrel init writes one"
            ))
        })?;
        // It says what is run: anybody could have left one above.
        if path.parent() != Some(folder) && !is_ours(&path).map_err(FileError::io(&path))? {
            return Err(Failure::usage(format!(
                "--profile: {} belongs to somebody else, and is not followed from a folder below; \
                 if it is meant, go to its folder",
                path.display()
            )));
        }
        let text = fs::read_to_string(&path).map_err(FileError::io(&path))?;
        let document = Document::parse(text.clone()).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            FormError::in_text(&path, &text, at, error.message().trim())
        })?;
        Ok(Self { path, text, document })
    }

    /// What is wrong at an item.
    fn wrong(&self, item: &Item, problem: impl std::fmt::Display) -> Failure {
        self.wrong_at(item.span().map_or(0, |span| span.start), problem)
    }

    /// What is wrong with a key.
    fn wrong_key(&self, key: &Key, problem: impl std::fmt::Display) -> Failure {
        self.wrong_at(key.span().map_or(0, |span| span.start), problem)
    }

    /// What is wrong behind so many bytes of the file.
    fn wrong_at(&self, offset: usize, problem: impl std::fmt::Display) -> Failure {
        FormError::in_text(&self.path, &self.text, offset, problem).into()
    }

    /// The runs of a profile, with what was given on the command line.
    fn runs(
        &self,
        name: &str,
        command: &Command,
        given: &ArgMatches,
    ) -> Result<Vec<Storm>, Failure> {
        let root = self.document.as_item();
        if let Some((key, _)) = keyed(&self.document).find(|(key, _)| *key != "profile") {
            return Err(self.wrong_key(key, format!("unknown key `{key}`; known is profile")));
        }
        let none = || self.wrong(root, "there is no [profile.NAME] in it");
        let profiles = self.document.get("profile").and_then(Item::as_table).ok_or_else(none)?;
        let known = || KnownNames::of(name, profiles.iter().map(|(name, _)| name));
        let profile = profiles.get(name).and_then(Item::as_table);
        let profile = profile.ok_or_else(|| {
            Failure::usage(format!("{} has no profile `{name}`; {}", self.path.display(), known()))
        })?;
        let runs = profile.get("run").and_then(Item::as_array_of_tables);
        let runs = runs.ok_or_else(|| {
            let item = profiles.get(name).unwrap_or(root);
            self.wrong(item, format!("profile {name} has no [[profile.{name}.run]]"))
        })?;
        let outside = outside(command, given);
        runs.iter().map(|run| self.storm(profile, run, command, &outside)).collect()
    }

    fn storm(
        &self,
        profile: &Table,
        run: &Table,
        command: &Command,
        outside: &BTreeMap<String, Vec<String>>,
    ) -> Result<Storm, Failure> {
        let mut said: BTreeMap<&str, (&Key, &Item)> = BTreeMap::new();
        for (key, item) in keyed(profile).filter(|(key, _)| *key != "run").chain(keyed(run)) {
            said.insert(key, (key, item));
        }
        let mut words = Vec::new();
        for (name, (key, item)) in said {
            let Some(flag) = flags(command).find(|(known, _)| *known == name) else {
                let names = KnownNames::of(name, flags(command).map(|(known, _)| known));
                return Err(self.wrong_key(key, format!("unknown key `{name}`; {names}")));
            };
            if OUTSIDE.contains(&name) {
                return Err(self.wrong_key(key, format!("{name} is for the command line only")));
            }
            if !outside.contains_key(name) {
                words.extend(self.words(flag, item)?);
            }
        }
        words.extend(outside.values().flatten().cloned());
        Ok(Storm { words, at: run.span().map_or(0, |span| span.start) })
    }

    /// A key and its value as on the command line.
    fn words(&self, (key, arg): (&str, &Arg), item: &Item) -> Result<Vec<String>, Failure> {
        let values: Vec<&Value> = match item.as_value() {
            Some(Value::Array(values)) => values.iter().collect(),
            Some(value) => vec![value],
            None => return Err(self.wrong(item, format!("{key}: expected a value"))),
        };
        let mut words = Vec::new();
        for value in values {
            let text = match value {
                Value::String(text) => text.value().clone(),
                Value::Integer(number) => number.value().to_string(),
                Value::Float(number) => number.value().to_string(),
                // A flag without a value: there, or not.
                Value::Boolean(is_set) => {
                    words.extend(is_set.value().then(|| format!("--{key}")));
                    continue;
                }
                _ => return Err(self.wrong(item, format!("{key}: expected text or a number"))),
            };
            match key {
                "strategy" => words.insert(0, text),
                _ if names_file(arg) => {
                    let beside = self.path.parent().unwrap_or(Path::new("")).join(text);
                    words.push(format!("--{key}={}", beside.display()));
                }
                _ => words.push(format!("--{key}={text}")),
            }
        }
        Ok(words)
    }
}

/// `1 run`, `2 runs`.
fn counted(runs: usize) -> String {
    format!("{runs} run{}", if runs == 1 { "" } else { "s" })
}

/// What is in a table, with its keys' places.
fn keyed(table: &Table) -> impl Iterator<Item = (&Key, &Item)> {
    table.iter().filter_map(|(key, _)| table.get_key_value(key))
}

/// The flags of `quarrel run` by name, and what it runs.
fn flags(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command.get_arguments().filter_map(|arg| {
        let name = arg.get_long().or_else(|| arg.is_positional().then(|| arg.get_id().as_str()))?;
        Some((name, arg))
    })
}

/// Whether a flag's value is a file, which is looked for beside the project's.
fn names_file(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE"))
}

/// What was given on the command line, by flag: it holds for every run, instead
/// of what the file says.
fn outside(command: &Command, given: &ArgMatches) -> BTreeMap<String, Vec<String>> {
    let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let is_given = given.value_source(id) == Some(ValueSource::CommandLine);
        let Some(flag) =
            arg.get_long().filter(|flag| is_given && !["profile", "partition"].contains(flag))
        else {
            continue;
        };
        let raw = given.get_raw(id).into_iter().flatten();
        let told = raw.map(|value| match arg.get_action().takes_values() {
            true => format!("--{flag}={}", value.to_string_lossy()),
            false => format!("--{flag}"),
        });
        words.insert(flag.to_owned(), told.collect());
    }
    words
}
