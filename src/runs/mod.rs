//! What a run is, and the store of finished ones.
//!
//! - [`spec`]: everything that decides a picture, in one canonical form with an id
//! - [`export`]: the picture file, which carries its spec, and what lies beside it
//! - [`history`]: one folder a run, so that an identical request is answered at once
//!
//! Used by the command line and the explorer; knows nothing of either.

pub mod export;
pub mod history;
pub mod spec;

pub use history::{Ended, Record};
pub use spec::Spec;

use std::path::PathBuf;

/// What can go wrong in this room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{}: it carries no settings of Ziggurat's; only pictures that `ziggurat run` wrote do", .0.display())]
    NoSpec(PathBuf),
}

impl Error {
    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        |source| Self::File { path, source }
    }
}
