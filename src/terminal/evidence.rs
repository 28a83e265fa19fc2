//! What is known about a terminal: the environment, its responses, tmux.

use super::environment::Environment;
use super::responses::Responses;
use super::tmux::Pane;

/// All that is known of a terminal.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub environment: Environment,
    pub has_terminal: bool,
    pub answers: Responses,
    /// What tmux says, if the program runs in it.
    pub pane: Option<Pane>,
    /// The cell by the system's size of the window in pixels.
    pub window_cell: Option<(u16, u16)>,
}

impl Evidence {
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            ..Self::default()
        }
    }
}
