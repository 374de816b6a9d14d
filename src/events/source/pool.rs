//! Many inputs on many threads.
//!
//! Each thread reads one input at a time. What it finds is delivered on the calling thread, in the order of the
//! inputs and within one input in the order of its events, however the threads take turns: the same inputs give the
//! same output. Threads run ahead of what is delivered by a few inputs and a few megabytes, and then wait.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::seen::{EventId, Seen};
use super::{Counts, Input, Options, Origin, Pointer, Report, Sink, walk};
use crate::events::record::Record;

/// Events after which a thread hands over what it found.
const BATCH_EVENTS: usize = 1024;
/// Bytes of the records in which something was found, after which it is handed over; findings may keep the record.
const BATCH_BYTES: usize = 256 << 10;
/// Batches of one input that wait to be delivered.
const BATCHES: usize = 2;

/// What reading delivers, in order.
#[derive(Debug)]
pub enum Delivered<T> {
    /// Something found in an event that was not delivered before.
    Found(T),
    /// An object that a message in this input announces.
    Pointer {
        /// Number of the input.
        input: usize,
        /// The object.
        pointer: Pointer,
    },
    /// The end of an input, after everything found in it.
    End(Report),
}

/// Reads inputs to their end; what was in all of them.
///
/// As [`read_after`], of what nothing was delivered before.
pub fn read<I, T, W>(
    inputs: I,
    options: &Options,
    workers: NonZeroUsize,
    watch: impl Fn() -> W + Sync,
    deliver: impl FnMut(Delivered<T>),
) -> Counts
where
    I: IntoIterator<Item = Input>,
    I::IntoIter: Send,
    T: Send,
    W: FnMut(&Record<'_>, Origin, &mut Vec<T>),
{
    read_after(&mut Seen::default(), inputs, options, workers, watch, deliver)
}

/// Reads inputs to their end, after others; what was in these.
///
/// Each of `workers` threads makes its own watcher with `watch`, which is asked about every event and adds what it
/// finds. An event that was delivered before, as `seen` knows and then notes, counts as a duplicate, and what was found in it is dropped.
/// `inputs` may block, as a channel that something asynchronous fills does.
pub fn read_after<I, T, W>(
    seen: &mut Seen,
    inputs: I,
    options: &Options,
    workers: NonZeroUsize,
    watch: impl Fn() -> W + Sync,
    mut deliver: impl FnMut(Delivered<T>),
) -> Counts
where
    I: IntoIterator<Item = Input>,
    I::IntoIter: Send,
    T: Send,
    W: FnMut(&Record<'_>, Origin, &mut Vec<T>),
{
    let (queue, opened) = sync_channel(workers.get());
    let desk = Mutex::new(Desk { inputs: inputs.into_iter().enumerate(), queue: Some(queue) });
    let mut total = Counts::default();
    thread::scope(|scope| {
        for _ in 0..workers.get() {
            scope.spawn(|| work(&desk, options, watch()));
        }
        for (input, messages) in opened {
            total += deliver_input(input, &messages, seen, &mut deliver);
        }
    });
    total
}

/// Where threads get their next input.
struct Desk<I, T> {
    inputs: I,
    /// Tells the calling thread which input comes next; closed after the last.
    queue: Option<SyncSender<(usize, Receiver<Message<T>>)>>,
}

/// What a thread tells of its input.
enum Message<T> {
    Batch(Batch<T>),
    End(Report),
}

/// Events of one input, one after the other, and what was found in them.
struct Batch<T> {
    events: Vec<Option<EventId>>,
    /// With the place of the event in `events`; in that order.
    found: Vec<(usize, T)>,
    pointers: Vec<Pointer>,
    /// Bytes of the records in which something was found.
    bytes: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { events: Vec::new(), found: Vec::new(), pointers: Vec::new(), bytes: 0 }
    }
}

/// Reads inputs until there are no more.
fn work<I, T, W>(desk: &Mutex<Desk<I, T>>, options: &Options, mut watch: W)
where
    I: Iterator<Item = (usize, Input)>,
    W: FnMut(&Record<'_>, Origin, &mut Vec<T>),
{
    let mut buffer = Vec::new();
    while let Some((number, input, messages)) = next_input(desk) {
        let mut gather = Gather { watch: &mut watch, messages, batch: Batch::default(), found: Vec::new() };
        let report = walk::read(number, input, options, &mut gather, &mut buffer);
        gather.hand_over();
        // Nobody listens any more only when the calling thread is unwinding.
        let _ = gather.messages.send(Message::End(report));
    }
}

/// The next input, and where to tell of it. Waits while too many are under way.
fn next_input<I, T>(desk: &Mutex<Desk<I, T>>) -> Option<(usize, Input, SyncSender<Message<T>>)>
where
    I: Iterator<Item = (usize, Input)>,
{
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = desk.queue.clone()?;
    let Some((number, input)) = desk.inputs.next() else {
        desk.queue = None;
        return None;
    };
    let (sender, receiver) = sync_channel(BATCHES);
    queue.send((number, receiver)).ok()?;
    Some((number, input, sender))
}

/// Gathers what is found in an input.
struct Gather<'w, W, T> {
    watch: &'w mut W,
    messages: SyncSender<Message<T>>,
    batch: Batch<T>,
    /// What was found in one event; kept for its memory.
    found: Vec<T>,
}

impl<W, T> Gather<'_, W, T> {
    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.events.is_empty() || !batch.pointers.is_empty() {
            // As above.
            let _ = self.messages.send(Message::Batch(batch));
        }
    }
}

impl<W, T> Sink for Gather<'_, W, T>
where
    W: FnMut(&Record<'_>, Origin, &mut Vec<T>),
{
    fn event(&mut self, record: &Record<'_>, origin: Origin) {
        (self.watch)(record, origin, &mut self.found);
        if !self.found.is_empty() {
            let place = self.batch.events.len();
            self.batch.found.extend(self.found.drain(..).map(|found| (place, found)));
            self.batch.bytes += record.raw().len();
        }
        self.batch.events.push(record.event_id().map(|id| EventId::of(&id)));
        if self.batch.events.len() >= BATCH_EVENTS || self.batch.bytes >= BATCH_BYTES {
            self.hand_over();
        }
    }

    fn pointer(&mut self, pointer: Pointer) {
        self.batch.pointers.push(pointer);
        if self.batch.pointers.len() >= BATCH_EVENTS {
            self.hand_over();
        }
    }
}

/// Delivers what one input holds, as it comes.
fn deliver_input<T>(
    input: usize,
    messages: &Receiver<Message<T>>,
    seen: &mut Seen,
    deliver: &mut impl FnMut(Delivered<T>),
) -> Counts {
    let mut duplicates = 0;
    for message in messages {
        match message {
            Message::Batch(batch) => {
                let mut found = batch.found.into_iter().peekable();
                for (place, event) in batch.events.into_iter().enumerate() {
                    let is_new = event.is_none_or(|event| seen.insert(event));
                    duplicates += u64::from(!is_new);
                    while let Some((_, found)) = found.next_if(|(of, _)| *of == place) {
                        if is_new {
                            deliver(Delivered::Found(found));
                        }
                    }
                }
                for pointer in batch.pointers {
                    deliver(Delivered::Pointer { input, pointer });
                }
            }
            Message::End(mut report) => {
                report.counts.events -= duplicates;
                report.counts.duplicates = duplicates;
                let counts = report.counts;
                deliver(Delivered::End(report));
                return counts;
            }
        }
    }
    Counts::default()
}
