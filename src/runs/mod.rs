//! Runs: what determines them, how they are made, and the store of finished ones.
//!
//! - [`spec`]: everything that determines a picture, in one canonical form with an id
//! - [`queue`]: runs that wait, stored on disk
//! - [`batch`]: runs that step together, from specs to records; [`checkpoint`]: a batch between two steps, on disk
//! - [`driver`]: what the command line and the worker do alike with a batch: look up, step, judge, retry
//! - [`worker`]: the thread that makes runs for the explorer
//! - [`target`]: the target of a run, from text; [`target_list`]: many of them, from a file or a layer; [`transfer`]:
//!   the same target in another model
//! - [`shard`]: the runs of one of several processes that share a list
//! - [`picture_file`]: a PNG file that carries its spec
//! - [`export`]: contact sheets, animations and HTML pages of runs
//! - [`history`]: one folder per finished run, so that an identical request is answered at once
//! - [`presets`]: named settings, built-in and of the user
//! - [`judging`]: how other models classify finished pictures
//! - [`description`], [`comparison`]: descriptions of one run, and of several side by side; [`format`](mod@format):
//!   numbers and dates as text
//! - [`favourites`]: runs that the user saves to a folder of pictures
//!
//! Used by the command line and the explorer; depends on neither.

pub mod batch;
pub mod checkpoint;
pub mod comparison;
pub mod description;
pub mod driver;
pub mod export;
pub mod favourites;
pub mod format;
pub mod frames;
pub mod history;
pub mod judging;
pub mod picture_file;
pub mod presets;
pub mod queue;
pub mod shard;
pub mod spec;
pub mod target;
pub mod target_list;
pub mod transfer;
pub mod worker;

pub use history::{EndReason, Record};
pub use spec::{BranchError, BranchPoint, Spec};
pub use target::Target;

use crate::text::quoted;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Errors of this module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("the disk is full: free some space on it, or set ZIGGURAT_HOME to a folder on another one ({})", .0.display())]
    Full(PathBuf),
    /// The disk of a folder that the user chose is full.
    #[error("{}: the disk is full: free some space on it, or choose a folder on another one", .0.display())]
    FullElsewhere(PathBuf),
    /// A file has the wrong content.
    #[error("{}: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{}: it carries no settings of Ziggurat's; only pictures that `ziggurat run` wrote do", .0.display())]
    NoSpec(PathBuf),
    /// The gradient is zero: nothing changes the picture.
    #[error(
        "{0}: the gradient is exactly 0 wherever the start is; try another seed, or noise = 0.5"
    )]
    Dead(String),
    /// A score, a gradient or a picture stopped being finite.
    #[error("{target}: {problem}")]
    Diverged {
        target: String,
        problem: Box<crate::ascent::Error>,
    },
    /// A run that an earlier version queued.
    #[error(
        "{target}: it was queued for method {method} of an earlier version, whose settings have no meaning today; cancel it and run it again"
    )]
    Former { target: String, method: u32 },
    #[error(transparent)]
    Ascent(#[from] crate::ascent::Error),
    #[error("{} is not a run id: ids are 16 hexadecimal digits, and their first few are enough", quoted(.0))]
    NotAnId(String),
    #[error("no run has an id that begins with {0}; `ziggurat history list` shows the ids")]
    NoRun(String),
    #[error("{prefix} is the beginning of several ids: {candidates}; give more digits")]
    Ambiguous { prefix: String, candidates: String },
    #[error(
        "the run {0} was made again since it was removed, and stays as it is; remove it first to get the former one back"
    )]
    MadeAgain(String),
    #[error("nothing is removed that could be restored")]
    NothingRemoved,
    #[error("{}: another Ziggurat has held this lock for ten seconds; end it, or let it go on, and try again", .0.display())]
    Busy(PathBuf),
    #[error(
        "no frames of the run {0} were kept, so there is nothing to animate; runs in the explorer keep them"
    )]
    NoFrames(String),
    #[error("{0}")]
    Export(String),
}

impl Error {
    /// The error of the device or of ONNX Runtime, if it is one.
    pub fn of_runtime(&self) -> Option<&crate::runtime::Error> {
        match self {
            Self::Ascent(crate::ascent::Error::Runtime(problem)) => Some(problem),
            _ => None,
        }
    }

    /// How many of `runs` that stepped together may succeed: half of them if the device's memory
    /// was too small for all, one if a run diverged, which fails the others with it. `None` for
    /// other errors, or if there was one run.
    pub fn fewer_that_may_succeed(&self, runs: usize) -> Option<usize> {
        let fewer = match (self, self.of_runtime()) {
            (_, Some(crate::runtime::Error::NoMemory { .. })) => runs / 2,
            (Self::Diverged { .. }, _) => 1,
            _ => return None,
        };
        (runs > 1).then_some(fewer)
    }

    /// Whether the same may succeed later: the disk or another process was in the way.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::File { .. } | Self::Full(_) | Self::FullElsewhere(_) | Self::Busy(_)
        )
    }

    /// Whether the ascent was interrupted, which is no failure.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Ascent(problem) if problem.is_stop())
    }

    /// The error of a file outside of Ziggurat's own folders: `ZIGGURAT_HOME` does not move it to another disk.
    #[must_use]
    pub fn of_chosen_folder(self) -> Self {
        match self {
            Self::Full(path) => Self::FullElsewhere(path),
            other => other,
        }
    }

    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::File { path, source },
        }
    }
}

/// Writes a file atomically: it appears complete or not at all.
///
/// # Errors
/// [`Error::File`], [`Error::Full`].
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    crate::files::write(path, bytes).map_err(Error::file(path))
}

#[cfg(test)]
mod error_tests {
    use super::Error;
    use crate::ascent;
    use crate::runtime::{self, Device};

    #[test]
    fn a_full_disk_is_named_with_the_remedy_of_its_folder() {
        let full = || {
            let path = std::path::Path::new("pictures/a.png");
            Error::file(path)(std::io::ErrorKind::StorageFull.into())
        };
        let own = full().to_string();
        assert!(own.contains("set ZIGGURAT_HOME") && own.ends_with("(pictures/a.png)"));
        assert_eq!(
            full().of_chosen_folder().to_string(),
            "pictures/a.png: the disk is full: free some space on it, or choose a folder on another one"
        );
    }

    #[test]
    fn batches_that_do_not_fit_are_halved_and_those_with_a_run_that_diverged_are_split() {
        let full = || -> Error {
            let reason = "CUDA failure 2: out of memory".into();
            let device = Device::Cuda(0);
            ascent::Error::Runtime(runtime::Error::NoMemory { device, reason }).into()
        };
        assert_eq!(full().fewer_that_may_succeed(8), Some(4));
        assert_eq!(full().fewer_that_may_succeed(3), Some(1));
        assert_eq!(full().fewer_that_may_succeed(1), None);
        let diverged = Error::Diverged {
            target: "goose".into(),
            problem: Box::new(ascent::Error::Runtime(runtime::Error::Stopped)),
        };
        assert_eq!(diverged.fewer_that_may_succeed(8), Some(1));
        assert_eq!(diverged.fewer_that_may_succeed(1), None);
        let other: Error = ascent::Error::Runtime(runtime::Error::Stopped).into();
        assert_eq!(other.fewer_that_may_succeed(8), None);
        assert!(
            full()
                .of_runtime()
                .is_some_and(runtime::Error::is_of_device)
        );
    }
}
