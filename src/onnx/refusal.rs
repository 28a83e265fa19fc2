//! Why a node stays as it is that could have become others.

use super::Error;

/// The end of a sentence about a node.
#[derive(Debug)]
pub struct Refusal(pub String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self(why.into())
    }
}
