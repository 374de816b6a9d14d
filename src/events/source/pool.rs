//! Many inputs on many threads.
//!
//! Each thread reads one input at a time. What it finds is delivered on the calling thread, in the order of the
//! inputs and within one input in the order of its events, however the threads take turns: the same inputs give the
//! same output. Threads run ahead of what is delivered by some inputs and a bounded number of bytes, and then wait:
//! enough for what few rules match in files as they are delivered, so that all cores have something to do.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::seen::{EventId, Seen};
use super::{Counts, Input, Options, Origin, Pointer, Report, Sink, walk};
use crate::events::record::Record;

/// Events after which a thread hands over what it found.
const BATCH_EVENTS: usize = 1024;
/// Bytes of the records in which something was found, after which it is handed over; findings may keep the record.
const BATCH_BYTES: usize = 256 << 10;
/// About how many bytes of all inputs may wait to be delivered.
const AHEAD_BYTES: usize = 48 << 20;
/// So many of the input that is delivered may wait whatever the others have, so that it always goes on.
const HEAD_BYTES: usize = 1 << 20;
/// Inputs, as a multiple of the threads, that may be read to their end before they are delivered.
const INPUTS_AHEAD: usize = 4;
/// About how many bytes one thing found takes beside the record that it is about.
const FOUND_BYTES: usize = 512;

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
/// finds. An event that was delivered before, as `seen` knows and then notes, counts as a duplicate, and what was found
/// in it is dropped.
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
    let (queue, opened) = sync_channel(INPUTS_AHEAD * workers.get());
    let ahead = Ahead::default();
    let desk = Mutex::new(Desk { inputs: inputs.into_iter().enumerate(), queue: Some(queue) });
    let mut total = Counts::default();
    thread::scope(|scope| {
        let _closing = Closing(&ahead);
        for _ in 0..workers.get() {
            scope.spawn(|| work(&desk, &ahead, options, watch()));
        }
        for (input, messages) in opened {
            ahead.deliver(input);
            total += deliver_input(input, &messages, &ahead, seen, &mut deliver);
        }
    });
    total
}

/// How far threads are ahead of what is delivered.
#[derive(Debug, Default)]
struct Ahead {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Bytes of all inputs that wait.
    bytes: usize,
    /// The input that is delivered.
    head: usize,
    /// Bytes that it has added since then and that wait.
    head_bytes: usize,
    /// Nothing is delivered any more.
    is_closed: bool,
}

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room, and takes it.
    fn take(&self, input: usize, bytes: usize) {
        // INVARIANT: the input that is delivered gets room as soon as what it has handed over is delivered, and inputs
        // are begun in the order in which they are delivered: some thread can always go on.
        let has_room = |waiting: &Waiting| {
            let goes_on = waiting.head == input && waiting.head_bytes < HEAD_BYTES;
            waiting.bytes < AHEAD_BYTES || goes_on || waiting.is_closed
        };
        let waiting = self.changed.wait_while(self.lock(), |waiting| !has_room(waiting));
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += bytes;
        if waiting.head == input {
            waiting.head_bytes += bytes;
        }
    }

    /// Gives room back: what the input that is delivered handed over has been delivered.
    fn give_back(&self, bytes: usize) {
        let mut waiting = self.lock();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        waiting.head_bytes = waiting.head_bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    /// From now on this input is delivered.
    fn deliver(&self, input: usize) {
        let mut waiting = self.lock();
        (waiting.head, waiting.head_bytes) = (input, 0);
        self.changed.notify_all();
    }
}

/// Lets threads end when nothing is delivered any more, also where delivering panics.
struct Closing<'a>(&'a Ahead);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
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

impl<T> Batch<T> {
    /// About how many bytes it takes.
    fn size(&self) -> usize {
        let listed =
            self.events.len() * size_of::<Option<EventId>>() + self.found.len() * size_of::<(usize, T)>();
        // What has no size keeps nothing of its record.
        let kept = if size_of::<T>() == 0 { 0 } else { 2 * self.bytes + FOUND_BYTES * self.found.len() };
        listed + kept + FOUND_BYTES * self.pointers.len()
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { events: Vec::new(), found: Vec::new(), pointers: Vec::new(), bytes: 0 }
    }
}

