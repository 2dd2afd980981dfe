//! Every level by its definition, tried out on all that small histories may
//! mean: which transactions of unknown outcome happened, and in which order
//! (*arbitration*) all took effect. What a transaction sees is the least that
//! the level's axioms ask for (Cerone, Bernardi & Gotsman, CONCUR 2015).

use quarrel_checkers::{Kind, transactions::Expected};

use crate::small::{List, Micro, Ran, Shape, Small};

/// What counts besides data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Besides {
    Nothing,
    Sessions,
    RealTime,
}

/// A level's name without what counts besides.
pub(crate) fn split(level: Expected) -> (String, Besides) {
    let name = level.to_string();
    if name == "strict-serializable" {
        return ("serializable".to_owned(), Besides::RealTime);
    }
    let (base, besides) = match (name.strip_prefix("strong-session-"), name.strip_prefix("strong-"))
    {
        (Some(base), _) => (base, Besides::Sessions),
        (None, Some(base)) => (base, Besides::RealTime),
        (None, None) if name.starts_with("causal") => (&*name, Besides::Sessions),
        (None, None) => (&*name, Besides::Nothing),
    };
    (base.to_owned(), besides)
}

/// A history with what may be read of it.
pub(crate) struct Defined<'a> {
    small: &'a Small,
}

/// Transactions by number.
type Set = u32;

const fn has(set: Set, at: usize) -> bool {
    set >> at & 1 == 1
}

/// A read of what others wrote, with what its transaction had done before.
struct Read {
    key: usize,
    /// Of a list without what is aborted, and without its own elements at the
    /// end; of a register one element or none.
    seen: Vec<u8>,
    whole: Vec<u8>,
    /// What it had written to the key itself.
    own: Vec<u8>,
}

impl<'a> Defined<'a> {
    pub(crate) const fn new(small: &'a Small) -> Self {
        Self { small }
    }

    /// Whether the history keeps a level.
    pub(crate) fn keeps(&self, level: Expected) -> bool {
        let (name, besides) = split(level);
        let count = self.ran().len();
        (0..1_u32 << count).filter(|set| self.may_be_all(*set)).any(|happened| {
            let mut turns = Vec::new();
            let order = match &*name {
                // Here it counts as a dependency like others, and is no axiom.
                "update-serializable" => Besides::Nothing,
                _ => besides,
            };
            self.some_order(happened, order, &mut turns, &mut |turns| match &*name {
                "read-uncommitted" => self.versions_fit(turns),
                "read-committed" => self.is_committed(turns),
                "monotonic-atomic-view" => self.is_committed(turns) && self.is_monotonic(turns),
                "read-atomic" => self.has_views(turns, |at, _| self.before(besides, happened, at)),
                "causal" => {
                    self.is_committed(turns)
                        && (0..count).all(|at| self.has_past(turns, besides, at))
                }
                "causal-convergence" => self.has_views(turns, |at, views| {
                    closed(self.before(besides, happened, at) | self.sources(at), views)
                }),
                "parallel-snapshot-isolation" => self.has_views(turns, |at, views| {
                    let needed = self.before(besides, happened, at) | self.sources(at);
                    closed(needed | self.overwritten(turns, at), views)
                }),
                "snapshot-isolation" => self.has_snapshots(turns, besides),
                "update-serializable" => self.is_update_serializable(turns, besides),
                _ => self.has_views(turns, |at, _| earlier(turns, at)),
            })
        })
    }

    fn ran(&self) -> &[Ran] {
        &self.small.ran
    }

    /// All that were acknowledged or read, and perhaps others of unknown outcome.
    fn may_be_all(&self, set: Set) -> bool {
        let read = (0..self.ran().len()).fold(0, |read, at| read | self.sources(at));
        self.ran().iter().enumerate().all(|(at, ran)| match ran.kind {
            Kind::Ok => has(set, at),
            Kind::Fail => !has(set, at),
            _ => has(set, at) || !has(read, at),
        })
    }

    /// Those that ended before another began, as far as that counts.
    fn before(&self, besides: Besides, happened: Set, at: usize) -> Set {
        let next = &self.ran()[at];
        let is_before = |other: &usize| {
            let one = &self.ran()[*other];
            let counts = match besides {
                Besides::Nothing => false,
                Besides::Sessions => one.session == next.session,
                Besides::RealTime => true,
            };
            counts && one.kind == Kind::Ok && one.end < next.begin
        };
        (0..self.ran().len())
            .filter(|other| has(happened, *other) && is_before(other))
            .fold(0, |set, other| set | 1 << other)
    }

