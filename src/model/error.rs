//! What can go wrong in this room.

use std::path::{Path, PathBuf};

use super::{ImageSize, zoo};

/// Why a model, a card, a class or a picture could not be had: one line that names it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is larger than anything of its kind.
    #[error("{}: {bytes} bytes are too many for {what} (at most {most})", path.display())]
    TooLarge {
        path: PathBuf,
        what: &'static str,
        bytes: u64,
        most: u64,
    },
    /// A card does not say what it should.
    #[error("{card}: {why}")]
    Card { card: String, why: String },
    /// No card has this name and no file either.
    #[error(
        "no model is called `{name}`{suggestion} (cards: {known}; for a file give a path or a name ending in .onnx)"
    )]
    UnknownModel {
        name: String,
        suggestion: String,
        known: String,
    },
    /// The path leads to no file.
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
    ClassOutOfRange { index: usize, count: usize },
    /// The model takes no picture.
    #[error("{}: no image input: {why}", path.display())]
    NoImageInput { path: PathBuf, why: String },
    /// It does not work with pictures of the size that was assumed.
    #[error(
        "{source}; it leaves height and width open, and {sides} pixels were assumed: say others with --input-size"
    )]
    AssumedSize {
        sides: ImageSize,
        source: Box<Error>,
    },
    /// ONNX Runtime refuses what is made of a model that it takes, and no pass that can be left out is at fault.
    #[error(
        "ONNX Runtime opens the file, but not what Ziggurat makes of it (at fault is the pass upgrade, or the size of its pictures): {why}"
    )]
    Passes { why: String },
    /// What an input besides the picture holds is unknown, or cannot be.
    #[error("{}: {why}", path.display())]
    FurtherInput { path: PathBuf, why: String },
    /// The model gives no class scores.
    #[error("{}: no class scores: {why}", path.display())]
    NoClassScores { path: PathBuf, why: String },
    /// No layer has this name.
    #[error(
        "no layer is called {}; `ziggurat layers` lists them{suggestion}",
        crate::text::printable(name)
    )]
    UnknownLayer { name: String, suggestion: String },
    /// A picture could not be decoded.
    #[error("{}: {why}", path.display())]
    Picture { path: PathBuf, why: String },
    /// The model takes pictures without channels, or with more than any picture has.
    #[error("the model takes {0} channels: pictures have 1 (grey), 3 (colour) or up to 64")]
    Channels(usize),
    /// Published weights could not be fetched.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// Published weights could not be turned into a model.
    #[error("{}: {source}", path.display())]
    Convert { path: PathBuf, source: zoo::Error },
    /// The converted model could not be written.
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
}

impl Error {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        |source| Self::File { path, source }
    }

    /// Whether ONNX Runtime would end the process over the model.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Runtime(problem) => matches!(problem, crate::runtime::Error::NegativeSize { .. }),
            Self::AssumedSize { source, .. } => source.is_fatal(),
            _ => false,
        }
    }

    /// Whether ONNX Runtime refuses a graph.
    pub(super) fn is_refusal(&self) -> bool {
        use crate::runtime::Error::{Model, Run};
        match self {
            Self::Runtime(problem) => matches!(problem, Model { .. } | Run { .. }),
            Self::AssumedSize { source, .. } => source.is_refusal(),
            _ => false,
        }
    }

    /// What is said of a graph that is refused, without saying that it is.
    pub(super) fn refusal(&self) -> String {
        match self {
            Self::Runtime(crate::runtime::Error::Model { reason }) => reason.clone(),
            other => other.to_string(),
        }
    }

    /// The refusal of a graph whose file is not refused. That of an assumed size says enough.
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
