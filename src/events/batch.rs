//! Messages that stand for events: read together with the objects that they announce, and settled each by itself.
//!
//! A message is settled when all that it leads to was read. Who delivers messages again until they are settled, as SQS
//! does, so loses nothing, and has nothing read again but what is to be.

use std::collections::HashMap;

use super::scan::{Scan, Told};
use super::source::seen::EventId;
use super::source::{Input, Pointer};

/// Messages and objects of a batch. Ten messages have room for some ten thousand announcements.
const NODES: usize = 100_000;

/// Inputs as they are found.
pub type Inputs = Box<dyn Iterator<Item = Input> + Send>;

/// Who reads a batch.
pub trait Desk {
    /// Whether an announced object is to be read: it may hold what is asked for, and was not read before.
    fn wants(&mut self, pointer: &Pointer) -> bool;

    /// The announced objects, in this order.
    ///
    /// # Errors
    /// Why none of them can be fetched.
    fn fetch(&mut self, pointers: Vec<Pointer>) -> Result<Inputs, String>;

    /// Takes what is told of the reading of a node, but for announcements.
    fn take(&mut self, node: Node, told: Told);

    /// Takes that announced objects were not fetched, and why.
    fn unfetched(&mut self, objects: usize, why: &str);
}

/// A message of a batch, or an object that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(usize);

/// What a batch of messages waits for: messages, objects that they announce, and objects that are announced in those.
/// Each is a node; the messages are the first.
#[derive(Debug, Default)]
pub struct Batch {
    messages: usize,
    /// By node: something of it could not be read.
    failed: Vec<bool>,
    objects: HashMap<EventId, usize>,
    /// Which node announces which.
    announces: Vec<(usize, usize)>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// For each message, whether all that it leads to was read.
    pub messages: Vec<bool>,
    /// The objects that were read whole.
    pub objects: Vec<EventId>,
}

impl Batch {
    /// Reads messages and what they announce.
    pub fn read(&mut self, messages: Vec<Input>, scan: &mut Scan<'_>, desk: &mut impl Desk) {
        self.messages = messages.len();
        self.failed.resize(self.messages, false);
        let nodes: Vec<usize> = (0..self.messages).collect();
        let mut todo = self.read_these(messages, &nodes, scan, desk);
        loop {
            todo.retain(|(parent, pointer)| desk.wants(pointer) && self.is_new(*parent, pointer));
            if todo.is_empty() {
                return;
            }
            let pointers: Vec<Pointer> = todo.drain(..).map(|(_, pointer)| pointer).collect();
            let nodes: Vec<usize> =
                pointers.iter().filter_map(|pointer| self.objects.get(&identity(pointer)).copied()).collect();
            match desk.fetch(pointers) {
                Ok(inputs) => todo = self.read_these(inputs, &nodes, scan, desk),
                Err(why) => {
                    desk.unfetched(nodes.len(), &why);
                    nodes.iter().for_each(|node| self.fail(Node(*node)));
                }
            }
        }
    }

    /// Reads inputs that are these nodes, in this order; what they announce.
    fn read_these<I>(
        &mut self,
        inputs: I,
        nodes: &[usize],
        scan: &mut Scan<'_>,
        desk: &mut impl Desk,
    ) -> Vec<(usize, Pointer)>
    where
        I: IntoIterator<Item = Input>,
        I::IntoIter: Send,
    {
        let mut announced = Vec::new();
        // INVARIANT: what is in an input is told before its end, and inputs are told one after the other.
        let mut current = 0;
        scan.read(inputs, |told| {
            let node = nodes.get(current).copied();
            match told {
                Told::Pointer { input, pointer } => {
                    announced.extend(nodes.get(input).map(|node| (*node, pointer)));
                }
                told => {
                    if let Told::Input(report) = &told {
                        current += 1;
                        if report.problems_found > 0
                            && let Some(node) = node
                        {
                            self.fail(Node(node));
                        }
                    }
                    if let Some(node) = node {
                        desk.take(Node(node), told);
                    }
                }
            }
        });
        announced
    }

    /// Notes that a node announces an object; whether that is to be fetched, because it has not been announced before.
    fn is_new(&mut self, node: usize, pointer: &Pointer) -> bool {
        let next = self.failed.len();
        if next >= NODES {
            self.fail(Node(node));
            return false;
        }
        let object = *self.objects.entry(identity(pointer)).or_insert(next);
        if object == next {
            self.failed.push(false);
        }
        self.announces.push((node, object));
        object == next
    }

    /// Notes that something of a node could not be read, or that what was found in it could not be kept.
    pub fn fail(&mut self, node: Node) {
        if let Some(failed) = self.failed.get_mut(node.0) {
            *failed = true;
        }
    }

    fn has_failed(&self, node: usize) -> bool {
        self.failed.get(node).copied().unwrap_or(true)
    }

    /// What became of the messages: whoever announces what could not be read has not been read either.
    #[must_use]
    pub fn settle(mut self) -> Settled {
        let announces = std::mem::take(&mut self.announces);
        loop {
            let falling = announces.iter().filter(|(by, of)| self.has_failed(*of) && !self.has_failed(*by));
            let falling: Vec<usize> = falling.map(|(by, _)| *by).collect();
            if falling.is_empty() {
                break;
            }
            falling.iter().for_each(|node| self.fail(Node(*node)));
        }
        let read = self.objects.iter().filter(|(_, node)| !self.has_failed(**node));
        Settled {
            objects: read.map(|(object, _)| *object).collect(),
            messages: (0..self.messages).map(|message| !self.has_failed(message)).collect(),
        }
    }
}

/// What an object is known by.
#[must_use]
pub fn identity(pointer: &Pointer) -> EventId {
    EventId::of(&format!("s3://{}/{}", pointer.bucket, pointer.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(key: &str) -> Pointer {
        Pointer { bucket: "b".to_owned(), key: key.to_owned(), region: None }
    }

    #[test]
    fn a_message_fails_with_anything_that_it_leads_to_and_others_do_not() {
        let mut batch = Batch { messages: 3, failed: vec![false; 3], ..Batch::default() };
        assert!(batch.is_new(0, &pointer("list")));
        assert!(batch.is_new(1, &pointer("fine")));
        assert!(!batch.is_new(2, &pointer("list")), "announced by another message as well");
        let list = batch.objects[&identity(&pointer("list"))];
        assert!(batch.is_new(list, &pointer("inner")));
        let inner = batch.objects[&identity(&pointer("inner"))];
        assert!(!batch.is_new(inner, &pointer("list")), "objects may announce each other");
        batch.fail(Node(inner));
        let settled = batch.settle();
        assert_eq!(settled.messages, [false, true, false]);
        assert_eq!(settled.objects, [identity(&pointer("fine"))]);
    }
}