/// Reads inputs until there are no more.
fn work<I, T, W>(desk: &Mutex<Desk<I, T>>, ahead: &Ahead, options: &Options, mut watch: W)
where
    I: Iterator<Item = (usize, Input)>,
    W: FnMut(&Record<'_>, Origin, &mut Vec<T>),
{
    let mut buffer = Vec::new();
    while let Some((number, input, messages)) = next_input(desk) {
        let batch = Batch::default();
        let mut gather =
            Gather { input: number, watch: &mut watch, messages, ahead, batch, found: Vec::new() };
        let report = walk::read(number, input, options, &mut gather, &mut buffer);
        gather.hand_over();
        // Nobody listens any more only when the calling thread is unwinding.
        let _ = gather.messages.send(Message::End(report));
    }
}

/// The next input, and where to tell of it. Waits while too many are under way.
fn next_input<I, T>(desk: &Mutex<Desk<I, T>>) -> Option<(usize, Input, Sender<Message<T>>)>
where
    I: Iterator<Item = (usize, Input)>,
{
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = desk.queue.clone()?;
    let Some((number, input)) = desk.inputs.next() else {
        desk.queue = None;
        return None;
    };
    let (sender, receiver) = channel();
    queue.send((number, receiver)).ok()?;
    Some((number, input, sender))
}

/// Gathers what is found in an input.
struct Gather<'w, W, T> {
    input: usize,
    watch: &'w mut W,
    messages: Sender<Message<T>>,
    ahead: &'w Ahead,
    batch: Batch<T>,
    /// What was found in one event; kept for its memory.
    found: Vec<T>,
}

impl<W, T> Gather<'_, W, T> {
    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.events.is_empty() || !batch.pointers.is_empty() {
            self.ahead.take(self.input, batch.size());
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
    ahead: &Ahead,
    seen: &mut Seen,
    deliver: &mut impl FnMut(Delivered<T>),
) -> Counts {
    let mut duplicates = 0;
    for message in messages {
        match message {
            Message::Batch(batch) => {
                let size = batch.size();
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
                ahead.give_back(size);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The first input waits until all of the second has been read, which a thread that is held up would never do.
    #[test]
    fn a_large_input_is_read_while_the_one_before_is() {
        const EVENTS: usize = 20_000;
        let record =
            |id: usize| format!(r#"{{"eventID":"{id}","eventTime":"2026-01-02T03:04:05Z","eventType":"t"}}"#);
        let second: Vec<String> = (1..=EVENTS).map(record).collect();
        let inputs = [
            Input::bytes("first", record(0).into_bytes()),
            Input::bytes("second", second.join("\n").into_bytes()),
        ];
        let (read, all_read) = (Mutex::new(0), Condvar::new());
        let watch = || {
            |_: &Record<'_>, origin: Origin, found: &mut Vec<usize>| {
                let mut read = read.lock().unwrap();
                if origin.input == 1 {
                    *read += 1;
                    all_read.notify_all();
                } else {
                    let soon = std::time::Duration::from_secs(60);
                    let (read, waited) =
                        all_read.wait_timeout_while(read, soon, |read| *read < EVENTS).unwrap();
                    drop(read);
                    assert!(!waited.timed_out(), "the second input was not read");
                }
                found.push(origin.input);
            }
        };
        let mut order = Vec::new();
        let workers = NonZeroUsize::new(2).unwrap();
        let counts =
            read_after(&mut Seen::default(), inputs, &Options::default(), workers, watch, |delivered| {
                if let Delivered::Found(input) = delivered {
                    order.push(input);
                }
            });
        assert_eq!(counts.events, EVENTS as u64 + 1);
        assert_eq!((order[0], order.len()), (0, EVENTS + 1), "in the order of the inputs");
    }

    #[test]
    fn what_waits_is_bounded_and_the_input_that_is_delivered_goes_on() {
        let ahead = Ahead::default();
        ahead.deliver(0);
        ahead.take(1, AHEAD_BYTES);
        // There is no room, and the first is not held up.
        ahead.take(0, HEAD_BYTES);
        thread::scope(|scope| {
            let held = scope.spawn(|| ahead.take(1, 1));
            assert!(!held.is_finished());
            ahead.give_back(HEAD_BYTES);
            ahead.deliver(1);
            held.join().unwrap();
        });
        drop(Closing(&ahead));
        ahead.take(7, usize::MAX / 2);
    }
}
