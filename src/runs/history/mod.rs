//! The history: one folder per run, `history/<id>/`, shared by all processes that use the same home.
//!
//! | file | contents |
//! |---|---|
//! | `run.json` | the [`Record`]: spec, scores, provider, versions, why it ended |
//! | `image.png` | the picture, with the spec in a text chunk |
//! | `frames.zip` | the animation, as small JPEG pictures; only if frames were recorded |
//! | `favourite` | an empty file; exists if the run is a favourite |
//!
//! A folder appears, is replaced and disappears in one rename, so a process that is killed leaves only complete runs.
//! Its temporary folders have names that begin with a dot, and are removed by [`mod@scan`] and [`mod@verify`].
//! Renames happen under a lock on `history/.lock`; reading needs no lock. Processes that make runs claim them in
//! `history/.claims/`, so that they share the work and not the same run.
//!
//! - [`record`]: the record of a run
//! - [`store`]: saves, finds and reads runs
//! - [`mod@entry`], [`mod@scan`]: summaries of runs, and a fast listing of all of them
//! - [`claims`]: which process is making which run
//! - [`query`]: filters and orders of entries
//! - [`trash`]: removed runs, which can be restored until they are purged
//! - [`mod@verify`]: reads every file and reports damaged ones
//!
//! Used by the command line, the worker and the explorer.

pub mod claims;
pub mod entry;
mod lock;
pub mod naming;
mod paths;
pub mod query;
pub mod record;
pub mod scan;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;
pub mod trash;
pub mod verify;

pub use claims::Claim;
pub use entry::HistoryEntry;
pub use naming::Naming;
pub use paths::{frames_path, image_in, image_path, record_path, resolve};
pub use query::{Filter, SortKey, SortOrder};
pub use record::{EndReason, REACHED, Record};
pub use scan::{ScanSummary, scan};
pub use store::{add_verdicts, entry, find, find_by_any, read, save, set_favourite, write_pair};
pub use trash::{purge_removed, remove, removed, restore, undo};
pub use verify::{Verified, verify};
