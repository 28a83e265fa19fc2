//! Which commands can act in the present state, and why the others cannot: no key does nothing in silence.

use super::super::app::{App, Panel, Shown};
use super::super::browser::Tab;
use super::super::command::{COMMANDS, Command, Context};
use super::super::popup::Popup;
use super::super::tree::Row;
use super::{context, photo};
use crate::ascent::settings::{KNOBS, PRESETS};
use crate::runs::queue::JobState;

/// Whether a command belongs to what has the focus. The palette offers these.
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

/// Whether a command may be given while a popup is open.
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
        Popup::Settings { .. } => {
            let plans = matches!(
                command,
                Command::Settings | Command::NextPreset | Command::NewSeed | Command::ResetSeed
            );
            plans || command.entry().context == Context::Settings
        }
        Popup::Help { .. } => matches!(command, Command::Search | Command::Accept),
        Popup::Details { .. } => matches!(
            command,
            Command::Favourite | Command::CopyCommand | Command::CopyPath | Command::Accept
        ),
        Popup::Photo(_) => {
            let general = matches!(command, Command::Left | Command::Right | Command::Search);
            general || command.entry().context == Context::Photo
        }
        Popup::Compare(_) => matches!(command, Command::Blink | Command::Accept),
        Popup::Palette(_) | Popup::Models(_) | Popup::Messages { .. } => command == Command::Accept,
    };
    is_general || is_own
}

/// Why a command would do nothing in the present state; `None` if it acts, or says more itself.
pub fn refusal(app: &App, command: Command) -> Option<String> {
    let key = |command| app.key(command);
    match app.popups.last() {
        Some(Popup::Settings { .. }) if command.entry().context == Context::Settings => {
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
    if let Some(why) = photo::refusal(app, command) {
        return Some(why);
    }
    let why = match command {
        Command::Left | Command::Right => sideways(app),
        Command::NextPanel
        | Command::PreviousPanel
        | Command::Mark
        | Command::MarkRange
        | Command::MarkAll
        | Command::MarkRun
        | Command::MarkRunRange
        | Command::FoldAll
        | Command::AllLayers
            if app.zoomed =>
        {
            let zoom = key(Command::Zoom);
            return Some(format!(
                "the picture has the whole screen: {zoom} brings the panels back"
            ));
        }
        Command::NextPanel | Command::PreviousPanel if app.queue.jobs().is_empty() => {
            Some("the queue is empty: there is no other panel")
        }
        Command::Back if has_nothing_to_close(app) => {
            return Some(format!("nothing to close; {} quits", key(Command::Quit)));
        }
        Command::ResetSeed if app.plan.seed == 0 => Some("the seed is 0 already"),
        Command::Sweep => sweep(app),
        Command::Pause if !app.held && !app.paused && app.running.is_empty() => {
            Some("nothing is running")
        }
        Command::NextOverlay | Command::PreviousOverlay if !matches!(app.shown, Shown::Live(_)) => {
            Some("overlays are available only while a running picture is shown")
        }
        Command::WatchNext if app.running.is_empty() => Some("nothing is running"),
        Command::FoldAll if app.browser.tab != Tab::Layers || app.browser.channels.is_some() => {
            Some("only the tree of layers can be folded")
        }
        Command::Run
        | Command::RunNot
        | Command::Mark
        | Command::MarkRange
        | Command::MarkAll
        | Command::MarkRun
        | Command::MarkRunRange
            if app.browser.list().is_empty() =>
        {
            Some("nothing is listed")
        }
        Command::Details
        | Command::Delete
        | Command::RunAgain
        | Command::EditSettings
        | Command::Export
            if app.selected_entry().is_none() =>
        {
            Some("no finished run is selected")
        }
        Command::Watch
        | Command::Cancel
        | Command::MoveUp
        | Command::MoveDown
        | Command::Retry
        | Command::Clear
            if app.queue.jobs().is_empty() =>
        {
            Some("the queue is empty")
        }
        Command::Retry if !is_failed(app) => Some("only a failed run can be retried"),
        _ => None,
    };
    why.map(String::from)
}

fn settings(app: &App, command: Command) -> Option<&'static str> {
    let Some(Popup::Settings { cursor }) = app.popups.last() else {
        return None;
    };
    let knob = KNOBS.get(*cursor)?;
    let is_default = app.plan.settings.get(knob.key) == Some(knob.default());
    match command {
        Command::ResetValue if is_default => Some("it has its default already"),
        Command::ResetAll if app.plan.title() == PRESETS[0].name => {
            Some("every setting has its default already")
        }
        _ => None,
    }
}

/// Whether the selected run of the queue failed.
fn is_failed(app: &App) -> bool {
    let job = app.queue.jobs().get(app.queue_cursor);
    job.is_some_and(|job| matches!(job.state, JobState::Failed(_)))
}

fn sideways(app: &App) -> Option<&'static str> {
    if matches!(app.popups.last(), Some(Popup::Photo(_))) {
        return None;
    }
    let is_tree =
        app.popups.is_empty() && app.focus == Panel::Browser && app.browser.tab == Tab::Layers;
    (!is_tree).then_some("only layers and channels have something to the left and to the right")
}

fn has_nothing_to_close(app: &App) -> bool {
    let browser = &app.browser;
    app.popups.is_empty()
        && !app.zoomed
        && app.focus == Panel::Browser
        && browser.list().mark_count() == 0
        && browser.channels.is_none()
        && browser.search().is_empty()
}

fn sweep(app: &App) -> Option<&'static str> {
    let browser = &app.browser;
    if app.in_history() {
        return Some("a sweep runs a class, a channel or a layer: select one first");
    }
    let is_tree = browser.tab == Tab::Layers && browser.channels.is_none();
    let is_scope = is_tree && matches!(browser.selected_row(), Some(Row::Scope(_)));
    (is_scope && browser.layers.mark_count() == 0)
        .then_some("a scope is not run: unfold it and select a layer")
}
