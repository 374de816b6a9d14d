//! What event rules find in events that are delivered one by one: each detection is kept in the archive once, and
//! people are told of it once.

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::Timestamp;

use super::{Stopped, keeping, telling};
use crate::archive::{Archive, ArchiveError, Kept};
use crate::config::Config;
use crate::events::batch::Node;
use crate::events::detection::Detection;
use crate::notify::News;
use crate::parallel;
use crate::report::printable;

/// Detections that are kept and told together: one message to each receiver is about so many at most.
const AT_ONCE: usize = 200;
/// Bytes of their events; CloudTrail's own limit for one is 256 KB.
const BYTES_AT_ONCE: usize = 16 << 20;
/// Detections that are written to the archive at the same time.
const WRITERS: usize = 8;

/// Keeps and tells what is found, in portions, so that memory does not grow with it.
pub struct Detected<'a> {
    archive: &'a Archive,
    config: &'a Config,
    /// When nothing new is begun any more.
    deadline: Option<Instant>,
    say: &'a dyn Fn(&str),
    waiting: Vec<(Option<Node>, Detection)>,
    waiting_bytes: usize,
    came: Came,
}

/// What came of the detections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Came {
    /// Detections that were found, those included that were found in an earlier delivery.
    pub found: u64,
    /// Of those, the ones that were kept for the first time.
    pub new: u64,
    /// Of those, the ones that people were told of now, as far as a receiver's rule asks for them.
    pub told: u64,
    /// Of which messages something has to be delivered again.
    pub lost: BTreeSet<Node>,
    /// Whether anything has to be delivered again of which no message is known, such as what a correlation found.
    pub is_lost: bool,
}

impl Came {
    fn lose(&mut self, node: Option<Node>) {
        self.is_lost = true;
        self.lost.extend(node);
    }
}

impl<'a> Detected<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(
        archive: &'a Archive,
        config: &'a Config,
        deadline: Option<Instant>,
        say: &'a dyn Fn(&str),
    ) -> Self {
        Self { archive, config, deadline, say, waiting: Vec::new(), waiting_bytes: 0, came: Came::default() }
    }

    /// Takes a detection that was found in that message.
    pub fn take(&mut self, node: Option<Node>, detection: Detection) {
        self.came.found += 1;
        self.waiting_bytes += detection.event.get().len();
        self.waiting.push((node, detection));
        if self.waiting.len() >= AT_ONCE || self.waiting_bytes >= BYTES_AT_ONCE {
            self.settle();
        }
    }

    /// Keeps and tells what is left.
    #[must_use]
    pub fn finish(mut self) -> Came {
        self.settle();
        self.came
    }

    fn settle(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if waiting.is_empty() {
            return;
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            (self.say)("Out of time: what was found is looked at when it is delivered again.");
            waiting.iter().for_each(|(node, _)| self.came.lose(*node));
            return;
        }
        let kept = keep(self.archive, &waiting);
        let mut nodes = Vec::new();
        let mut telling = Vec::new();
        for ((node, detection), kept) in waiting.into_iter().zip(kept) {
            match kept {
                Ok(kept) if kept.is_to_be_told() => {
                    self.came.new += u64::from(kept == Kept::New);
                    nodes.push(node);
                    telling.push(detection);
                }
                Ok(Kept::BeingTold { until }) => {
                    let id = &detection.id;
                    (self.say)(&format!("Another delivery of detection {id} is at it until {until}."));
                    self.came.lose(node);
                }
                Ok(_) => {}
                Err(error) => {
                    (self.say)(&format!("Detection {} is not kept: {}", detection.id, in_a_line(&error)));
                    self.came.lose(node);
                }
            }
        }
        if !telling.is_empty() {
            self.tell(&nodes, &telling);
        }
    }

    fn tell(&mut self, nodes: &[Option<Node>], detections: &[Detection]) {
        let (is_told, lines) = match telling::deliver(self.config, &News::Detected(detections)) {
            Ok(deliveries) => {
                let is_told =
                    deliveries.is_empty() || deliveries.iter().any(crate::notify::Delivery::is_delivered);
                (is_told, deliveries.iter().map(telling::line).collect::<Vec<_>>())
            }
            Err(stopped) => (false, vec![stopped.in_a_line()]),
        };
        lines.iter().for_each(|line| (self.say)(line));
        for (node, detection) in nodes.iter().zip(detections) {
            let now = Timestamp::now();
            let noted = if is_told {
                self.archive.detection_told(detection, &lines, now)
            } else {
                self.archive.detection_untold(detection, now)
            };
            if let Err(error) = &noted {
                (self.say)(&format!("Detection {}: {}", detection.id, in_a_line(error)));
            }
            self.came.told += u64::from(is_told);
            if !is_told || noted.is_err() {
                self.came.lose(*node);
            }
        }
    }
}

