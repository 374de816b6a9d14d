//! Reading a queue: a message is deleted when all that it stands for has been read, and written.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::watch;

use super::Listener;
use super::announced::identity;
use super::scan::Run;
use super::sources::Sources;
use crate::events::remote::Remote;
use crate::events::remote::queue::{KEPT_SECONDS, Message, Queue};
use crate::events::scan::{Scan, Told};
use crate::events::source::seen::{EventId, Seen};
use crate::events::source::{Input, Pointer};

/// Ids of messages that stay in the queue which are remembered, so as not to read them again in the same run.
const REMEMBERED: usize = 100_000;
/// Messages and objects of a batch. Ten messages have room for some ten thousand announcements.
const NODES: usize = 100_000;

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
    let mut ledger = Ledger { failed: vec![false; messages.len()], ..Ledger::default() };
    let inputs: Vec<Input> = messages
        .iter()
        .map(|message| {
            let name = format!("message {} of {}", message.id, queue.name());
            Input::bytes(name, message.body.clone().into_bytes())
        })
        .collect();
    let mut nodes: Vec<usize> = (0..messages.len()).collect();
    let mut todo = Vec::new();
    scan.read(inputs, |told| todo.extend(ledger.take(told, &nodes, run)));
    loop {
        todo.retain(|(parent, pointer)| {
            let is_new = sources.wants(pointer) && !tally.read.contains(identity(pointer));
            is_new && ledger.is_new(*parent, pointer)
        });
        if todo.is_empty() {
            break;
        }
        let pointers: Vec<Pointer> = todo.drain(..).map(|(_, pointer)| pointer).collect();
        nodes =
            pointers.iter().filter_map(|pointer| ledger.objects.get(&identity(pointer)).copied()).collect();
        match sources.announced(pointers) {
            Ok(inputs) => scan.read(inputs, |told| todo.extend(ledger.take(told, &nodes, run))),
            Err(stopped) => {
                run.lacking(format!("queue {}: {}", queue.name(), stopped.why()));
                nodes.iter().for_each(|node| ledger.fail(*node));
            }
        }
    }
    ledger.settle();
    let read = ledger.objects.iter().filter(|(_, node)| !ledger.has_failed(**node));
    read.for_each(|(object, _)| {
        tally.read.insert(*object);
    });
    (0..messages.len()).map(|message| !ledger.has_failed(message)).collect()
}

/// What a batch of messages waits for: messages, objects that they announce, and objects that are announced in those.
/// Each is a node; the messages are the first.
#[derive(Default)]
struct Ledger {
    /// By node: something of it could not be read.
    failed: Vec<bool>,
    objects: HashMap<EventId, usize>,
    /// Which node announces which.
    announces: Vec<(usize, usize)>,
}

impl Ledger {
    /// Takes what a reading tells of inputs that are these nodes; what one of them announces.
    fn take(&mut self, told: Told, nodes: &[usize], run: &mut Run<'_>) -> Option<(usize, Pointer)> {
        if let Told::Input(report) = &told
            && report.problems_found > 0
            && let Some(node) = nodes.get(report.input)
        {
            self.fail(*node);
        }
        let (input, pointer) = run.take(told)?;
        Some((*nodes.get(input)?, pointer))
    }

    /// Notes that a node announces an object; whether that is to be fetched, because it has not been announced before.
    fn is_new(&mut self, node: usize, pointer: &Pointer) -> bool {
        let next = self.failed.len();
        if next >= NODES {
            self.fail(node);
            return false;
        }
        let object = *self.objects.entry(identity(pointer)).or_insert(next);
        if object == next {
            self.failed.push(false);
        }
        self.announces.push((node, object));
        object == next
    }

    fn fail(&mut self, node: usize) {
        if let Some(failed) = self.failed.get_mut(node) {
            *failed = true;
        }
    }

    fn has_failed(&self, node: usize) -> bool {
        self.failed.get(node).copied().unwrap_or(true)
    }

    /// Whoever announces what could not be read has not been read either.
    fn settle(&mut self) {
        let announces = std::mem::take(&mut self.announces);
        loop {
            let falling = announces.iter().filter(|(by, of)| self.has_failed(*of) && !self.has_failed(*by));
            let falling: Vec<usize> = falling.map(|(by, _)| *by).collect();
            if falling.is_empty() {
                return;
            }
            falling.iter().for_each(|node| self.fail(*node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(key: &str) -> Pointer {
        Pointer { bucket: "b".to_owned(), key: key.to_owned(), region: None }
    }

    #[test]
    fn a_message_fails_with_anything_that_it_leads_to_and_others_do_not() {
        let mut ledger = Ledger { failed: vec![false; 3], ..Ledger::default() };
        assert!(ledger.is_new(0, &pointer("list")));
        assert!(ledger.is_new(1, &pointer("fine")));
        assert!(!ledger.is_new(2, &pointer("list")), "announced by another message as well");
        let list = ledger.objects[&identity(&pointer("list"))];
        assert!(ledger.is_new(list, &pointer("inner")));
        let inner = ledger.objects[&identity(&pointer("inner"))];
        assert!(!ledger.is_new(inner, &pointer("list")), "objects may announce each other");
        ledger.fail(inner);
        ledger.settle();
        assert_eq!([0, 1, 2].map(|message| ledger.has_failed(message)), [true, false, true]);
    }
}
