//! Every command of the table has a visible effect or a request.

use super::photo::{looking, looking_at_two, paste};
use super::support::Driver;
use std::time::Duration;
use ziggurat::runs::worker::WorkerEvent;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, Effect};
use ziggurat::tui::command::{COMMANDS, Command, Context};
use ziggurat::tui::forms::FORMS;
use ziggurat::tui::popup::{PaletteRow, Popup};
use ziggurat::tui::update;

/// Brings an explorer to a state in which a command of this context is available.
fn ready(context: Context) -> Driver {
    if context == Context::Photo {
        return looking_at_two();
    }
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(12);
    match context {
        Context::Everywhere => explorer.press("2 j j"),
        Context::Browser => explorer.press("1 f j l"),
        Context::History => explorer.press("3 space space"),
        Context::Queue => {
            explorer.press("2 space space space enter G enter n enter tab j j j");
            let jobs: Vec<_> = explorer.app.running.iter().map(|live| live.job).collect();
            explorer.report(WorkerEvent::Failed {
                job: jobs[0],
                why: "of a test".into(),
            })
        }
        Context::Settings => explorer.press(", j j"),
        Context::Popup => explorer.press("3 space space c"),
        Context::Photos => paste(&mut explorer, "/photos/b.png /photos/a.png"),
        Context::Photo => Vec::new(),
    };
    explorer
}

/// Whether a command changes the frame, and its effects.
fn effect_of(command: Command, context: Context) -> (bool, Vec<Effect>) {
    let mut explorer = ready(context);
    prepare(&mut explorer, command);
    // Errors of the start have been seen by now.
    explorer.now += Duration::from_secs(4);
    explorer.act(ziggurat::tui::Action::Tick);
    let before = explorer.screen();
    let mut effects = Vec::new();
    let refused = update::refusal(&explorer.app, command);
    assert_eq!(refused, None, "{command:?}");
    update::perform(&mut explorer.app, command, &mut effects);
    effects.extend(update(
        &mut explorer.app,
        explorer.now + Duration::from_millis(1),
        ziggurat::tui::Action::Tick,
    ));
    (explorer.screen() != before, effects)
}

/// Prepares the state that a command needs.
fn prepare(explorer: &mut Driver, command: Command) {
    let keys = match command {
        Command::Top | Command::Up | Command::PageUp => "G",
        Command::Left => "1 f j",
        Command::Right => "1",
        Command::Back => "?",
        Command::ResetSeed => "n",
        Command::Larger | Command::Smaller => "t",
        Command::SortCells | Command::ExportCells => "2",
        Command::NextOverlay | Command::PreviousOverlay | Command::WatchNext | Command::Pause => {
            "space space enter"
        }
        Command::TabClasses => "1",
        Command::NextPanel | Command::PreviousPanel => "enter",
        Command::Clear => "enter n enter",
        Command::FoldAll => "esc h",
        Command::Favourite | Command::Replay => "3",
        Command::MarkRange => "space j j",
        Command::MarkRunRange => "space j j",
        Command::Retry | Command::Watch => "g g",
        // The last two wait; what runs cannot be overtaken.
        Command::MoveUp => "G",
        Command::MoveDown => "G k",
        Command::ResetValue | Command::ResetAll => "+",
        Command::Accept | Command::Blink => "",
        _ => "",
    };
    explorer.press(keys);
    if command == Command::Branch {
        pause(explorer);
    }
}

/// Starts a run, pauses it and changes a setting.
fn pause(explorer: &mut Driver) {
    let jobs = Driver::started(&explorer.press("2 enter"));
    explorer.step(&jobs, 5);
    explorer.report(WorkerEvent::Paused(true));
    explorer.press(", j j j j j j j +");
    explorer.press("esc");
}

#[test]
fn every_command_changes_the_screen_or_asks_for_something() {
    for entry in COMMANDS {
        let (changed, effects) = effect_of(entry.command, entry.context);
        assert!(changed || !effects.is_empty(), "{} did nothing", entry.name);
    }
}

#[test]
fn every_command_can_be_given_by_its_keys_and_by_its_name() {
    for entry in COMMANDS
        .iter()
        .filter(|entry| entry.context == Context::Everywhere)
    {
        let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
        explorer.press(":");
        explorer.write(entry.name);
        let screen = explorer.screen();
        assert!(screen.contains(entry.name), "{}\n{screen}", entry.name);
    }
}

/// The first rows of the palette for what is typed.
fn palette(typed: &str) -> Vec<String> {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("2 :");
    explorer.write(typed);
    let Some(Popup::Palette(palette)) = explorer.app.popups.last() else {
        panic!("no palette");
    };
    let rows = palette.rows.iter().take(3).map(|row| match row {
        PaletteRow::Command(index) => COMMANDS[*index].name.to_string(),
        PaletteRow::Form(index) => format!("{} …", FORMS[*index].name),
        PaletteRow::Completion(completion) => completion.line.clone(),
    });
    rows.collect()
}

#[test]
fn the_palette_lists_an_exact_name_or_key_first_and_then_what_begins_so() {
    assert_eq!(palette("P")[0], "pause");
    assert_eq!(palette("q")[0], "quit");
    assert_eq!(palette("gg")[0], "top");
    assert_eq!(palette("run")[..2], ["run", "run …"]);
    assert_eq!(palette("mark")[0], "mark");
    assert_eq!(palette("theme")[0], "theme …");
    assert!(palette("pres")[0].starts_with("preset"));
    assert!(palette("ctrl-l")[0] == "redraw");
}

