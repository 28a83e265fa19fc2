//! Removes runs, with undo: a removed run waits in `history/.removed/<number>/<id>`, where runs that were removed
//! together share a number, until it is restored or purged.

use super::lock::Lock;
use super::paths::{self, PURGING, REMOVED};
use crate::home::Home;
use crate::runs::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Removes runs, damaged ones too, so that [`undo`] brings all of them back together. All of them must be there.
///
/// # Errors
/// [`Error::NotAnId`], [`Error::NoRun`]; then none is removed. [`Error::File`], [`Error::Busy`].
pub fn remove(home: &Home, ids: &[impl AsRef<str>]) -> Result<(), Error> {
    for id in ids {
        paths::existing(home, id.as_ref())?;
    }
    if ids.is_empty() {
        return Ok(());
    }
    let history = home.history();
    let _lock = Lock::take(&history)?;
    let batch = history.join(REMOVED).join(next(&history)?);
    fs::create_dir_all(&batch).map_err(Error::file(&batch))?;
    for id in ids.iter().map(AsRef::as_ref) {
        paths::recover(&history, id)?;
        let folder = paths::folder(home, id)?;
        match fs::rename(&folder, batch.join(id)) {
            // Named twice, or removed by another process: it is removed either way.
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(Error::file(&folder))?,
        }
    }
    Ok(())
}

/// Brings the run `id` back as it was when it was removed last.
///
/// # Errors
/// [`Error::NotAnId`], [`Error::NothingRemoved`], [`Error::NoRun`] if it is not among the removed, [`Error::MadeAgain`]
/// if a run of this id is there, [`Error::File`], [`Error::Busy`].
pub fn restore(home: &Home, id: &str) -> Result<(), Error> {
    paths::folder(home, id)?;
    let history = home.history();
    let _lock = lock_removed(&history)?;
    let batches = batches(&history)?;
    let mut newest = batches.iter().rev();
    let batch = newest.find(|batch| batch.join(id).is_dir());
    let batch = batch.ok_or_else(|| Error::NoRun(id.into()))?;
    put_back(&history, batch, id)?;
    drop_empty(batch);
    Ok(())
}

/// Restores the runs that were removed last together, and returns their ids. Those that were repeated since are left
/// as they are.
///
/// # Errors
/// [`Error::NothingRemoved`]; [`Error::MadeAgain`] if that holds for all of them; [`Error::File`], [`Error::Busy`].
pub fn undo(home: &Home) -> Result<Vec<String>, Error> {
    let history = home.history();
    let _lock = lock_removed(&history)?;
    let (batch, ids) = last(&history)?;
    let mut back = Vec::new();
    let mut refused = None;
    for id in ids {
        match put_back(&history, &batch, &id) {
            Ok(()) => back.push(id),
            Err(again @ Error::MadeAgain(_)) => refused = Some(again),
            Err(other) => return Err(other),
        }
    }
    drop_empty(&batch);
    match refused {
        Some(refused) if back.is_empty() => Err(refused),
        _ => Ok(back),
    }
}

/// The ids of all removed runs, those removed last first. A run that was removed, repeated and removed again is listed
/// twice.
///
/// # Errors
/// [`Error::File`].
pub fn removed(home: &Home) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for batch in batches(&home.history())?.iter().rev() {
        ids.extend(removed_in(batch)?);
    }
    Ok(ids)
}

/// Deletes the removed runs permanently, and returns how many there were.
///
/// # Errors
/// [`Error::File`], [`Error::Busy`].
pub fn purge_removed(home: &Home) -> Result<usize, Error> {
    let history = home.history();
    let count = removed(home)?.len();
    let from = history.join(REMOVED);
    if !from.is_dir() {
        return Ok(0);
    }
    // First out of everybody's sight in one rename, then deleted: a program that is killed amid this leaves no half
    // runs.
    let purging = tempfile::Builder::new()
        .prefix(PURGING)
        .tempdir_in(&history)
        .map_err(Error::file(&history))?;
    {
        let _lock = Lock::take(&history)?;
        fs::rename(&from, purging.path().join("runs")).map_err(Error::file(&from))?;
    }
    let path = purging.path().to_path_buf();
    purging.close().map_err(Error::file(&path))?;
    Ok(count)
}

/// The lock of a history in which something was removed.
fn lock_removed(history: &Path) -> Result<Lock, Error> {
    if history.join(REMOVED).is_dir() {
        Lock::take(history)
    } else {
        Err(Error::NothingRemoved)
    }
}

/// The runs that were removed last. A program that was killed may have left a batch without any.
fn last(history: &Path) -> Result<(PathBuf, Vec<String>), Error> {
    for batch in batches(history)?.into_iter().rev() {
        let ids = removed_in(&batch)?;
        if !ids.is_empty() {
            return Ok((batch, ids));
        }
    }
    Err(Error::NothingRemoved)
}

