//! The log: lines of JSON on standard output, which Lambda hands to CloudWatch, each with the id of the request.
//!
//! The id is put into the line where it is written: work goes on on threads that know no span of the invocation, and a
//! function has one invocation at a time. Text of others is in values of JSON, which escapes what steers a terminal.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use upright::report::Report;

/// What is logged unless `UPRIGHT_LOG` says something else: what the function does, and what is amiss. Warnings about single
/// calls are in the reports.
const FILTER: &str = "off,bootstrap=info,upright::scan=info,upright::archive=warn";

/// Id of the request that is answered; empty between requests.
static REQUEST: Mutex<String> = Mutex::new(String::new());

/// Begins to log.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("UPRIGHT_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(Lines)
        .finish();
    // The only subscriber of the process.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// From now on lines are about this request.
pub(crate) fn request(id: &str) {
    let safe = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64);
    *REQUEST.lock().unwrap_or_else(PoisonError::into_inner) = safe.collect();
}

/// A run was done, kept and told of. The alarm that no run succeeded counts these lines.
pub(crate) fn run_succeeded(report: &Report) {
    tracing::info!(
        event = "run_succeeded",
        run = report.run.id,
        complete = report.run.complete,
        "The run is kept."
    );
}

struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// A line, which is written whole.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let request = REQUEST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let line = with_request(&self.0, &request);
        // Where the log is gone there is nowhere to say so.
        drop(io::stdout().lock().write_all(&line));
    }
}

/// The line with the id of the request as its first member.
fn with_request(line: &[u8], request: &str) -> Vec<u8> {
    match line.strip_prefix(b"{") {
        Some(rest) if !request.is_empty() => {
            [format!("{{\"requestId\":\"{request}\",").as_bytes(), rest].concat()
        }
        _ => line.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_request_it_is_about_and_an_id_is_no_json() {
        assert_eq!(with_request(b"{\"a\":1}\n", "8f5-1"), b"{\"requestId\":\"8f5-1\",\"a\":1}\n");
        assert_eq!(with_request(b"{\"a\":1}\n", ""), b"{\"a\":1}\n");
        request("a\",\"level\":\"x\n");
        assert_eq!(*REQUEST.lock().unwrap(), "alevelx");
    }
}
