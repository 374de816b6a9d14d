//! Objects that messages announce: fetched after what they were announced in, each once.

use super::sources::Sources;
use crate::events::batch::identity;
use crate::events::scan::{Scan, Told};
use crate::events::source::Pointer;
use crate::events::source::seen::Seen;

/// Takes what a scan of events tells.
pub trait Listener {
    /// Takes what was read or found; an object that is announced is given back, with the number of the input that does.
    fn take(&mut self, told: Told) -> Option<(usize, Pointer)>;

    /// Notes something for people.
    fn note(&mut self, text: String);

    /// Notes that so many announced objects were not read, and why.
    fn unfetched(&mut self, objects: u64, why: &str);
}

/// Objects that are noted until they are fetched. A file with more announcements than this is no usual one.
const NOTED: usize = 100_000;

/// What is announced.
#[derive(Debug, Default)]
pub struct Announced {
    todo: Vec<Pointer>,
    known: Seen,
    /// Announcements that there was no room for.
    beyond: u64,
}

impl Announced {
    /// Notes an object, if it is new.
    pub fn add(&mut self, pointer: Pointer) {
        if self.todo.len() >= NOTED {
            self.beyond += 1;
        } else if self.known.insert(identity(&pointer)) {
            self.todo.push(pointer);
        }
    }

    /// Fetches and reads what was announced, and what is announced there, until there is no more.
    pub fn read(mut self, sources: &mut Sources<'_>, scan: &mut Scan<'_>, run: &mut impl Listener) {
        while !self.todo.is_empty() {
            let mut todo = std::mem::take(&mut self.todo);
            let announced = todo.len();
            todo.retain(|pointer| sources.wants(pointer));
            if todo.len() < announced {
                run.note(format!("{} announced objects not asked for", announced - todo.len()));
            }
            if todo.is_empty() {
                continue;
            }
            let count = todo.len() as u64;
            match sources.announced(todo) {
                Ok(inputs) => scan.read(inputs, |told| {
                    if let Some((_, pointer)) = run.take(told) {
                        self.add(pointer);
                    }
                }),
                Err(stopped) => run.unfetched(count, &stopped.why().to_string()),
            }
        }
        if self.beyond > 0 {
            run.unfetched(self.beyond, &format!("more than {NOTED} were announced at once"));
        }
    }
}
