//! What the checks cost, against the goals set for them: CPU time of one
//! thread, medians, nanoseconds an operation; memory as the allocator saw it.
//! The first lines say what this machine needs at the moment for something
//! well known, for other programs slow memory down.
//!
//! ```text
//! cargo bench -p quarrel-checkers --bench goals            # up to 10⁶ operations
//! cargo bench -p quarrel-checkers --bench goals -- large   # 10⁷ too: minutes, 3 GB of disk
//! cargo bench -p quarrel-checkers --bench goals -- files   # one part: values, keys, concurrency,
//!                                # delta, versions, memory, files, foreign, logs or
//!                                # transactions
//! cargo bench -p quarrel-checkers --bench goals -- write FOLDER
//!                                # the histories of `foreign`, for benches/commands.py
//! PEER_TIMES=FILE cargo bench -p quarrel-checkers --bench goals -- logs
//!                                # beside another checker: lines `etcd_000 NANOSECONDS`
//! ```

mod corpora;
mod files;
mod foreign;
mod histories;
mod measure;
mod registers;
mod transactions;

use std::hint::black_box;

use measure::{beside, median};
use quarrel_checkers::generate::Random;

fn floor() {
    const COUNT: usize = 1_000_000;
    let input = vec![(1_u64, 2_u64); COUNT];
    let copy = median(9, || drop(black_box(input.clone())));
    beside("floor: a copy of 16 B/op", copy / COUNT as f64, "ns/op");
    let mut random = Random::seeded(3);
    let numbers: Vec<u64> = (0..COUNT).map(|_| random.next()).collect();
    let sort = median(5, || {
        let mut numbers = numbers.clone();
        numbers.sort_unstable();
        black_box(numbers);
    });
    beside("floor: a sort of random numbers", sort / COUNT as f64, "ns/op");
}

/// Whether a part is asked for; all are if none is named.
fn is_asked(part: &str) -> bool {
    let named = |argument: &String| PARTS.contains(&argument.as_str());
    let mut asked = std::env::args().filter(named).peekable();
    asked.peek().is_none() || asked.any(|argument| argument == part)
}

const PARTS: [&str; 10] = [
    "values",
    "keys",
    "concurrency",
    "delta",
    "versions",
    "memory",
    "files",
    "foreign",
    "logs",
    "transactions",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "write") {
        let folder = arguments.get(at + 1).expect("a folder is named behind `write`");
        return histories::write_all(folder.as_ref()).expect("the folder takes the files");
    }
    let is_large = std::env::args().any(|argument| argument == "large");
    floor();
    if is_asked("values") {
        registers::values(1_000_000, 15, [14.0, 60.0]);
        if is_large {
            registers::values(10_000_000, 5, [18.0, 100.0]);
        }
    }
    if is_asked("keys") {
        registers::many_keys(1_000_000, 9);
    }
    if is_asked("concurrency") {
        registers::concurrency(1_000_000, 9);
    }
    if is_asked("delta") {
        registers::delta(1_000_000, 9);
    }
    if is_asked("versions") {
        registers::versions(1_000_000, 9);
    }
    if is_asked("memory") {
        registers::memory(1_000_000);
    }
    if is_asked("files") {
        files::million();
        if is_large {
            files::ten_million();
        }
    }
    if is_asked("foreign") {
        foreign::files();
    }
    if is_asked("logs") {
        corpora::logs(5);
    }
    if is_asked("transactions") {
        transactions::isolation(100_000, 3);
    }
    measure::sum_up();
}
