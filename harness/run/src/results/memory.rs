//! How much memory the files of a run, or a history, may take while they are
//! read: they may be a stranger's.

use std::{
    fs, io,
    sync::atomic::{AtomicU64, Ordering},
};

use quarrel_checkers::Value;

use super::inside::refused;

/// What [`allow_memory`] said; 0 if it did not.
static ALLOWED: AtomicU64 = AtomicU64::new(0);

/// If the system does not say what is free.
const UNKNOWN: u64 = 4_000_000_000;

/// Bytes of memory that reading may take in this process from now on; without a
/// number, half of what is free.
pub fn allow_memory(bytes: Option<u64>) {
    ALLOWED.store(bytes.unwrap_or(0), Ordering::Relaxed);
}

/// About the most bytes of memory that what is read may take: what
/// [`allow_memory`] said, else half of what is free.
#[must_use]
pub fn most_memory() -> u64 {
    match ALLOWED.load(Ordering::Relaxed) {
        0 => free().map_or(UNKNOWN, |free| free / 2),
        allowed => allowed,
    }
}

/// What to say where reading on would take more than [`most_memory`]: the place
/// in the file, and what allows more.
#[must_use]
pub fn too_much_memory(line: usize) -> String {
    format!(
        "line {line}: to read on would take more than {} MB of memory; if that is meant, \
         --max-memory allows more",
        most_memory() / 1_000_000
    )
}

/// The bytes that the files of a run may still take, all together.
pub(super) struct Allowance(u64);

impl Allowance {
    /// All of [`most_memory`].
    pub(super) fn whole() -> Self {
        Self(most_memory())
    }

    /// What is left.
    pub(super) const fn left(&self) -> u64 {
        self.0
    }

    /// Takes bytes for good, of what is read from this line.
    pub(super) fn take(&mut self, bytes: u64, line: usize) -> io::Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| memory_exceeded(line))?;
        Ok(())
    }
}

/// About the bytes that a line and what becomes of it take while both are there.
pub(super) fn taken<T>(line: &[u8]) -> u64 {
    /// Fields that a line has by itself; further commas and brackets are those of
    /// lists, which take many times their text.
    const FIELDS: usize = 16;
    /// An item in a list that may have doubled its room for it.
    const ITEM: usize = 2 * size_of::<Value>() + 32;
    let items = line.iter().filter(|byte| matches!(byte, b',' | b'[')).count();
    (line.len() + size_of::<T>() + items.saturating_sub(FIELDS) * ITEM) as u64
}

/// [`too_much_memory`] as an error of reading.
pub(super) fn memory_exceeded(line: usize) -> io::Error {
    refused(too_much_memory(line))
}

/// Bytes that this process may still take: what the machine has, and what is
/// left of the limit that a container puts on it.
fn free() -> Option<u64> {
    let machine = available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let number = |name: &str| {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let limit = number("memory.max").zip(number("memory.current"));
    let contained = limit.map(|(most, taken)| most.saturating_sub(taken));
    Some(contained.map_or(machine, |left| left.min(machine)))
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_free_is_allowed() {
        let meminfo = "MemTotal:       24579772 kB\nMemAvailable:   20000000 kB\nCached: 1 kB\n";
        assert_eq!(available(meminfo), Some(20_480_000_000));
        assert_eq!(available("MemTotal: 7 kB\n"), None);
        assert!(free().is_some_and(|free| free > 1_000_000));
    }
}
