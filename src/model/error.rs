//! The errors of models, cards, classes and pictures.

use std::path::{Path, PathBuf};

use super::{ImageSize, zoo};

/// Why a model, card, class or picture is not available; one line that names it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is too large for its kind.
    #[error("{}: {bytes} bytes are too many for {what} (at most {most})", path.display())]
    TooLarge {
        path: PathBuf,
        what: &'static str,
        bytes: u64,
        most: u64,
    },
    /// A card is invalid.
    #[error("{card}: {why}")]
    Card { card: String, why: String },
    /// Neither a card nor a file has this name.
    #[error(
        "no model is called `{name}`{suggestion} (cards: {known}; for a file give a path or a name ending in .onnx)"
    )]
    UnknownModel {
        name: String,
        suggestion: String,
        known: String,
    },
    /// The file does not exist.
    #[error("{}: there is no such model file", .0.display())]
    NoModelFile(PathBuf),
    /// A list of class names cannot be used.
    #[error("{list}: {why}")]
    Classes { list: String, why: String },
    /// No class has this name.
    #[error("no class is called `{name}`{suggestion}")]
    UnknownClass { name: String, suggestion: String },
    /// Several classes have this name.
    #[error("`{name}` is the name of {} classes: say {}", indices.len(), one_of(indices))]
    AmbiguousClass { name: String, indices: Vec<usize> },
    /// The index is beyond the last class.
    #[error("class {index} does not exist: the model has {count} classes, 0 to {}", count.saturating_sub(1))]
    ClassOutOfRange { index: String, count: usize },
    /// The model has no image input.
    #[error("{}: no image input: {why}", path.display())]
    NoImageInput { path: PathBuf, why: String },
    /// The model does not work with the assumed image size.
    #[error(
        "{source}; the model leaves height and width open, and {sides} pixels were assumed: set the size with --input-size"
    )]
    AssumedSize {
        sides: ImageSize,
        source: Box<Error>,
    },
    /// ONNX Runtime accepts the file, but rejects the graph after the passes, and skipping optional passes does not
    /// help.
    #[error(
        "ONNX Runtime opens the file, but not the graph after Ziggurat's passes (because of the pass upgrade, or of the image size): {why}"
    )]
    Passes { why: String },
    /// The value of an input other than the image is unknown or invalid.
    #[error("{}: {why}", path.display())]
    FurtherInput { path: PathBuf, why: String },
    /// The model has no class scores.
    #[error("{}: no class scores: {why}", path.display())]
    NoClassScores { path: PathBuf, why: String },
    /// No layer has this name.
    #[error(
        "no layer is called {}; `ziggurat layers` lists them{suggestion}",
        crate::text::quoted(name)
    )]
    UnknownLayer { name: String, suggestion: String },
    /// A picture could not be decoded.
    #[error("{}: {why}", path.display())]
    Picture { path: PathBuf, why: String },
    /// The number of channels of the image input is not supported.
    #[error("the model takes {0} channels; supported are 1 (grey), 3 (colour) and up to 64")]
    Channels(usize),
    /// ONNX Runtime, or fetching a package, failed.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// Published weights could not be converted.
    #[error("{}: {source}", path.display())]
    Convert { path: PathBuf, source: zoo::Error },
    /// A model could not be read or written.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
}

impl Error {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        |source| Self::File { path, source }
    }

    /// Whether the model would crash ONNX Runtime.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Runtime(problem) => matches!(problem, crate::runtime::Error::NegativeSize { .. }),
            Self::AssumedSize { source, .. } => source.is_fatal(),
            _ => false,
        }
    }

    /// Whether ONNX Runtime rejects a graph.
    pub(super) fn is_refusal(&self) -> bool {
        use crate::runtime::Error::{Model, Run};
        match self {
            Self::Runtime(problem) => matches!(problem, Model { .. } | Run { .. }),
            Self::AssumedSize { source, .. } => source.is_refusal(),
            _ => false,
        }
    }

    /// The reason of a rejection, without the fact itself.
    pub(super) fn refusal(&self) -> String {
        match self {
            Self::Runtime(crate::runtime::Error::Model { reason }) => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Converts the rejection of a graph whose file is accepted. That of an assumed size is already specific.
    pub(super) fn of_passes(refusal: Self) -> Self {
        match refusal {
            Self::AssumedSize { .. } => refusal,
            refusal => Self::Passes {
                why: refusal.refusal(),
            },
        }
    }
}

fn one_of(indices: &[usize]) -> String {
    let words: Vec<String> = indices.iter().map(usize::to_string).collect();
    words.join(" or ")
}
