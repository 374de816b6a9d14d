//! Which endpoints answer at all, so that a dead region costs one connect time-out and not the pool.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Read time-outs in a row, with no answer ever, after which an endpoint counts as dead.
const MAX_SILENT_ATTEMPTS: u32 = 2;

/// The endpoints of the run, by service and region. Accounts share them: they have the same host.
#[derive(Debug)]
pub(super) struct Endpoints(Mutex<HashMap<(&'static str, String), Arc<Endpoint>>>);

impl Endpoints {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn get(&self, service: &'static str, region: &str) -> Arc<Endpoint> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry((service, region.to_owned())).or_insert_with(|| Arc::new(Endpoint::new())))
    }
}

/// What is known about one endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    state: Mutex<State>,
    dead: watch::Sender<Option<String>>,
}

#[derive(Debug)]
enum State {
    /// It has answered: single failures are its own matter from now on.
    Answered,
    /// It has not answered yet; this many attempts have run into the time limit.
    Silent(u32),
}

impl Endpoint {
    fn new() -> Self {
        Self { state: Mutex::new(State::Silent(0)), dead: watch::Sender::new(None) }
    }

    /// An answer came, of whatever kind.
    pub(super) fn answered(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Answered;
    }

    /// An attempt ran into the time limit. `connected` tells a slow answer from no connection.
    pub(super) fn silent(&self, connected: bool, message: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Silent(attempts) = &mut *state {
            *attempts += 1;
            if !connected || *attempts >= MAX_SILENT_ATTEMPTS {
                self.dead.send_replace(Some(message.to_owned()));
            }
        }
    }

    /// Completes when the endpoint is given up; at once if it has been.
    pub(super) async fn given_up(&self) -> String {
        let mut dead = self.dead.subscribe();
        loop {
            if let Some(message) = dead.borrow_and_update().clone() {
                return message;
            }
            if dead.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_dead(endpoint: &Endpoint) -> bool {
        endpoint.dead.borrow().is_some()
    }

    #[test]
    fn one_failed_connection_is_enough_and_two_silences() {
        let endpoint = Endpoint::new();
        endpoint.silent(true, "slow");
        assert!(!is_dead(&endpoint));
        endpoint.silent(true, "slow");
        assert!(is_dead(&endpoint));

        let endpoint = Endpoint::new();
        endpoint.silent(false, "no connection");
        assert!(is_dead(&endpoint));
    }

    #[test]
    fn an_endpoint_that_answered_once_is_not_given_up() {
        let endpoint = Endpoint::new();
        endpoint.answered();
        for _ in 0..10 {
            endpoint.silent(false, "no connection");
        }
        assert!(!is_dead(&endpoint));
    }

    #[tokio::test]
    async fn waiters_learn_of_it_before_and_after() {
        let endpoint = Arc::new(Endpoint::new());
        let waiter = tokio::spawn({
            let endpoint = Arc::clone(&endpoint);
            async move { endpoint.given_up().await }
        });
        endpoint.silent(false, "no connection");
        assert_eq!(waiter.await.unwrap(), "no connection");
        assert_eq!(endpoint.given_up().await, "no connection");
    }
}
