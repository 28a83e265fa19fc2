//! Actions that can be undone.

use super::next_run::NextRun;
use crate::runs::queue::Job;

/// Maximum number of actions that can be undone.
pub const MAX_UNDOABLE: usize = 100;

/// Something that can be undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Undoable {
    /// Runs that were deleted.
    Removed(Vec<String>),
    /// Replaced settings.
    Settings {
        /// Hash of the model that they were for; `None` if none was open yet.
        model: Option<String>,
        before: Box<NextRun>,
    },
    /// Runs that were cleared from the queue or cancelled.
    Cleared(Vec<Job>),
}