    /// Whether some order of those that happened does.
    fn some_order(
        &self,
        happened: Set,
        besides: Besides,
        turns: &mut Vec<usize>,
        does: &mut dyn FnMut(&[usize]) -> bool,
    ) -> bool {
        if turns.len() == happened.count_ones() as usize {
            return does(turns);
        }
        (0..self.ran().len()).any(|at| {
            let is_next = has(happened, at)
                && !turns.contains(&at)
                && self.before(besides, happened, at) & !set(turns) == 0;
            if !is_next {
                return false;
            }
            turns.push(at);
            let found = self.some_order(happened, besides, turns, does);
            turns.pop();
            found
        })
    }

    fn writes(&self, at: usize, key: usize) -> Vec<u8> {
        let micros = self.ran()[at].micros.iter();
        let written = micros.filter_map(|micro| match *micro {
            Micro::Write(k, item) if k == key => Some(item),
            _ => None,
        });
        written.collect()
    }

    fn writer(&self, key: usize, item: u8) -> Option<usize> {
        (0..self.ran().len()).find(|&at| self.writes(at, key).contains(&item))
    }

    fn is_aborted(&self, key: usize, item: u8) -> bool {
        self.writer(key, item).is_some_and(|at| self.ran()[at].kind == Kind::Fail)
    }

    fn shown(&self, list: List) -> Vec<u8> {
        match self.small.shape {
            Shape::Lists => list.items().to_vec(),
            Shape::Registers => list.items().last().copied().into_iter().collect(),
        }
    }

    /// The reads of a transaction that was acknowledged.
    fn reads(&self, at: usize) -> Vec<Read> {
        let ran = &self.ran()[at];
        let mut own: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
        let mut reads = Vec::new();
        for micro in ran.micros.iter().filter(|_| ran.kind == Kind::Ok) {
            match *micro {
                Micro::Write(key, item) => own[key].push(item),
                Micro::Read(key, list) => {
                    let whole = self.shown(list);
                    let mut seen = whole.clone();
                    if self.small.shape == Shape::Lists {
                        while seen.last().is_some_and(|item| own[key].contains(item)) {
                            seen.pop();
                        }
                        seen.retain(|item| !self.is_aborted(key, *item));
                    } else if seen.last().is_some_and(|item| own[key].contains(item)) {
                        // Its own; whether it is the last one is another question.
                        continue;
                    }
                    reads.push(Read { key, seen, whole, own: own[key].clone() });
                }
            }
        }
        reads
    }

    /// All that others, or it itself before, could have shown it.
    fn sources(&self, at: usize) -> Set {
        let reads = self.reads(at);
        let writers = reads
            .iter()
            .flat_map(|read| read.seen.iter().filter_map(|item| self.writer(read.key, *item)));
        writers.filter(|writer| *writer != at).fold(0, |set, writer| set | 1 << writer)
    }

    /// Those in front of it that wrote a key that it writes.
    fn overwritten(&self, turns: &[usize], at: usize) -> Set {
        let shares = |other: &usize| {
            (0..2)
                .any(|key| !self.writes(at, key).is_empty() && !self.writes(*other, key).is_empty())
        };
        turns
            .iter()
            .take_while(|turn| **turn != at)
            .filter(|o| shares(o))
            .fold(0, |s, o| s | 1 << o)
    }

    /// Whether lists show versions as they follow each other; of a register
    /// what a transaction overwrites, having read it, precedes its own.
    fn versions_fit(&self, turns: &[usize]) -> bool {
        turns.iter().all(|&at| {
            let mut known = [false; 2];
            let micros = self.ran()[at].micros.iter();
            let is_read = |micro: &Micro| match *micro {
                Micro::Write(key, _) => {
                    known[key] = true;
                    true
                }
                Micro::Read(key, list) => {
                    let shown = self.shown(list);
                    if shown.iter().any(|item| self.writer(key, *item).is_none()) {
                        return false;
                    }
                    if self.small.shape == Shape::Lists {
                        let shown: Vec<u8> =
                            shown.into_iter().filter(|item| !self.is_aborted(key, *item)).collect();
                        let all: Vec<u8> =
                            turns.iter().flat_map(|turn| self.writes(*turn, key)).collect();
                        return all.starts_with(&shown);
                    }
                    let is_first = !std::mem::replace(&mut known[key], true);
                    let writer = shown.last().and_then(|item| self.writer(key, *item));
                    let follows = is_first && !self.writes(at, key).is_empty();
                    writer.is_none_or(|writer| {
                        !follows
                            || writer == at
                            || !turns.contains(&writer)
                            || earlier(turns, at) >> writer & 1 == 1
                    })
                }
            };
            self.ran()[at].kind != Kind::Ok
                || micros.cloned().collect::<Vec<_>>().iter().all(is_read)
        })
    }

