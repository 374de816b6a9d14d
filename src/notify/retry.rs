//! Trying again, for what is not called through the AWS SDK, which does that by itself.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

/// Attempts, the first included.
const MAX_ATTEMPTS: u32 = 4;

/// How long attempts and the pauses between them are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// One attempt.
    limit: Duration,
    /// The pause before the second attempt; each other is four times as long as the one before.
    first_pause: Duration,
}

impl Pace {
    /// Attempts within the limit, and pauses of 10 s together.
    pub(super) const fn of(limit: Duration) -> Self {
        Self { limit, first_pause: Duration::from_millis(500) }
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Refused {
    /// What happened, without anything secret.
    pub(super) why: String,
    /// Whether the next attempt may go better.
    pub(super) is_passing: bool,
}

impl Refused {
    pub(super) const fn for_good(why: String) -> Self {
        Self { why, is_passing: false }
    }

    pub(super) const fn for_now(why: String) -> Self {
        Self { why, is_passing: true }
    }
}

/// Tries until it goes well, cannot go well, or has been tried often enough. Says how many attempts it took.
pub(super) async fn trying<F>(pace: Pace, attempt: impl Fn() -> F) -> (u32, Result<(), String>)
where
    F: Future<Output = Result<(), Refused>>,
{
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let once = || {
        attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let sent = attempt();
        async move {
            match tokio::time::timeout(pace.limit, sent).await {
                Ok(sent) => sent,
                Err(_) => Err(Refused::for_now(format!("no answer within {} s", pace.limit.as_secs()))),
            }
        }
    };
    let pauses = ExponentialBuilder::default()
        .with_min_delay(pace.first_pause)
        .with_factor(4.0)
        .with_max_times(MAX_ATTEMPTS as usize - 1);
    let sent = once.retry(pauses).when(|refused: &Refused| refused.is_passing).await;
    (attempts.into_inner(), sent.map_err(|refused| refused.why))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const QUICK: Pace = Pace { limit: Duration::from_millis(20), first_pause: Duration::from_millis(1) };

    async fn outcome(of: impl Fn(u32) -> Result<(), Refused>) -> (u32, Result<(), String>) {
        let calls = Cell::new(0);
        trying(QUICK, || {
            calls.set(calls.get() + 1);
            std::future::ready(of(calls.get()))
        })
        .await
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_stays_is_not() {
        let busy = |n: u32| {
            move |call: u32| if call <= n { Err(Refused::for_now("busy".to_owned())) } else { Ok(()) }
        };
        assert_eq!(outcome(busy(0)).await, (1, Ok(())));
        assert_eq!(outcome(busy(2)).await, (3, Ok(())));
        assert_eq!(outcome(busy(99)).await, (MAX_ATTEMPTS, Err("busy".to_owned())));
        assert_eq!(outcome(|_| Err(Refused::for_good("no".to_owned()))).await, (1, Err("no".to_owned())));
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_ends() {
        let hang = || std::future::pending::<Result<(), Refused>>();
        let (attempts, sent) = trying(QUICK, hang).await;
        assert_eq!((attempts, sent), (MAX_ATTEMPTS, Err("no answer within 0 s".to_owned())));
    }
}
