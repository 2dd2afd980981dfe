//! What is said of a level that is broken.

use super::{
    Expected,
    execution::Execution,
    forced::{Forced, Missed},
    found::Found,
    graph::{Dependency, Edge},
    level::{Isolation, Order, with_order},
    parse::Transactions,
    serial,
};
use crate::Class;

/// What breaks a level: its name, who has part in it, and how, in a sentence.
pub(super) struct Broken {
    pub(super) class: Class,
    pub(super) members: Vec<u32>,
    pub(super) explanation: String,
}

/// What keys hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Register,
}

/// That some transactions contradict each other in every order.
pub(super) fn contradiction(
    found: &Found<'_>,
    execution: &Execution,
    (level, kind): (Expected, Kind),
    members: Vec<u32>,
) -> Broken {
    let names: Vec<String> = members.iter().map(|at| found.name(*at)).collect();
    let mut said: Vec<String> = Vec::new();
    for &member in &members {
        let name = found.name(member);
        for read in &execution.reads[member as usize] {
            let key = found.key(read.key);
            match read.from {
                serial::From::Writer(writer) if members.contains(&writer) => {
                    said.push(format!("{name} read {key} of {}", found.name(writer)));
                }
                serial::From::Initial => {
                    said.push(format!("{name} read {key} before anybody wrote it"));
                }
                serial::From::Writer(_) => {}
            }
        }
        for written in &execution.writes[member as usize] {
            said.push(format!("{name} wrote {}", found.key(written.key)));
        }
    }
    let (class, what) = looked_for(level.isolation());
    // Of lists the order is known, and what is found is a cycle.
    let class = match class {
        Class::NotUpdateSerializable if kind == Kind::List => Class::GUpdate,
        class => class,
    };
    let when = match level.order() {
        Order::Any => "",
        Order::Sessions => " that keeps the order of each session",
        Order::RealTime => " that keeps real time",
    };
    let more = said.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    said.truncate(SHOWN);
    let explanation = format!(
        "no order of the {what} of {}{when} explains what they read: {}{more}",
        names.join(", "),
        said.join(", ")
    );
    Broken { class: with_order(class, level.order()), members, explanation }
}

/// What is looked for, and what it is called if there is none.
pub(super) const fn looked_for(isolation: Isolation) -> (Class, &'static str) {
    match isolation {
        Isolation::ParallelSnapshot => (Class::NotParallelSnapshotIsolated, "versions"),
        Isolation::UpdateSerializable => {
            (Class::NotUpdateSerializable, "turns of those that write, and of each that reads,")
        }
        Isolation::Snapshot => (Class::NotSnapshotIsolated, "snapshots and commits"),
        _ => (Class::NotSerializable, "turns"),
    }
}

pub(super) fn too_large(transactions: &Transactions) -> String {
    format!(
        "the causal past of {} transactions does not fit into memory, for they are of too many \
         processes; fewer processes would help",
        transactions.list.len()
    )
}

pub(super) fn missed_by(found: &Found<'_>, missed: Missed, level: Expected) -> Broken {
    let Missed { reader, writer, key } = missed;
    let (by, on, key) = (found.name(reader), found.name(writer), found.key(key));
    let (class, how) = saw(level);
    let class = if class == Class::WriteCoRead { Class::WriteCoInitRead } else { class };
    Broken {
        class: with_order(class, level.order()),
        members: vec![writer, reader],
        explanation: format!("{by} read {key} before anybody wrote it, and {how} {on}, which did"),
    }
}

/// What it is called if a level is broken, and how a reader saw a writer.
const fn saw(level: Expected) -> (Class, &'static str) {
    match (level.isolation(), level.order()) {
        (Isolation::MonotonicAtomicView, _) => {
            (Class::ObservedTransactionVanishes, "had read something of")
        }
        (Isolation::ReadAtomic, Order::Any) => (Class::FracturedRead, "read something of"),
        (Isolation::ReadAtomic, _) => (Class::FracturedRead, "read something of, or came after,"),
        _ => (Class::WriteCoRead, "has in its causal past"),
    }
}

/// A circle of what must come before what.
pub(super) fn circle(
    found: &Found<'_>,
    level: Expected,
    cycle: &[Edge],
    because: impl Fn(&Edge) -> Option<Forced>,
) -> Broken {
    let (class, how) = saw(level);
    let mut members: Vec<u32> = cycle.iter().map(|edge| edge.from).collect();
    let mut readers: Vec<u32> = Vec::new();
    let steps: Vec<String> = cycle
        .iter()
        .map(|edge| {
            let (from, to) = (found.name(edge.from), found.name(edge.to));
            match because(edge).filter(|_| edge.dependency == Dependency::Seen) {
                Some(forced) => {
                    readers.push(forced.reader);
                    let (reader, key) = (found.name(forced.reader), found.key(forced.key));
                    format!(
                        "{from} before {to}, for {reader} read {key} of {to} and {how} {from}, \
                         which wrote it too"
                    )
                }
                None => found.step(edge),
            }
        })
        .collect();
    members.extend(&readers);
    members.sort_unstable();
    members.dedup();
    readers.sort_unstable();
    readers.dedup();
    // One reader alone cannot explain what it read; several disagree.
    let class = match class {
        Class::WriteCoRead if level.isolation() == Isolation::CausalConvergence => Class::CyclicCf,
        class => class,
    };
    Broken {
        class: with_order(class, level.order()),
        members,
        explanation: format!("{}: each must come before the next", steps.join(", ")),
    }
}

/// That no order of a reader's past explains what it read of some writers.
pub(super) fn unexplained(found: &Found<'_>, reader: u32, writers: &[u32], order: Order) -> Broken {
    let names: Vec<String> = writers.iter().map(|at| found.name(*at)).collect();
    let by = found.name(reader);
    let explanation = match &names[..] {
        [only] => format!(
            "{by} read what {only} wrote, which had been overwritten in its own causal past"
        ),
        _ => format!(
            "{by} read what {} wrote, of which each had been overwritten in its own causal past \
             before the next one was written, and the last before the first",
            names.join(", ")
        ),
    };
    let members = [&[reader], writers].concat();
    Broken { class: with_order(Class::WriteCoRead, order), members, explanation }
}

/// More reads and writes of a witness are only counted.
const SHOWN: usize = 12;
