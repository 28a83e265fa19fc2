//! Claims: a process claims the runs that it is making, so that others that share the history make
//! other ones meanwhile.
//!
//! A claim is a lock on the file `.claims/<id>`. It ends with its process, however that ends. Where
//! a file system has no locks, every claim succeeds: then two processes may make the same run, and
//! the history holds the one saved last, complete and with the same picture.

use super::paths::{self, CLAIMS};
use crate::home::Home;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// How often a claim is tried again because its file was removed meanwhile.
const MAX_TRIES: usize = 8;

/// A run that this process is making; released when dropped.
#[derive(Debug)]
pub struct Claim {
    /// The locked file and its path; `None` where there are no locks.
    lock: Option<(File, PathBuf)>,
}

impl Claim {
    /// Claims the run `id`; `None` if another process is making it.
    pub fn take(home: &Home, id: &str) -> Option<Self> {
        let path = paths::is_id(id).then(|| home.history().join(CLAIMS).join(id))?;
        match lock(&path) {
            Ok(None) => None,
            Ok(Some(file)) => Some(Self {
                lock: Some((file, path)),
            }),
            Err(problem) => {
                tracing::debug!(%problem, path = %path.display(), "runs cannot be claimed here");
                Some(Self { lock: None })
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((_file, path)) = &self.lock {
            // Before the lock ends, so that a process that waits for this file notices. A file that
            // stays is swept later.
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates and locks a file; `None` if it is locked already.
fn lock(path: &Path) -> io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    for _ in 0..MAX_TRIES {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            // The former owner has removed it: a lock on a deleted file excludes no process.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(problem)) => {
                if problem.kind() == io::ErrorKind::Unsupported {
                    // Without locks the file means nothing.
                    let _ = fs::remove_file(path);
                }
                return Err(problem);
            }
        }
    }
    Ok(None)
}

/// Whether this file is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |data: fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(named)) => place(file) == place(named),
        _ => false,
    }
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Removes the claims of killed processes.
///
/// # Errors
/// The system's error if the folder cannot be read.
pub(super) fn sweep(history: &Path) -> io::Result<()> {
    let folder = match fs::read_dir(history.join(CLAIMS)) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    for entry in folder {
        let path = entry?.path();
        let is_file = fs::symlink_metadata(&path).is_ok_and(|data| data.is_file());
        // On NFS, a lock needs a file that is open for writing.
        let Ok(file) = OpenOptions::new().write(is_file).open(&path) else {
            continue;
        };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            // If it cannot be removed, it still excludes no process.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::{Fixture, record};
    use std::sync::atomic::{AtomicUsize, Ordering};

    const ID: &str = "0123456789abcdef";

    #[test]
    fn a_claimed_run_cannot_be_claimed_until_it_is_released() {
        let fixture = Fixture::new();
        let claim = Claim::take(&fixture.home, ID).unwrap();
        assert!(Claim::take(&fixture.home, ID).is_none());
        assert!(Claim::take(&fixture.home, "0123456789abcde0").is_some());
        drop(claim);
        assert!(Claim::take(&fixture.home, ID).is_some());
        assert!(Claim::take(&fixture.home, "../../etc/passwd").is_none());
        let left = paths::names(&fixture.home.history().join(CLAIMS)).unwrap();
        assert_eq!(left, [] as [String; 0]);
    }

    #[test]
    fn no_two_hold_a_claim_at_once() {
        let fixture = Fixture::new();
        let (holders, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Some(claim) = Claim::take(&fixture.home, ID) else {
                            continue;
                        };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        taken.fetch_add(1, Ordering::SeqCst);
                        drop(claim);
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) > 4);
    }

    #[test]
    fn claims_of_killed_processes_are_swept_and_held_ones_stay() {
        let fixture = Fixture::new();
        fixture.save(&record(1));
        let claim = Claim::take(&fixture.home, ID).unwrap();
        let folder = fixture.home.history().join(CLAIMS);
        fs::write(folder.join("00000000000000ff"), "").unwrap();
        let verified = crate::runs::history::verify(&fixture.home, &|_, _| ()).unwrap();
        assert_eq!((verified.intact, verified.unknown.len()), (1, 0));
        assert_eq!(paths::names(&folder).unwrap(), [ID]);
        assert!(Claim::take(&fixture.home, ID).is_none());
        drop(claim);
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_kept_away() {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.home.history()).unwrap();
        fs::write(fixture.home.history().join(CLAIMS), "a file in the way").unwrap();
        let first = Claim::take(&fixture.home, ID);
        assert!(first.is_some() && Claim::take(&fixture.home, ID).is_some());
    }
}
