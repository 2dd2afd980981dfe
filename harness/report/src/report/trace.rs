use std::{
    collections::BTreeSet,
    io::{self, BufWriter, IntoInnerError, Write},
};

use flate2::{Compression, write::GzEncoder};
use quarrel_checkers::{F, Time};
use quarrel_run::results::FileError;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    page::{Part, kept},
    rows::{OperationEnd, OperationRow},
    terminal::{headline, printable},
    timeline::{call, reply},
    view::View,
};

/// Process numbers of the trace: who has a group of tracks.
const CLIENTS: u32 = 1;
const FAULTS: u32 = 2;
/// The track of the run's phases; those of faults come after it.
const PHASES: usize = 1;

/// Bytes of text that are compressed at once.
const BUFFER: usize = 1 << 16;

/// The most operations that a trace tells: what opens it holds all of it in a
/// browser's memory. Beyond it only those around the anomalies are told.
const MOST: usize = 250_000;

/// Writes the run as a Chrome trace, `trace.json.gz`, that Perfetto
/// (<https://ui.perfetto.dev>) opens: operations with their steps, phases,
/// faults, anomalies, and counters of replica lag and staleness. Of a long run
/// it tells what happened around the anomalies, and says so.
///
/// # Errors
///
/// When the system says no.
pub fn write_trace(view: &View<'_>) -> Result<(), FileError> {
    view.run.folder.write_with("trace.json.gz", |file| {
        // Outside the encoder, which works per call: events come in pieces of a few bytes.
        let packed = GzEncoder::new(file, Compression::new(5));
        let to = BufWriter::with_capacity(BUFFER, packed);
        let mut trace = Trace { to, any: false };
        trace.to.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        events(view, MOST, &mut trace)?;
        trace.to.write_all(b"\n]}\n")?;
        let packed = trace.to.into_inner().map_err(IntoInnerError::into_error)?;
        packed.finish()?;
        Ok(())
    })
}

struct Trace<W: Write> {
    to: W,
    any: bool,
}

impl<W: Write> Trace<W> {
    fn put(&mut self, event: &impl Serialize) -> io::Result<()> {
        if std::mem::replace(&mut self.any, true) {
            self.to.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut self.to, event)?;
        Ok(())
    }
}

/// Times in a trace are microseconds; fractions are allowed.
fn micros(time: Time) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn events<W: Write>(view: &View<'_>, most: usize, trace: &mut Trace<W>) -> io::Result<()> {
    let name = |pid: u32, tid: usize, kind: &str, name: &str| json!({"ph": "M", "pid": pid, "tid": tid, "name": kind, "args": {"name": name}});
    let is_kept = kept(view, Part::Whole, most);
    let left_out = is_kept.iter().filter(|kept| !**kept).count();
    let mut clients = format!("clients of {}", view.verdict.strategy);
    if left_out > 0 {
        clients += &format!(" ({left_out} operations far from any anomaly are left out)");
    }
    trace.put(&name(CLIENTS, 0, "process_name", &clients))?;
    trace.put(&name(FAULTS, 0, "process_name", "faults and stores"))?;
    for (lane, client) in view.lanes.iter().enumerate() {
        trace.put(&name(CLIENTS, lane + 1, "thread_name", client))?;
    }
    // A fault comes and goes on one track.
    let faults: BTreeSet<&str> = view.bands.iter().map(|band| band.fault.as_str()).collect();
    for (number, fault) in faults.iter().enumerate() {
        trace.put(&name(FAULTS, PHASES + 1 + number, "thread_name", fault))?;
    }
    if !view.phases.is_empty() {
        trace.put(&name(FAULTS, PHASES, "thread_name", "phase"))?;
    }
    for phase in &view.phases {
        trace.put(&json!({
            "ph": "X", "pid": FAULTS, "tid": PHASES, "cat": "phase", "name": phase.name,
            "ts": micros(phase.from), "dur": micros(phase.to) - micros(phase.from),
            "args": {"what": phase.what},
        }))?;
    }
    for band in &view.bands {
        let number = faults.range(..band.fault.as_str()).count();
        trace.put(&json!({
            "ph": "X", "pid": FAULTS, "tid": PHASES + 1 + number, "cat": "fault", "name": band.fault,
            "ts": micros(band.from), "dur": micros(band.to) - micros(band.from),
            "args": {"observed_ms": band.observed.map(|seen| micros(seen) / 1e3)},
        }))?;
    }
    let told = || view.rows.iter().zip(&is_kept).filter(|(_, kept)| **kept).map(|(row, _)| row);
    for row in told() {
        operation(view, &row, trace)?;
    }
    for (at, lag) in view.lag.iter().step_by(view.lag.len().div_ceil(most.max(1)).max(1)) {
        trace.put(&counter("replica lag [ms]", *at, lag.as_secs_f64() * 1e3))?;
    }
    for row in told().filter(|row| row.stale.is_some()) {
        let stale = row.stale.unwrap_or_default().as_secs_f64() * 1e3;
        trace.put(&counter("staleness of stale reads [ms]", row.start, stale))?;
    }
    anomalies(view, trace)
}

