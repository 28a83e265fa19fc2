//! Which commands can act in the current state, and the reason if one cannot: no key is ignored silently.

use super::{album, branch, browser, context, notes, overlay, photo, queue};
use crate::ascent::settings::PRESETS;
use crate::runs::queue::JobState;
use crate::tui::app::{App, Panel};
use crate::tui::browser::Tab;
use crate::tui::command::{COMMANDS, Command, Context};
use crate::tui::layer_tree::Row;
use crate::tui::list_state::Motion;
use crate::tui::popup::Popup;
use crate::tui::showing::Showing;

/// Whether a command belongs to the focused context. The palette offers these.
pub fn is_offered(app: &App, command: Command) -> bool {
    let own = command.entry().context;
    let is_near = own == Context::Everywhere || own == context(app);
    is_near && app.popups.last().is_none_or(|top| takes(top, command))
}

/// The commands that are offered, as indices into [`COMMANDS`].
pub fn offered(app: &App) -> Vec<usize> {
    let commands = COMMANDS.iter().enumerate();
    commands
        .filter(|(_, entry)| is_offered(app, entry.command))
        .map(|(index, _)| index)
        .collect()
}

/// Whether a command is available while a popup is open.
fn takes(popup: &Popup, command: Command) -> bool {
    let is_general = matches!(
        command,
        Command::Up
            | Command::Down
            | Command::PageUp
            | Command::PageDown
            | Command::Top
            | Command::Bottom
            | Command::Back
            | Command::Pause
            | Command::NextTheme
            | Command::Messages
            | Command::Help
            | Command::Palette
            | Command::Redraw
            | Command::Suspend
            | Command::Quit
            | Command::OpenPhoto
    );
    let is_own = match popup {
        Popup::Settings(_) => {
            let plans = matches!(
                command,
                Command::Settings
                    | Command::NextPreset
                    | Command::NewSeed
                    | Command::ResetSeed
                    | Command::Branch
                    | Command::Undo
                    | Command::Search
            );
            plans || command.entry().context == Context::Settings
        }
        Popup::Help { .. } => matches!(command, Command::Search | Command::Accept),
        Popup::Details { .. } => matches!(
            command,
            Command::Favourite | Command::CopyCommand | Command::CopyPath | Command::Accept
        ),
        Popup::Photos => command == Command::Search || command.entry().context == Context::Photos,
        Popup::Photo(_) => {
            let general = matches!(command, Command::Left | Command::Right | Command::Search);
            general || command.entry().context == Context::Photo
        }
        Popup::Compare(_) => matches!(command, Command::Blink | Command::Accept),
        Popup::Palette(_) | Popup::Models(_) | Popup::Messages { .. } => command == Command::Accept,
    };
    is_general || is_own
}

/// Why a command cannot act in the current state; `None` if it acts, or reports more itself.
pub fn refusal(app: &App, command: Command) -> Option<String> {
    let key = |command| app.key(command);
    match app.popups.last() {
        Some(Popup::Settings(_)) if command.entry().context == Context::Settings => {
            return settings(app, command).map(String::from);
        }
        Some(popup) if !takes(popup, command) => {
            return Some(match command {
                Command::Blink => "nothing is compared".into(),
                _ => format!("close this panel first: {}", key(Command::Back)),
            });
        }
        _ => {}
    }
    if let Some(why) = photo::refusal(app, command).or_else(|| album::refusal(app, command)) {
        return Some(why);
    }
    let why = match command {
        Command::Left | Command::Right => sideways(app),
        Command::NextPanel
        | Command::PreviousPanel
        | Command::Mark
        | Command::MarkRange
        | Command::MarkAll
        | Command::MarkAllRuns
        | Command::MarkRun
        | Command::MarkRunRange
        | Command::FoldAll
        | Command::AllLayers
            if app.zoomed =>
        {
            let zoom = key(Command::Zoom);
            return Some(format!("full screen: {zoom} brings the panels back"));
        }
        Command::NextPanel | Command::PreviousPanel if app.queue.jobs().is_empty() => {
            Some("the queue is empty: there is no other panel")
        }
        Command::NextPanel | Command::PreviousPanel if app.is_grid() => {
            let grid = key(Command::Grid);
            return Some(format!("full-screen grid: {grid} brings the panels back"));
        }
        Command::Larger | Command::Smaller if app.zoomed && app.shown_picture().is_none() => {
            match app.shown {
                Showing::Batch(_) => return Some(notes::several(app)),
                _ => Some("there is no picture to magnify"),
            }
        }
        Command::Larger | Command::Smaller if !app.zoomed && !app.is_grid() => {
            let (grid, zoom) = (key(Command::Grid), key(Command::Zoom));
            return Some(format!(
                "this resizes the cells of the grid ({grid}) and the full-screen picture ({zoom})"
            ));
        }
        Command::Grid | Command::Atlas if app.model.opened().is_none() && !app.in_history() => {
            Some(notes::NO_MODEL)
        }
        Command::SortCells | Command::ExportCells
            if app.browser.tab == Tab::Layers && app.browser.channels.is_none() =>
        {
            return Some(format!(
                "open the channels of a layer first: {}",
                key(Command::Right)
            ));
        }
        Command::ExportCells if !has_picture(app) => Some("none of them has a picture yet"),
        Command::Back if has_nothing_to_close(app) => {
            return Some(format!("nothing to close; {} quits", key(Command::Quit)));
        }
        Command::ResetSeed if app.next_run.seed == 0 => Some("the seed is already 0"),
        Command::Sweep => sweep(app),
        Command::Pause if queue::rests(app) => None,
        Command::Pause if !app.awaiting_confirmation && !app.paused && app.running.is_empty() => {
            Some("nothing is running")
        }
        Command::Branch => return branch::refusal(app),
        Command::NextOverlay | Command::PreviousOverlay => overlay::refusal(app),
        Command::WatchNext if app.running.is_empty() => Some("nothing is running"),
        Command::WatchNext
            if app.running.len() == 1 && app.shown == Showing::Running(app.running[0].job) =>
        {
            Some("no other run is active")
        }
        Command::Watch if is_watched(app) => Some("already shown"),
        Command::FoldAll if app.browser.is_searching_layers() => {
            Some("search results have no folders: leave the search first")
        }
        Command::Replay if !matches!(app.shown, Showing::Finished(_)) => {
            Some("no finished picture is shown")
        }
        Command::FoldAll if app.browser.tab != Tab::Layers || app.browser.channels.is_some() => {
            Some("only the tree of layers can be folded")
        }
        Command::Run
        | Command::RunNot
        | Command::Atlas
        | Command::Grid
        | Command::SortCells
        | Command::RunElsewhere
        | Command::Mark
        | Command::MarkRange
        | Command::MarkAll
        | Command::MarkAllRuns
        | Command::MarkRun
        | Command::MarkRunRange
            if app.browser.list().is_empty() =>
        {
            Some("nothing is listed")
        }
        Command::Details
        | Command::Delete
        | Command::RunAgain
        | Command::RunAgainElsewhere
        | Command::EditSettings
        | Command::Export
            if app.selected_entry().is_none() =>
        {
            Some("no finished run is selected")
        }
        Command::RunElsewhere => scope(app),
        Command::Watch
        | Command::Cancel
        | Command::MoveUp
        | Command::MoveDown
        | Command::Retry
        | Command::Clear
            if app.queue.jobs().is_empty() =>
        {
            let text = match app.focus {
                Panel::Queue => format!(
                    "the queue is empty: {} returns to the list",
                    key(Command::Back)
                ),
                Panel::Browser => "the queue is empty".into(),
            };
            return Some(text);
        }
        Command::Clear if app.queue.jobs().len() == app.running.len() => {
            return Some(format!(
                "only active runs are left: {} cancels the selected one",
                key(Command::Cancel)
            ));
        }
        Command::Retry if !is_idle(app) => Some("this run neither failed nor is it paused"),
        _ => None,
    };
    why.map(String::from)
}

