use anstream::println;

use crate::{cluster::native::Binaries, report::Ink};

/// Says what this machine can run, and the command that would mend the rest.
/// Exit code 0 if any cluster of real servers works, else 4.
pub(super) fn doctor() -> u8 {
    let ink = Ink::colours();
    let (good, bad) = (ink.good, ink.bad);
    match Binaries::find() {
        Ok(binaries) => {
            println!(
                "{good}yes{good:#} native   Postgres {} in {}, Redis at {}",
                binaries.major,
                binaries.postgres.display(),
                binaries.redis.display()
            );
            0
        }
        Err(missing) => {
            println!("{bad} no{bad:#} native   {missing}\n             try: {}", missing.advice());
            4
        }
    }
}
