//! Navigation in layers, channels and classes.

use super::support::{Driver, work};
use ziggurat::runs::worker::{WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect, Lookup};
use ziggurat::tui::browser::Tab;
use ziggurat::tui::layer_tree::Row;
use ziggurat::tui::popup::Choice;

fn explorer() -> Driver {
    Driver::new(Protocol::Kitty, 120, 40)
}

#[test]
fn scopes_unfold_and_fold_and_lead_to_channels() {
    let mut explorer = explorer();
    explorer.press("1");
    assert_eq!(explorer.app.browser.layers.len(), 3);
    explorer.press("j l");
    assert_eq!(explorer.app.browser.layers.len(), 5);
    explorer.press("j l j enter");
    assert!(explorer.app.browser.channels.is_none());
    explorer.press("esc 1 j l");
    let channels = explorer.app.browser.channels.as_ref();
    assert!(channels.is_some_and(|channels| channels.list.len() > 1));
    explorer.press("h h h h");
    assert!(explorer.app.browser.channels.is_none());
}

#[test]
fn fold_all_unfolds_everything_and_folds_it_again() {
    let mut explorer = explorer();
    explorer.press("1 f");
    assert!(explorer.app.browser.layers.len() > 8);
    explorer.press("G f");
    assert_eq!(explorer.app.browser.layers.len(), 3);
    assert!(matches!(
        explorer.app.browser.selected_row(),
        Some(Row::Scope(_))
    ));
}

#[test]
fn a_search_narrows_while_it_is_typed_and_escape_gives_it_up() {
    let mut explorer = explorer();
    explorer.press("2 /");
    explorer.write("shark");
    assert_eq!(explorer.app.browser.classes.len(), 2);
    explorer.press("enter");
    assert_eq!(explorer.app.browser.search(), "shark");
    explorer.press("/");
    explorer.write("x");
    explorer.press("esc");
    assert_eq!(explorer.app.browser.classes.len(), 2);
    explorer.press("esc");
    assert_eq!(explorer.app.browser.classes.len(), 6);
}

#[test]
fn sequences_of_keys_wait_for_their_end_and_are_given_up() {
    let mut explorer = explorer();
    explorer.press("2 G");
    assert_eq!(explorer.app.browser.classes.cursor(), 5);
    explorer.press("g");
    assert_eq!(explorer.app.browser.classes.cursor(), 5);
    explorer.press("g");
    assert_eq!(explorer.app.browser.classes.cursor(), 0);
    // `g` has no continuation with `j`, which then has its usual meaning.
    explorer.press("g j");
    assert_eq!(explorer.app.browser.classes.cursor(), 1);
}

#[test]
fn tabs_go_round() {
    let mut explorer = explorer();
    explorer.press("1 [");
    assert_eq!(explorer.app.browser.tab, Tab::Favourites);
    explorer.press("] ]");
    assert_eq!(explorer.app.browser.tab, Tab::Classes);
}

#[test]
fn what_is_shown_of_a_list_follows_the_cursor_at_any_size() {
    for (width, height) in [(80, 24), (40, 12), (200, 60)] {
        let mut explorer = Driver::new(Protocol::Blocks, width, height);
        explorer.press("2 G");
        let screen = explorer.screen();
        assert!(screen.contains("volcano"), "{screen}");
    }
}

/// The list of layers leaves out what nobody would call one; a key shows every value and hides it again.
#[test]
fn every_value_can_be_listed() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("1 f G");
    assert!(!explorer.screen().contains("Flatten"));
    explorer.press("A");
    let screen = explorer.screen();
    assert!(
        screen.contains("8 tensors, internal ones included"),
        "{screen}"
    );
    explorer.press("k");
    assert!(
        explorer.screen().contains("Flatten"),
        "{}",
        explorer.screen()
    );
    assert!(!Driver::started(&explorer.press("enter")).is_empty());
    assert_eq!(
        explorer.app.queue.jobs()[0].spec.objective.value,
        "head/flatten"
    );
    explorer.press("j A");
    let screen = explorer.screen();
    assert!(
        screen.contains("7 layers") && !screen.contains("Flatten"),
        "{screen}"
    );
    let selected = explorer.app.browser.selected_row();
    assert_eq!(selected, Some(Row::Layer(6)));
}

fn last_message(explorer: &Driver) -> &str {
    &explorer.app.messages.iter().last().unwrap().text
}

