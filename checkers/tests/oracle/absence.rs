//! Rows that are created, deleted and created again, read by who cannot tell
//! which absence it saw: against every order of the operations.

use quarrel_checkers::{
    Guarantee, History, JudgeOptions, Kind, Op, Process, Time, Validity, Value, generate::Random,
    judge,
};

use crate::histories::histories;

const KEY: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Did {
    /// The value, 0 for a delete, and the version if it was acknowledged.
    Write { value: i64, version: Option<u64> },
    /// The value, and the version if that was told.
    Read { value: i64, version: Option<u64> },
}

#[derive(Clone, Copy, Debug)]
struct Ran {
    did: Did,
    invoked: u64,
    returned: u64,
}

/// What one client has under way.
#[derive(Clone, Copy)]
struct Open {
    /// None if it reads.
    writes: Option<i64>,
    invoked: u64,
    version: Option<u64>,
}

/// Three clients of a row. Reads are of what is there, or of something that was
/// or will never have been; absence is mostly told without a version. Some
/// writes are never acknowledged, and happened or did not.
fn run(random: &mut Random) -> (History, Vec<Ran>) {
    let mut history = History::default();
    let mut ran = Vec::new();
    let mut ever: Vec<(i64, u64)> = vec![(0, 0)];
    let mut open: [Option<Open>; 3] = [None; 3];
    let mut processes = [0_u64, 1, 2];
    let (count, mut begun, mut values) = (3 + random.below(5), 0, 0);
    while begun < count || open.iter().any(Option::is_some) {
        let client = random.below(3) as usize;
        let now = history.events.len() as u64;
        let who = Process::Client(processes[client]);
        match &mut open[client] {
            None if begun < count => {
                begun += 1;
                let writes = random.permille(550).then(|| {
                    values += 1;
                    if random.permille(450) { 0 } else { values }
                });
                let op = writes.map_or(Op::read(KEY), |value| Op::write(KEY, told(value)));
                history.invoke(Time(now), who, op);
                open[client] = Some(Open { writes, invoked: now, version: None });
            }
            Some(write)
                if write.writes.is_some() && write.version.is_none() && random.permille(700) =>
            {
                let version = ever.last().map_or(0, |&(_, version)| version) + 1;
                write.version = Some(version);
                ever.push((write.writes.unwrap_or(0), version));
            }
            Some(operation) => {
                let Open { writes, invoked, version } = *operation;
                open[client] = None;
                let is_answered = writes.is_none() || version.is_some() && random.permille(800);
                let did = match writes {
                    Some(value) => Did::Write { value, version: version.filter(|_| is_answered) },
                    None => {
                        let newest = ever.len() - 1;
                        let at = random.below(ever.len() as u64) as usize;
                        let (value, number) = ever[if random.permille(600) { newest } else { at }];
                        let is_told = value != 0 || number > 0 && random.permille(200);
                        Did::Read { value, version: is_told.then_some(number) }
                    }
                };
                ran.push(Ran { did, invoked, returned: if is_answered { now } else { u64::MAX } });
                let op = match did {
                    Did::Write { value, version } => {
                        let op = Op::write(KEY, told(value));
                        version.map_or(op.clone(), |version| op.at_version(version))
                    }
                    Did::Read { value, version } => {
                        let op = Op::read(KEY).returning(told(value));
                        // None told at all, or that of a row that never was.
                        match (version, random.permille(500)) {
                            (Some(version), _) => op.at_version(version),
                            (None, true) => op.at_version(0),
                            (None, false) => op,
                        }
                    }
                };
                if is_answered {
                    history.ok(Time(now), who, op);
                } else {
                    history.push(Time(now), who, Kind::Info, op, None);
                    processes[client] += 3;
                }
            }
            None => {}
        }
    }
    (history, ran)
}

fn told(value: i64) -> Value {
    if value == 0 { Value::Nil } else { Value::Int(value) }
}

/// How often a delete of unknown outcome may have happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Once,
    /// The judge does not count: which of them an absence without a name is,
    /// nobody can say.
    Often,
}

/// The definition: some order of all that was answered, and of any of the
/// others, respects real time, its writes have ascending versions, and every
/// read returns what the last write left.
fn is_linearizable(ran: &[Ran], unknown: Unknown) -> bool {
    let taken: Vec<u64> = ran
        .iter()
        .filter_map(|ran| match ran.did {
            Did::Write { version, .. } => version,
            Did::Read { .. } => None,
        })
        .collect();
    explains(&Asked { ran, taken: &taken, unknown }, 0, (0, 0))
}

struct Asked<'a> {
    ran: &'a [Ran],
    taken: &'a [u64],
    unknown: Unknown,
}

fn explains(asked: &Asked<'_>, done: u32, state: (i64, u64)) -> bool {
    let &Asked { ran, taken, unknown } = asked;
    let left = |at: usize| done & (1 << at) == 0;
    if (0..ran.len()).all(|at| !left(at) || ran[at].returned == u64::MAX) {
        return true;
    }
    (0..ran.len()).filter(|&at| left(at)).any(|at| {
        let must_wait = |other: usize| left(other) && ran[other].returned < ran[at].invoked;
        if (0..ran.len()).any(must_wait) {
            return false;
        }
        let is_again =
            unknown == Unknown::Often && ran[at].did == Did::Write { value: 0, version: None };
        let then = if is_again { done } else { done | 1 << at };
        let go = |state| explains(asked, then, state);
        match ran[at].did {
            Did::Read { value, version } => {
                value == state.0 && version.is_none_or(|version| version == state.1) && go(state)
            }
            Did::Write { value, version: Some(version) } => {
                version > state.1 && go((value, version))
            }
            Did::Write { value, version: None } => {
                let most = ran.len() as u64 + taken.iter().max().copied().unwrap_or(0);
                let free = (state.1 + 1..=most).filter(|number| !taken.contains(number));
                free.into_iter().any(|number| go((value, number)))
            }
        }
    })
}

#[test]
fn absence_without_a_version_accuses_nobody_and_hides_nothing() {
    let total = histories(100_000);
    let (mut broken, mut fine, mut unnamed, mut open) = (0, 0, 0, 0);
    for seed in 0..total {
        let (history, ran) = run(&mut Random::seeded(seed));
        let expected = is_linearizable(&ran, Unknown::Once);
        let may_be = expected || is_linearizable(&ran, Unknown::Often);
        let judgement = judge(&history, &[], &JudgeOptions::default());
        let found = judgement.validity(Guarantee::Linearizable);
        if expected == may_be {
            let wanted = if expected { Validity::Valid } else { Validity::Invalid };
            assert_eq!(found, wanted, "seed {seed}: {ran:#?}\n{:?}", judgement.anomalies);
        } else {
            open += 1;
        }
        let has_deletes = ran.iter().any(|ran| matches!(ran.did, Did::Write { value: 0, .. }));
        let is_unnamed = |ran: &Ran| ran.did == Did::Read { value: 0, version: None };
        if has_deletes && ran.iter().any(is_unnamed) {
            unnamed += 1;
            broken += u64::from(!expected);
            fine += u64::from(expected);
        }
    }
    assert!(open < total / 200, "{open}");
    assert!(unnamed > total / 5 && broken > total / 80 && fine > total / 20, "{unnamed} {broken}");
}
