//! State of the network: being opened, open, or failed.

use crate::runs::worker::ModelInfo;
use std::sync::Arc;

/// State of the network.
#[derive(Debug, Clone)]
pub enum Model {
    /// Being fetched or read.
    Opening {
        name: String,
        stage: String,
        bytes: Option<(u64, u64)>,
        /// The model that was open before and remains open if this one fails.
        before: Option<Arc<ModelInfo>>,
    },
    Open(Arc<ModelInfo>),
    Failed {
        name: String,
        why: String,
    },
}

impl Model {
    /// The network, if it is open.
    pub fn opened(&self) -> Option<&Arc<ModelInfo>> {
        match self {
            Self::Open(opened) => Some(opened),
            _ => None,
        }
    }

    /// The network that is open, or that stays if the one being opened cannot be.
    pub fn fallback(&self) -> Option<&Arc<ModelInfo>> {
        match self {
            Self::Open(opened) => Some(opened),
            Self::Opening { before, .. } => before.as_ref(),
            Self::Failed { .. } => None,
        }
    }
}
