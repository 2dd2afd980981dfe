use std::{fs, io::Read as _};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use quarrel_checkers::Anomaly;
use quarrel_run::results::{Environment, MOST_BYTES};
use serde::Serialize;

use super::view::View;

/// Logs of a run: a cluster has a handful of servers.
const FILES: usize = 64;
/// Lines of a log that a report carries.
const MOST: usize = 400;
/// Of a longer log, so many of its first lines and of its last.
const ENDS: usize = 40;
/// How far around an anomaly lines are kept, as operations are.
const AROUND_NANOS: i64 = 2_000_000_000;
/// Letters of a line.
const LETTERS: usize = 400;
/// A server's clock is ours, but may be told in another time zone; these lie
/// whole quarters of an hour apart.
const QUARTER_NANOS: i128 = 900_000_000_000;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::report) struct Log {
    /// The file's name.
    pub(in crate::report) name: String,
    /// Its lines, in order, as far as they are kept.
    pub(in crate::report) lines: Vec<LogLine>,
    /// How many are not.
    pub(in crate::report) left_out: usize,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::report) struct LogLine {
    /// When it was written, on the run's clock, in nanoseconds; less than zero
    /// before the run began. None if that cannot be told.
    pub(in crate::report) at: Option<i64>,
    /// What it says, without control characters.
    pub(in crate::report) text: String,
    /// Whether lines before it were left out.
    pub(in crate::report) after_gap: bool,
}

/// The logs of a run's servers, by name.
pub(in crate::report) fn logs(view: &View<'_>) -> Vec<Log> {
    let folder = &view.run.folder;
    let Ok(entries) = fs::read_dir(folder.file("logs")) else { return Vec::new() };
    let zero = Environment::of(folder).clock_zero;
    let moments = moments(view);
    let mut logs: Vec<Log> = entries
        .flatten()
        .take(FILES)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let mut bytes = Vec::new();
            let file = folder.open(&format!("logs/{name}")).ok()?;
            file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
            let lines = aligned(&String::from_utf8_lossy(&bytes), zero);
            let (lines, left_out) = cut(lines, &moments);
            Some(Log { name, lines, left_out })
        })
        .collect();
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    logs
}

/// When the events of anomalies' witnesses were, in order.
fn moments(view: &View<'_>) -> Vec<i64> {
    let history = &view.run.history;
    let of = |anomaly: &Anomaly| -> Vec<i64> {
        let positions = anomaly.witness.iter().map(|index| index.position());
        let known = positions.filter(|position| *position < history.event_count());
        let times = known.map(|position| history.event(position).time.as_nanos());
        times.filter_map(|nanos| i64::try_from(nanos).ok()).collect()
    };
    let mut moments: Vec<i64> = view.verdict.anomalies.iter().flat_map(of).collect();
    moments.sort_unstable();
    moments
}

/// The lines with their times on the run's clock. A line without a time goes
/// on with what the line before it said.
fn aligned(text: &str, zero: Option<Timestamp>) -> Vec<LogLine> {
    let mut shift = None;
    let mut before = None;
    text.lines()
        .map(|line| {
            let told = zero.zip(time_of(line)).map(|(zero, time)| {
                let since = time.as_nanosecond() - zero.as_nanosecond();
                let shift = *shift.get_or_insert_with(|| {
                    (since + QUARTER_NANOS / 2).div_euclid(QUARTER_NANOS) * QUARTER_NANOS
                });
                i64::try_from(since - shift).unwrap_or(i64::MAX)
            });
            before = told.or(before);
            let shown = line.chars().filter(|c| !c.is_control() || *c == '\t').take(LETTERS);
            LogLine { at: before, text: shown.collect(), after_gap: false }
        })
        .collect()
}

