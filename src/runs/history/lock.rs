//! One writer at a time: renames in the history happen under a lock on one file, which dies with its owner.

use crate::runs::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait for another program's renames, which take milliseconds unless it was halted amid them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held while names in the history change.
pub(super) struct Lock(
    #[expect(dead_code, reason = "the lock lives as long as the file is open")] File,
);

impl Lock {
    /// Waits for the lock of a history folder that exists.
    ///
    /// # Errors
    /// [`Error::File`] if the lock file cannot be made, [`Error::Busy`] if another program keeps the lock.
    pub fn take(history: &Path) -> Result<Self, Error> {
        let path = history.join(".lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let file = options.open(&path).map_err(Error::file(&path))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Err(Error::Busy(path)),
                // Some network folders have no locks. Each rename is still atomic there; only two programs that change
                // the same run in the same instant can get into each other's way, and one of them then says so.
                Err(TryLockError::Error(problem)) if problem.kind() == ErrorKind::Unsupported => {
                    return Ok(Self(file));
                }
                Err(TryLockError::Error(problem)) => return Err(Error::file(&path)(problem)),
            }
        }
    }
}
