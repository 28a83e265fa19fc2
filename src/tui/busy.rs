//! Consecutive runs: how many are done, and the summary for a notification.

use crate::text::counted;
use std::time::Duration;

/// Runs without a pause between them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Busy {
    /// When the first started, since the program's start.
    pub since: Duration,
    pub finished: usize,
    pub failed: usize,
    /// The target of the last run that ended.
    pub last: String,
}

impl Busy {
    /// Records that a run finished or failed.
    pub fn ended(&mut self, target: &str, is_finished: bool) {
        match is_finished {
            true => self.finished += 1,
            false => self.failed += 1,
        }
        self.last = target.into();
    }

    /// The notification when all are done; `None` if all were cancelled.
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
