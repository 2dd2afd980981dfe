use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Asks a storm to end early: it heals, reads what there is and reports.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Wishes>);

#[derive(Debug, Default)]
struct Wishes {
    stop: AtomicBool,
    hurry: AtomicBool,
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Asks for more: that it ends now, whatever is still to be read or stands
    /// still. What it comes to can then convict, but not acquit.
    pub fn hurry(&self) {
        self.ask();
        self.0.hurry.store(true, Ordering::Relaxed);
    }

    /// Whether it must end now.
    #[must_use]
    pub fn is_hurried(&self) -> bool {
        self.0.hurry.load(Ordering::Relaxed)
    }
}
