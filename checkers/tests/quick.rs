//! A file that is judged while it is read gets the judgement of its history, or
//! none.

use std::io::{BufReader, Read};

use quarrel_checkers::{
    Event, JudgeOptions, Kind, Value,
    formats::{self, Format, ImportOptions, Imported, ReadError},
    generate::{GeneratedLoad, Random, Store},
    judge, judge_json_lines,
};

/// An event as another tool may write it, with a time or without.
fn line(event: &Event, time: Option<u64>) -> String {
    let kind = format!("{:?}", event.kind).to_lowercase();
    let value = match &event.op.value {
        Value::Nil => "null".to_owned(),
        value => value.to_string(),
    };
    let time = time.map_or_else(String::new, |time| format!(", \"time\": {time}"));
    let key = event.op.key.map_or_else(String::new, |key| format!(", \"key\": {key}"));
    format!(
        "{{\"type\": \"{kind}\", \"f\": \"{}\", \"value\": {value}{time}, \"process\": {}{key}}}\n",
        event.op.f, event.process
    )
}

fn slow(file: &str) -> Imported {
    formats::parse(file.as_bytes(), &ImportOptions::default()).expect("it is a history")
}

#[test]
fn what_is_said_while_reading_is_what_is_said_of_the_history() {
    let (mut quick_ones, mut others) = (0, 0);
    for seed in 0..600 {
        let mut random = Random::seeded(seed);
        let store = match seed % 3 {
            0 => Store::Replica { lag_ns: random.below(4_000) },
            _ => Store::Linearizable,
        };
        let load = GeneratedLoad {
            operations: 1 + random.below(60),
            clients: 1 + random.below(4),
            keys: 1 + random.below(3),
            indeterminate_permille: random.below(400),
            store,
            seed,
            ..GeneratedLoad::default()
        };
        let mut history = load.history();
        // A killed run leaves operations open; some fail.
        let kept = history.events.len() - random.below(4).min(history.events.len() as u64) as usize;
        history.events.truncate(kept);
        if history.events.is_empty() {
            continue;
        }
        for event in &mut history.events {
            if event.kind == Kind::Info && random.permille(500) {
                event.kind = Kind::Fail;
            }
            if seed % 5 == 0 {
                event.op.key = None;
            }
        }
        let is_timed = seed % 2 == 0;
        let mut file: String = history
            .events
            .iter()
            .map(|event| line(event, is_timed.then_some(event.time.0)))
            .collect();
        match seed % 11 {
            0 => file.push_str("{\"type\": \"info\", \"process\": \"nemesis\", \"f\": \"cut\"}\n"),
            1 => file.push_str("{\"type\": \"invoke\", \"f\": \"wri"),
            _ => {}
        }
        let options = JudgeOptions::default();
        let Some(quick) = judge_json_lines(file.as_bytes(), &options, None) else {
            others += 1;
            continue;
        };
        quick_ones += 1;
        let imported = slow(&file);
        assert_eq!(quick.judgement, judge(&imported.history, &[], &options), "seed {seed}\n{file}");
        assert_eq!(quick.assumptions, imported.assumptions, "seed {seed}");
        assert_eq!(quick.events, imported.history.events.len() as u64, "seed {seed}");
        assert_eq!(quick.reads_at_risk, quick.judgement.metrics.reads_at_risk, "seed {seed}");
    }
    assert!(quick_ones > 250 && others > 100, "{quick_ones} quick, {others} others");
}

/// Versions, disorder and anything wrong take the whole judgement.
#[test]
fn what_is_out_of_the_ordinary_is_left_to_the_judge() {
    let good = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1,\"time\":5}\n\
                {\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":1,\"time\":6}\n";
    let judged = |file: &str| judge_json_lines(file.as_bytes(), &JudgeOptions::default(), None);
    assert!(judged(good).is_some());
    for (from, to) in [
        ("\"time\":6", "\"time\":4"),
        (",\"time\":6", ""),
        ("\"time\":6", "\"time\":6,\"version\":1"),
        ("\"time\":6", "\"time\":6,\"index\":7"),
        ("\"time\":6", "\"time\":6,\"timeline\":1"),
        ("\"value\":1", "\"value\":null"),
        ("\"value\":1", "\"value\":\"a\""),
        ("write", "cas"),
        ("write", "delete"),
        ("\"process\":0", "\"process\":\"nemesis\""),
        ("\"ok\"", "\"done\""),
    ] {
        assert_eq!(judged(&good.replace(from, to)), None, "{from} -> {to}");
    }
    assert_eq!(judged(""), None);
}

/// Gives a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

/// A file that is read in pieces is the same as one that is read at once,
/// wherever a piece ends.
#[test]
fn pieces_of_a_file_are_put_together() {
    let load = GeneratedLoad { operations: 900, keys: 3, ..GeneratedLoad::default() };
    let history = load.history();
    let whole: String =
        history.events.iter().map(|event| line(event, Some(event.time.0))).collect();
    assert!(whole.len() > 1 << 17, "longer than what is read before it is known what it is");
    let mut own = Vec::new();
    formats::write(&history, Format::JsonLines, &mut own).unwrap();
    let mut files = vec![
        whole.clone(),
        format!("\u{feff}{whole}"),
        format!("{whole}\n\n{{\"type\": \"inv"),
        format!("{whole}{{\"type\": 5}}\n"),
        format!("{whole}nonsense\n"),
        String::from_utf8(own).unwrap(),
    ];
    let last = whole.trim_end().to_owned();
    files.push(last);
    for (number, file) in files.iter().enumerate() {
        let at_once = formats::parse(file.as_bytes(), &ImportOptions::default());
        for step in [7, 4_096, 1 << 16, 1 << 17] {
            let input = BufReader::with_capacity(step, Trickle(file.as_bytes(), step));
            let read = match formats::read(input, &ImportOptions::default()) {
                Ok(imported) => Ok(imported),
                Err(ReadError::Import(error)) => Err(error),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(read, at_once, "file {number}, {step} bytes at a time");
        }
    }
}
