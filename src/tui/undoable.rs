//! What can be undone.

use super::plan::Plan;
use crate::runs::queue::Job;

/// Most deletions that can be undone.
pub const MAX_UNDOABLE: usize = 100;

/// Something that can be undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Undoable {
    /// Runs that were deleted.
    Removed(Vec<String>),
    /// Settings that others took the place of.
    Settings {
        /// The model that they were for, by its hash; `None` if none was open yet.
        model: Option<String>,
        before: Box<Plan>,
    },
    /// Runs that were cleared from the queue, or cancelled.
    Cleared(Vec<Job>),
}
