use crate::{
    cluster::{Control, Fencing, Link},
    faults::{Amount, FaultEntry, PlacedFault, Sign},
};

pub(super) static ENTRY: FaultEntry = FaultEntry::new(
    "failover",
    "the replica, cut off for this long, becomes the primary: what was acknowledged meanwhile is \
     lost",
)
.amount(Amount::millis(300))
.ways(&["fenced", "unfenced"])
.controls(
    |given| {
        let cut = Control::Cut(Link::ReplicaPrimary);
        let wait = Control::Wait(given.time());
        match given.via() {
            // Two primaries for a while: clients write to the old one, and who
            // reads the replica reads the new one.
            "unfenced" => vec![cut, Control::Promote(Fencing::Unfenced), wait, Control::Switch],
            _ => vec![cut, wait, Control::Promote(Fencing::Fenced), Control::Switch],
        }
    },
    // The link first: mending it later would break the stream.
    |_| vec![Control::Restore(Link::ReplicaPrimary), Control::Rejoin],
    |_| Sign::Promoted,
)
.placed(PlacedFault::Failover);
