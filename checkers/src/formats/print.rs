use std::io::{self, Write};

use serde::Serialize;

use super::{Format, csv};
use crate::{Event, F, History, Key, Kind, Probe, Process, Step, Value};

/// Writes `history` in `format`. Only [`Format::JsonLines`] has a place for
/// steps; the others leave them out.
///
/// ```
/// use quarrel_checkers::{History, Op, Process, Time, formats::{self, Format}};
///
/// let mut history = History::default();
/// history.invoke(Time(5), Process::Client(0), Op::write(7, 1));
/// let mut file = Vec::new();
/// formats::write(&history, Format::JsonLines, &mut file)?;
/// assert_eq!(
///     String::from_utf8(file)?,
///     r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":7,"value":1}"#.to_owned() + "\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Of the writer, and [`io::ErrorKind::Unsupported`] for a format that is only
/// read.
pub fn write(history: &History, format: Format, to: &mut impl Write) -> io::Result<()> {
    match format {
        Format::JsonLines => json_lines(history, to),
        _ => history.events.iter().try_for_each(|event| write_event(event, format, to)),
    }
}

/// The same with what probes found in the stores, for which only
/// [`Format::JsonLines`] has a place.
///
/// # Errors
///
/// As for [`write()`].
pub fn write_probed(
    history: &History,
    probes: &[Probe],
    format: Format,
    to: &mut impl Write,
) -> io::Result<()> {
    write(history, format, to)?;
    if format == Format::JsonLines {
        for probe in probes {
            serde_json::to_writer(&mut *to, &TaggedProbe { tag: "probe", probe })?;
            to.write_all(b"\n")?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct TaggedProbe<'a> {
    #[serde(rename = "type")]
    tag: &'static str,
    #[serde(flatten)]
    probe: &'a Probe,
}

/// Writes one event in `format`, for histories that are never in memory whole.
///
/// ```
/// use quarrel_checkers::{formats::{self, Format}, generate::GeneratedLoad};
///
/// let mut file = Vec::new();
/// let mut written = Ok(());
/// GeneratedLoad { operations: 3, ..GeneratedLoad::default() }.each_event(|event| {
///     written = formats::write_event(&event, Format::Text, &mut file);
/// });
/// written?;
/// assert_eq!(String::from_utf8(file)?.lines().count(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As for [`write()`].
pub fn write_event(event: &Event, format: Format, to: &mut impl Write) -> io::Result<()> {
    match format {
        Format::JsonLines => {
            serde_json::to_writer(&mut *to, event)?;
            to.write_all(b"\n")
        }
        Format::Edn => edn(event, to),
        Format::Text => columns(event, to),
        Format::Csv => csv::write(event, to),
        Format::Json | Format::JepsenLog | Format::Plume | Format::Awdit | Format::Dbcop => {
            let problem =
                format!("{format} is only read; write JSON lines, EDN, CSV or columns of text");
            Err(io::Error::new(io::ErrorKind::Unsupported, problem))
        }
    }
}

#[derive(Serialize)]
struct Tagged<'a> {
    #[serde(rename = "type")]
    tag: &'static str,
    #[serde(flatten)]
    step: &'a Step,
}

/// Events, and before each the steps that had ended by then.
fn json_lines(history: &History, to: &mut impl Write) -> io::Result<()> {
    let mut steps = history.steps.iter().peekable();
    let line = |step, to: &mut _| -> io::Result<()> {
        serde_json::to_writer(&mut *to, &Tagged { tag: "step", step })?;
        Write::write_all(to, b"\n")
    };
    for event in &history.events {
        while let Some(step) = steps.next_if(|s| s.end.is_some_and(|end| end <= event.time)) {
            line(step, to)?;
        }
        write_event(event, Format::JsonLines, to)?;
    }
    steps.try_for_each(|step| line(step, to))
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoke => ":invoke",
        Kind::Ok => ":ok",
        Kind::Fail => ":fail",
        Kind::Info => ":info",
    }
}

fn process(process: Process) -> String {
    match process {
        Process::Client(n) => n.to_string(),
        Process::Nemesis => ":nemesis".to_owned(),
        Process::Agent(_) => format!("\"{process}\""),
    }
}

/// A keyword if it can be one, else a text.
fn function(f: &F) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.?!*+<>=/".contains(c);
    let name = f.as_str();
    if !name.is_empty() && name.chars().all(is_plain) { format!(":{name}") } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn value(v: &Value) -> String {
    match v {
        Value::Text(text) => quoted(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(value).collect();
            format!("[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}

/// The value, in a pair with the key if there is one.
fn keyed(key: Option<Key>, v: &Value) -> String {
    key.map_or_else(|| value(v), |key| format!("[{key} {}]", value(v)))
}

fn edn(event: &Event, to: &mut impl Write) -> io::Result<()> {
    write!(
        to,
        "{{:type {}, :f {}, :value {}, :time {}, :process {}, :index {}",
        kind(event.kind),
        function(&event.op.f),
        keyed(event.op.key, &event.op.value),
        event.time.0,
        process(event.process),
        event.index.0,
    )?;
    if let Some(version) = event.op.version {
        write!(to, ", :version {version}")?;
    }
    if let Some(timeline) = event.timeline {
        write!(to, ", :timeline {timeline}")?;
    }
    match &event.error {
        Some(error) => writeln!(to, ", :error {}}}", quoted(error)),
        None => writeln!(to, "}}"),
    }
}

fn columns(event: &Event, to: &mut impl Write) -> io::Result<()> {
    write!(
        to,
        "{}\t{}\t{}\t{}",
        process(event.process),
        kind(event.kind),
        function(&event.op.f),
        keyed(event.op.key, &event.op.value)
    )?;
    match &event.error {
        Some(error) => writeln!(to, "\t{}", quoted(error)),
        None => writeln!(to),
    }
}