/// The time at which a line of Postgres or Redis begins, as if it were UTC.
fn time_of(line: &str) -> Option<Timestamp> {
    let words: Vec<&str> = line.split(' ').take(5).collect();
    // 2026-11-25 20:12:14.107 UTC [15843] LOG:  …
    let postgres = || DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", words.get(..2)?.join(" ")).ok();
    // 15845:M 25 Nov 2026 20:12:12.629 * …
    let redis = || DateTime::strptime("%d %b %Y %H:%M:%S%.f", words.get(1..5)?.join(" ")).ok();
    postgres().or_else(redis)?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A long log without what is far from its ends and from every anomaly.
fn cut(lines: Vec<LogLine>, moments: &[i64]) -> (Vec<LogLine>, usize) {
    let count = lines.len();
    if count <= MOST {
        return (lines, 0);
    }
    let near = |at: Option<i64>| {
        let Some(at) = at else { return false };
        let first = moments.partition_point(|moment| *moment + AROUND_NANOS < at);
        moments.get(first).is_some_and(|moment| moment - AROUND_NANOS <= at)
    };
    let mut room = MOST - 2 * ENDS;
    let mut last = None;
    let mut kept = Vec::new();
    for (number, mut line) in lines.into_iter().enumerate() {
        let is_end = number < ENDS || number + ENDS >= count;
        let is_near = !is_end && room > 0 && near(line.at);
        room -= usize::from(is_near);
        if is_end || is_near {
            line.after_gap = last.is_some_and(|last| last + 1 < number);
            last = Some(number);
            kept.push(line);
        }
    }
    let left_out = count - kept.len();
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zero() -> Option<Timestamp> {
        Some("2026-11-25T20:12:14Z".parse().unwrap())
    }

    #[test]
    fn lines_of_both_servers_stand_on_the_runs_clock_whatever_their_zone() {
        let ms = |text: &str| -> Vec<Option<i64>> {
            aligned(text, zero()).iter().map(|line| line.at.map(|at| at / 1_000_000)).collect()
        };
        let postgres = "2026-11-25 20:12:14.107 UTC [1] LOG:  ready\n\tmore of it\n\
                        2026-11-25 20:12:16.000 UTC [1] LOG:  end";
        assert_eq!(ms(postgres), [Some(107), Some(107), Some(2000)]);
        let redis = "7:C 25 Nov 2026 20:12:11.892 # start\n7:M 25 Nov 2026 20:12:15.000 * go";
        assert_eq!(ms(redis), [Some(-2108), Some(1000)]);
        // Kathmandu is five hours and three quarters ahead.
        assert_eq!(ms("2026-11-26 01:57:15.000 +0545 [1] LOG:  x"), [Some(1000)]);
        assert_eq!(ms("no time at all"), [None]);
    }

    #[test]
    fn a_run_of_simulated_time_has_no_times_in_its_logs() {
        assert_eq!(aligned("2026-11-25 20:12:14.107 UTC [1] LOG:  ready", None)[0].at, None);
    }

    #[test]
    fn a_long_log_keeps_its_ends_and_what_is_near_an_anomaly() {
        let second = 1_000_000_000;
        let line =
            |at: i64| LogLine { at: Some(at * second), text: at.to_string(), after_gap: false };
        let (kept, left_out) = cut((0..1000).map(line).collect(), &[500 * second]);
        let told: Vec<i64> = kept.iter().map(|line| line.at.unwrap() / second).collect();
        let expected: Vec<i64> = (0..40).chain(498..=502).chain(960..1000).collect();
        assert_eq!((told, left_out), (expected, 915));
        let gaps: Vec<usize> = (0..kept.len()).filter(|at| kept[*at].after_gap).collect();
        assert_eq!(gaps, [40, 45]);
    }

    #[test]
    fn a_short_log_is_kept_whole() {
        let lines = aligned("a\nb\u{1b}[2J", zero());
        let (kept, left_out) = cut(lines, &[]);
        assert_eq!((kept.len(), left_out, kept[1].text.as_str()), (2, 0, "b[2J"));
    }
}
