//! No bytes, however odd, may make a parser panic or run for ever.

use std::iter::once;

use proptest::prelude::*;
use quarrel_checkers::{
    JudgeOptions, Kind,
    formats::{self, Format, ImportOptions, Keys},
    generate::{GeneratedLoad, Random},
    judge, judge_json_lines, notation,
    register::check_json_lines,
};

use crate::{histories, shown};

const SAMPLES: [&str; 8] = [
    "{\"process\": 0, \"type\": \"ok\", \"f\": \"write\", \"value\": [1.5, \"\\u00e9\"]}\n",
    "process,type,f,value\n0,invoke,write,\"[1, \"\"a\"\"]\"\n0,ok,write,:k\n",
    "{\"index\":0,\"time\":5,\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"key\":7,\"value\":1,\"version\":3}\n",
    "[{\"process\":1,\"type\":\"ok\",\"value\":[[\"append\",253,1]]}]",
    "({:type :ok, :f :cas, :value [1 [2 3]], :process 0 :error \"x\\u00e9\"} #_#t ^m {:type :info})",
    "INFO jepsen.util - 2\t:invoke\t:cas\t[4 5]\n{\"message\":\"2\\t:info\\t:cas\\t:timed-out\"}\n",
    ":nemesis\t:info\t:start\t#{1 2}\t[:boom]\n0\t:invoke\t:write\t4\n",
    "A: [w1@1]  [w2?] [c1>2!]\nB:  [7:r nil] [r1",
];

/// Parses in every way; whatever comes out is a history or says a line.
fn survive(bytes: &[u8]) {
    for format in once(None).chain(Format::ALL.map(Some)) {
        for keys in [Keys::Infer, Keys::InValues, Keys::None] {
            match formats::parse(bytes, &ImportOptions { format, keys, ..ImportOptions::default() })
            {
                Ok(imported) => {
                    let events = &imported.history.events;
                    assert!(events.iter().enumerate().all(|(n, e)| e.index.0 == n as u64));
                }
                Err(error) => assert!(error.line >= 1 && error.column >= 1, "{error}"),
            }
        }
    }
    if let Ok(streamed) = check_json_lines(bytes) {
        assert!(streamed.operations <= bytes.len());
    }
    let options = JudgeOptions::default();
    if let Some(quick) = judge_json_lines(bytes, &options, None) {
        let read = formats::read(bytes, &ImportOptions::default()).expect("it was judged");
        assert_eq!(quick.judgement, judge(&read.history, &read.probes, &options));
    }
    let drawn = std::str::from_utf8(bytes).map(notation::parse);
    if let Ok(Err(error)) = drawn {
        assert!(error.line >= 1 && error.column >= 1, "{error}");
    }
}

/// The seeds of the fuzzers, as they are and with damage, so that what they know is
/// tried in every run of the tests.
#[test]
fn seeds_of_the_fuzzers_with_damage() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/formats");
    let mut seeds: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .expect("the seeds lie beside the fuzzers")
        .map(|seed| std::fs::read(seed.unwrap().path()).unwrap())
        .collect();
    assert!(seeds.len() >= 10, "{} seeds", seeds.len());
    seeds.sort_unstable();
    let mut random = Random::seeded(5);
    for seed in &seeds {
        let options = ImportOptions::default();
        assert!(formats::parse(seed, &options).is_ok(), "{}", String::from_utf8_lossy(seed));
        survive(seed);
        for _ in 0..histories::histories(200) {
            let mut bytes = seed.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                match random.below(5) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, bytes[at]),
                    2 => bytes[at] = random.below(256) as u8,
                    3 => bytes.truncate(at + 1),
                    // A piece of another seed.
                    _ => {
                        let other = &seeds[random.below(seeds.len() as u64) as usize];
                        let from = random.below(other.len() as u64) as usize;
                        let length = (other.len() - from).min(20);
                        bytes.splice(at..at, other[from..from + length].iter().copied());
                    }
                }
                if bytes.is_empty() {
                    bytes.push(b'{');
                }
            }
            survive(&bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn bytes_of_the_grammar(text in "[\\[\\]{}()#_^:;,\"\\\\ \nnil0-9a-z!?@>]{0,80}") {
        survive(text.as_bytes());
    }

    #[test]
    fn samples_with_damage(
        sample in 0..SAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = SAMPLES[sample].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        survive(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        survive(&bytes);
    }
}

/// Whatever a file is, its events come in its order, and a write of unknown
/// outcome is among them.
#[test]
fn an_import_keeps_the_order_and_every_write_of_unknown_outcome() {
    for seed in 0..200 {
        let workload = GeneratedLoad {
            operations: 60,
            clients: 1 + seed % 9,
            keys: 1 + seed % 4,
            indeterminate_permille: 300,
            seed,
            ..GeneratedLoad::default()
        };
        let mut history = workload.history();
        // A killed run leaves operations open.
        history.events.truncate(100);
        // Only quarrel's own format has versions.
        history.events.iter_mut().for_each(|event| event.op.version = None);
        let unknown = history.events.iter().filter(|event| event.kind == Kind::Info).count();
        let written = |format| {
            let mut file = Vec::new();
            formats::write(&history, format, &mut file).expect("a vector takes everything");
            file
        };
        let log = String::from_utf8(written(Format::Text)).expect("it is text");
        let log: String = log.lines().map(|line| format!("INFO  jepsen.util - {line}\n")).collect();
        let files = [
            (Format::JsonLines, written(Format::JsonLines)),
            (Format::Edn, written(Format::Edn)),
            (Format::Text, written(Format::Text)),
            (Format::JepsenLog, log.into_bytes()),
        ];
        for (format, file) in files {
            let imported = formats::parse(&file, &ImportOptions::default()).expect("a history");
            assert_eq!(imported.format, format, "seed {seed}");
            assert_eq!(shown(&imported.history), shown(&history), "seed {seed}, {format}");
            let operations = imported.history.operations().expect("it is well-formed");
            let open = operations.iter().filter(|operation| {
                let end = operation.complete.map(|end| &imported.history.events[end.position()]);
                end.is_some_and(|event| event.kind == Kind::Info)
            });
            assert_eq!(open.count(), unknown, "seed {seed}, {format}");
        }
    }
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    for open in ["[", "(", "#{", "{", "#_", "^", "#t ", "#_[", "{:type "] {
        survive(open.repeat(100_000).as_bytes());
    }
}
