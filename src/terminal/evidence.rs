//! What is known about a terminal: the environment, its responses, tmux.

use super::environment::Environment;
use super::responses::Responses;
use super::tmux::Pane;

/// The evidence about a terminal.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub environment: Environment,
    pub has_terminal: bool,
    pub answers: Responses,
    /// The pane, if the program runs in tmux.
    pub pane: Option<Pane>,
    /// The cell size computed from the window's size in pixels, as reported by the system.
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
