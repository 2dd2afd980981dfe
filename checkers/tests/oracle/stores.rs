//! Lost writes, divergence and convergence against their definitions.

use quarrel_checkers::{
    History, JudgeOptions, Key, Op, Probe, ProbePhase, Process, Site, Time, Value,
    generate::Random, judge,
};

use crate::histories::histories;

const KEY: Key = Key(3);

#[derive(Clone, Copy)]
struct Write {
    value: u64,
    version: u64,
    ended: u64,
    is_acknowledged: bool,
}

/// Writes one after the other, of ascending versions with gaps; two in a
/// hundred get the version of the one in front of them.
fn writes(random: &mut Random) -> (History, Vec<Write>) {
    let mut history = History::default();
    let mut writes = Vec::new();
    let (mut now, mut version) = (0, 0);
    for value in 1..=1 + random.below(6) {
        version += if random.permille(20) && version > 0 { 0 } else { 1 + random.below(2) };
        let process = Process::Client(value);
        let op = Op::write(KEY, value as i64);
        now += random.below(3);
        history.invoke(Time(now), process, op.clone());
        now += random.below(3);
        let is_acknowledged = random.permille(800);
        if is_acknowledged {
            history.ok(Time(now), process, op.at_version(version));
        }
        writes.push(Write { value, version, ended: now, is_acknowledged });
    }
    (history, writes)
}

fn probe(site: Site, held: (u64, u64), start: u64, phase: ProbePhase) -> Probe {
    let value = if held.0 == 0 { Value::Nil } else { Value::Int(held.0 as i64) };
    let (start, end) = (Time(start), Time(start + 1));
    Probe { start, end, site, key: KEY, value, version: held.1, phase }
}

/// What some write stored, or nothing.
fn any(writes: &[Write], random: &mut Random) -> (u64, u64) {
    let at = random.below(writes.len() as u64 + 1) as usize;
    writes.get(at).map_or((0, 0), |write| (write.value, write.version))
}

#[test]
fn what_is_lost_or_apart_in_the_end_is_what_the_definitions_say() {
    let total = histories(1_000_000);
    let (mut with_losses, mut apart) = (0, 0);
    for seed in 0..total {
        let mut random = Random::seeded(seed);
        let (history, writes) = writes(&mut random);
        let mut probes = Vec::new();
        let mut held = |site, permille, random: &mut Random| {
            let held = random.permille(permille).then(|| any(&writes, random));
            probes.extend(held.map(|held| probe(site, held, 100, ProbePhase::Final)));
            held
        };
        let primary = held(Site::Primary, 900, &mut random);
        let replica = held(Site::Replica, 700, &mut random);
        let cache = held(Site::Cache, 700, &mut random);
        let metrics = judge(&history, &probes, &JudgeOptions::default()).metrics;

        // Of the writes of one version one can be there at most, and none that
        // is newer than what the primary holds.
        let acknowledged = || writes.iter().filter(|write| write.is_acknowledged);
        let lost = acknowledged().filter(|write| {
            let is_first =
                acknowledged().all(|w| w.version != write.version || w.value >= write.value);
            match primary {
                Some((value, version)) if write.version == version => write.value != value,
                Some((_, version)) if write.version > version => true,
                _ => !is_first,
            }
        });
        let lost = lost.count() as u64;
        assert_eq!(metrics.lost_updates, lost, "seed {seed}");
        with_losses += u64::from(lost > 0);

        let is_compared = primary.is_some() && (replica.is_some() || cache.is_some());
        let agrees = replica.is_none_or(|held| Some(held) == primary)
            && cache.is_none_or(|held| held.0 == 0 || Some(held) == primary);
        assert_eq!(metrics.convergence.keys_compared, u64::from(is_compared), "seed {seed}");
        let agreeing = u64::from(is_compared && agrees);
        assert_eq!(metrics.convergence.keys_agreeing, agreeing, "seed {seed}");
        apart += u64::from(is_compared && !agrees);
    }
    assert!((total / 5..total * 4 / 5).contains(&with_losses), "{with_losses} lost");
    assert!((total / 5..total * 4 / 5).contains(&apart), "{apart} apart");
}

#[test]
fn windows_of_divergence_are_runs_of_probes_that_are_behind() {
    let total = histories(1_000_000);
    let mut counted = 0;
    for seed in 0..total {
        let mut random = Random::seeded(seed);
        let (history, writes) = writes(&mut random);
        let mut probes = Vec::new();
        let mut now = random.below(3);
        for _ in 0..random.below(6) {
            let site = [Site::Replica, Site::Cache][random.below(2) as usize];
            probes.push(probe(site, any(&writes, &mut random), now, ProbePhase::Running));
            now += random.below(5);
        }
        let metrics = judge(&history, &probes, &JudgeOptions::default()).metrics;

        let newest = |before: Time| {
            let known = writes.iter().filter(|w| w.is_acknowledged && Time(w.ended) < before);
            known.map(|w| w.version).max().unwrap_or(0)
        };
        let mut windows: Vec<(Time, Option<Time>, u64)> = Vec::new();
        for site in [Site::Replica, Site::Cache] {
            let mut is_open = false;
            for probe in probes.iter().filter(|probe| probe.site == site) {
                let is_empty = site == Site::Cache && probe.value.is_nil();
                let behind = newest(probe.start).saturating_sub(probe.version);
                let is_behind = behind > 0 && !is_empty;
                match (is_behind, is_open) {
                    (true, false) => windows.push((probe.end, None, behind)),
                    (true, true) => {
                        let last = windows.last_mut().expect("one is open");
                        last.2 = last.2.max(behind);
                    }
                    (false, true) => {
                        windows.last_mut().expect("one is open").1 = Some(probe.start);
                    }
                    (false, false) => {}
                }
                is_open = is_behind;
            }
        }
        counted += windows.len() as u64;
        let is_open = windows.iter().any(|(_, to, _)| to.is_none());
        let since = windows.iter().filter_map(|(_, to, _)| *to).max().filter(|_| !is_open);
        assert_eq!(metrics.convergence.since, since, "seed {seed}");
        let told = metrics.divergence_windows.iter().map(|w| (w.from, w.to, w.versions_behind));
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        windows.sort_unstable();
        assert_eq!(told, windows, "seed {seed}");
    }
    assert!(counted > total / 4, "{counted} windows");
}
