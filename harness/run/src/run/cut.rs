use std::{sync::mpsc, thread, time::Instant};

/// Does `work`, if it is done before `until`; else it is left alone: its thread
/// ends with the process.
pub fn within<T: Send + 'static>(
    until: Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(until) = until else { return Some(work()) };
    let (done, end) = mpsc::channel();
    let thread = thread::spawn(move || {
        // Nobody may wait any more.
        let _ = done.send(work());
    });
    #[expect(clippy::disallowed_methods, reason = "what is cut takes real time")]
    let left = until.saturating_duration_since(Instant::now());
    match end.recv_timeout(left) {
        Ok(done) => Some(done),
        Err(mpsc::RecvTimeoutError::Timeout) => None,
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what is cut takes real time")]
    fn what_takes_too_long_is_left_alone() {
        let (hold, held) = mpsc::channel::<()>();
        let begin = Instant::now();
        let soon = begin + Duration::from_millis(20);
        assert_eq!(within(Some(soon), move || held.recv()), None);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        drop(hold);
        assert_eq!(within(Some(begin + Duration::from_secs(60)), || 7), Some(7));
        assert_eq!(within(None, || 7), Some(7));
    }

    #[test]
    fn a_panic_stays_one() {
        #[expect(clippy::disallowed_methods, reason = "what is cut takes real time")]
        let until = Instant::now() + Duration::from_secs(60);
        let panicked = std::panic::catch_unwind(|| within(Some(until), || panic!("no")));
        assert!(panicked.is_err());
    }
}
