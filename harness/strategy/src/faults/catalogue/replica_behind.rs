use crate::{
    cluster::Control,
    faults::{Amount, FaultEntry, Sign},
};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "replica-behind",
    "the replay stands still until it is this many bytes behind, and longer",
)
.amount(Amount::bytes(16_000))
.controls(
    |_| vec![Control::PauseReplay],
    |_| vec![Control::ResumeReplay],
    |given| Sign::ReplicaBehindBytes { by: given.count() },
);
