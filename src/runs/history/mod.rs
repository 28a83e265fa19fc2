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
//! - [`removal`]: removes runs, with undo
//! - [`mod@verify`]: looks at every byte, and tells what is not whole
//!
//! Used by the command line, the worker and the explorer.

pub mod entry;
mod layout;
mod lock;
pub mod naming;
pub mod query;
pub mod record;
pub mod removal;
pub mod scan;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;
pub mod verify;

pub use entry::Entry;
pub use layout::{frames_path, image_in, image_path, resolve};
pub use naming::Naming;
pub use query::{Filter, Order, SortKey};
pub use record::{Ended, REACHED, Record};
pub use removal::{purge_removed, remove, removed, restore, undo};
pub use scan::{Scanned, scan};
pub use store::{add_verdicts, entry, find, read, save, set_favourite, write_pair};
pub use verify::{Verified, verify};
