//! Archives that fail, are interrupted, and are shared.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

use super::*;

/// A store whose writes and removals fail from the n-th on, as if the machine died there: the n-th either did
/// nothing, or was done and the answer lost.
#[derive(Debug)]
struct Dying {
    store: LocalStore,
    left: Arc<AtomicUsize>,
    is_lost: bool,
}

impl Dying {
    fn change(&self, key: &str, change: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let dead = || StoreError {
            key: key.to_owned(),
            done: "written",
            kind: StoreErrorKind::Refused,
            message: "the disk is full".to_owned(),
        };
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(1) if self.is_lost => change().and(Err(dead())),
            Ok(0 | 1) | Err(_) => Err(dead()),
            Ok(_) => change(),
        }
    }
}

impl Store for Dying {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.change(key, || self.store.put(key, bytes))
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.change(key, || self.store.create(key, bytes))
    }

    fn get(&self, key: &str, max_bytes: u64) -> Result<Vec<u8>, StoreError> {
        self.store.get(key, max_bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        self.store.list(folder)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.change(key, || self.store.delete(key))
    }
}

/// An archive in a folder.
pub(super) fn at(folder: &Path) -> Archive {
    Archive::new(LocalStore::new(folder.to_owned()))
}

/// One that dies at the n-th write, counted from 1.
pub(super) fn dying(folder: &Path, n: usize, is_lost: bool) -> Archive {
    let left = Arc::new(AtomicUsize::new(n));
    Archive::new(Dying { store: LocalStore::new(folder.to_owned()), left, is_lost })
}

fn facts(started_at: Timestamp) -> RunFacts {
    RunFacts {
        version: "0.0.0".to_owned(),
        started_at,
        finished_at: started_at,
        observed_at: started_at,
        complete: true,
        asked: "a".to_owned(),
        accounts: vec!["111122223333".to_owned()],
        findings: Tally { pass: 1, fail: 2, unknown: 3, not_applicable: 4 },
        failing: BTreeMap::from([("high".to_owned(), 2)]),
        notes: Vec::new(),
    }
}

fn day(number: i64) -> Timestamp {
    "2026-11-01T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * number)
}

/// Writes a run as a scan does.
fn keep(archive: &Archive, started_at: Timestamp) -> Result<Manifest, ArchiveError> {
    let mut writing = archive.begin(started_at)?;
    writing.put(REPORT, format!("report of {started_at}").into_bytes())?;
    writing.put(FINDINGS, format!("findings of {started_at}").into_bytes())?;
    writing.put(INVENTORY, vec![7; 100])?;
    writing.commit(facts(started_at))
}

/// Every run that is there is whole, and what is published is theirs; returns the runs, newest first.
fn whole(archive: &Archive) -> Vec<RunId> {
    let runs = archive.runs().unwrap();
    for run in &runs {
        let manifest = run.manifest.as_ref().unwrap();
        assert_eq!(manifest.objects.len(), 3);
        for object in &manifest.objects {
            let bytes = archive.read(manifest, &object.name).unwrap();
            assert_eq!(u64::try_from(bytes.len()).unwrap(), object.bytes);
        }
    }
    runs.into_iter().map(|run| run.id).collect()
}

fn published(archive: &Archive) -> Vec<RunId> {
    let entries = archive.store.list(PUBLISHED).unwrap();
    let mut ids: Vec<RunId> =
        entries.iter().map(|entry| RunId::of_published(&entry.key).unwrap().0).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids
}

/// Makes everything in the archive look as if it had been written long ago.
fn age(folder: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(100 * 86_400);
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            age(&entry.path());
        } else {
            std::fs::File::options().write(true).open(entry.path()).unwrap().set_modified(long_ago).unwrap();
        }
    }
}

fn runs(number: u32) -> Keep {
    Keep { runs: NonZeroU32::new(number), days: None }
}

