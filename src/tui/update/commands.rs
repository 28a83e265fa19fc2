//! The effect of each command.

use super::{
    album, atlas, availability, branch, browser, cam_layer, exports, history, models, overlay,
    photo, photos, picker, prompt, queue, settings, submission, transfer,
};
use crate::runs::worker::WorkerCommand;
use crate::tui::action::{Effect, ScreenRequest};
use crate::tui::app::{App, Panel};
use crate::tui::browser::Tab;
use crate::tui::command::{COMMANDS, Command};
use crate::tui::lens::Lens;
use crate::tui::list_state::Motion;
use crate::tui::messages::Level;
use crate::tui::popup::{Knobs, Offered, Palette, Popup, Purpose};
use crate::tui::prompt::{Prompt, PromptKind};
use crate::tui::showing::Showing;

/// Performs a command.
pub fn perform(app: &mut App, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Up => browser::move_cursor(app, Motion::Up),
        Command::Down => browser::move_cursor(app, Motion::Down),
        Command::Left => browser::left(app),
        Command::Right => browser::right(app),
        Command::PageUp => browser::move_cursor(app, Motion::PageUp),
        Command::PageDown => browser::move_cursor(app, Motion::PageDown),
        Command::Top => browser::move_cursor(app, Motion::Top),
        Command::Bottom => browser::move_cursor(app, Motion::Bottom),
        Command::NextPanel | Command::PreviousPanel => {
            app.focus = match app.focus {
                Panel::Browser => Panel::Queue,
                Panel::Queue => Panel::Browser,
            };
        }
        Command::TabLayers => browser::show_tab(app, Tab::Layers),
        Command::TabClasses => browser::show_tab(app, Tab::Classes),
        Command::TabHistory => browser::show_tab(app, Tab::History),
        Command::TabFavourites => browser::show_tab(app, Tab::Favourites),
        Command::NextTab => browser::cycle_tab(app, 1),
        Command::PreviousTab => browser::cycle_tab(app, Tab::ALL.len() - 1),
        Command::Search
            if matches!(
                app.popups.last(),
                Some(Popup::Help { .. } | Popup::Settings(_))
            ) =>
        {
            app.prompt = Some(Prompt::new(PromptKind::Filter, ""));
        }
        Command::Search if matches!(app.popups.last(), Some(Popup::Photo(_))) => {
            app.prompt = Some(Prompt::new(PromptKind::Layer, ""));
        }
        Command::Search if matches!(app.popups.last(), Some(Popup::Photos)) => album::search(app),
        Command::Search => {
            app.zoomed = false;
            app.focus = Panel::Browser;
            app.browser.channels = None;
            let before = app.browser.search().to_string();
            // Typing replaces the previous search.
            app.prompt = Some(Prompt::replacing(
                PromptKind::Search {
                    before: before.clone(),
                },
                &before,
            ));
        }
        Command::Back => browser::back(app),

        Command::Settings => toggle(app, Popup::Settings(Knobs::default())),
        Command::NextPreset => settings::next_preset(app),
        Command::NewSeed => settings::set_seed(app, app.next_run.seed.wrapping_add(1)),
        Command::ResetSeed => settings::set_seed(app, 0),
        Command::Sweep => app.prompt = Some(Prompt::new(PromptKind::Sweep, "")),

        Command::NextOverlay => overlay::cycle(app, true, effects),
        Command::PreviousOverlay => overlay::cycle(app, false, effects),
        Command::Zoom => {
            app.zoomed = !app.zoomed;
            app.lens = Lens::default();
        }
        Command::Replay => history::replay(app, effects),
        Command::Grid => browser::toggle_grid(app),
        Command::Larger => browser::resize(app, true),
        Command::Smaller => browser::resize(app, false),
        Command::Pause if app.awaiting_confirmation => queue::go_on(app),
        Command::Pause if queue::rests(app) => queue::resume_all(app, effects),
        Command::Branch => branch::branch(app, effects),
        Command::Pause => {
            let work = if app.paused {
                WorkerCommand::Resume
            } else {
                WorkerCommand::Pause
            };
            effects.push(Effect::Worker(work));
        }
        Command::WatchNext => watch_next(app),
        Command::Favourite => history::favourite(app, effects),
        Command::CopyCommand => history::copy_command(app, effects),
        Command::CopyPath => history::copy_path(app, effects),
        Command::Undo => history::undo(app, effects),
        Command::OpenModel => picker::open(app, Purpose::Open, effects),
        Command::OpenPhoto => photos::ask(app),
        Command::NextTheme => settings::next_theme(app, effects),
        Command::Messages => toggle(app, Popup::Messages { scroll: 0 }),
        Command::Help => toggle(
            app,
            Popup::Help {
                scroll: 0,
                filter: String::new(),
            },
        ),
        Command::Palette => palette(app, ""),
        Command::Redraw => effects.push(Effect::Screen(ScreenRequest::Redraw)),
        Command::Suspend => effects.push(Effect::Screen(ScreenRequest::Suspend)),
        Command::Quit if app.popups.is_empty() => super::quit(app, effects),
        Command::Quit => drop(app.popups.pop()),

        Command::Run => submission::run_or_open(app, effects),
        Command::Atlas => atlas::draw(app, false, effects),
        Command::SortCells => atlas::sort(app, effects),
        Command::ExportCells => exports::ask_for_cells(app),
        Command::RunNeuron => submission::run_neuron(app, effects),
        Command::RunNot => submission::run_not(app, effects),
        Command::RunElsewhere => transfer::choose_for_selected(app, effects),
        Command::RunAgainElsewhere => transfer::choose_for_finished(app, effects),
        Command::MapHere => cam_layer::take_here(app),
        Command::Mark => app.browser.list_mut().toggle_mark(),
        Command::MarkRange | Command::MarkRunRange => mark_range(app),
        Command::MarkAll | Command::MarkAllRuns => app.browser.list_mut().mark_all(),
        Command::FoldAll => app.browser.fold_all(),
        Command::AllLayers => browser::other_layers(app),

        Command::Details => history::details(app, effects),
        Command::MarkRun => app.browser.list_mut().toggle_mark(),
        Command::Compare => history::compare(app),
        Command::Delete => history::delete(app, effects),
        Command::RunAgain => history::run_again(app, effects),
        Command::EditSettings => history::edit_settings(app, effects),
        Command::Export => exports::ask_for_finished(app),
        Command::Sort => history::sort(app),
        Command::ThisModel => history::this_model(app),

        Command::Watch => queue::watch(app),
        Command::Cancel => queue::cancel(app, effects),
        Command::MoveUp => queue::reorder(app, true, effects),
        Command::MoveDown => queue::reorder(app, false, effects),
        Command::Retry => queue::retry(app, effects),
        Command::Clear => queue::clear(app, effects),

        Command::EditValue => settings::with_knob(app, |app, knob| {
            let value = app.next_run.settings.get(knob.key);
            let text = value.unwrap_or_else(|| knob.default()).to_string();
            app.prompt = Some(Prompt::replacing(PromptKind::Value(knob), &text));
        }),
        Command::Increase => {
            settings::with_knob(app, |app, knob| settings::adjust(app, knob, true));
        }
        Command::Decrease => {
            settings::with_knob(app, |app, knob| settings::adjust(app, knob, false));
        }
        Command::ResetValue => settings::with_knob(app, |app, knob| {
            let set = app.next_run.settings.set(knob.key, knob.default());
            debug_assert!(set.is_ok(), "a default is allowed");
        }),
        Command::ResetAll => settings::reset_all(app),
        Command::ChoosePreset => palette(app, "preset "),
        Command::SavePreset => app.prompt = Some(Prompt::new(PromptKind::PresetName, "")),

        Command::RunShown => photo::run(app, effects),
        Command::RunShownNeuron => photo::run_neuron(app, effects),
        Command::NextLayer => photo::cycle_layer(app, true, effects),
        Command::PreviousLayer => photo::cycle_layer(app, false, effects),
        Command::RankShown => photo::cycle_rank(app, effects),
        Command::ShownMap => photo::next_map(app, effects),
        Command::NextPhoto => photo::cycle(app, true, effects),
        Command::PreviousPhoto => photo::cycle(app, false, effects),
        Command::ListPhotos => album::show(app),

        Command::ShowPhoto => photos::open_selected(app, effects),
        Command::SortPhotos => album::sort(app),

        Command::Accept => {
            if let Err(why) = models::accept(app, effects) {
                app.messages.say(Level::Warning, why, app.now);
            }
        }
        Command::Blink => {
            if let Some(Popup::Compare(compare)) = app.popups.last_mut() {
                compare.blink = !compare.blink;
            }
        }
    }
}

