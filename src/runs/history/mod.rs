//! The store of runs on disk: one folder a run, `history/<id>/`, shared by every Ziggurat that uses the same home.
//!
//! | file | what it holds |
//! |---|---|
//! | `run.json` | the [`Record`]: spec, scores, provider, versions, why it ended |
//! | `image.png` | the picture, with the spec in a text chunk |
//! | `frames.zip` | how the picture grew, as small JPEG pictures; only where frames were kept |
//! | `favourite` | an empty file; there if the user likes the run |
//!
//! A folder appears, is replaced and goes in one rename, so a program that is killed leaves whole runs only. What a
//! killed program leaves beside them has a name that begins with a dot, and is cleaned up by [`mod@scan`] and [`mod@verify`].
//! Renames happen under a lock on `history/.lock`; reading needs no lock.
//!
//! - [`record`]: what is known of a run, and why it ended
//! - [`store`]: saves, finds and reads runs
//! - [`mod@entry`], [`mod@scan`]: a run in few words, and all of them in a fraction of a second
//! - [`query`]: filters and orders of entries
//! - [`trash`]: removed runs, which can be restored until they are purged
//! - [`mod@verify`]: looks at every byte, and tells what is not whole
//!
//! Used by the command line, the worker and the explorer.

pub mod entry;
mod lock;
pub mod naming;
mod paths;
pub mod query;
pub mod record;
pub mod scan;
pub mod store;
#[cfg(test)]
pub(super) mod testing;
pub mod trash;
pub mod verify;

pub use entry::HistoryEntry;
pub use naming::Naming;
pub use paths::{frames_path, image_in, image_path, resolve};
pub use query::{Filter, Order, SortKey};
pub use record::{EndReason, REACHED, Record};
pub use scan::{ScanSummary, scan};
pub use store::{add_verdicts, entry, find, read, save, set_favourite, write_pair};
pub use trash::{purge_removed, remove, removed, restore, undo};
pub use verify::{Verified, verify};
