//! Messages used in several places.

use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::messages::Level;

/// Why what needs an open network is refused.
pub const NO_MODEL: &str = "no model is open yet";

/// Says that something needs an open network.
pub fn no_network(app: &mut App) {
    app.messages.say(Level::Warning, NO_MODEL, app.now);
}

/// Why nothing is done with one picture where several pictures are shown.
pub fn several(app: &App) -> String {
    let next = app.key(Command::WatchNext);
    format!("several pictures are shown: {next} shows one of them")
}

/// What to say of more photos than are listed.
pub fn first_of(count: usize, all: usize) -> String {
    format!("the first {count} of {all} photos are listed")
}

/// Why there is nothing to go on to.
pub fn no_other(app: &App) -> String {
    let key = app.key(Command::OpenPhoto);
    format!("no other photo was opened: {key} opens one, or a folder of them")
}