/// Opens the palette with an initial line.
fn palette(app: &mut App, line: &str) {
    let offered = availability::offered(app).into_iter();
    let offered = offered.map(|index| Offered {
        index,
        keys: app.keymap.keys_of(COMMANDS[index].command),
    });
    let offered = offered.collect();
    app.popups.push(Popup::Palette(Palette::new(offered)));
    app.prompt = Some(Prompt::new(PromptKind::Command, line));
    prompt::changed(app);
}

/// Opens a popup, or closes it if it is the topmost.
fn toggle(app: &mut App, popup: Popup) {
    let is_open = app
        .popups
        .last()
        .is_some_and(|top| std::mem::discriminant(top) == std::mem::discriminant(&popup));
    if is_open {
        drop(app.popups.pop());
    } else {
        app.popups.push(popup);
    }
}

fn mark_range(app: &mut App) {
    if app.browser.list_mut().mark_range() {
        let text = "a range begins here: the same key at its other end marks it";
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Shows the next run of the batch; after the last one, all of them.
fn watch_next(app: &mut App) {
    let at = match app.shown {
        Showing::Running(job) => app.running.iter().position(|live| live.job == job),
        _ => None,
    };
    let next = at.map_or(0, |at| at + 1);
    match app.running.get(next).map(|live| live.job) {
        Some(job) => app.shown = Showing::Running(job),
        None => queue::show_running(app),
    }
}
