//! Reads every file of the history and reports damaged runs and unknown files.

use super::paths::{self, CLAIMS, FAVOURITE, FRAMES, IMAGE, RECORD, REMOVED};
use super::{scan, store, trash};
use crate::home::Home;
use crate::runs::{Error, frames, picture_file};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum number of threads that decode pictures.
const THREADS: usize = 4;

/// What was found in a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Runs whose files can all be read and match each other.
    pub intact: usize,
    /// Damaged runs: their ids, and why.
    pub damaged: Vec<(String, String)>,
    /// Folders in which a program works at this moment, or that one left unfinished in the last hour.
    pub unfinished: usize,
    /// Leftovers of killed processes that were cleaned up.
    pub cleaned: usize,
    /// Runs that were removed and wait to be restored or purged.
    pub removed: usize,
    /// Unknown names in the history or in a run's folder. They are left alone.
    pub unknown: Vec<String>,
}

/// Looks at every run. `progress` learns how many runs were looked at, and of how many.
///
/// # Errors
/// [`Error::File`] if the history folder cannot be read, or what killed programs left cannot be cleaned up.
pub fn verify(home: &Home, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Verified, Error> {
    let history = home.history();
    let names = paths::names(&history)?;
    let mut verified = Verified {
        cleaned: scan::clean(&history, &names)?,
        removed: trash::removed(home)?.len(),
        ..Verified::default()
    };
    let mut ids = Vec::new();
    for name in paths::names(&history)? {
        match name.as_str() {
            id if paths::is_id(id) => ids.push(name),
            ".lock" | CLAIMS | REMOVED => {}
            working if scan::is_working(working) => verified.unfinished += 1,
            _ => verified.unknown.push(name),
        }
    }
    ids.sort();
    for (id, found) in check_all(home, &ids, progress) {
        match found {
            Ok(foreign) => {
                verified.intact += 1;
                let path = |name| format!("{id}/{name}");
                verified.unknown.extend(foreign.into_iter().map(path));
            }
            // Removed or replaced by another program since the list was made.
            Err(Error::NoRun(_)) => {}
            Err(problem) => verified.damaged.push((id, problem.to_string())),
        }
    }
    verified.unknown.sort();
    Ok(verified)
}

type CheckResult = Result<Vec<String>, Error>;

/// Checks all runs on several threads; the results are in the order of the ids.
fn check_all(
    home: &Home,
    ids: &[String],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Vec<(String, CheckResult)> {
    let done = AtomicUsize::new(0);
    let one = |id: &String| {
        let found = paths::reading(home, id, |folder| check(folder, id));
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, ids.len());
        (id.clone(), found)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = ids.len().div_ceil(threads.min(THREADS)).max(1);
    std::thread::scope(|scope| {
        let parts = ids.chunks(share);
        let workers: Vec<_> = parts
            .map(|part| scope.spawn(|| part.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let found = workers.into_iter().map(|worker| match worker.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        found.flatten().collect()
    })
}

/// Reads all files of a run; returns unknown names in its folder.
fn check(folder: &Path, id: &str) -> CheckResult {
    let record = folder.join(RECORD);
    let run = store::read_record(&record)?;
    let damaged = |path: &Path, why: &str| Error::Damaged {
        path: path.into(),
        why: why.into(),
    };
    if run.id != id {
        return Err(damaged(&record, "it is the record of another run"));
    }
    let image = folder.join(IMAGE);
    if picture_file::read_spec(&image)? != run.spec {
        return Err(damaged(&image, "its settings are not those of run.json"));
    }
    picture_file::read_picture(&image)?;
    let frames_file = folder.join(FRAMES);
    if frames_file.exists() {
        frames::read(&frames_file)?;
    }
    let mut names = paths::names(folder)?;
    names.retain(|name| ![RECORD, IMAGE, FRAMES, FAVOURITE].contains(&name.as_str()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, picture, record};
    use crate::runs::history::{remove, save};
    use std::fs;

    fn verified(fixture: &Fixture) -> Verified {
        verify(&fixture.home, &|done, all| assert!(done <= all)).unwrap()
    }

    #[test]
    fn an_undamaged_history_is_intact() {
        let fixture = Fixture::new();
        assert_eq!(verified(&fixture), Verified::default());
        let ids: Vec<String> = (0..9).map(|seed| fixture.save(&record(seed))).collect();
        let frames = [picture(), picture()];
        save(&fixture.home, &record(10), &picture(), &frames).unwrap();
        remove(&fixture.home, &ids[..2]).unwrap();
        let expected = Verified {
            intact: 8,
            removed: 2,
            ..Verified::default()
        };
        assert_eq!(verified(&fixture), expected);
    }

    #[test]
    fn every_kind_of_damage_is_reported() {
        let fixture = Fixture::new();
        let mut expected = Vec::new();
        let mut run = |seed: u64, harm: &dyn Fn(&Path), word: &'static str| {
            let record = record(seed);
            let frames = [picture(), picture()];
            save(&fixture.home, &record, &picture(), &frames).unwrap();
            harm(&fixture.home.history().join(&record.id));
            expected.push((record.id, word));
        };
        let cut = |path: &Path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        };
        run(
            1,
            &|run| fs::remove_file(run.join(IMAGE)).unwrap(),
            "image.png",
        );
        run(
            2,
            &|run| fs::remove_file(run.join(RECORD)).unwrap(),
            "run.json",
        );
        run(3, &|run| cut(&run.join(IMAGE)), "image.png");
        run(4, &|run| cut(&run.join(RECORD)), "run.json");
        run(5, &|run| cut(&run.join(FRAMES)), "frames.zip");
        let other = picture_file::encode(&picture(), &record(9).spec);
        run(
            6,
            &|run| fs::write(run.join(IMAGE), &other).unwrap(),
            "settings",
        );
        run(
            7,
            &|run| picture().save(run.join(IMAGE)).unwrap(),
            "carries no settings",
        );
        let found = verified(&fixture).damaged;
        assert_eq!(found.len(), expected.len());
        for (id, word) in expected {
            let (_, why) = found.iter().find(|(damaged, _)| *damaged == id).unwrap();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn what_is_not_ours_is_named_and_left_alone() {
        let fixture = Fixture::new();
        let id = fixture.save(&record(1));
        let history = fixture.home.history();
        fs::write(history.join("notes.txt"), "").unwrap();
        fs::write(history.join(&id).join("mine.txt"), "").unwrap();
        fs::create_dir(history.join(".making-now")).unwrap();
        let found = verified(&fixture);
        assert_eq!((found.intact, found.unfinished), (1, 1));
        assert_eq!(
            found.unknown,
            [format!("{id}/mine.txt"), "notes.txt".into()]
        );
        assert!(history.join("notes.txt").exists());
    }
}
