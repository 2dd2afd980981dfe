//! What is read takes no more memory than is allowed, whatever it is: with less
//! than the rest would take, a command says where in which file it stopped, and
//! which flag allows more.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

const BAD_INPUT: Option<i32> = Some(65);

/// Megabytes of addresses that a command gets: what it is itself, and a little.
/// Whoever asks for more is ended by the system, with another exit code.
const ADDRESSES_MB: u64 = 600;

/// A command with so little memory.
fn command(folder: &Path, arguments: &str) -> Command {
    let limited = format!("ulimit -v {}; exec \"$QUARREL\" {arguments}", ADDRESSES_MB * 1_024);
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited])
        .current_dir(folder)
        .env("QUARREL", env!("CARGO_BIN_EXE_quarrel"));
    command
}

fn told(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), said.concat())
}

fn quarrel(folder: &Path, arguments: &str) -> (Option<i32>, String) {
    told(&command(folder, arguments).output().unwrap())
}

const FLAG: &str = "of memory; if that is meant, --max-memory allows more";

/// A gigabyte in one line, made while it is read.
#[test]
fn an_endless_line_ends_within_the_bound() {
    let scratch = tempfile::tempdir().unwrap();
    for command_line in ["check - --max-memory 50MB", "check - --stream --max-memory 50MB"] {
        let mut child = command(scratch.path(), command_line);
        let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut line = child.stdin.take().unwrap();
        line.write_all(b"{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":\"").unwrap();
        let piece = vec![b'x'; 1 << 20];
        let written = (0..1_024).take_while(|_| line.write_all(&piece).is_ok()).count();
        drop(line);
        let (code, said) = told(&child.wait_with_output().unwrap());
        assert_eq!(code, BAD_INPUT, "{command_line}: {said}");
        assert!(said.contains(&format!("-: line 1: to read on would take more than 50 MB {FLAG}")));
        assert!(written < 100, "{command_line}: {written} MB were read");
    }
}

/// What is short on the disk, or as a text, and long in a memory.
#[test]
fn what_unfolds_in_memory_ends_within_the_bound() {
    let scratch = tempfile::tempdir().unwrap();
    let nested = |open: &str, close: &str, between: &str| {
        let item = format!("{open}{close}{between}");
        format!("{open}{}{open}{close}{close}", item.repeat(4_000_000))
    };
    let event = |value: &str| {
        format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{value}}}")
    };
    let line = "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":0}\n";
    let bomb = zstd::encode_all(line.repeat((60 << 20) / line.len()).as_bytes(), 1).unwrap();
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    let list = event(&nested("[", "]", ","));
    let files: [(&str, Vec<u8>); 6] = [
        ("bomb.jsonl.zst", bomb),
        ("list.jsonl", list.clone().into_bytes()),
        ("array.json", format!("[{list}]").into_bytes()),
        (
            "map.edn",
            format!("{{:process 0 :type :invoke :f :write :value {}}}", nested("[", "]", " "))
                .into(),
        ),
        ("columns.txt", format!("0\t:invoke\t:write\t{}\n", nested("[", "]", " ")).into()),
        ("cells.csv", format!("process,type,f,value\n{}\n", ",".repeat(8_000_000)).into()),
    ];
    for (name, content) in files {
        fs::write(scratch.path().join(name), content).unwrap();
        let (code, said) = quarrel(scratch.path(), &format!("check {name} --max-memory 50MB"));
        assert_eq!(code, BAD_INPUT, "{name}: {said}");
        assert!(said.contains(&format!("{name}: line ")) && said.contains(FLAG), "{name}: {said}");
    }
}

#[test]
fn every_reader_of_a_run_keeps_to_the_bound() {
    let scratch = tempfile::tempdir().unwrap();
    let run = "run cache-aside --fault replica-lag --cluster sim --time 3s --seed 3";
    let (code, said) = quarrel(scratch.path(), &format!("{run} --max-memory 1MB"));
    // What a run cannot read of itself is no file that somebody gave.
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("history.jsonl.zst: line ") && said.contains(FLAG), "{said}");
    let readers = [
        "check latest",
        "report latest",
        "report latest --redact",
        "replay latest --cluster sim",
        "shrink latest --cluster sim",
    ];
    for reader in readers {
        let (code, said) = quarrel(scratch.path(), &format!("{reader} --max-memory 1MB"));
        assert_eq!(code, BAD_INPUT, "{reader}: {said}");
        let place = "history.jsonl.zst: line ";
        assert!(said.contains(place) && said.contains(FLAG), "{reader}: {said}");
    }
    // The control: with more of it the same is read.
    for reader in readers {
        let (code, said) = quarrel(scratch.path(), &format!("{reader} --max-memory 400MB"));
        assert!(code != BAD_INPUT && !said.contains(FLAG), "{reader}: {said}");
    }
}

/// What is counted is what a run takes while it is judged, some 150 bytes an
/// event or step, and not its text.
#[test]
fn a_run_that_has_room_is_read_and_one_that_has_not_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let run = "run cache-aside --fault replica-lag --cluster sim --time 6s --seed 3";
    let (code, said) = quarrel(scratch.path(), run);
    assert_eq!(code, Some(1), "{said}");
    let packed = fs::read(scratch.path().join("results/latest/history.jsonl.zst")).unwrap();
    let text = zstd::decode_all(packed.as_slice()).unwrap();
    let lines = text.split(|byte| *byte == b'\n').count();
    let check = |bytes_a_line: usize| {
        let megabytes = (lines * bytes_a_line).div_ceil(1_000_000);
        quarrel(scratch.path(), &format!("check latest --max-memory {megabytes}MB"))
    };
    let (code, said) = check(200);
    assert!(text.len() > lines * 120, "as text it would not fit");
    assert_eq!(code, Some(1), "{lines} lines: {said}");
    let (code, said) = check(100);
    assert_eq!(code, BAD_INPUT, "{lines} lines: {said}");
    assert!(said.contains("history.jsonl.zst: line ") && said.contains(FLAG), "{said}");
}

#[test]
fn a_size_has_a_unit() {
    let scratch = tempfile::tempdir().unwrap();
    for size in ["400", "4 GB", "0MB", "-1GB", "much", "999kB"] {
        let (code, said) = quarrel(scratch.path(), &format!("check latest --max-memory '{size}'"));
        assert_eq!(code, Some(64), "{size}: {said}");
        let (code, _) = quarrel(scratch.path(), &format!("check latest --max-memory='{size}'"));
        assert_eq!(code, Some(64), "{size}");
    }
}
