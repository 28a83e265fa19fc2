//! Lists all runs, the newest first, in chunks, so that a list fills while the rest is being read.

use super::lock::Lock;
use super::naming::Naming;
use super::paths::{self, FAVOURITE, MAKING, OLD, PURGING, RECORD};
use super::{HistoryEntry, claims, store};
use crate::home::Home;
use crate::runs::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Entries in the first chunk: about a screenful, so that the first screen waits for no more.
const FIRST: usize = 64;

/// Entries in every other chunk.
const CHUNK: usize = 1024;

/// Maximum number of threads that read: files come from a cache or one disk, and the machine has other work.
const THREADS: usize = 4;

/// Age at which a temporary folder is abandoned: no save takes nearly as long.
pub(super) const ABANDONED: Duration = Duration::from_secs(3600);

/// The totals of a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanSummary {
    /// Listed runs.
    pub runs: usize,
    /// Folders named like a run without a readable record; `verify` says more.
    pub damaged: usize,
}

/// Passes on all runs in chunks: those saved last first, in a chunk and from chunk to chunk. Damaged ones are counted.
/// Cleans up what killed programs left behind.
///
/// # Errors
/// [`Error::File`] if the history folder cannot be read; one that does not exist has no runs.
pub fn scan(home: &Home, take: &mut dyn FnMut(Vec<HistoryEntry>)) -> Result<ScanSummary, Error> {
    let history = home.history();
    let mut names = paths::names(&history)?;
    // Cleaning is a courtesy: a history that may only be read can still be listed.
    if clean(&history, &names).is_ok_and(|cleaned| cleaned > 0) {
        names = paths::names(&history)?;
    }
    let mut ids: Vec<(SystemTime, String)> = names
        .into_iter()
        .filter(|name| paths::is_id(name))
        .map(|id| (saved(&history.join(&id)), id))
        .collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let mut scanned = ScanSummary::default();
    let mut names = Naming::new(home);
    let (first, rest) = ids.split_at(ids.len().min(FIRST));
    for chunk in std::iter::once(first).chain(rest.chunks(CHUNK)) {
        let mut entries = read_all(home, chunk);
        entries.iter_mut().for_each(|entry| names.apply(entry));
        scanned.damaged += chunk.len() - entries.len();
        scanned.runs += entries.len();
        if !entries.is_empty() {
            take(entries);
        }
    }
    Ok(scanned)
}