    /// And nobody reads what was not committed before, or not in the end.
    fn is_committed(&self, turns: &[usize]) -> bool {
        self.versions_fit(turns)
            && turns.iter().all(|&at| {
                let before = earlier(turns, at);
                self.reads(at).iter().all(|read| {
                    let others = read.whole.iter().filter(|item| !read.own.contains(item));
                    let mut others = others.map(|item| self.writer(read.key, *item));
                    let are_before =
                        others.all(|writer| writer.is_some_and(|writer| has(before, writer)));
                    // An own element in front of another's is behind it, too.
                    let are_behind = read.seen.iter().all(|item| !read.own.contains(item))
                        || self.small.shape == Shape::Registers;
                    let is_final = read.seen.last().is_none_or(|item| {
                        let writer = self.writer(read.key, *item);
                        writer.is_none_or(|writer| {
                            writer == at || self.writes(writer, read.key).last() == Some(item)
                        })
                    });
                    are_before && are_behind && is_final
                })
            })
    }

    /// Whether a read shows what it must of those that are seen.
    fn shows(&self, turns: &[usize], at: usize, read: &Read, seen: Set) -> bool {
        let writers = turns.iter().filter(|turn| **turn != at && has(seen, **turn));
        let visible: Vec<u8> = writers.flat_map(|turn| self.writes(*turn, read.key)).collect();
        match self.small.shape {
            Shape::Lists => visible == read.seen,
            Shape::Registers => visible.last() == read.seen.last(),
        }
    }

    /// Each read shows all that was seen until then, of which it may be the first.
    fn is_monotonic(&self, turns: &[usize]) -> bool {
        turns.iter().all(|&at| {
            let mut seen: Set = 0;
            self.reads(at).iter().all(|read| {
                let new = read.seen.iter().filter_map(|item| self.writer(read.key, *item));
                seen = new.filter(|writer| *writer != at).fold(seen, |set, w| set | 1 << w);
                self.shows(turns, at, read, seen)
            })
        })
    }

    /// A transaction reads what it wrote, and what it read before.
    fn is_internal(&self, at: usize) -> bool {
        let mut held: [Option<Vec<u8>>; 2] = [None, None];
        let ran = &self.ran()[at];
        ran.kind != Kind::Ok
            || ran.micros.iter().all(|micro| match *micro {
                Micro::Write(key, item) => {
                    match self.small.shape {
                        // What comes before it is not known if nothing was read.
                        Shape::Lists => held[key].get_or_insert_with(|| vec![u8::MAX]).push(item),
                        Shape::Registers => held[key] = Some(vec![item]),
                    }
                    true
                }
                Micro::Read(key, list) => {
                    let shown = self.shown(list);
                    let fits = held[key].as_ref().is_none_or(|held| match held.first() {
                        Some(&u8::MAX) => shown.ends_with(&held[1..]),
                        _ => *held == shown,
                    });
                    held[key] = Some(shown);
                    fits
                }
            })
    }

    /// Whether what each must at least see explains what it read.
    fn has_views(&self, turns: &[usize], needed: impl Fn(usize, &[Set]) -> Set) -> bool {
        let mut views = vec![0; self.ran().len()];
        self.is_committed(turns)
            && turns.iter().all(|&at| {
                let view = needed(at, &views) | self.sources(at);
                views[at] = view;
                view & !earlier(turns, at) == 0
                    && self.is_internal(at)
                    && self.reads(at).iter().all(|read| self.shows(turns, at, read, view))
            })
    }

    /// Whether an order of its causal past explains what a transaction read.
    fn has_past(&self, turns: &[usize], besides: Besides, at: usize) -> bool {
        let happened = set(turns);
        if !has(happened, at) {
            return true;
        }
        let mut pasts = vec![0; self.ran().len()];
        for &turn in turns {
            let needed = self.before(besides, happened, turn) | self.sources(turn);
            pasts[turn] = closed(needed, &pasts);
        }
        let past: Vec<usize> =
            (0..self.ran().len()).filter(|other| has(pasts[at], *other)).collect();
        self.is_internal(at)
            && some_permutation(&past, &pasts, &mut Vec::new(), &mut |order| {
                self.reads(at).iter().all(|read| self.shows(order, at, read, pasts[at]))
            })
    }

