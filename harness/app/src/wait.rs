use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long, and how often, somebody looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) within: Duration,
    pub(super) every: Duration,
}

/// A wait for something that is to be seen.
pub(super) struct Wait {
    since: Instant,
    patience: Patience,
}

impl Wait {
    pub(super) fn begin(patience: Patience) -> Self {
        Self { since: Instant::now(), patience }
    }

    /// Returns when it is time to look again; whether it is worth it, or too
    /// late.
    pub(super) async fn again(&self) -> bool {
        if self.since.elapsed() > self.patience.within {
            return false;
        }
        sleep(self.patience.every).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_looked_again_until_it_is_too_late() {
        let wait = |within| Wait::begin(Patience { within, every: Duration::ZERO });
        assert!(wait(Duration::from_secs(3_600)).again().await);
        let over = wait(Duration::ZERO);
        while over.since.elapsed().is_zero() {}
        assert!(!over.again().await);
    }
}
