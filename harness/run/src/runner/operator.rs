use std::{sync::Arc, time::Duration};

use quarrel_checkers::Process;
use quarrel_strategy::{
    record::Stop,
    strategy::{Action, ByHand, OPERATOR, Outcome, Session, SessionParts, perform},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

use super::client::Storm;
use crate::faults::Strikes;

/// Changes rows by hand whenever the faults say so. The changes are recorded
/// as writes, by a process that is no client: whoever judges the history must
/// know of every version.
pub(super) async fn operate(storm: &Arc<Storm>, strikes: &Strikes, over: &Stop) {
    let by_hand = ByHand(Arc::clone(&storm.plan.strategy));
    let keys = storm.plan.draw();
    let mut random = ChaCha8Rng::seed_from_u64(storm.plan.seed ^ 0x4d41_4e55_414c);
    let mut life = 0;
    let mut session = hands(storm, life);
    while !over.asked() {
        let Some(every) = strikes.manual() else {
            drop(session.sleep(Duration::from_millis(10)).await);
            continue;
        };
        let action = Action::Write(keys.draw(&mut random), storm.value(None));
        let outcome = perform(&by_hand, &mut session, action, storm.plan.deadline).await;
        match outcome {
            Outcome::Written(_) => strikes.changed_by_hand(),
            Outcome::Unknown(_) => {
                life += 1;
                session = hands(storm, life);
            }
            Outcome::Read(_) | Outcome::Failed(_) => {}
        }
        drop(session.sleep(every).await);
    }
}

/// An operator's session, beside the links that faults strike.
fn hands(storm: &Storm, life: u64) -> Session {
    let Process::Agent(first) = OPERATOR else { unreachable!("an operator is an agent") };
    Session::new(SessionParts {
        process: Process::Agent(first + life),
        backend: storm.cluster.probe(),
        clock: storm.recorder.clock().clone(),
        recorder: Some(Arc::clone(&storm.recorder)),
        gate: None,
        seed: storm.plan.seed ^ life,
    })
}
