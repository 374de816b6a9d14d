//! Threads for what asks others over the network.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use super::Stopped;

/// Starts them.
///
/// # Errors
/// When the machine gives none.
pub fn start() -> Result<Runtime, Stopped> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Stopped::could_not_run(miette::miette!("no threads could be started: {error}")))
}

/// Does the work, unless `stop` comes first. What then hangs does not hold the program back.
///
/// # Errors
/// Those of the work, and of what stopped it.
pub fn block_on<T>(
    work: impl Future<Output = Result<T, Stopped>>,
    stop: impl Future<Output = Stopped>,
) -> Result<T, Stopped> {
    let runtime = start()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => done,
            stopped = stop => Err(stopped),
        }
    });
    runtime.shutdown_background();
    done
}

/// Waits for Ctrl-C, which means this; for ever where the machine does not tell of it.
pub async fn interrupted(says: &'static str) -> Stopped {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Stopped::could_not_run(miette::miette!("{says}")),
        Err(_) => std::future::pending().await,
    }
}
