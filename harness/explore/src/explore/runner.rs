use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

/// A runner of proptest's that draws up to `cases` cases from `seed`, and from
/// nothing else: neither the clock nor the environment decides anything.
pub(super) fn runner(seed: u64, cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        // What is drawn here has so many parts, each of which is shrunk once:
        // that ends by itself. (The largest number of all means something else
        // to proptest.)
        max_shrink_iters: u32::MAX - 1,
        max_shrink_time: 0,
        // The only reason to reject a case is that there shall be no more.
        max_global_rejects: 0,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        verbose: 0,
        ..Config::default()
    })
}