/// When a run's record was written; folders without one come last.
fn saved(folder: &Path) -> SystemTime {
    let modified = fs::metadata(folder.join(RECORD)).and_then(|data| data.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The entries of those runs that can be read, in the order of their ids, read by several threads.
fn read_all(home: &Home, ids: &[(SystemTime, String)]) -> Vec<HistoryEntry> {
    let read = |ids: &[(SystemTime, String)]| -> Vec<HistoryEntry> {
        ids.iter().filter_map(|(_, id)| entry(home, id)).collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(THREADS).min(ids.len() / FIRST);
    if threads < 2 {
        return read(ids);
    }
    std::thread::scope(|scope| {
        let parts = ids.chunks(ids.len().div_ceil(threads));
        let readers: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let entries = readers.into_iter().map(|reader| match reader.join() {
            Ok(entries) => entries,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        entries.flatten().collect()
    })
}

fn entry(home: &Home, id: &str) -> Option<HistoryEntry> {
    paths::reading(home, id, |folder| {
        let json = store::read_bounded(&folder.join(RECORD))?;
        Ok(HistoryEntry::parse(
            &json,
            id,
            folder.join(FAVOURITE).exists(),
        ))
    })
    .ok()
    .flatten()
}

/// Ends what killed programs began in a history that holds `names`: replaced runs come back, abandoned folders and
/// claims go. Returns how many runs and folders there were.
///
/// # Errors
/// [`Error::File`], [`Error::Busy`].
pub(super) fn clean(history: &Path, names: &[String]) -> Result<usize, Error> {
    let mut cleaned = 0;
    claims::sweep(history).map_err(Error::file(history))?;
    for name in names {
        if let Some(id) = name.strip_prefix(OLD).filter(|id| paths::is_id(id)) {
            let _lock = Lock::take(history)?;
            paths::recover(history, id)?;
            cleaned += 1;
        } else if is_working(name) && abandoned(&history.join(name)) {
            let path = history.join(name);
            fs::remove_dir_all(&path).map_err(Error::file(&path))?;
            cleaned += 1;
        }
    }
    Ok(cleaned)
}

/// Whether a folder of this name is one that a program works in.
pub(super) fn is_working(name: &str) -> bool {
    [MAKING, PURGING]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn abandoned(folder: &Path) -> bool {
    let modified = fs::metadata(folder).and_then(|data| data.modified());
    let age = modified.map(|time| time.elapsed().unwrap_or_default());
    age.is_ok_and(|age| age > ABANDONED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, record};

    fn all(home: &Home) -> (Vec<Vec<HistoryEntry>>, ScanSummary) {
        let mut chunks = Vec::new();
        let scanned = scan(home, &mut |chunk| chunks.push(chunk)).unwrap();
        (chunks, scanned)
    }

    /// Makes a path look as if it was last changed `ago` seconds before now.
    fn age(path: &Path, ago: u64) {
        let time = SystemTime::now() - Duration::from_secs(ago);
        let file = fs::File::open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn all_runs_come_in_chunks_and_the_newest_first() {
        let fixture = Fixture::new();
        assert_eq!(all(&fixture.home), (vec![], ScanSummary::default()));
        let count = FIRST as u64 + 10;
        for seed in 0..count {
            let id = fixture.save(&record(seed));
            age(&fixture.home.history().join(id).join(RECORD), 10_000 - seed);
        }
        let (chunks, scanned) = all(&fixture.home);
        let seeds: Vec<u64> = chunks.iter().flatten().map(|entry| entry.seed).collect();
        assert_eq!(seeds, (0..count).rev().collect::<Vec<_>>());
        assert_eq!((chunks.len(), chunks[0].len()), (2, FIRST));
        let expected = ScanSummary {
            runs: count as usize,
            damaged: 0,
        };
        assert_eq!(scanned, expected);
    }

    #[test]
    fn damaged_runs_are_counted_and_foreign_names_ignored() {
        let fixture = Fixture::new();
        let history = fixture.home.history();
        let (one, two, three) = (
            fixture.save(&record(1)),
            fixture.save(&record(2)),
            fixture.save(&record(3)),
        );
        fs::write(history.join(&one).join(RECORD), "{\"id\": ").unwrap();
        fs::remove_file(history.join(&two).join(RECORD)).unwrap();
        fs::create_dir(history.join("holiday pictures")).unwrap();
        fs::write(history.join("0123456789abcdef"), "a file").unwrap();
        let (chunks, scanned) = all(&fixture.home);
        assert_eq!(chunks.concat()[0].id, three);
        let expected = ScanSummary {
            runs: 1,
            damaged: 3,
        };
        assert_eq!(scanned, expected);
        assert!(history.join("holiday pictures").exists());
    }

    #[test]
    fn what_killed_programs_left_is_cleaned_up_when_it_is_old() {
        let fixture = Fixture::new();
        let history = fixture.home.history();
        let id = fixture.save(&record(1));
        fs::rename(history.join(&id), paths::aside(&history, &id)).unwrap();
        let (old, young) = (history.join(".making-old"), history.join(".making-young"));
        for folder in [&old, &young] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("image.png"), "half").unwrap();
        }
        age(&old, ABANDONED.as_secs() + 5);
        let (chunks, _) = all(&fixture.home);
        assert_eq!(chunks.concat()[0].id, id);
        assert!(!old.exists() && young.exists());
    }
}
