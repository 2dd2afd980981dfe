use std::time::Duration;

use quarrel_checkers::{
    F, HistoryRef, Kind, Lsn, Process, ReadFinding, Reply, Site, StepAt, Time, Value,
};
use quarrel_run::{
    judge::{CauseEvidence, stale_reads},
    results::{LoadedRun, Phases, VerdictFile},
};
use rustc_hash::FxHashMap;

use super::{
    names::client_name,
    rows::{OperationEnd, OperationRow, OperationRows},
};

/// A run as reports look at it: every operation on its lane, with how stale
/// it was and where its value came from.
pub struct View<'a> {
    /// The run.
    pub run: &'a LoadedRun,
    /// What came of it.
    pub verdict: &'a VerdictFile,
    /// Its operations and steps; none if its events do not pair.
    pub evidence: Option<CauseEvidence<'a>>,
    /// Every operation, in order of its begin.
    pub rows: OperationRows,
    /// Names of the lanes, from the top.
    pub lanes: Vec<String>,
    /// When faults were on.
    pub bands: Vec<Band>,
    /// What the run was doing, from its beginning to its end without a gap;
    /// none if it does not say.
    pub phases: Vec<PhaseSpan>,
    /// When the last thing happened.
    pub end: Time,
    /// How far the replica was behind whenever it was read: when, how far.
    pub lag: Vec<(Time, Duration)>,
}

/// A fault that was on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The fault with its arguments.
    pub fault: String,
    /// From its injection.
    pub from: Time,
    /// To its end: healed, and seen to be so if it was.
    pub to: Time,
    /// When it was first seen to have an effect.
    pub observed: Option<Time>,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// `load`, `storm`, `heal` or `final`, as the terminal calls it.
    pub name: &'static str,
    /// What happens in it.
    pub what: &'static str,
    /// When it began.
    pub from: Time,
    /// When the next one did, or the run ended.
    pub to: Time,
}

impl<'a> View<'a> {
    /// Looks at a run.
    #[must_use]
    pub fn new(run: &'a LoadedRun, verdict: &'a VerdictFile) -> Self {
        Self::with_reads(run, verdict, &stale_reads(run))
    }

    /// The same, where it is known what was found of stale reads.
    #[must_use]
    pub fn with_reads(run: &'a LoadedRun, verdict: &'a VerdictFile, stale: &[ReadFinding]) -> Self {
        let history = HistoryRef::from(&run.history);
        let evidence = CauseEvidence::new(history);
        let last_event = history.events().map(|event| event.time).max();
        let last_step = history.steps().filter_map(|step| step.end).max();
        let last_heal = run.receipts.iter().filter_map(|receipt| receipt.healed).max();
        let end = [last_event, last_step, last_heal].into_iter().flatten().max();
        let end = end.unwrap_or(Time::ZERO).max(Time(1_000_000));
        let mut lanes = Lanes::new(run.settings.clients);
        let count = evidence.iter().map(|evidence| evidence.operations().len()).sum();
        let mut rows = OperationRows::with_capacity(count);
        for operation in evidence.iter().flat_map(CauseEvidence::operations) {
            let Some(evidence) = &evidence else { continue };
            rows.push(&row(evidence, operation, &mut lanes));
        }
        measure(&mut rows, stale);
        let lanes = lanes.sorted(&mut rows);
        Self {
            run,
            verdict,
            rows,
            lanes,
            bands: bands(run, end),
            phases: phases(run, end),
            end,
            lag: lag(history),
            evidence,
        }
    }
}

fn row(
    evidence: &CauseEvidence<'_>,
    operation: &quarrel_checkers::Operation,
    lanes: &mut Lanes,
) -> OperationRow {
    let history = evidence.history();
    let invoke = history.event(operation.invoke);
    let complete = operation.complete.map(|end| history.event(end));
    let op = complete.as_ref().map_or(&invoke.op, |complete| &complete.op);
    let sides = evidence.sides(operation);
    let pair = if let [one, other] = &sides[..] { Some((one, other)) } else { None };
    let f = match (pair, evidence.writes(operation)) {
        (None, _) => invoke.op.f.clone(),
        (Some(_), true) => F::Write,
        (Some(_), false) => F::Read,
    };
    let key = pair.map_or(invoke.op.key, |(one, _)| Some(one.key));
    let version = pair.map_or(op.version, |(one, _)| one.version);
    let source = evidence.steps_of(operation).rev().find(|step| {
        let is_on = pair.is_none() || step.object.as_ref().map(|object| object.key) == key;
        is_on && matches!(step.reply, Reply::Found(_)) && CauseEvidence::number_of(step) == version
    });
    OperationRow {
        invoke: operation.invoke,
        start: invoke.time,
        // An operation of unknown outcome is open-ended, whenever its client
        // gave up.
        end: complete.as_ref().map(|complete| complete.time),
        lane: lanes.of(invoke.process),
        source: source.filter(|_| f == F::Read).map(|step| step.site),
        f,
        ending: match complete.as_ref().map(|complete| complete.kind) {
            Some(Kind::Ok) => OperationEnd::Ok,
            Some(Kind::Fail) => OperationEnd::Failed,
            _ => OperationEnd::Unknown,
        },
        key,
        version,
        beside: pair.map(|(_, other)| (other.key, other.version)),
        stale: None,
    }
}

