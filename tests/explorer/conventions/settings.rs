//! The settings panel.

use crate::support::Driver;
use ziggurat::ascent::settings::{GROUPS, in_groups};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect};

fn explorer(height: u16) -> Driver {
    Driver::new(Protocol::Kitty, 80, height)
}

#[test]
fn settings_stand_in_groups_and_every_one_can_be_reached() {
    let mut explorer = explorer(60);
    explorer.press(",");
    let screen = explorer.screen();
    for group in GROUPS {
        assert!(screen.contains(&format!("{} ─", group.title)), "{screen}");
    }
    let mut small = self::explorer(24);
    small.press(",");
    for knob in in_groups() {
        let screen = small.screen();
        let help: String = knob.help.trim().chars().take(40).collect();
        assert!(
            screen.contains(&format!(" {} ", knob.key)),
            "{}\n{screen}",
            knob.key
        );
        assert!(screen.contains(&help), "{}\n{screen}", knob.key);
        small.press("j");
    }
    small.press("g g");
    assert!(small.screen().contains("steps and canvas"));
}

#[test]
fn a_track_that_is_not_linear_says_so() {
    let mut explorer = explorer(60);
    explorer.press(",");
    assert!(explorer.screen().contains("logarithmic scale"));
    explorer.press("j");
    assert!(explorer.screen().contains("square-root scale"));
    explorer.press("j j");
    assert!(
        !explorer.screen().contains("scale; "),
        "{}",
        explorer.screen()
    );
}

#[test]
fn settings_that_a_preset_replaces_can_be_brought_back() {
    for replace in ["p", ", p esc", ", D esc"] {
        let mut explorer = explorer(40);
        explorer.press(", + n esc");
        let plan = explorer.app.next_run.clone();
        explorer.press(replace);
        assert_ne!(explorer.app.next_run, plan, "{replace}");
        explorer.press("u");
        assert_eq!(explorer.app.next_run, plan, "{replace}");
        let report = &explorer.app.messages.iter().last().unwrap().text;
        assert!(report.contains("restored"), "{report}");
    }
}

#[test]
fn the_loss_is_named_with_the_key_that_brings_it_back() {
    let mut explorer = explorer(40);
    explorer.press(", + p");
    let report = &explorer.app.messages.iter().last().unwrap().text;
    assert!(
        report.contains("dropped steps = 192 (u to undo)"),
        "{report}"
    );
    explorer.press("u");
    assert_eq!(explorer.app.next_run.settings.steps, 192);
    // Nothing is lost by going from one preset to the next.
    explorer.press("u D p p u");
    let report: Vec<String> = explorer
        .app
        .messages
        .iter()
        .map(|message| message.text.clone())
        .collect();
    assert_eq!(
        report.last().unwrap(),
        "settings restored: default with steps = 192"
    );
}

#[test]
fn a_preset_is_chosen_from_a_list() {
    let mut explorer = explorer(40);
    explorer.press(",");
    let screen = explorer.screen();
    assert!(
        screen.contains(" default  draft  fine  vivid ") && screen.contains("c choose"),
        "{screen}"
    );
    explorer.press("c");
    let screen = explorer.screen();
    assert!(screen.contains("a recognizable picture"), "{screen}");
    explorer.write("fi");
    explorer.press("down enter");
    assert_eq!(explorer.app.next_run.title(), "fine");
    assert!(explorer.screen().contains("settings · fine"));
}

#[test]
fn a_preset_has_its_name_only_once_it_is_saved() {
    let mut explorer = explorer(40);
    let title = |explorer: &Driver| explorer.app.next_run.title();
    let save = |explorer: &mut Driver, name: &str| {
        explorer.press("S");
        explorer.press("ctrl-u");
        explorer.write(name);
        explorer.press("enter")
    };
    explorer.press(", +");
    assert_eq!(title(&explorer), "default*");
    // The rule is that of config.toml.
    assert!(save(&mut explorer, &"a".repeat(33)).is_empty());
    assert!(explorer.screen().contains("1 to 32 letters"));
    explorer.press("esc");
    let effects = save(&mut explorer, &"a".repeat(32));
    let [Effect::Disk(DiskRequest::SavePreset(name, changes))] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    explorer.answer(DiskResponse::Failed("the disk is full".into()));
    assert_eq!(title(&explorer), "default*");
    explorer.answer(DiskResponse::PresetSaved(name.clone(), changes.clone()));
    assert_eq!(&title(&explorer), name);
}
