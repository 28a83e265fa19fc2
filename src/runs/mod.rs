//! What a run is, and the store of finished ones.
//!
//! - [`spec`]: everything that decides a picture, in one canonical form with an id
//! - [`queue`]: runs that are to be made, kept on disk
//! - [`batch`]: runs that step together, from specs to records; [`checkpoint`]: one at rest, on disk
//! - [`worker`]: the thread that makes the pictures, for the explorer
//! - [`target`]: what a run climbs, said by people
//! - [`export`]: the picture file, which carries its spec, and what lies beside it
//! - [`history`]: one folder a run, so that an identical request is answered at once
//!
//! Used by the command line and the explorer; knows nothing of either.

pub mod batch;
pub mod checkpoint;
pub mod export;
pub mod history;
pub mod queue;
pub mod spec;
pub mod target;
pub mod worker;

pub use history::{Ended, Record};
pub use spec::Spec;
pub use target::Target;

use std::path::PathBuf;

/// What can go wrong in this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{}: it carries no settings of Ziggurat's; only pictures that `ziggurat run` wrote do", .0.display())]
    NoSpec(PathBuf),
    /// Nothing moves the picture.
    #[error(
        "{0}: the gradient is exactly 0 wherever the start is; try another seed, or noise = 0.5"
    )]
    Dead(String),
    #[error(transparent)]
    Ascent(#[from] crate::ascent::Error),
}

impl Error {
    /// Whether an ascent was only stopped.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Ascent(problem) if problem.is_stop())
    }

    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        |source| Self::File { path, source }
    }
}
