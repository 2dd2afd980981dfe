//! Small random transactions, and what a serial order of them would have to
//! explain.

use quarrel_checkers::{F, History, Kind, Op, Process, Time, Value, generate::Random};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Lists,
    Registers,
}

/// What a key holds: at most six elements, of which a register shows the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) items: [u8; 6],
    pub(crate) length: usize,
}

impl List {
    pub(crate) fn items(&self) -> &[u8] {
        &self.items[..self.length]
    }

    pub(crate) fn push(&mut self, item: u8) {
        self.items[self.length] = item;
        self.length += 1;
    }

    fn value(&self, shape: Shape) -> Value {
        let int = |n: &u8| Value::Int(i64::from(*n));
        match shape {
            Shape::Lists => Value::List(self.items().iter().map(int).collect()),
            Shape::Registers => self.items().last().map_or(Value::Nil, int),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Micro {
    Read(usize, List),
    Write(usize, u8),
}

/// A transaction and the places of its begin and its end among all events.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) kind: Kind,
    pub(crate) micros: Vec<Micro>,
    pub(crate) begin: u64,
    pub(crate) end: u64,
    /// Whose it is, if not its own process's.
    pub(crate) session: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Small {
    pub(crate) shape: Shape,
    pub(crate) ran: Vec<Ran>,
}

impl Small {
    /// Two to four transactions on two keys. Every read shows a beginning of
    /// its key's list, now and then with an element that nobody wrote, or with
    /// what its own transaction wrote before.
    pub(crate) fn random(shape: Shape, random: &mut Random) -> Self {
        let count = 2 + random.below(3) as usize;
        let mut lists = [List::default(); 2];
        let mut micros: Vec<Vec<Micro>> = vec![Vec::new(); count];
        for number in 1..=1 + random.below(4) as u8 {
            let key = random.below(2) as usize;
            lists[key].push(number);
            micros[random.below(count as u64) as usize].push(Micro::Write(key, number));
        }
        for (key, list) in lists.into_iter().enumerate() {
            // Mostly somebody reads the whole list, so that its order is known.
            let whole = random.below(count as u64 + 1) as usize;
            for (at, micros) in micros.iter_mut().enumerate() {
                if at != whole && !random.permille(400) {
                    continue;
                }
                let mut seen = list;
                if at != whole {
                    seen.length = random.below(list.length as u64 + 1) as usize;
                }
                if random.permille(10) {
                    seen.push(9);
                }
                let place = random.below(micros.len() as u64 + 1) as usize;
                micros.insert(place, Micro::Read(key, seen));
            }
        }
        let mut small = Self { shape, ran: Vec::new() };
        for micros in micros.into_iter().filter(|micros| !micros.is_empty()) {
            let kind = match random.below(20) {
                0 => Kind::Fail,
                1 => Kind::Info,
                _ => Kind::Ok,
            };
            small.ran.push(Ran { kind, micros, begin: 0, end: 0, session: None });
        }
        small.place(random);
        small
    }

    /// Three transactions up to `most`, on two keys, that mostly write without having
    /// read, and read whatever somebody writes or nothing: little is known of
    /// what overwrote what.
    pub(crate) fn blind(random: &mut Random, most: u64) -> Self {
        let count = 3 + random.below(most - 2) as usize;
        let mut micros: Vec<Vec<Micro>> = vec![Vec::new(); count];
        let mut written = [0_u8; 2];
        for micros in &mut micros {
            for (key, written) in written.iter_mut().enumerate() {
                if random.permille(500) && *written < 6 {
                    *written += 1;
                    micros.push(Micro::Write(key, *written));
                }
            }
        }
        for micros in &mut micros {
            for (key, &written) in written.iter().enumerate() {
                if random.permille(500) {
                    let mut seen = List::default();
                    match random.below(u64::from(written) + 1) as u8 {
                        0 => {}
                        item => seen.push(item),
                    }
                    let place = random.below(micros.len() as u64 + 1) as usize;
                    micros.insert(place, Micro::Read(key, seen));
                }
            }
        }
        let mut small = Self { shape: Shape::Registers, ran: Vec::new() };
        for micros in micros.into_iter().filter(|micros| !micros.is_empty()) {
            let kind = if random.permille(50) { Kind::Info } else { Kind::Ok };
            small.ran.push(Ran { kind, micros, begin: 0, end: 0, session: None });
        }
        small.place(random);
        small
    }

    /// Two to four transactions that write and two that read, on two keys: what
    /// reads see in different orders shows.
    pub(crate) fn forked(shape: Shape, random: &mut Random) -> Self {
        let mut lists = [List::default(); 2];
        let mut small = Self { shape, ran: Vec::new() };
        let writers = 2 + random.below(3);
        let mut ran = |micros| {
            small.ran.push(Ran { kind: Kind::Ok, micros, begin: 0, end: 0, session: None });
        };
        for number in 1..=writers as u8 {
            let first = random.below(2) as usize;
            let mut micros = Vec::new();
            for key in [first, 1 - first] {
                if key == first || random.permille(250) {
                    if random.permille(400) {
                        micros.push(Micro::Read(key, lists[key]));
                    }
                    if lists[key].length < 4 {
                        lists[key].push(number);
                        micros.push(Micro::Write(key, number));
                    }
                }
            }
            ran(micros);
        }
        for _ in 0..2 {
            let first = random.below(2) as usize;
            let mut seen = |key: usize| {
                let mut seen = lists[key];
                seen.length -= random.below(seen.length.min(2) as u64 + 1) as usize;
                Micro::Read(key, seen)
            };
            ran(vec![seen(first), seen(1 - first)]);
        }
        small.ran.retain(|ran| !ran.micros.is_empty());
        small.place(random);
        small
    }

    /// Gives begins and ends places at random.
    fn place(&mut self, random: &mut Random) {
        let mut places: Vec<(usize, u64)> = Vec::new();
        for at in 0..self.ran.len() {
            let begin = random.below(8);
            places.push((at, begin));
            places.push((at, begin + random.below(8)));
        }
        // The sort keeps a begin in front of its own end.
        places.sort_by_key(|&(_, place)| place);
        let mut is_begun = vec![false; self.ran.len()];
        for (place, (at, _)) in (0..).zip(places) {
            let ran = &mut self.ran[at];
            *(if is_begun[at] { &mut ran.end } else { &mut ran.begin }) = place;
            is_begun[at] = true;
        }
    }

    /// Gives each transaction to one of a few processes that is free.
    pub(crate) fn in_sessions(mut self, random: &mut Random) -> Self {
        let mut order: Vec<usize> = (0..self.ran.len()).collect();
        order.sort_by_key(|&at| self.ran[at].begin);
        // Processes, each with when it is free; what crashed never is.
        let mut free: Vec<u64> = Vec::new();
        for at in order {
            let Ran { begin, end, kind, .. } = self.ran[at];
            let idle: Vec<usize> = (0..free.len()).filter(|&p| free[p] < begin).collect();
            let session = match idle.get(random.below(idle.len() as u64 + 1) as usize) {
                Some(&session) => session,
                None => {
                    free.push(0);
                    free.len() - 1
                }
            };
            free[session] = if kind == Kind::Info { u64::MAX } else { end };
            self.ran[at].session = Some(session);
        }
        self
    }

    pub(crate) fn history(&self) -> History {
        let mut events: Vec<(u64, Process, Kind, Op)> = Vec::new();
        for (process, ran) in (0..).zip(&self.ran) {
            let op = |micros: Vec<Value>| Op {
                f: F::Txn,
                key: None,
                value: Value::List(micros.into()),
                version: None,
            };
            let name = if self.shape == Shape::Lists { "append" } else { "w" };
            let micro = |micro: &Micro, is_answer: bool| {
                let (f, key, value) = match micro {
                    Micro::Read(key, _) if !is_answer => ("r", key, Value::Nil),
                    Micro::Read(key, list) => ("r", key, list.value(self.shape)),
                    Micro::Write(key, item) => (name, key, Value::Int(i64::from(*item))),
                };
                Value::List([f.into(), Value::Int(*key as i64), value].into())
            };
            let asked = ran.micros.iter().map(|m| micro(m, false)).collect();
            let answered = ran.micros.iter().map(|m| micro(m, ran.kind == Kind::Ok)).collect();
            let process = Process::Client(ran.session.map_or(process, |session| session as u64));
            events.push((ran.begin, process, Kind::Invoke, op(asked)));
            events.push((ran.end, process, ran.kind, op(answered)));
        }
        events.sort_by_key(|(place, ..)| *place);
        let mut history = History::default();
        for (place, process, kind, op) in events {
            history.push(Time(place), process, kind, op, None);
        }
        history
    }

    /// Whether some order of all committed transactions and some of those of
    /// unknown outcome explains every read; in real time if `is_strict` says so.
    pub(crate) fn has_order(&self, order: Order) -> bool {
        self.search(order, 0, &[List::default(); 2])
    }

    /// Whether some choice of a snapshot and a commit for each transaction
    /// explains every read, nobody else writing a key in between that it writes.
    pub(crate) fn has_snapshots(&self) -> bool {
        self.moments(&mut vec![Phase::Waiting; self.ran.len()], &[List::default(); 2])
    }

    fn moments(&self, phases: &mut Vec<Phase>, lists: &[List; 2]) -> bool {
        let is_over =
            |(ran, phase): (&Ran, &Phase)| ran.kind != Kind::Ok || *phase == Phase::Committed;
        if self.ran.iter().zip(phases.iter()).all(is_over) {
            return true;
        }
        (0..self.ran.len()).any(|at| {
            let next = &self.ran[at];
            let before = phases[at];
            let mut after = *lists;
            let phase = match before {
                Phase::Waiting if next.kind != Kind::Fail => {
                    let mut seen = *lists;
                    let fits = next.micros.iter().all(|micro| match *micro {
                        Micro::Write(key, item) => {
                            seen[key].push(item);
                            true
                        }
                        Micro::Read(..) if next.kind != Kind::Ok => true,
                        Micro::Read(key, shown) => {
                            shown.value(self.shape) == seen[key].value(self.shape)
                        }
                    });
                    if !fits {
                        return false;
                    }
                    Phase::Begun(lists.map(|list| list.length))
                }
                Phase::Begun(lengths) => {
                    for micro in &next.micros {
                        if let Micro::Write(key, item) = *micro {
                            if lists[key].length != lengths[key] {
                                return false;
                            }
                            after[key].push(item);
                        }
                    }
                    Phase::Committed
                }
                _ => return false,
            };
            phases[at] = phase;
            let is_found = self.moments(phases, &after);
            phases[at] = before;
            is_found
        })
    }

    fn search(&self, order: Order, taken: u32, lists: &[List; 2]) -> bool {
        let rest = || (0..self.ran.len()).filter(|at| taken >> at & 1 == 0);
        if rest().all(|at| self.ran[at].kind != Kind::Ok) {
            return true;
        }
        rest().any(|at| {
            let next = &self.ran[at];
            // What is certain and ended before it began must have had its turn.
            let is_late = |other: usize| {
                let other = &self.ran[other];
                other.kind == Kind::Ok && other.end < next.begin
            };
            if next.kind == Kind::Fail || order == Order::RealTime && rest().any(is_late) {
                return false;
            }
            let mut after = *lists;
            let fits = next.micros.iter().all(|micro| match *micro {
                Micro::Write(key, item) => {
                    after[key].push(item);
                    true
                }
                Micro::Read(..) if next.kind != Kind::Ok => true,
                Micro::Read(key, seen) => seen.value(self.shape) == after[key].value(self.shape),
            });
            fits && self.search(order, taken | 1 << at, &after)
        })
    }
}

/// How far a transaction has come: begun, with how long its lists were then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Begun([usize; 2]),
    Committed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Any,
    RealTime,
}
