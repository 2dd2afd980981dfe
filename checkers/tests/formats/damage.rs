//! Whole files of every format, damaged: ten thousand times each.

use std::{fs, path::PathBuf};

use quarrel_checkers::{
    formats::{self, Format, ImportOptions, Keys},
    generate::{GeneratedLoad, Random},
    notation,
    register::check_json_lines,
};

use crate::histories::histories;

/// A history as each format writes it.
fn written() -> Vec<(&'static str, Vec<u8>)> {
    let workload = GeneratedLoad {
        operations: 12,
        clients: 3,
        keys: 2,
        indeterminate_permille: 200,
        ..GeneratedLoad::default()
    };
    let file = |format| {
        let mut file = Vec::new();
        formats::write(&workload.history(), format, &mut file).expect("a vector takes all");
        file
    };
    let columns = String::from_utf8(file(Format::Text)).expect("it is text");
    let log = |line: &dyn Fn(&str) -> String| -> Vec<u8> {
        columns
            .lines()
            .flat_map(|columns| [line(columns), "\n".to_owned()])
            .collect::<String>()
            .into()
    };
    vec![
        ("JSON lines", file(Format::JsonLines)),
        ("EDN", file(Format::Edn)),
        ("CSV", file(Format::Csv)),
        ("history.txt", file(Format::Text)),
        ("an old log", log(&|columns| format!("INFO  jepsen.util - {columns}"))),
        (
            "a log with times",
            log(&|columns| {
                format!("INFO [2017-03-31 19:34:47,351] jepsen worker 4 - jepsen.util {columns}")
            }),
        ),
        (
            "a new log",
            log(&|columns| {
                format!("2024-11-05 15:34:08,498{{GMT}}\tINFO\t[jepsen worker 2] jepsen.util: {columns}")
            }),
        ),
        (
            "a structured log",
            log(&|columns| {
                format!("{{\"level\":\"INFO\",\"message\":{}}}", serde_json::Value::from(columns))
            }),
        ),
        (
            "Porcupine's key-value log",
            b"{:process 9, :type :invoke, :f :append, :key \"0\", :value \"x 9 0 y\"}\n\
              {:process 1, :type :invoke, :f :get, :key \"9\", :value nil}\n\
              {:process 9, :type :ok, :f :append, :key \"0\", :value \"x 9 0 y\"}\n\
              {:process 1, :type :ok, :f :get, :key \"9\", :value \"x 5 0 y\"}\n"
                .to_vec(),
        ),
        (
            "JSON",
            b"[{\"index\":0,\"process\":1,\"type\":\"invoke\",\"value\":[[\"append\",253,1],[\"r\",255,null]]},\n\
              {\"index\":1,\"process\":1,\"type\":\"ok\",\"value\":[[\"append\",253,1],[\"r\",255,[1,2]]]}]\n"
                .to_vec(),
        ),
        (
            "a drawing",
            b"A: [w1@1]  [w2?]   [c1>2!]   # none\nB:    [7:r nil]  [r1 ]  [r\nC:  [w-3]\n".to_vec(),
        ),
    ]
}

/// The beginnings of recorded histories, where they lie beside the clone.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories");
    let mut files = Vec::new();
    for name in [
        "porcupine/etcd_000.log",
        "porcupine/kv-c10-bad.txt",
        "knossos/bad-cas-failure.edn",
        "knossos/good-memstress3-0.edn",
        "elle-cli/elle-paper-example.json",
        "elle-cli/elle-rw-register.edn",
        "elle-cli/jepsen-bank-neg.edn",
        "elle-cli/jepsen-set.edn",
    ] {
        match fs::read(folder.join(name)) {
            Ok(mut bytes) => {
                bytes.truncate(1_500);
                files.push((name.to_owned(), bytes));
            }
            Err(error) => eprintln!("NOT TRIED: {name}: {error}"),
        }
    }
    files
}

/// What happens to files: bytes change, go, come twice or from elsewhere, and
/// the end is missing.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    const ODD: [&[u8]; 12] = [
        b"\"",
        b"\\",
        b"{",
        b"]",
        b"\n",
        b"\t:ok\t",
        b"\xff",
        b"\0",
        b"null",
        b"-9223372036854775809",
        b"1e999",
        "\u{20ac}".as_bytes(),
    ];
    for _ in 0..1 + random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let place = |bytes: &[u8], random: &mut Random| random.below(bytes.len() as u64) as usize;
        let (at, other) = (place(bytes, random), place(bytes, random));
        let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 40));
        match random.below(7) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(from..to)),
            3 => {
                let twice = bytes[from..to].to_vec();
                bytes.splice(from..from, twice);
            }
            4 => {
                let moved = bytes[from..to].to_vec();
                bytes.splice(at..at, moved);
            }
            5 => drop(bytes.splice(at..at, ODD[random.below(12) as usize].iter().copied())),
            _ if random.permille(300) => bytes.truncate(at),
            _ => bytes.swap(at, other),
        }
    }
}

#[test]
fn no_damage_makes_a_parser_panic() {
    let written = written().into_iter().map(|(name, bytes)| (name.to_owned(), bytes));
    for (name, whole) in written.chain(recorded()) {
        let mut kinds = [0, 0];
        for seed in 0..histories(10_000) {
            let mut random = Random::seeded(seed);
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut random);
            let keys = [Keys::Infer, Keys::InValues, Keys::None][random.below(3) as usize];
            match formats::parse(&bytes, &ImportOptions { keys, ..ImportOptions::default() }) {
                Ok(imported) => {
                    kinds[0] += 1;
                    // What was read can be taken apart, or says why not.
                    let _ = imported.history.operations();
                }
                Err(error) => {
                    kinds[1] += 1;
                    assert!(error.line >= 1 && error.column >= 1, "{name}, seed {seed}: {error}");
                }
            }
            let _ = check_json_lines(bytes.as_slice());
            if let Ok(text) = std::str::from_utf8(&bytes)
                && let Err(error) = notation::parse(text)
            {
                assert!(error.line >= 1 && error.column >= 1, "{name}, seed {seed}: {error}");
            }
        }
        // Some damage is noticed.
        assert!(kinds[1] > 0 || name.contains("log"), "{name}: {kinds:?}");
    }
}
