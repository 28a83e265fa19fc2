//! What each command does.

use super::super::action::Effect;
use super::super::app::{App, Panel};
use super::super::browser::Tab;
use super::super::command::{COMMANDS, Command};
use super::super::lens::Lens;
use super::super::listing::Motion;
use super::super::messages::Level;
use super::super::popup::{Knobs, Offered, Palette, Popup, Purpose};
use super::super::prompt::{Asked, Prompt};
use super::super::shown::Shown;
use super::{
    album, atlas, availability, branch, browse, elsewhere, exports, finished, map, models, overlay,
    photo, photos, picker, queue, queueing, settings, typing,
};
use crate::runs::worker::WorkerCommand as Work;

/// Does what a command says.
pub fn perform(app: &mut App, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Up => browse::go(app, Motion::Up),
        Command::Down => browse::go(app, Motion::Down),
        Command::Left => browse::left(app),
        Command::Right => browse::right(app),
        Command::PageUp => browse::go(app, Motion::PageUp),
        Command::PageDown => browse::go(app, Motion::PageDown),
        Command::Top => browse::go(app, Motion::Top),
        Command::Bottom => browse::go(app, Motion::Bottom),
        Command::NextPanel | Command::PreviousPanel => {
            app.focus = match app.focus {
                Panel::Browser => Panel::Queue,
                Panel::Queue => Panel::Browser,
            };
        }
        Command::TabLayers => browse::show_tab(app, Tab::Layers),
        Command::TabClasses => browse::show_tab(app, Tab::Classes),
        Command::TabHistory => browse::show_tab(app, Tab::History),
        Command::TabFavourites => browse::show_tab(app, Tab::Favourites),
        Command::NextTab => browse::turn_tab(app, 1),
        Command::PreviousTab => browse::turn_tab(app, Tab::ALL.len() - 1),
        Command::Search
            if matches!(
                app.popups.last(),
                Some(Popup::Help { .. } | Popup::Settings(_))
            ) =>
        {
            app.prompt = Some(Prompt::new(Asked::Filter, ""));
        }
        Command::Search if matches!(app.popups.last(), Some(Popup::Photo(_))) => {
            app.prompt = Some(Prompt::new(Asked::Layer, ""));
        }
        Command::Search if matches!(app.popups.last(), Some(Popup::Photos)) => album::search(app),
        Command::Search => {
            app.zoomed = false;
            app.focus = Panel::Browser;
            app.browser.channels = None;
            let before = app.browser.search().to_string();
            // What is typed takes the place of the last search.
            app.prompt = Some(Prompt::replacing(
                Asked::Search {
                    before: before.clone(),
                },
                &before,
            ));
        }
        Command::Back => browse::back(app),

        Command::Settings => toggle(app, Popup::Settings(Knobs::default())),
        Command::NextPreset => settings::next_preset(app),
        Command::NewSeed => settings::set_seed(app, app.plan.seed.wrapping_add(1)),
        Command::ResetSeed => settings::set_seed(app, 0),
        Command::Sweep => app.prompt = Some(Prompt::new(Asked::Sweep, "")),

        Command::NextOverlay => overlay::turn(app, true, effects),
        Command::PreviousOverlay => overlay::turn(app, false, effects),
        Command::Zoom => {
            app.zoomed = !app.zoomed;
            app.lens = Lens::default();
        }
        Command::Replay => finished::replay(app, effects),
        Command::Grid => browse::turn_grid(app),
        Command::Larger => browse::resize(app, true),
        Command::Smaller => browse::resize(app, false),
        Command::Pause if app.held => queue::go_on(app),
        Command::Pause if queue::rests(app) => queue::resume_all(app, effects),
        Command::Branch => branch::branch(app, effects),
        Command::Pause => {
            let work = if app.paused {
                Work::Resume
            } else {
                Work::Pause
            };
            effects.push(Effect::Worker(work));
        }
        Command::WatchNext => watch_next(app),
        Command::Favourite => finished::favourite(app, effects),
        Command::CopyCommand => finished::copy_command(app, effects),
        Command::CopyPath => finished::copy_path(app, effects),
        Command::Undo => finished::undo(app, effects),
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
        Command::Redraw => effects.push(Effect::Redraw),
        Command::Suspend => effects.push(Effect::Suspend),
        Command::Quit if app.popups.is_empty() => super::quit(app, effects),
        Command::Quit => drop(app.popups.pop()),

        Command::Run => queueing::run_or_open(app, effects),
        Command::Atlas => atlas::draw(app, false, effects),
        Command::SortCells => atlas::sort(app, effects),
        Command::ExportCells => exports::ask_for_cells(app),
        Command::RunNeuron => queueing::run_neuron(app, effects),
        Command::RunNot => queueing::run_not(app, effects),
        Command::RunElsewhere => elsewhere::choose_for_selected(app, effects),
        Command::RunAgainElsewhere => elsewhere::choose_for_finished(app, effects),
        Command::MapHere => map::take_here(app),
        Command::Mark => app.browser.list_mut().toggle_mark(),
        Command::MarkRange | Command::MarkRunRange => mark_range(app),
        Command::MarkAll | Command::MarkAllRuns => app.browser.list_mut().mark_all(),
        Command::FoldAll => app.browser.fold_all(),
        Command::AllLayers => browse::other_layers(app),

        Command::Details => finished::details(app, effects),
        Command::MarkRun => app.browser.list_mut().toggle_mark(),
        Command::Compare => finished::compare(app),
        Command::Delete => finished::delete(app, effects),
        Command::RunAgain => finished::run_again(app, effects),
        Command::EditSettings => finished::edit_settings(app, effects),
        Command::Export => exports::ask_for_finished(app),
        Command::Sort => finished::sort(app),
        Command::ThisModel => finished::this_model(app),

        Command::Watch => queue::watch(app),
        Command::Cancel => queue::cancel(app, effects),
        Command::MoveUp => queue::reorder(app, true, effects),
        Command::MoveDown => queue::reorder(app, false, effects),
        Command::Retry => queue::retry(app, effects),
        Command::Clear => queue::clear(app, effects),

        Command::EditValue => settings::with_knob(app, |app, knob| {
            let value = app.plan.settings.get(knob.key);
            let text = value.unwrap_or_else(|| knob.default()).to_string();
            app.prompt = Some(Prompt::replacing(Asked::Value(knob), &text));
        }),
        Command::Increase => settings::with_knob(app, |app, knob| settings::turn(app, knob, true)),
        Command::Decrease => settings::with_knob(app, |app, knob| settings::turn(app, knob, false)),
        Command::ResetValue => settings::with_knob(app, |app, knob| {
            let set = app.plan.settings.set(knob.key, knob.default());
            debug_assert!(set.is_ok(), "a default is allowed");
        }),
        Command::ResetAll => settings::reset_all(app),
        Command::ChoosePreset => palette(app, "preset "),
        Command::SavePreset => app.prompt = Some(Prompt::new(Asked::PresetName, "")),

        Command::RunShown => photo::run(app, effects),
        Command::RunShownNeuron => photo::run_neuron(app, effects),
        Command::NextLayer => photo::turn_layer(app, true, effects),
        Command::PreviousLayer => photo::turn_layer(app, false, effects),
        Command::RankShown => photo::turn_rank(app, effects),
        Command::ShownMap => photo::next_map(app, effects),
        Command::NextPhoto => photo::turn(app, true, effects),
        Command::PreviousPhoto => photo::turn(app, false, effects),
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

/// Opens the palette with a line that is begun.
fn palette(app: &mut App, line: &str) {
    let offered = availability::offered(app).into_iter();
    let offered = offered.map(|index| Offered {
        index,
        keys: app.keymap.keys_of(COMMANDS[index].command),
    });
    let offered = offered.collect();
    app.popups.push(Popup::Palette(Palette::new(offered)));
    app.prompt = Some(Prompt::new(Asked::Command, line));
    typing::changed(app);
}

/// Opens a popup, or closes it if it is the topmost.
fn toggle(app: &mut App, popup: Popup) {
    let is_open = app
        .popups
        .last()
        .is_some_and(|top| std::mem::discriminant(top) == std::mem::discriminant(&popup));
    match is_open {
        true => drop(app.popups.pop()),
        false => app.popups.push(popup),
    }
}

fn mark_range(app: &mut App) {
    if app.browser.list_mut().mark_range() {
        let text = "a range begins here: the same key at its other end marks it";
        app.messages.say(Level::Note, text, app.now);
    }
}

/// Shows the next run of the batch, and after the last one all of them.
fn watch_next(app: &mut App) {
    let at = match app.shown {
        Shown::Live(job) => app.running.iter().position(|live| live.job == job),
        _ => None,
    };
    let next = at.map_or(0, |at| at + 1);
    match app.running.get(next).map(|live| live.job) {
        Some(job) => app.shown = Shown::Live(job),
        None => queue::show_running(app),
    }
}
