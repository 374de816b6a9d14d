//! How many calls may be in flight to one service in one account and region, learnt from its throttling.
//!
//! The SDK's adaptive mode lets almost nothing through for a long time after one throttled answer. This is
//! the way of TCP instead (additive increase, multiplicative decrease): a throttled answer halves the window,
//! every other answer widens it a little. Without throttling there is no window, and nothing waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// A window never gets narrower, so that a throttled service still gets on. Calls that are being tried again
/// keep their place in it and their permit of the run, so it also bounds what a throttled account can hold
/// back from the others.
const NARROWEST: f64 = 4.0;
/// A window this wide is none.
const WIDEST: f64 = 256.0;
/// Throttled answers this close together are about the same burst, and narrow the window once.
const BURST: Duration = Duration::from_millis(100);

/// Account, endpoint region, service.
type Key = (String, String, &'static str);

/// The windows of a run.
#[derive(Debug)]
pub(super) struct Windows(Mutex<HashMap<Key, Arc<Window>>>);

impl Windows {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn get(&self, account: &str, region: &str, service: &'static str) -> Arc<Window> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.to_owned(), region.to_owned(), service);
        Arc::clone(all.entry(key).or_insert_with(|| Arc::new(Window::open())))
    }
}

/// The window of one service in one account and region.
#[derive(Debug)]
pub(super) struct Window {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// `None`: it was not throttled, or has recovered.
    width: Option<f64>,
    narrowed: Option<Instant>,
}

/// A place in a window; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Window>);

impl Window {
    fn open() -> Self {
        let state = State { in_flight: 0, width: None, narrowed: None };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place.
    pub(super) async fn enter(self: &Arc<Self>) -> Slot {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                // Comparing small counts as floats is exact.
                #[expect(clippy::cast_precision_loss, reason = "far fewer calls than 2^52 are in flight")]
                let is_free = state.width.is_none_or(|width| (state.in_flight as f64) < width);
                if is_free {
                    state.in_flight += 1;
                    return Slot(Arc::clone(self));
                }
            }
            changed.await;
        }
    }

    /// An answer that came `now` said: slow down.
    pub(super) fn throttled(&self, now: Instant) {
        let mut state = self.state();
        if state.narrowed.is_some_and(|at| now.duration_since(at) < BURST) {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "far fewer calls than 2^52 are in flight")]
        let in_flight = state.in_flight as f64;
        let width = state.width.unwrap_or(in_flight);
        state.width = Some((width / 2.0).max(NARROWEST));
        state.narrowed = Some(now);
    }

    /// Any other answer.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if let Some(width) = state.width {
            let wider = width + 1.0 / width;
            state.width = (wider < WIDEST).then_some(wider);
            drop(state);
            self.changed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn enter(window: &Arc<Window>, calls: usize) -> Vec<Slot> {
        let mut slots = Vec::new();
        for _ in 0..calls {
            slots.push(window.enter().await);
        }
        slots
    }

    fn is_free(window: &Arc<Window>) -> bool {
        futures::FutureExt::now_or_never(window.enter()).is_some()
    }

    #[tokio::test]
    async fn a_burst_of_throttles_halves_the_window_once_and_answers_widen_it() {
        let window = Arc::new(Window::open());
        let start = Instant::now();
        let slots = enter(&window, 40).await;
        window.throttled(start);
        window.throttled(start + BURST / 2);
        drop(slots);
        let slots = enter(&window, 20).await;
        assert!(!is_free(&window));
        for _ in 0..25 {
            window.answered();
        }
        assert!(is_free(&window));
        drop(slots);
        window.throttled(start + BURST);
        let _slots = enter(&window, 11).await;
        assert!(!is_free(&window));
    }

    #[tokio::test]
    async fn it_never_closes_and_opens_again_when_all_is_well() {
        let window = Arc::new(Window::open());
        let start = Instant::now();
        for burst in 0..20 {
            window.throttled(start + BURST * burst);
        }
        let slots = enter(&window, 4).await;
        assert!(!is_free(&window));
        drop(slots);
        for _ in 0..40_000 {
            window.answered();
        }
        let _slots = enter(&window, 1000).await;
        assert!(is_free(&window));
    }

    #[tokio::test]
    async fn who_waits_is_let_in_when_another_leaves() {
        let window = Arc::new(Window::open());
        window.throttled(Instant::now());
        let mut slots = enter(&window, 4).await;
        let waiting = tokio::spawn({
            let window = Arc::clone(&window);
            async move { drop(window.enter().await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        slots.pop();
        waiting.await.unwrap();
    }
}