/// Keeps them, some at the same time, since each waits for the archive; what became of each.
fn keep(archive: &Archive, waiting: &[(Option<Node>, Detection)]) -> Vec<Result<Kept, ArchiveError>> {
    parallel::map(waiting, WRITERS, |(_, detection)| archive.keep_detection(detection, Timestamp::now()))
}

fn in_a_line(error: &dyn std::fmt::Display) -> String {
    printable(&error.to_string()).into_owned()
}

/// The archive that a configuration names, which answers.
///
/// # Errors
/// When it names none, or that does not answer.
pub fn archive(config: &Config) -> Result<Archive, Stopped> {
    let Some(place) = &config.archive else {
        return Err(Stopped::usage(miette::miette!(
            help = "write `archive: s3://bucket/prefix` into the configuration",
            "what is found in events is kept in an archive, and the configuration names none"
        )));
    };
    keeping::open(config, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::LocalStore;
    use crate::events::detection::detection_id;
    use crate::report::detected;

    fn detection(n: usize) -> Detection {
        Detection { id: detection_id("r", &n.to_string()), ..detected::one() }
    }

    fn came(archive: &Archive, config: &Config, deadline: Option<Instant>, of: &[Detection]) -> Came {
        let mut detected = Detected::new(archive, config, deadline, &|_| {});
        of.iter().for_each(|detection| detected.take(None, detection.clone()));
        detected.finish()
    }

    /// A configuration that tells a web server which is not there.
    fn told_in_vain() -> Config {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("address");
        std::fs::write(&address, "ftp://127.0.0.1/").unwrap();
        let text = format!("notify: {{ webhooks: [{{ url: {{ file: '{}' }} }}] }}\n", address.display());
        crate::config::parse(std::path::Path::new("upright.yaml"), &text).unwrap()
    }

    #[test]
    fn what_nobody_asks_for_is_kept_once_and_done_with() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(LocalStore::new(folder.path().to_owned()));
        let all: Vec<Detection> = (0..450).map(detection).collect();
        let first = came(&archive, &Config::default(), None, &all);
        assert_eq!((first.found, first.new, first.told, first.is_lost), (450, 450, 450, false));
        let again = came(&archive, &Config::default(), None, &all);
        assert_eq!((again.found, again.new, again.told, again.is_lost), (450, 0, 0, false));
    }

    #[test]
    fn what_could_not_be_told_is_asked_for_again_and_told_then() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(LocalStore::new(folder.path().to_owned()));
        let in_vain = came(&archive, &told_in_vain(), None, &[detection(1)]);
        assert_eq!((in_vain.new, in_vain.told, in_vain.is_lost), (1, 0, true));
        let later = came(&archive, &Config::default(), None, &[detection(1)]);
        assert_eq!((later.new, later.told, later.is_lost), (0, 1, false));
    }

    #[test]
    fn nothing_is_begun_when_the_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(LocalStore::new(folder.path().to_owned()));
        let late = came(&archive, &Config::default(), Some(Instant::now()), &[detection(1)]);
        assert_eq!((late.new, late.is_lost), (0, true));
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
