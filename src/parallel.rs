//! Several threads for what waits or computes, where the results are wanted in order.

use std::thread;

/// What `each` makes of every item, in their order, on so many threads at most; the calling one is among them. A panic of
/// one thread is that of the caller.
pub(crate) fn map<I: Sync, T: Send>(items: &[I], threads: usize, each: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let share = items.len().div_ceil(threads.max(1)).max(1);
    thread::scope(|scope| {
        let mut shares = items.chunks(share);
        let first = shares.next().unwrap_or_default();
        let each = &each;
        let others: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().map(each).collect::<Vec<T>>())).collect();
        let mut made: Vec<T> = first.iter().map(each).collect();
        for other in others {
            made.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn results_are_in_the_order_of_the_items_whatever_the_threads() {
        let items: Vec<u32> = (0..10).collect();
        let expected: Vec<u32> = (0..10).map(|n| n * n).collect();
        for threads in [0, 1, 3, 10, 100] {
            assert_eq!(map(&items, threads, |n| n * n), expected, "{threads} threads");
        }
        assert_eq!(map(&[] as &[u32], 4, |n| *n), [0; 0]);
    }

    #[test]
    #[should_panic(expected = "nine")]
    fn a_panic_is_not_lost() {
        map(&(0..10).collect::<Vec<u32>>(), 5, |n| assert_ne!(*n, 9, "nine"));
    }
}
