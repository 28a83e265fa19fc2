//! The errors of an ascent.

/// Why an ascent cannot start or continue; one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The objective cannot be differentiated.
    #[error("{what} cannot be visualised: {source}")]
    NotDifferentiable {
        what: String,
        source: crate::autodiff::Error,
    },
    /// The unit does not exist.
    #[error("{0}")]
    NoSuchUnit(String),
    /// The network has no class scores.
    #[error("the model has no class scores: {0}")]
    NoClassScores(String),
    /// A batch size is requested of a model that has another one.
    #[error("the model's batch size is fixed: no other one can be set")]
    FixedBatch,
    /// The target has no class activation map.
    #[error("{0}")]
    NoMap(String),
    /// The network's output is not finite.
    #[error("the network's scores for this picture are not finite numbers{}", .0.as_ref().map_or(String::new(), |layer| format!(": the first layer with a value that is not finite is {layer}")))]
    NotFinite(Option<String>),
    /// The activations of a layer for a picture are not finite.
    #[error("the activations of {0} for this picture are not finite numbers")]
    NotFiniteLayer(String),
    /// A result of a step is not finite.
    #[error("the {what} is not a finite number at step {step}: {at}")]
    Diverged {
        /// `score`, `gradient` or `probability`.
        what: &'static str,
        /// The run of the batch, from 0.
        run: usize,
        /// Steps taken, including the last one.
        step: usize,
        /// The first layer that is not finite, or a remedy.
        at: String,
    },
    /// Runs that cannot share a batch.
    #[error("runs of one batch must agree on {0}")]
    Mismatch(&'static str),
    /// A saved state that does not belong to the runs.
    #[error("the saved ascent does not belong to these runs: its {0} does not match")]
    StateMismatch(&'static str),
    #[error(transparent)]
    Setting(#[from] super::settings::SettingError),
    #[error(transparent)]
    Network(#[from] crate::model::Error),
    #[error(transparent)]
    Graph(#[from] crate::onnx::Error),
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
}

impl Error {
    /// Whether the ascent was cancelled by its [`crate::runtime::CancelHandle`].
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Runtime(crate::runtime::Error::Stopped))
    }
}
