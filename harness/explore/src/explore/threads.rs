use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Fewer things than this are done before a thread has begun.
const WORTH_A_THREAD: usize = 16;

/// Does `work` with each of `things`, on so many threads; what came of them is
/// in their order, whatever the number of threads.
pub(super) fn together<T: Sync, R: Send>(
    threads: usize,
    things: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if threads < 2 || things.len() < WORTH_A_THREAD {
        return things.iter().map(work).collect();
    }
    // Small shares in turn: some things take much longer than others.
    let shares: Vec<&[T]> = things.chunks(things.len().div_ceil(threads * 8)).collect();
    let next = AtomicUsize::new(0);
    let take_turns = || {
        let mut done: Vec<(usize, Vec<R>)> = Vec::new();
        while let Some((number, share)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            shares.get(number).map(|share| (number, share))
        } {
            done.push((number, share.iter().map(&work).collect()));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take_turns)).collect();
        let mut done = take_turns();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, share)| share).collect()
}

#[cfg(test)]
mod tests {
    use super::together;

    #[test]
    fn the_order_is_that_of_the_things() {
        let things: Vec<u32> = (0..1_000).collect();
        let squares: Vec<u32> = things.iter().map(|n| n * n).collect();
        for threads in [1, 2, 7] {
            assert_eq!(together(threads, &things, |n| n * n), squares, "{threads} threads");
        }
        assert!(together(4, &things[..0], |n| n * n).is_empty());
    }
}
