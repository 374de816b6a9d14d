//! Reading a queue: a message is deleted when all that it stands for has been read, and written.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::scan::Run;
use crate::events::batch::{Batch, Desk, Inputs, Node, identity};
use crate::events::remote::Remote;
use crate::events::remote::queue::{KEPT_SECONDS, Message, Queue};
use crate::events::scan::{Scan, Told};
use crate::events::source::seen::Seen;
use crate::events::source::{Input, Pointer};
use crate::scan::announced::Listener;
use crate::scan::sources::Sources;

/// Ids of messages that stay in the queue which are remembered, so as not to read them again in the same run.
const REMEMBERED: usize = 100_000;

/// What became of messages.
#[derive(Default)]
struct Tally {
    deleted: u64,
    kept: u64,
    /// Ids of those that stay.
    stay: BTreeSet<String>,
    /// Objects that were read without a problem, which a later message may announce again.
    read: Seen,
}

/// Reads the queue, if there is one: until it is empty, or until interrupted.
pub(super) fn drain(sources: &mut Sources<'_>, follow: bool, scan: &mut Scan<'_>, run: &mut Run<'_>) {
    let Some((queue, remote)) = sources.queue() else { return };
    let interrupted = if follow { until_interrupted(remote) } else { watch::channel(false).1 };
    let mut tally = Tally::default();
    loop {
        let Some((_, remote)) = sources.queue() else { break };
        let mut messages = match receive(remote, &queue, follow, interrupted.clone()) {
            None => break,
            Some(Ok(messages)) => messages,
            Some(Err(why)) => {
                run.lacking(format!("queue {}: {why}", queue.name()));
                break;
            }
        };
        let is_empty = messages.is_empty();
        if !follow {
            messages.retain(|message| !tally.stay.contains(&message.id));
        }
        if messages.is_empty() {
            // What stays comes again and again, and is no sign that there is more.
            if follow && is_empty {
                continue;
            }
            break;
        }
        let keeping = queue.keep(remote, &messages);
        let fine = deal_with(&messages, &queue, sources, scan, run, &mut tally);
        let is_written = run.is_written();
        let done: Vec<&Message> = messages
            .iter()
            .zip(fine)
            .filter(|(_, fine)| *fine && is_written)
            .map(|(message, _)| message)
            .collect();
        let Some((_, remote)) = sources.queue() else { break };
        let (deleted, trouble) = remote.wait_for(queue.delete(&done));
        for trouble in trouble.into_iter().chain(keeping.trouble()) {
            run.lacking(format!("queue {}: {trouble}", queue.name()));
        }
        tally.count(&messages, &deleted);
        if !is_written {
            break;
        }
    }
    tally.tell(&queue, run);
}

/// Turns true when the program is asked to end.
fn until_interrupted(remote: &Remote) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    remote.spawn(async move {
        interrupt().await;
        // Where nobody waits for it any more, it makes no difference.
        let _ = sender.send(true);
    });
    receiver
}

#[cfg(unix)]
async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn interrupt() {
    drop(tokio::signal::ctrl_c().await);
}

/// The next messages; `None` when it was interrupted.
fn receive(
    remote: &Remote,
    queue: &Queue,
    follow: bool,
    mut interrupted: watch::Receiver<bool>,
) -> Option<Result<Vec<Message>, String>> {
    remote.wait_for(async {
        let is_asked_to_end = async {
            if interrupted.wait_for(|is| *is).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = is_asked_to_end => None,
            received = queue.receive(follow) => Some(received),
        }
    })
}

impl Tally {
    fn count(&mut self, messages: &[Message], deleted: &BTreeSet<String>) {
        for message in messages {
            if deleted.contains(&message.id) {
                self.deleted += 1;
                continue;
            }
            self.kept += 1;
            if self.stay.len() < REMEMBERED {
                self.stay.insert(message.id.clone());
            }
        }
    }

    fn tell(self, queue: &Queue, run: &mut Run<'_>) {
        run.note(format!("queue {}: {} messages read and deleted", queue.name(), self.deleted));
        if self.kept > 0 {
            run.lacking(format!(
                "queue {}: {} messages stay in it, because not all that they announce was read and written; they come \
                 again after {KEPT_SECONDS} s",
                queue.name(),
                self.kept
            ));
        }
    }
}

/// Reads messages and the objects that they announce; for each message, whether all of it was read.
fn deal_with(
    messages: &[Message],
    queue: &Queue,
    sources: &mut Sources<'_>,
    scan: &mut Scan<'_>,
    run: &mut Run<'_>,
    tally: &mut Tally,
) -> Vec<bool> {
    let inputs: Vec<Input> = messages
        .iter()
        .map(|message| {
            let name = format!("message {} of {}", message.id, queue.name());
            Input::bytes(name, message.body.clone().into_bytes())
        })
        .collect();
    let mut batch = Batch::default();
    batch.read(inputs, scan, &mut Reading { queue, sources, run, read: &tally.read });
    let settled = batch.settle();
    settled.objects.into_iter().for_each(|object| {
        tally.read.insert(object);
    });
    settled.messages
}

/// The reading of a batch.
struct Reading<'r, 's, 'a> {
    queue: &'r Queue,
    sources: &'r mut Sources<'s>,
    run: &'r mut Run<'a>,
    read: &'r Seen,
}

impl Desk for Reading<'_, '_, '_> {
    fn wants(&mut self, pointer: &Pointer) -> bool {
        self.sources.wants(pointer) && !self.read.contains(identity(pointer))
    }

    fn fetch(&mut self, pointers: Vec<Pointer>) -> Result<Inputs, String> {
        self.sources.announced(pointers).map_err(|stopped| stopped.why().to_string())
    }

    fn take(&mut self, _: Node, told: Told) {
        self.run.take(told);
    }

    fn unfetched(&mut self, _: usize, why: &str) {
        self.run.lacking(format!("queue {}: {why}", self.queue.name()));
    }
}
