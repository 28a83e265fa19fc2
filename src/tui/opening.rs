//! How the network stands: being opened, open, or not to be opened.

use crate::runs::worker::Opened;
use std::sync::Arc;

/// How the network stands.
#[derive(Debug, Clone)]
pub enum Model {
    /// Being fetched or read.
    Opening {
        name: String,
        stage: String,
        bytes: Option<(u64, u64)>,
        /// The one that was open before, which stays if this one cannot be opened.
        before: Option<Arc<Opened>>,
    },
    Open(Arc<Opened>),
    Failed {
        name: String,
        why: String,
    },
}

impl Model {
    /// The network, if it is open.
    pub fn opened(&self) -> Option<&Arc<Opened>> {
        match self {
            Self::Open(opened) => Some(opened),
            _ => None,
        }
    }
}