impl View<'_> {
    /// Who an operation is.
    #[must_use]
    pub fn process_of(&self, row: &OperationRow) -> Process {
        HistoryRef::from(&self.run.history).event(row.invoke).process
    }

    /// The value that an operation wrote or returned.
    #[must_use]
    pub fn value_of(&self, row: &OperationRow) -> Value {
        let evidence = self.evidence.as_ref();
        let found = evidence.and_then(|all| Some((all, all.operation_at(row.invoke)?)));
        let Some((evidence, operation)) = found else { return Value::Nil };
        if let [one, other] = &evidence.sides(operation)[..] {
            return Value::Text(format!("{} and {}", one.value, other.value).into());
        }
        let value = |index| evidence.history().event(index).op.value.clone();
        let told = operation.complete.map(value).filter(|told| !told.is_nil());
        told.unwrap_or_else(|| value(operation.invoke))
    }

    /// The steps of an operation, in their order.
    pub fn steps_of(&self, row: &OperationRow) -> impl ExactSizeIterator<Item = StepAt<'_>> {
        let evidence = self.evidence.as_ref();
        let positions = evidence.map(|one| one.positions_of(row.invoke)).unwrap_or_default();
        let history = HistoryRef::from(&self.run.history);
        positions.iter().map(move |at| history.step(*at as usize))
    }
}

/// Processes on lanes: one for each client, whichever process ids it went
/// through, then one for each agent.
struct Lanes {
    clients: u64,
    of: FxHashMap<Process, u16>,
    names: Vec<String>,
}

impl Lanes {
    fn new(clients: u64) -> Self {
        Self { clients: clients.max(1), of: FxHashMap::default(), names: Vec::new() }
    }

    fn of(&mut self, process: Process) -> u16 {
        let process = match process {
            Process::Client(number) => Process::Client(number % self.clients),
            other => other,
        };
        if let Some(lane) = self.of.get(&process) {
            return *lane;
        }
        let lane = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(client_name(process, self.clients));
        self.of.insert(process, lane);
        lane
    }

    /// Names from the top: clients by number, then agents. Lanes were given
    /// in order of appearance; the rows are moved.
    fn sorted(self, rows: &mut OperationRows) -> Vec<String> {
        let mut order: Vec<(Process, u16)> = self.of.into_iter().collect();
        order.sort_unstable();
        let mut moved = vec![0; order.len()];
        for (to, (_, from)) in (0..).zip(&order) {
            moved[usize::from(*from)] = to;
        }
        rows.move_lanes(|lane| moved[usize::from(lane)]);
        order.iter().map(|(_, from)| self.names[usize::from(*from)].clone()).collect()
    }
}

/// Fills in how stale each read was, as the judge found it. Of a transaction's
/// two keys the staler one is told first.
fn measure(rows: &mut OperationRows, findings: &[ReadFinding]) {
    for own in findings.chunk_by(|one, next| one.invoke == next.invoke) {
        let Some(place) = rows.place_of(own[0].invoke) else { continue };
        rows.change(place, |row| {
            let worst = own.iter().filter_map(|finding| Some((finding.stale_for?, finding.key)));
            let Some((stale_for, key)) =
                worst.max_by_key(|(stale_for, key)| (*stale_for, *key == row.key))
            else {
                return;
            };
            row.stale = Some(stale_for);
            if key != row.key
                && let Some((beside, version)) = row.beside
            {
                row.beside = row.key.map(|key| (key, row.version));
                (row.key, row.version) = (Some(beside), version);
            }
        });
    }
}

fn bands(run: &LoadedRun, end: Time) -> Vec<Band> {
    run.receipts
        .iter()
        .map(|receipt| Band {
            fault: receipt.fault.clone(),
            from: receipt.injected,
            to: receipt.healed.unwrap_or(end).max(receipt.injected),
            observed: receipt.observed,
        })
        .collect()
}

fn phases(run: &LoadedRun, end: Time) -> Vec<PhaseSpan> {
    let Some(began) = Phases::of(&run.folder) else { return Vec::new() };
    let named = [
        ("load", "every key gets its first value", Time::ZERO, began.storm),
        ("storm", "clients work, faults strike", began.storm, began.heal),
        ("heal", "clients have ended, faults are healed", began.heal, began.last),
        ("final", "every key is read once more, by the strategy and beside it", began.last, end),
    ];
    let cut = |time: Time| time.min(end);
    let phases =
        named.map(|(name, what, from, to)| PhaseSpan { name, what, from: cut(from), to: cut(to) });
    phases.into_iter().filter(|phase| phase.from < phase.to).collect()
}

/// How far the replica was behind at each of its reads: the age of the oldest
/// acknowledged write that it had not replayed, by log positions.
fn lag(history: HistoryRef<'_>) -> Vec<(Time, Duration)> {
    let mut written: Vec<(Lsn, Time)> = history
        .steps()
        .filter(|step| step.site == Site::Primary && matches!(step.reply, Reply::Done { .. }))
        .filter_map(|step| Some((step.lsn?, step.end?)))
        .collect();
    written.sort_unstable();
    // The earliest acknowledgement at or after each position.
    let mut earliest = Time::MAX;
    for (_, end) in written.iter_mut().rev() {
        earliest = earliest.min(*end);
        *end = earliest;
    }
    let mut lag: Vec<(Time, Duration)> = history
        .steps()
        .filter(|step| step.site == Site::Replica)
        .filter_map(|step| {
            let lsn = step.lsn?;
            let missing = written.partition_point(|(position, _)| *position <= lsn);
            let since = written.get(missing).map_or(Time::MAX, |(_, end)| *end);
            Some((step.start, step.start.since(since)))
        })
        .collect();
    lag.sort_unstable();
    lag
}
