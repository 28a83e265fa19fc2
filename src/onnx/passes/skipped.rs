//! Why a node stays as it is that could have become others.

use crate::onnx::Error;

/// The end of a sentence about a node.
#[derive(Debug)]
pub struct Skipped(pub String);

impl From<Error> for Skipped {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Skipped {
    fn from(why: &str) -> Self {
        Self(why.into())
    }
}
