//! The guides do what they say: every command in them is run, in order and in
//! one folder, and every output compared.

use std::{fs, path::Path, process::Command};

/// A file or a command of the guide.
#[derive(Debug)]
enum Block {
    File { name: String, text: String },
    Command { line: String, output: String },
}

/// Takes the guide apart. A block behind a line that is only a name in
/// backticks and a colon is a file; a block of `console` is commands, behind
/// `$`, and what they print.
fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line;
            }
            continue;
        };
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let name =
            std::mem::take(&mut before).strip_prefix('`').and_then(|rest| rest.strip_suffix("`:"));
        match (language, name) {
            (_, Some(name)) => {
                let text = inside.iter().fold(String::new(), |text, line| text + line + "\n");
                blocks.push(Block::File { name: name.to_owned(), text });
            }
            ("console", None) => blocks.extend(commands(&inside)),
            (other, None) => panic!("a block of `{other}` that nobody checks: {inside:?}"),
        }
    }
    blocks
}

fn commands(lines: &[&str]) -> Vec<Block> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else {
            let (command, output) = commands.last_mut().expect("a command comes first");
            let into = if goes_on { command } else { output };
            if goes_on {
                into.push('\n');
            }
            *into += line;
            if !goes_on {
                into.push('\n');
            }
        }
        let is_command = line.starts_with("$ ") || goes_on;
        goes_on = is_command && line.ends_with('\\');
    }
    let block = |(line, output)| Block::Command { line, output };
    commands.into_iter().map(block).collect()
}

/// Whether what was printed is as written, where `…` stands for anything, and a
/// line of it alone for any lines or none.
fn is_as_written(written: &str, printed: &str) -> bool {
    let written = format!("\n{written}").replace("\n…\n", "\n…");
    let written = &written[1..];
    let mut pieces = written.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty()
}

#[test]
fn every_command_of_the_guide_of_applications_does_what_it_says() {
    follow("apps/GUIDE.md", 8);
}

#[test]
fn every_command_of_the_guide_of_strategies_does_what_it_says() {
    follow("README.md", 8);
}

/// Runs a guide that has at least so many commands.
fn follow(guide: &str, least: usize) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join(guide)).unwrap();
    let blocks = blocks(&guide);
    let is_command = |block: &&Block| matches!(block, Block::Command { .. });
    assert!(blocks.iter().filter(is_command).count() >= least, "{blocks:?}");
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_quarrel")).parent().unwrap();
    for block in &blocks {
        match block {
            Block::File { name, text } => fs::write(folder.path().join(name), text).unwrap(),
            Block::Command { line, output } => {
                let ran = Command::new("sh")
                    .args(["-c", &format!("exec 2>&1\n{line}")])
                    .current_dir(folder.path())
                    .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin", programs.display()))
                    .env("CHECKOUT", package.parent().unwrap())
                    .env_remove("QUARREL_RESULTS")
                    .output()
                    .unwrap();
                let printed = String::from_utf8_lossy(&ran.stdout);
                assert!(
                    is_as_written(output, &printed),
                    "$ {line}\nwritten:\n{output}\nprinted:\n{printed}"
                );
            }
        }
    }
}

#[test]
fn what_differs_from_what_is_written_is_noticed() {
    for printed in ["a\nb\nb\nc 3 1.5 s\n", "a\nc 3 1.5 s\n"] {
        assert!(is_as_written("a\n…\nc 3 … s\n", printed), "{printed}");
    }
    for (written, printed) in [("a\n", "b\n"), ("a\n", "a\nb\n"), ("a\n…\nc\n", "a\nb\nd\n")] {
        assert!(!is_as_written(written, printed), "{written:?} {printed:?}");
    }
}
