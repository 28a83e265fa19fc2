//! What can go wrong in this room.

/// Why an ascent cannot start or go on: one line.
#[derive(Debug, thiserror::Error)]
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
    /// The target has no class activation map.
    #[error("{0}")]
    NoMap(String),
    /// The network answered with something that is no number.
    #[error("the network's scores for this picture are not finite numbers{}", .0.as_ref().map_or(String::new(), |layer| format!(": the first layer with a value that is not finite is {layer}")))]
    NotFinite(Option<String>),
    /// A layer's activations for a given picture are no numbers.
    #[error("the activations of {0} for this picture are not finite numbers")]
    NotFiniteLayer(String),
    /// The ascent arrived at numbers that are not finite.
    #[error("the {what} is not a finite number at step {step}: {at}")]
    Diverged {
        /// `score`, `gradient` or `probability`.
        what: &'static str,
        /// Which run of the batch, from 0.
        run: usize,
        /// Steps taken, the last one included.
        step: usize,
        /// Where the numbers stop being finite, or what may help.
        at: String,
    },
    /// Runs that cannot share a batch.
    #[error("runs of one batch must agree on {0}")]
    Mismatch(&'static str),
    /// A saved ascent that is none of these runs'.
    #[error("the saved ascent does not belong to these runs: its {0} does not fit")]
    Foreign(&'static str),
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
    /// Whether the ascent was only stopped, by its [`crate::runtime::CancelHandle`].
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Runtime(crate::runtime::Error::Stopped))
    }
}