#[test]
fn a_run_is_there_when_it_is_committed_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    assert!(matches!(archive.find("latest"), Err(ArchiveError::Empty)));
    let mut writing = archive.begin(day(0)).unwrap();
    writing.put(REPORT, b"first".to_vec()).unwrap();
    writing.put(REPORT, b"report".to_vec()).unwrap();
    assert_eq!(archive.committed().unwrap(), []);
    let id = writing.id().clone();
    assert!(archive.manifest(&id).unwrap_err().is_absence());
    let manifest = writing.commit(facts(day(0))).unwrap();
    assert_eq!(archive.committed().unwrap(), std::slice::from_ref(&id));
    assert_eq!(archive.manifest(&id).unwrap(), manifest);
    assert_eq!(archive.read(&manifest, REPORT).unwrap(), b"report");
    assert!(matches!(archive.read(&manifest, FINDINGS), Err(ArchiveError::NoObject { .. })));
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    let [first, second] = [0, 1].map(|number| keep(&archive, day(number)).unwrap().run_id);
    assert_eq!(archive.find("latest").unwrap(), second);
    assert_eq!(archive.find(first.as_str()).unwrap(), first);
    assert_eq!(archive.find("20261101").unwrap(), first);
    for text in ["", "2026"] {
        let error = archive.find(text).unwrap_err();
        assert!(matches!(&error, ArchiveError::Ambiguous { runs, .. } if runs.len() == 2), "{text}: {error}");
    }
    assert!(matches!(archive.find("../x"), Err(ArchiveError::NoRun { .. })));
}

#[test]
fn whatever_write_fails_a_run_is_whole_or_not_there_and_no_other_is_lost() {
    for is_lost in [false, true] {
        let mut outcomes = Vec::new();
        for n in 1.. {
            let folder = tempfile::tempdir().unwrap();
            let before = keep(&at(folder.path()), day(0)).unwrap().run_id;
            let kept = keep(&dying(folder.path(), n, is_lost), day(1));
            let archive = at(folder.path());
            let there = whole(&archive);
            assert!(there.contains(&before), "write {n}");
            // What was said to be kept is; an answer that was lost may leave a run that is there all the same.
            assert_eq!(there.len(), 1 + usize::from(kept.is_ok()), "write {n}: {kept:?}");
            outcomes.push(kept.is_ok());
            // A later scan on a machine that lives puts everything right.
            age(folder.path());
            let removed = archive.tidy(Timestamp::now()).unwrap();
            assert!(removed.errors.is_empty() && removed.runs.is_empty(), "write {n}: {removed:?}");
            assert_eq!(whole(&archive), there);
            assert_eq!(published(&archive), there, "write {n}");
            assert_eq!(archive.store.list(RUNS).unwrap().len(), 5 * there.len(), "write {n}: leftovers");
            if outcomes.ends_with(&[true, true]) {
                break;
            }
        }
        // The claim, three objects and the manifest; then what is published, which may fail.
        let failing = if is_lost { 4 } else { 5 };
        assert_eq!(outcomes.iter().filter(|kept| !**kept).count(), failing, "{outcomes:?}");
    }
}

#[test]
fn whatever_removal_fails_the_run_is_whole_or_gone_and_the_newest_stays() {
    for is_lost in [false, true] {
        for n in 1..30 {
            let folder = tempfile::tempdir().unwrap();
            let kept: Vec<RunId> =
                (0..3).map(|number| keep(&at(folder.path()), day(number)).unwrap().run_id).rev().collect();
            let removed = dying(folder.path(), n, is_lost).retain(runs(1), day(3)).unwrap();
            let archive = at(folder.path());
            let there = whole(&archive);
            assert!(there.starts_with(&kept[..1]), "removal {n}");
            assert!(removed.runs.iter().all(|id| !there.contains(id)), "removal {n}: {removed:?}");
            age(folder.path());
            let mut again = archive.tidy(Timestamp::now()).unwrap();
            again.extend(archive.retain(runs(1), day(3)).unwrap());
            assert!(again.errors.is_empty(), "{again:?}");
            assert_eq!(whole(&archive), &kept[..1]);
            assert_eq!(published(&archive), &kept[..1]);
            assert_eq!(archive.store.list(RUNS).unwrap().len(), 5, "removal {n}");
        }
    }
}

#[test]
fn runs_are_kept_by_count_and_by_age_but_never_none() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    let kept: Vec<RunId> = (0..6).map(|number| keep(&archive, day(number)).unwrap().run_id).rev().collect();
    assert!(archive.retain(Keep::default(), day(9)).unwrap().runs.is_empty());
    assert_eq!(archive.retain(runs(4), day(9)).unwrap().runs, &kept[4..]);
    let days = Keep { runs: None, days: NonZeroU32::new(3) };
    // Exactly three days old is within three days.
    assert_eq!(archive.retain(days, day(6)).unwrap().runs, &kept[3..4]);
    assert_eq!(archive.retain(days, day(100)).unwrap().runs, &kept[1..3]);
    assert_eq!(whole(&archive), &kept[..1]);
    assert_eq!(published(&archive), &kept[..1]);
}

