//! Watches the history: all runs at the start, then those that other processes add and remove.

use crate::home::Home;
use crate::runs::Error;
use crate::runs::history::{self, Naming};
use crate::tui::action::DiskResponse;
use std::collections::HashSet;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

/// How often the folder's modification time is checked, which is one system call if it has not changed.
const PAUSE: Duration = Duration::from_secs(3);

/// A folder listed less than this after its modification may have changed again within the resolution of the file
/// system's time.
const COARSE: Duration = Duration::from_secs(3);

/// Sends all runs, and then the changes, until `end` is disconnected.
pub fn watch(home: &Home, end: &Receiver<()>, answer: &impl Fn(DiskResponse)) {
    let mut watched = Watched::default();
    watched.scan(home, answer);
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(PAUSE) {
        watched.look(home, answer);
    }
}

/// The known contents of the history folder.
#[derive(Debug, Default)]
struct Watched {
    /// Ids of the runs that were sent.
    known: HashSet<String>,
    /// The folder's modification time when it was listed; `None` if it must be listed again.
    listed: Option<SystemTime>,
}

impl Watched {
    fn scan(&mut self, home: &Home, answer: &impl Fn(DiskResponse)) {
        self.begin(home);
        let scanned = history::scan(home, &mut |entries| {
            self.known
                .extend(entries.iter().map(|entry| entry.id.clone()));
            answer(DiskResponse::Runs(entries));
        });
        match scanned {
            Ok(scanned) => answer(DiskResponse::RunsEnd {
                damaged: scanned.damaged,
            }),
            Err(problem) => {
                self.listed = None;
                answer(DiskResponse::Failed(problem.to_string()));
            }
        }
    }

    /// Records that the folder is listed now.
    fn begin(&mut self, home: &Home) {
        let is_settled = |time: &SystemTime| time.elapsed().is_ok_and(|age| age > COARSE);
        self.listed = changed(home).filter(is_settled);
    }

    /// Sends new runs and the ids of removed ones. Nothing is read if the folder has not changed.
    fn look(&mut self, home: &Home, answer: &impl Fn(DiskResponse)) {
        let now = changed(home);
        if now.is_some() && now == self.listed {
            return;
        }
        self.begin(home);
        let Some(names) = names(home) else {
            self.listed = None;
            return;
        };
        let mut naming = Naming::new(home);
        let mut come = Vec::new();
        for id in names.difference(&self.known) {
            // Other folders are not runs, and a damaged run was counted at the start.
            if let Ok(mut entry) = history::entry(home, id) {
                naming.apply(&mut entry);
                come.push(entry);
            }
        }
        // A run that is being replaced now is not reported as removed.
        let is_gone = |id: &&String| matches!(history::entry(home, id), Err(Error::NoRun(_)));
        let gone = self.known.difference(&names).filter(is_gone);
        let gone: Vec<String> = gone.cloned().collect();
        self.known.retain(|id| !gone.contains(id));
        self.known.extend(come.iter().map(|entry| entry.id.clone()));
        if !come.is_empty() {
            answer(DiskResponse::Runs(come));
        }
        if !gone.is_empty() {
            answer(DiskResponse::Gone(gone));
        }
    }
}

/// The modification time of the history folder; `None` if it does not exist.
fn changed(home: &Home) -> Option<SystemTime> {
    let data = fs::metadata(home.history()).ok()?;
    data.modified().ok()
}

/// The visible names in the history folder; `None` if it cannot be read.
fn names(home: &Home) -> Option<HashSet<String>> {
    let listing = match fs::read_dir(home.history()) {
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
            return Some(HashSet::new());
        }
        listing => listing.ok()?,
    };
    let mut names = HashSet::new();
    for entry in listing {
        let name = entry.ok()?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.insert(name);
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, record};
    use std::cell::RefCell;

    /// The changes since the last check: new runs and removed runs.
    fn look(watched: &mut Watched, home: &Home) -> (Vec<String>, Vec<String>) {
        let reported = RefCell::new((Vec::new(), Vec::new()));
        watched.look(home, &|answer| match answer {
            DiskResponse::Runs(runs) => {
                let ids = runs.into_iter().map(|entry| entry.id);
                reported.borrow_mut().0.extend(ids);
            }
            DiskResponse::Gone(ids) => reported.borrow_mut().1.extend(ids),
            other => panic!("{other:?}"),
        });
        reported.into_inner()
    }

    #[test]
    fn runs_of_other_programs_come_and_go() {
        let fixture = Fixture::new();
        let (home, mut watched) = (&fixture.home, Watched::default());
        let first = fixture.save(&record(0));
        watched.scan(home, &|_| {});
        assert_eq!(look(&mut watched, home), Default::default());
        let second = fixture.save(&record(1));
        std::fs::create_dir(home.history().join("holiday")).unwrap();
        assert_eq!(look(&mut watched, home), (vec![second.clone()], vec![]));
        // The same run repeated is not a new run.
        fixture.save(&record(1));
        assert_eq!(look(&mut watched, home), Default::default());
        history::remove(home, &[first.as_str()]).unwrap();
        assert_eq!(look(&mut watched, home), (vec![], vec![first.clone()]));
        history::restore(home, &first).unwrap();
        assert_eq!(look(&mut watched, home), (vec![first], vec![]));
    }

    #[test]
    fn a_folder_that_has_not_changed_is_not_read_again() {
        let fixture = Fixture::new();
        let (home, mut watched) = (&fixture.home, Watched::default());
        fixture.save(&record(0));
        let age = |seconds| {
            let time = SystemTime::now() - Duration::from_secs(seconds);
            let folder = fs::File::open(home.history()).unwrap();
            folder.set_modified(time).unwrap();
        };
        age(60);
        watched.scan(home, &|_| {});
        // Reading the folder would reveal a run that appears without a change of the folder's time.
        let id = fixture.save(&record(1));
        fs::File::open(home.history())
            .unwrap()
            .set_modified(watched.listed.unwrap())
            .unwrap();
        assert_eq!(look(&mut watched, home), Default::default());
        age(50);
        assert_eq!(look(&mut watched, home).0, [id]);
    }

    #[test]
    fn a_history_that_does_not_exist_yet_is_watched_too() {
        let fixture = Fixture::new();
        let mut watched = Watched::default();
        watched.scan(&fixture.home, &|_| {});
        assert_eq!(look(&mut watched, &fixture.home), Default::default());
        let id = fixture.save(&record(0));
        assert_eq!(look(&mut watched, &fixture.home).0, [id]);
    }
}