fn counter(name: &str, at: Time, value: f64) -> Value {
    json!({"ph": "C", "pid": FAULTS, "name": name, "ts": micros(at), "args": {"value": value}})
}

fn operation<W: Write>(
    view: &View<'_>,
    row: &OperationRow,
    trace: &mut Trace<W>,
) -> io::Result<()> {
    let mut name = row.f.to_string();
    let keys: Vec<_> = row.halves().map(|(key, _)| key.to_string()).collect();
    if !keys.is_empty() {
        name += &format!(" {}", keys.join(" and "));
    }
    let versions = row.version.into_iter().chain(row.beside.and_then(|(_, version)| version));
    let versions: Vec<_> = versions.map(|version| format!("v{version}")).collect();
    if !versions.is_empty() {
        let sign = if row.f == F::Read { "→" } else { "=" };
        name += &format!(" {sign} {}", versions.join(" and "));
    }
    if row.stale.is_some() {
        name += " STALE";
    }
    let ending = match row.ending {
        OperationEnd::Ok => "ok",
        OperationEnd::Failed => "failed",
        OperationEnd::Unknown => "unknown",
    };
    let tid = usize::from(row.lane) + 1;
    let end = row.end.unwrap_or(view.end);
    let process = view.process_of(row).to_string();
    trace.put(&Slice {
        ph: "X",
        pid: CLIENTS,
        tid,
        cat: "operation",
        name: &name,
        ts: micros(row.start),
        dur: micros(end) - micros(row.start),
        args: OperationArgs {
            outcome: ending,
            value: printable(&view.value_of(row).to_string()),
            stale_ms: row.stale.map(|stale| stale.as_secs_f64() * 1e3),
            process: &process,
            index: row.invoke.0,
        },
    })?;
    for step in view.steps_of(row) {
        let end = step.end.unwrap_or(end);
        trace.put(&Slice {
            ph: "X",
            pid: CLIENTS,
            tid,
            cat: &step.site.to_string(),
            name: &call(&step),
            ts: micros(step.start),
            dur: micros(end) - micros(step.start),
            args: StepArgs { reply: reply(&step), lsn: step.lsn.map(|lsn| lsn.to_string()) },
        })?;
    }
    Ok(())
}

/// Something that takes its time on a track. There are millions: they are
/// written as they are, with no tree in between.
#[derive(Serialize)]
struct Slice<'a, A> {
    ph: &'static str,
    pid: u32,
    tid: usize,
    cat: &'a str,
    name: &'a str,
    ts: f64,
    dur: f64,
    args: A,
}

#[derive(Serialize)]
struct OperationArgs<'a> {
    outcome: &'static str,
    value: String,
    stale_ms: Option<f64>,
    process: &'a str,
    index: u64,
}

#[derive(Serialize)]
struct StepArgs {
    reply: String,
    lsn: Option<String>,
}

fn anomalies<W: Write>(view: &View<'_>, trace: &mut Trace<W>) -> io::Result<()> {
    let Some(evidence) = &view.evidence else { return Ok(()) };
    for (at, anomaly) in view.verdict.anomalies.iter().enumerate() {
        let Some(operation) = evidence.guilty(anomaly) else { continue };
        let Some(place) = view.rows.place_of(operation.invoke) else {
            continue;
        };
        let row = view.rows.get(place);
        trace.put(&json!({
            "ph": "i", "s": "t", "pid": CLIENTS, "tid": usize::from(row.lane) + 1, "cat": "anomaly",
            "name": format!("anomaly {}: {}", at + 1, headline(Some(evidence), anomaly)),
            "ts": micros(row.start),
        }))?;
    }
    Ok(())
}