    /// Whether each reads all of the first so many, which hold what it must see.
    fn has_snapshots(&self, turns: &[usize], besides: Besides) -> bool {
        let happened = set(turns);
        self.is_committed(turns)
            && turns.iter().enumerate().all(|(place, &at)| {
                let needed = self.before(besides, happened, at)
                    | self.sources(at)
                    | self.overwritten(turns, at);
                self.is_internal(at)
                    && (0..=place).any(|length| {
                        let snapshot = set(&turns[..length]);
                        needed & !snapshot == 0
                            && self.reads(at).iter().all(|r| self.shows(turns, at, r, snapshot))
                    })
            })
    }

    /// Whether dependencies have no circle with what those that write missed, and
    /// any one that only reads (Adya's PL-3U); `turns` are the order of versions.
    fn is_update_serializable(&self, turns: &[usize], besides: Besides) -> bool {
        let happened = set(turns);
        let count = self.ran().len();
        let depends = |from: usize, to: usize| {
            let overwrote = (0..2).any(|key| {
                let both = !self.writes(from, key).is_empty() && !self.writes(to, key).is_empty();
                both && has(earlier(turns, to), from)
            });
            let missed = self.reads(from).iter().any(|read| {
                let shown = read.seen.iter().filter_map(|item| self.writer(read.key, *item));
                let last = shown.filter_map(|w| turns.iter().position(|t| *t == w)).max();
                let place = turns.iter().position(|turn| *turn == to);
                !self.writes(to, read.key).is_empty() && place > last
            });
            let follows = overwrote
                || has(self.sources(to), from)
                || has(self.before(besides, happened, to), from);
            [from != to && follows, from != to && missed]
        };
        let writes = |at: usize| (0..2).any(|key| !self.writes(at, key).is_empty());
        // With what those that write missed, and the one reader.
        let is_acyclic = |reader: Option<usize>| {
            let counts = |from: usize, to: usize| {
                let [follows, missed] = depends(from, to);
                follows || missed && (writes(from) || Some(from) == reader)
            };
            let mut rest = turns.to_vec();
            loop {
                let is_free = |at: &usize| !rest.iter().any(|from| counts(*from, *at));
                let Some(free) = rest.iter().position(is_free) else { return rest.is_empty() };
                rest.remove(free);
            }
        };
        self.is_committed_at_all(turns, happened)
            && (0..count).all(|at| !has(happened, at) || self.is_internal(at))
            && (0..count).all(|reader| is_acyclic(Some(reader)))
    }

    /// As [`Self::is_committed`], but the order of versions says nothing of who
    /// read what.
    fn is_committed_at_all(&self, turns: &[usize], happened: Set) -> bool {
        self.versions_fit(turns)
            && turns.iter().all(|&at| {
                self.reads(at).iter().all(|read| {
                    let mut others = read.whole.iter().filter(|item| !read.own.contains(item));
                    others.all(|item| {
                        let writer = self.writer(read.key, *item);
                        writer.is_some_and(|writer| writer != at && has(happened, writer))
                    }) && read.seen.last().is_none_or(|item| {
                        let writer = self.writer(read.key, *item);
                        writer.is_none_or(|w| self.writes(w, read.key).last() == Some(item))
                    })
                })
            })
    }
}

fn set(turns: &[usize]) -> Set {
    turns.iter().fold(0, |set, at| set | 1 << at)
}

/// Those in front of one.
fn earlier(turns: &[usize], at: usize) -> Set {
    turns.iter().take_while(|turn| **turn != at).fold(0, |set, turn| set | 1 << turn)
}

/// With all that those see.
fn closed(needed: Set, views: &[Set]) -> Set {
    let seen = (0..views.len()).filter(|at| has(needed, *at));
    seen.fold(needed, |set, at| set | views[at])
}

fn some_permutation(
    past: &[usize],
    pasts: &[Set],
    order: &mut Vec<usize>,
    does: &mut dyn FnMut(&[usize]) -> bool,
) -> bool {
    if order.len() == past.len() {
        return does(order);
    }
    past.iter().any(|&at| {
        if order.contains(&at) || pasts[at] & !set(order) != 0 {
            return false;
        }
        order.push(at);
        let found = some_permutation(past, pasts, order, does);
        order.pop();
        found
    })
}
