//! [`Times`]: when an invocation has to be done with what.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time that is left for the answer when everything else is given up.
const TO_ANSWER: Duration = Duration::from_millis(1_500);
/// The most that is left of an invocation for judging, keeping and telling when collecting ends.
const TO_FINISH: Duration = Duration::from_secs(120);

/// The times of an invocation, all before Lambda ends it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From then on no work is begun any more, and collecting ends: what is left is for finishing.
    pub(crate) work: Instant,
    /// Whatever is not done by then is given up, and the answer says so.
    pub(crate) answer: Instant,
}

impl Times {
    /// The times of an invocation that Lambda ends then, in milliseconds since 1970.
    pub(crate) fn until(deadline_ms: u64) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::of(Instant::now(), Duration::from_millis(deadline_ms).saturating_sub(since_epoch))
    }

    fn of(now: Instant, left: Duration) -> Self {
        let answer = left.saturating_sub(TO_ANSWER.min(left / 10));
        let work = answer.saturating_sub(TO_FINISH.min(left / 4));
        let at = |after: Duration| now.checked_add(after).unwrap_or(now);
        Self { work: at(work), answer: at(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finishing_has_its_share_and_the_answer_too() {
        let now = Instant::now();
        let seconds = |left: u64| {
            let times = Times::of(now, Duration::from_secs(left));
            (times.work.duration_since(now).as_secs_f32(), times.answer.duration_since(now).as_secs_f32())
        };
        assert_eq!(seconds(900), (778.5, 898.5));
        assert_eq!(seconds(60), (43.5, 58.5));
        assert_eq!(seconds(0), (0.0, 0.0));
        let (work, answer) = seconds(10);
        assert!(work > 6.0 && work < answer && answer < 10.0);
    }
}
