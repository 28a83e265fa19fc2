//! Runs that follow one another: how many are done, and what to tell of them.

use crate::text::counted;
use std::time::Duration;

/// Runs that follow one another without a rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Busy {
    /// When the first began, since the start.
    pub since: Duration,
    pub finished: usize,
    pub failed: usize,
    /// What the last one that ended was called.
    pub last: String,
}

impl Busy {
    /// A run is finished, or failed.
    pub fn ended(&mut self, target: &str, is_finished: bool) {
        match is_finished {
            true => self.finished += 1,
            false => self.failed += 1,
        }
        self.last = target.into();
    }

    /// What to tell when all are done; `None` if all were cancelled.
    pub fn summary(&self) -> Option<String> {
        let failed = |count| format!("{} failed", counted(count, "run"));
        match (self.finished, self.failed) {
            (0, 0) => None,
            (1, 0) => Some(format!("{} finished", self.last)),
            (finished, 0) => Some(format!("{} finished", counted(finished, "run"))),
            (0, 1) => Some(format!("{} failed", self.last)),
            (0, count) => Some(failed(count)),
            (finished, count) => Some(format!(
                "{} finished, {count} failed",
                counted(finished, "run")
            )),
        }
    }
}
