use quarrel_checkers::Cause;
use quarrel_harness::strategy::Known;

/// The article's four divergences, each as a run of default options, and
/// controls under the same faults.
pub(crate) fn all() -> Vec<Known> {
    let broken = |name, cause, run| Known { divergence: Some((name, cause)), run };
    let control = |run| Known { divergence: None, run };
    vec![
        broken("lag on invalidation", Cause::ReplicaLagRefill, "cache-aside --fault replica-lag"),
        broken(
            "failed invalidation",
            Cause::FailedInvalidation,
            "cache-aside --fill primary --fault redis-cut",
        ),
        broken("write-write race", Cause::WriteWriteRace, "write-through --fill primary"),
        broken("manual change", Cause::OutOfBandChange, "cache-aside --fault manual-sql"),
        control("primary-only"),
        control("primary-only --fault replica-lag"),
        control("primary-only --fault redis-cut"),
        control("primary-only --fault manual-sql"),
        control("validate-on-primary"),
        control("validate-on-primary --fault replica-lag"),
        control("validate-on-primary --fault redis-cut"),
        control("validate-on-primary --fault manual-sql"),
    ]
}
