//! The runs of history: all of them at the start, and then those that other programs add and remove.

use crate::home::Home;
use crate::runs::Error;
use crate::runs::history::{self, Naming};
use crate::tui::action::Answer;
use std::collections::HashSet;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

/// How often it is looked whether the folder of history has changed: one call to the system, and nothing else if it has not.
const PAUSE: Duration = Duration::from_secs(3);

/// A folder that changed less than this before it was listed may have changed again at what its file system takes for the same
/// time.
const COARSE: Duration = Duration::from_secs(3);

/// Hands over all runs, and then what changes, until the other end of `end` is gone.
pub fn watch(home: &Home, end: &Receiver<()>, answer: &impl Fn(Answer)) {
    let mut watched = Watched::default();
    watched.scan(home, answer);
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(PAUSE) {
        watched.look(home, answer);
    }
}

/// What is known of the folder.
#[derive(Debug, Default)]
struct Watched {
    /// The runs that were handed over.
    known: HashSet<String>,
    /// When the folder had changed last when it was listed; `None` if it is to be listed again.
    listed: Option<SystemTime>,
}

impl Watched {
    fn scan(&mut self, home: &Home, answer: &impl Fn(Answer)) {
        self.begin(home);
        let scanned = history::scan(home, &mut |entries| {
            self.known
                .extend(entries.iter().map(|entry| entry.id.clone()));
            answer(Answer::Runs(entries));
        });
        match scanned {
            Ok(scanned) => answer(Answer::RunsEnd {
                damaged: scanned.damaged,
            }),
            Err(problem) => {
                self.listed = None;
                answer(Answer::Failed(problem.to_string()));
            }
        }
    }

    /// Notes that the folder is listed now.
    fn begin(&mut self, home: &Home) {
        let is_settled = |time: &SystemTime| time.elapsed().is_ok_and(|age| age > COARSE);
        self.listed = changed(home).filter(is_settled);
    }

    /// Hands over the runs that have come since the last look, and tells which are gone. Nothing is read if the folder has not
    /// changed.
    fn look(&mut self, home: &Home, answer: &impl Fn(Answer)) {
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
            // Other folders are no runs, and a damaged run was counted at the start.
            if let Ok(mut entry) = history::entry(home, id) {
                naming.apply(&mut entry);
                come.push(entry);
            }
        }
        // One that is being replaced at this moment is not gone.
        let is_gone = |id: &&String| matches!(history::entry(home, id), Err(Error::NoRun(_)));
        let gone = self.known.difference(&names).filter(is_gone);
        let gone: Vec<String> = gone.cloned().collect();
        self.known.retain(|id| !gone.contains(id));
        self.known.extend(come.iter().map(|entry| entry.id.clone()));
        if !come.is_empty() {
            answer(Answer::Runs(come));
        }
        if !gone.is_empty() {
            answer(Answer::Gone(gone));
        }
    }
}

/// When the folder of history changed last; `None` if it is not there.
fn changed(home: &Home) -> Option<SystemTime> {
    let data = fs::metadata(home.history()).ok()?;
    data.modified().ok()
}

/// The names in the folder of history, without those that are hidden; `None` if it cannot be read.
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
    use crate::runs::history::testing::{Desk, record};
    use std::cell::RefCell;

    /// What a look tells: the runs that have come, and those that are gone.
    fn look(watched: &mut Watched, home: &Home) -> (Vec<String>, Vec<String>) {
        let told = RefCell::new((Vec::new(), Vec::new()));
        watched.look(home, &|answer| match answer {
            Answer::Runs(runs) => {
                let ids = runs.into_iter().map(|entry| entry.id);
                told.borrow_mut().0.extend(ids);
            }
            Answer::Gone(ids) => told.borrow_mut().1.extend(ids),
            other => panic!("{other:?}"),
        });
        told.into_inner()
    }

    #[test]
    fn runs_of_other_programs_come_and_go() {
        let desk = Desk::new();
        let (home, mut watched) = (&desk.home, Watched::default());
        let first = desk.save(&record(0));
        watched.scan(home, &|_| {});
        assert_eq!(look(&mut watched, home), Default::default());
        let second = desk.save(&record(1));
        std::fs::create_dir(home.history().join("holiday")).unwrap();
        assert_eq!(look(&mut watched, home), (vec![second.clone()], vec![]));
        // The same run made again is not another one.
        desk.save(&record(1));
        assert_eq!(look(&mut watched, home), Default::default());
        history::remove(home, &[first.as_str()]).unwrap();
        assert_eq!(look(&mut watched, home), (vec![], vec![first.clone()]));
        history::restore(home, &first).unwrap();
        assert_eq!(look(&mut watched, home), (vec![first], vec![]));
    }

    #[test]
    fn a_folder_that_has_not_changed_is_not_read_again() {
        let desk = Desk::new();
        let (home, mut watched) = (&desk.home, Watched::default());
        desk.save(&record(0));
        let age = |seconds| {
            let time = SystemTime::now() - Duration::from_secs(seconds);
            let folder = fs::File::open(home.history()).unwrap();
            folder.set_modified(time).unwrap();
        };
        age(60);
        watched.scan(home, &|_| {});
        // A run that comes without a change of the folder's time would be seen if the folder were read.
        let id = desk.save(&record(1));
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
        let desk = Desk::new();
        let mut watched = Watched::default();
        watched.scan(&desk.home, &|_| {});
        assert_eq!(look(&mut watched, &desk.home), Default::default());
        let id = desk.save(&record(0));
        assert_eq!(look(&mut watched, &desk.home).0, [id]);
    }
}