/// The folders of runs that were removed together, the oldest first.
fn batches(history: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = history.join(REMOVED);
    let names = paths::names(&folder)?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    let path = |number| folder.join(batch_name(number));
    let folders = numbers.into_iter().map(path).filter(|path| path.is_dir());
    Ok(folders.collect())
}

fn batch_name(number: u64) -> String {
    format!("{number:06}")
}

/// The name of the next batch: one more than the last, so that the order does not hang on a clock.
fn next(history: &Path) -> Result<String, Error> {
    let names = paths::names(&history.join(REMOVED))?;
    let last = names.iter().filter_map(|name| name.parse::<u64>().ok());
    Ok(batch_name(
        last.max().map_or(1, |last| last.saturating_add(1)),
    ))
}

fn removed_in(batch: &Path) -> Result<Vec<String>, Error> {
    let mut names = paths::names(batch)?;
    names.retain(|name| paths::is_id(name));
    names.sort();
    Ok(names)
}

/// Moves a removed run back to its place. Only under the lock.
fn put_back(history: &Path, batch: &Path, id: &str) -> Result<(), Error> {
    paths::recover(history, id)?;
    let folder = history.join(id);
    if folder.exists() {
        return Err(Error::MadeAgain(id.into()));
    }
    fs::rename(batch.join(id), &folder).map_err(Error::file(&folder))
}

/// Deletes the folder of a batch if nothing is left in it.
fn drop_empty(batch: &Path) {
    let _ = fs::remove_dir(batch);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, record};
    use crate::runs::history::{entry, read, set_favourite};

    #[test]
    fn removed_runs_come_back_in_the_reverse_order() {
        let fixture = Fixture::new();
        let home = &fixture.home;
        assert!(matches!(undo(home), Err(Error::NothingRemoved)));
        let ids: Vec<String> = (0..4).map(|seed| fixture.save(&record(seed))).collect();
        set_favourite(home, &ids[1], true).unwrap();
        remove(home, &ids[..1]).unwrap();
        remove(home, &ids[1..3]).unwrap();
        assert!(matches!(read(home, &ids[1]), Err(Error::NoRun(_))));
        assert_eq!(removed(home).unwrap().len(), 3);
        let mut back = undo(home).unwrap();
        back.sort();
        let mut expected = ids[1..3].to_vec();
        expected.sort();
        assert_eq!(back, expected);
        assert!(entry(home, &ids[1]).unwrap().favourite);
        assert_eq!(undo(home).unwrap(), ids[..1]);
        assert!(matches!(undo(home), Err(Error::NothingRemoved)));
    }

    #[test]
    fn one_of_several_can_be_restored_by_its_id() {
        let fixture = Fixture::new();
        let ids: Vec<String> = (0..2).map(|seed| fixture.save(&record(seed))).collect();
        remove(&fixture.home, &ids).unwrap();
        restore(&fixture.home, &ids[1]).unwrap();
        assert_eq!(read(&fixture.home, &ids[1]).unwrap(), record(1));
        let again = restore(&fixture.home, &ids[1]);
        assert!(matches!(again, Err(Error::NoRun(_))));
        assert_eq!(removed(&fixture.home).unwrap(), ids[..1]);
    }

    #[test]
    fn a_run_that_was_made_again_is_not_overwritten() {
        let fixture = Fixture::new();
        let ids: Vec<String> = (0..2).map(|seed| fixture.save(&record(seed))).collect();
        remove(&fixture.home, &ids[..1]).unwrap();
        fixture.save(&record(0));
        assert!(matches!(undo(&fixture.home), Err(Error::MadeAgain(_))));
        assert!(matches!(
            restore(&fixture.home, &ids[0]),
            Err(Error::MadeAgain(_))
        ));
        assert!(read(&fixture.home, &ids[0]).is_ok());
    }

    #[test]
    fn if_one_does_not_exist_none_is_removed() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(0));
        let ids = [id.as_str(), "00000000000000ff"];
        assert!(matches!(remove(&fixture.home, &ids), Err(Error::NoRun(_))));
        assert!(read(&fixture.home, &id).is_ok());
    }

    #[test]
    fn purged_runs_are_deleted_and_their_ids_are_free() {
        let fixture = Fixture::new();
        assert_eq!(purge_removed(&fixture.home).unwrap(), 0);
        let ids: Vec<String> = (0..3).map(|seed| fixture.save(&record(seed))).collect();
        remove(&fixture.home, &ids[..2]).unwrap();
        assert_eq!(purge_removed(&fixture.home).unwrap(), 2);
        assert!(matches!(undo(&fixture.home), Err(Error::NothingRemoved)));
        let mut names = paths::names(&fixture.home.history()).unwrap();
        names.sort();
        assert_eq!(names, [".lock", &ids[2]]);
    }
}