#[test]
fn typing_filters_the_models_and_opens_paths() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let choices = vec![
        Choice::Card {
            name: "efficientnet-lite0".into(),
            here: true,
        },
        Choice::Folder("/".into()),
        Choice::Folder("/models/resnets".into()),
        Choice::File("/models/resnet18.onnx".into()),
    ];
    let folder = || DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(choices.clone()),
    };
    explorer.press("m");
    explorer.answer(folder());
    let screen = explorer.screen();
    assert!(
        screen.contains("../") && screen.contains("resnets/"),
        "{screen}"
    );
    // Typing does not affect the panel below.
    explorer.write("res18");
    assert!(!explorer.screen().contains("efficientnet-lite0  "));
    let effects = explorer.press("enter");
    let opens = |effects: &[Effect], name: &str| {
        work(effects)
            .iter()
            .any(|work| matches!(work, WorkerCommand::Open(Some(model)) if model == name))
    };
    assert!(opens(&effects, "/models/resnet18.onnx"));
    for (text, path) in [
        ("/data/net.onnx", "/data/net.onnx"),
        ("./net.onnx", "/models/./net.onnx"),
    ] {
        explorer.press("m");
        explorer.answer(folder());
        explorer.write(text);
        assert!(opens(&explorer.press("enter"), path), "{text}");
    }
    explorer.press("m");
    explorer.press("enter");
    assert!(last_message(&explorer).contains("still being listed"));
    explorer.answer(folder());
    explorer.write("/data/");
    let effects = explorer.press("enter");
    let lists = |effect: &Effect| matches!(effect, Effect::Disk(DiskRequest::Look(Lookup::Folder(folder))) if folder.ends_with("data"));
    assert!(effects.iter().any(lists));
    explorer.press("ctrl-u");
    explorer.write("nothing like it");
    explorer.press("enter");
    assert!(last_message(&explorer).contains("no model here"));
    explorer.press("esc");
    assert!(explorer.app.popups.is_empty() && explorer.app.prompt.is_none());
}

#[test]
fn the_help_is_filtered_and_the_palette_searches_what_commands_do() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("? /");
    explorer.write("heat map");
    let screen = explorer.screen();
    assert!(screen.contains("Next overlay") && !screen.contains("Next panel"));
    explorer.press("enter esc");
    // The keys of the covered context come first.
    assert!(explorer.screen().contains("Run the marked items"));
    explorer.press("esc :");
    explorer.write("heat map");
    assert!(explorer.screen().contains("next-overlay"));
    // What belongs to the history is not offered among the classes.
    explorer.press("ctrl-u");
    explorer.write("export");
    assert!(
        !explorer.screen().contains("export  "),
        "{}",
        explorer.screen()
    );
}

#[test]
fn a_key_that_means_something_elsewhere_names_it() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("2 d");
    assert!(last_message(&explorer).contains("history (delete"));
    explorer.press("f9");
    assert!(last_message(&explorer).contains("`?` lists the keys"));
    explorer.press("3 w");
    assert!(last_message(&explorer).starts_with("a sweep runs a class"));
    explorer.press("2 P");
    assert_eq!(last_message(&explorer), "nothing is running");
    explorer.press("? 1");
    assert!(last_message(&explorer).starts_with("close this panel first"));
    assert_eq!(explorer.app.browser.tab, Tab::Classes);
}

#[test]
fn a_class_is_found_by_its_number() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("2 /");
    explorer.write("4");
    explorer.press("enter");
    assert_eq!(explorer.app.browser.list().selected(), Some(4));
    assert!(explorer.screen().contains("flamingo"));
}

#[test]
fn a_model_that_cannot_be_opened_leaves_the_open_one() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("m");
    explorer.answer(DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(vec![Choice::File("/models/broken.onnx".into())]),
    });
    explorer.press("enter");
    explorer.report(WorkerEvent::OpenFailed {
        model: "/models/broken.onnx".into(),
        why: "broken.onnx: it is cut off".into(),
    });
    let screen = explorer.screen();
    assert!(
        screen.contains("cut off") && screen.contains("6 classes"),
        "{screen}"
    );
    assert!(explorer.app.model.opened().is_some());
}

#[test]
fn an_answer_leaves_the_screen_with_the_next_key() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("2 P");
    assert!(explorer.screen().contains("nothing is running"));
    explorer.press("enter");
    assert!(!explorer.screen().contains("nothing is running"));
}