#[test]
fn what_may_still_be_written_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    let mut writing = archive.begin(day(0)).unwrap();
    writing.put(REPORT, b"x".to_vec()).unwrap();
    age(folder.path());
    // The latest write counts: a slow upload is no leftover.
    writing.put(FINDINGS, b"y".to_vec()).unwrap();
    assert!(archive.tidy(Timestamp::now()).unwrap().leftovers.is_empty());
    let soon = Timestamp::now() + SignedDuration::from_hours(23);
    assert!(archive.tidy(soon).unwrap().leftovers.is_empty());
    let late = Timestamp::now() + SignedDuration::from_hours(25);
    assert_eq!(archive.tidy(late).unwrap().leftovers, [writing.id().clone()]);
    assert_eq!(archive.store.list(RUNS).unwrap(), []);
    writing.abandon();
}

#[test]
fn a_run_that_is_abandoned_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    let mut writing = archive.begin(day(0)).unwrap();
    writing.put(FINDINGS, b"y".to_vec()).unwrap();
    writing.abandon();
    assert_eq!(archive.store.list(RUNS).unwrap(), []);
    assert!(archive.tidy(Timestamp::now()).unwrap().errors.is_empty());
}

#[test]
fn two_who_write_and_tidy_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept: Vec<RunId> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let archive = at(folder.path());
                    let mut ids = Vec::new();
                    for _ in 0..10 {
                        // All in the same second.
                        ids.push(keep(&archive, day(0)).unwrap().run_id);
                        assert!(archive.tidy(Timestamp::now()).unwrap().errors.is_empty());
                    }
                    ids
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    kept.sort_unstable_by(|a, b| b.cmp(a));
    kept.dedup();
    assert_eq!(kept.len(), 40);
    let archive = at(folder.path());
    assert_eq!(whole(&archive), kept);
    archive.tidy(Timestamp::now()).unwrap();
    assert_eq!(published(&archive), kept);
}

#[test]
fn a_damaged_run_is_told_and_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    let good = keep(&archive, day(0)).unwrap();
    let damage: [(&str, &dyn Fn(String) -> String); 5] = [
        ("EOF while parsing", &|text| text[..text.len() / 2].to_owned()),
        ("has version 2", &|text| text.replace("\"schema_version\": 1", "\"schema_version\": 2")),
        ("is that of run", &|text| text.replace("20261102T", "20261105T")),
        ("no name of an object", &|text| text.replace(REPORT, "../../../etc/passwd")),
        ("missing field", &|text| text.replace("\"facts\"", "").replace("observed_at", "seen_at")),
    ];
    for (says, damage) in damage {
        let bad = keep(&archive, day(1)).unwrap().run_id;
        let path = folder.path().join(bad.key(MANIFEST));
        std::fs::write(&path, damage(std::fs::read_to_string(&path).unwrap())).unwrap();
        let kept = archive.runs().unwrap();
        assert_eq!(kept.iter().map(|run| &run.id).collect::<Vec<_>>(), [&bad, &good.run_id]);
        let error = kept[0].manifest.as_ref().unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(bad.as_str()), "{says}: {error}");
        assert!(kept[1].manifest.is_ok());
        archive.remove(&bad).unwrap();
    }
    std::fs::write(folder.path().join(good.run_id.key(REPORT)), b"another report").unwrap();
    let error = archive.read(&good, REPORT).unwrap_err();
    assert!(matches!(error, ArchiveError::Changed { .. }), "{error}");
}

#[test]
fn what_others_put_into_the_folder_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    for path in ["runs/notes.txt", "runs/keep/manifest.json", "findings/day=2026-11-01/mine.parquet"] {
        std::fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(path), "precious").unwrap();
    }
    keep(&archive, day(0)).unwrap();
    age(folder.path());
    archive.tidy(Timestamp::now()).unwrap();
    archive.retain(runs(1), Timestamp::now()).unwrap();
    assert_eq!(archive.committed().unwrap().len(), 1);
    for path in ["runs/notes.txt", "runs/keep/manifest.json", "findings/day=2026-11-01/mine.parquet"] {
        assert!(folder.path().join(path).exists(), "{path}");
    }
}

#[test]
fn objects_have_harmless_names() {
    let folder = tempfile::tempdir().unwrap();
    let archive = at(folder.path());
    let mut writing = archive.begin(day(0)).unwrap();
    for name in ["", "..", ".hidden", "a/b", "A", "manifest.json", "started.json", "a\nb", &"a".repeat(65)] {
        assert!(writing.put(name, Vec::new()).is_err(), "{name:?}");
    }
    writing.put("detections.jsonl.zst", Vec::new()).unwrap();
}
