//! Why a pass leaves a node unchanged.

use crate::onnx::Error;

/// The reason, in lower case, to follow the name of the node in a message.
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