#[test]
fn the_help_explains_the_signs_of_the_screen() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("? /");
    for typed in ["◆", "signs"] {
        explorer.press("ctrl-u");
        explorer.write(typed);
        let screen = explorer.screen();
        assert!(
            screen.contains("signs") && screen.contains("A run of it is finished."),
            "{typed}: {screen}"
        );
    }
}

#[test]
fn the_help_lists_every_command() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 200);
    explorer.press("?");
    let screen = explorer.screen();
    for entry in COMMANDS {
        assert!(
            screen.contains(&entry.help[..20.min(entry.help.len())]),
            "{}",
            entry.name
        );
    }
}

/// A name for a state and how to get there.
type State = (&'static str, fn(&mut Driver));

/// Where a person may be when they press a key.
const STATES: &[State] = &[
    ("opening", |_| {}),
    ("classes", |explorer| drop(explorer.press("2"))),
    ("layers", |explorer| drop(explorer.press("1"))),
    ("an unfolded layer", |explorer| {
        drop(explorer.press("1 f j"));
    }),
    ("channels", |explorer| drop(explorer.press("1 f j l"))),
    ("a search", |explorer| drop(explorer.press("2 / s enter"))),
    ("a search without matches", |explorer| {
        drop(explorer.press("2 / z z z enter"));
    }),
    ("no history", |explorer| drop(explorer.press("3"))),
    ("history", |explorer| {
        explorer.remember(3);
        explorer.press("3");
    }),
    ("favourites", |explorer| {
        explorer.remember(3);
        explorer.press("4");
    }),
    ("a grid of classes", |explorer| drop(explorer.press("2 t"))),
    ("a grid of channels", |explorer| {
        drop(explorer.press("1 f j t"));
    }),
    ("a grid of runs", |explorer| {
        explorer.remember(3);
        explorer.press("3 t");
    }),
    ("a batch", |explorer| {
        explorer.press("2 space space enter");
    }),
    ("an empty queue", |explorer| drop(explorer.press("tab"))),
    ("a queue", |explorer| {
        explorer.press("2 enter n enter tab");
    }),
    ("a queue that has ended", |explorer| {
        explorer.press("2 enter tab x");
    }),
    ("a paused run", pause),
    ("a queue with a paused run", |explorer| {
        pause(explorer);
        explorer.press("B tab j");
    }),
    ("settings while a run is paused", |explorer| {
        pause(explorer);
        explorer.press(",");
    }),
    ("settings", |explorer| drop(explorer.press(","))),
    ("help", |explorer| drop(explorer.press("?"))),
    ("messages", |explorer| drop(explorer.press("M"))),
    ("details", |explorer| {
        explorer.remember(3);
        explorer.press("3 i");
    }),
    ("compared runs", |explorer| {
        explorer.remember(3);
        explorer.press("3 space space c");
    }),
    ("a list of photos", |explorer| {
        paste(explorer, "/photos/b.png /photos/a.png");
    }),
    ("a photo", |explorer| *explorer = looking(120, 40)),
    ("a zoomed picture", |explorer| drop(explorer.press("z"))),
];

/// Navigating to the current place needs no message.
const IDEMPOTENT: [Command; 10] = [
    Command::Up,
    Command::Down,
    Command::PageUp,
    Command::PageDown,
    Command::Top,
    Command::Bottom,
    Command::TabLayers,
    Command::TabClasses,
    Command::TabHistory,
    Command::TabFavourites,
];

#[test]
fn every_key_acts_or_reports_why_not() {
    let mut mute = Vec::new();
    for (name, go) in STATES {
        let idempotent = IDEMPOTENT.iter();
        let silent: Vec<String> = idempotent
            .flat_map(|command| command.entry().keys)
            .map(|key| (*key).to_string())
            .collect();
        let keys = COMMANDS.iter().flat_map(|entry| entry.keys);
        let unbound = ["Z", "Y", "f9", "ctrl-t"];
        for key in keys.chain(&unbound) {
            // The cursor is on the first cell.
            let is_at_the_left = name.starts_with("a grid") && ["left", "h"].contains(key);
            // Of pictures that are not there none is before or after another.
            let is_motion = ["left", "h", "right", "l"].contains(key);
            let is_nowhere = *name == "a zoomed picture" && is_motion;
            if is_at_the_left || is_nowhere || silent.iter().any(|other| other == key) {
                continue;
            }
            let mut explorer = match *name {
                "opening" => Driver::opening(Protocol::Kitty, 120, 40),
                _ => Driver::new(Protocol::Kitty, 120, 40),
            };
            go(&mut explorer);
            let seen = |explorer: &Driver| {
                let app = &explorer.app;
                (
                    explorer.screen(),
                    app.browser.tab,
                    app.messages.iter().len(),
                )
            };
            let before = seen(&explorer);
            let effects = explorer.press(key);
            let asks = effects.iter().any(|effect| {
                // A picture is loaded for whatever is selected.
                !matches!(effect, Effect::Disk(DiskRequest::LoadPicture(..)))
            });
            if !asks && seen(&explorer) == before {
                mute.push(format!("{key} in {name}"));
            }
        }
    }
    assert!(mute.is_empty(), "{mute:#?}");
}