fn settings(app: &App, command: Command) -> Option<&'static str> {
    let Some(Popup::Settings(knobs)) = app.popups.last() else {
        return None;
    };
    let is_of_one = matches!(
        command,
        Command::EditValue | Command::Increase | Command::Decrease | Command::ResetValue
    );
    let Some(knob) = knobs.selected() else {
        return is_of_one.then_some("no setting matches the filter");
    };
    let is_default = app.next_run.settings.get(knob.key) == Some(knob.default());
    match command {
        Command::ResetValue if is_default => Some("already at its default"),
        Command::ResetAll if app.next_run.title() == PRESETS[0].name => {
            Some("every setting is already at its default")
        }
        _ => None,
    }
}

/// Whether the selected run of the queue failed or is paused.
fn is_idle(app: &App) -> bool {
    let job = app.queue.jobs().get(app.queue_cursor);
    job.is_some_and(|job| matches!(job.state, JobState::Failed(_) | JobState::Paused(_)))
}

/// Whether the selected run of the queue is shown.
fn is_watched(app: &App) -> bool {
    let job = app.queue.jobs().get(app.queue_cursor);
    job.is_some_and(|job| app.shown == Showing::Running(job.id))
}

fn sideways(app: &App) -> Option<&'static str> {
    if browser::sideways(app, Motion::Left).is_some() {
        return None;
    }
    let is_tree =
        app.popups.is_empty() && app.focus == Panel::Browser && app.browser.tab == Tab::Layers;
    (!is_tree).then_some("only layers and channels have something to the left and to the right")
}

/// Whether one of the marked or listed items has a picture.
fn has_picture(app: &App) -> bool {
    let hash = app.model.opened().map(|opened| opened.hash.as_str());
    if !app.in_history() && !hash.is_some_and(|hash| app.history.has_run_of(hash)) {
        return false;
    }
    let list = app.browser.list();
    let marked = |item: &&usize| list.mark_count() == 0 || list.is_marked(**item);
    let mut items = list.rows().iter().filter(marked);
    items.any(|&item| app.entry_of(item).is_some())
}

fn has_nothing_to_close(app: &App) -> bool {
    let browser = &app.browser;
    app.popups.is_empty()
        && !app.zoomed
        && !app.is_grid()
        && app.focus == Panel::Browser
        && browser.list().mark_count() == 0
        && browser.channels.is_none()
        && browser.search().is_empty()
}

fn sweep(app: &App) -> Option<&'static str> {
    if app.in_history() {
        return Some("a sweep runs a class, a channel or a layer: select one first");
    }
    scope(app)
}

/// Why nothing can be run if a scope is selected and nothing is marked.
fn scope(app: &App) -> Option<&'static str> {
    let browser = &app.browser;
    let is_tree = browser.tab == Tab::Layers && browser.channels.is_none();
    let is_scope = is_tree && matches!(browser.selected_row(), Some(Row::Scope(_)));
    (is_scope && browser.layers.mark_count() == 0)
        .then_some("a scope is not run: unfold it and select a layer")
}
