//! How many histories a comparison with a definition tries.

/// `usual` of them; with `QUARREL_HISTORIES` in the environment so many where a
/// million is usual, and in proportion elsewhere. Mutants are tried on few, a
/// long night on many.
pub(crate) fn histories(usual: u64) -> u64 {
    let Ok(count) = std::env::var("QUARREL_HISTORIES") else { return usual };
    let count: u64 = count.parse().expect("QUARREL_HISTORIES is a number");
    (usual * count / 1_000_000).max(1)
}
