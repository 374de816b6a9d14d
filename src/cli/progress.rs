//! Showing how far a scan is: bars on a terminal, a line now and then in a log, or nothing.

use std::collections::VecDeque;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::run::{Display, Snapshot};

/// The rate shown is that of about the last so many seconds.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// The display that suits stderr; none when the user wants quiet.
#[must_use]
pub fn on_stderr(quiet: bool) -> Option<Box<dyn Display>> {
    match (quiet, std::io::stderr().is_terminal()) {
        (true, _) => None,
        (false, true) => Some(Box::new(Bars::new())),
        (false, false) => Some(Box::new(Lines::to(std::io::stderr()))),
    }
}

/// Two lines on a terminal: accounts with the time left, and calls.
struct Bars {
    accounts: ProgressBar,
    calls: ProgressBar,
    rate: Rate,
}

impl Bars {
    fn new() -> Self {
        let bars = MultiProgress::new();
        let accounts = bars.add(ProgressBar::no_length());
        let calls = bars.add(ProgressBar::no_length());
        accounts.set_style(style("{spinner} {msg}"));
        calls.set_style(style("  {msg}"));
        accounts.set_message("finding accounts");
        Self { accounts, calls, rate: Rate::new() }
    }
}

/// A template that does not parse gives a plain bar, which is no reason to stop a scan.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Display for Bars {
    fn interval(&self) -> Duration {
        Duration::from_millis(200)
    }

    fn show(&mut self, snapshot: &Snapshot) {
        if snapshot.accounts > 0 && self.accounts.length().is_none() {
            self.accounts.set_style(style("{spinner} accounts {bar:30} {pos}/{len}  {elapsed}, {eta} left"));
            self.accounts.set_length(u64::try_from(snapshot.accounts).unwrap_or(u64::MAX));
            self.accounts.reset_eta();
        }
        self.accounts.set_position(u64::try_from(snapshot.done).unwrap_or(u64::MAX));
        self.accounts.tick();
        let rate = self.rate.at(snapshot);
        self.calls.set_message(Calls { snapshot, rate }.to_string());
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.accounts.finish_and_clear();
        self.calls.finish_and_clear();
    }
}

/// A line now and then, for logs.
struct Lines<W> {
    out: W,
    rate: Rate,
}

impl<W: Write> Lines<W> {
    fn to(out: W) -> Self {
        Self { out, rate: Rate::new() }
    }
}

impl<W: Write + Send> Display for Lines<W> {
    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn show(&mut self, snapshot: &Snapshot) {
        let rate = self.rate.at(snapshot);
        let seconds = snapshot.elapsed.as_secs();
        let accounts = match snapshot.accounts {
            0 => "finding accounts".to_owned(),
            accounts => format!("accounts {}/{accounts}", snapshot.done),
        };
        let line = format!("upright: {seconds} s, {accounts}, {}\n", Calls { snapshot, rate });
        // A log that cannot be written to is no reason to stop the scan.
        let _ = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
    }
}

/// The part of the text that is about calls.
struct Calls<'a> {
    snapshot: &'a Snapshot,
    rate: u64,
}

impl fmt::Display for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.snapshot.calls;
        write!(f, "calls {} ({}/s)", calls.requests, self.rate)?;
        if calls.retries > 0 {
            write!(f, ", retried {}", calls.retries)?;
        }
        if calls.throttles > 0 {
            write!(f, ", throttled {}", calls.throttles)?;
        }
        Ok(())
    }
}

/// Calls a second, of late.
struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    fn new() -> Self {
        Self(VecDeque::from([(Duration::ZERO, 0)]))
    }

    fn at(&mut self, snapshot: &Snapshot) -> u64 {
        let (now, requests) = (snapshot.elapsed, snapshot.calls.requests);
        self.0.push_back((now, requests));
        // The oldest that is kept is the youngest outside the window, so that there is always one to compare with.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= RATE_WINDOW) {
            self.0.pop_front();
        }
        let Some((since, before)) = self.0.front() else {
            return 0;
        };
        let millis = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX);
        requests.saturating_sub(*before).saturating_mul(1000).checked_div(millis).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Tally;

    fn snapshot(seconds: u64, accounts: usize, done: usize, calls: [u64; 3]) -> Snapshot {
        let [requests, retries, throttles] = calls;
        Snapshot {
            elapsed: Duration::from_secs(seconds),
            accounts,
            done,
            calls: Tally { requests, retries, throttles },
        }
    }

    #[test]
    fn a_log_gets_whole_lines() {
        let mut lines = Lines::to(Vec::new());
        lines.show(&snapshot(10, 0, 0, [20, 0, 0]));
        lines.show(&snapshot(20, 40, 3, [1020, 7, 5]));
        assert_eq!(
            String::from_utf8(lines.out).unwrap(),
            "upright: 10 s, finding accounts, calls 20 (2/s)\n\
             upright: 20 s, accounts 3/40, calls 1020 (100/s), retried 7, throttled 5\n"
        );
    }

    #[test]
    fn the_rate_is_the_recent_one() {
        let mut rate = Rate::new();
        assert_eq!(rate.at(&snapshot(0, 1, 0, [0, 0, 0])), 0);
        for second in 1..=10 {
            assert_eq!(rate.at(&snapshot(second, 1, 0, [second * 100, 0, 0])), 100);
        }
        for second in 11..=15 {
            rate.at(&snapshot(second, 1, 0, [1000, 0, 0]));
        }
        assert_eq!(rate.at(&snapshot(16, 1, 0, [1000, 0, 0])), 0);
        assert!(rate.0.len() < 10);
    }
}
