//! The last row, and the box with continuations of a key sequence.

use crate::support::Driver;
use std::time::Duration;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, Effect};
use ziggurat::tui::browser::Tab;
use ziggurat::tui::keys::Keymap;
use ziggurat::tui::popup::Popup;

fn explorer() -> Driver {
    Driver::new(Protocol::Kitty, 120, 40)
}

/// The last row.
fn footer(explorer: &Driver) -> String {
    let rows = explorer.app.size.height as usize;
    explorer.screen().lines().nth(rows - 1).unwrap().to_string()
}

/// Clicks on a word of the last row.
fn click(explorer: &mut Driver, word: &str) -> Vec<Effect> {
    let row = footer(explorer);
    let at = row.find(word).unwrap_or_else(|| panic!("{word} in {row}"));
    let column = row[..at].chars().count() as u16;
    let last = explorer.app.size.height - 1;
    explorer.act(Action::Click(column, last))
}

#[test]
fn a_click_on_a_key_gives_it() {
    let mut explorer = explorer();
    explorer.press("2");
    assert_eq!(Driver::started(&click(&mut explorer, "run")).len(), 1);
    click(&mut explorer, "settings");
    assert!(matches!(
        explorer.app.popups.last(),
        Some(Popup::Settings(_))
    ));
    let before = explorer.app.next_run.settings.clone();
    click(&mut explorer, "more");
    assert_ne!(explorer.app.next_run.settings, before);
    click(&mut explorer, "close");
    assert!(explorer.app.popups.is_empty());
    assert!(matches!(
        click(&mut explorer, "quit").last(),
        Some(Effect::Quit)
    ));
}

#[test]
fn a_click_beside_the_keys_or_while_typing_does_nothing() {
    let mut explorer = explorer();
    explorer.press("2 /");
    let last = explorer.app.size.height - 1;
    assert!(explorer.act(Action::Click(2, last)).is_empty());
    assert!(explorer.app.prompt.is_some());
    explorer.press("esc");
    assert!(explorer.act(Action::Click(119, last)).is_empty());
    // The tabs are still clickable.
    explorer.act(Action::Click(3, 1));
    assert_eq!(explorer.app.browser.tab, Tab::Layers);
}

#[test]
fn enter_on_a_scope_is_called_what_it_does() {
    let mut explorer = explorer();
    explorer.press("1");
    assert!(
        footer(&explorer).contains("unfold"),
        "{}",
        footer(&explorer)
    );
    explorer.press("enter");
    let row = footer(&explorer);
    assert!(row.contains(" fold") && !row.contains(" run"), "{row}");
    explorer.press("j");
    assert!(footer(&explorer).contains(" run"), "{}", footer(&explorer));
}

#[test]
fn panels_offer_their_keys() {
    let mut explorer = explorer();
    explorer.remember(3);
    explorer.press("3 i");
    let row = footer(&explorer);
    for word in ["scroll", "favourite", "copy command", "copy path", "close"] {
        assert!(row.contains(word), "{word}: {row}");
    }
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press(", +");
    let row = footer(&explorer);
    for word in [
        "type",
        "more",
        "less",
        "default",
        "all defaults",
        "save",
        "close",
    ] {
        assert!(row.contains(word), "{word}: {row}");
    }
    let screen = explorer.screen();
    assert!(screen.contains("p next · c choose"), "{screen}");
}

#[test]
fn after_a_moment_a_box_lists_what_can_follow() {
    let mut explorer = explorer();
    explorer.press("2 j g");
    let wait = explorer.app.next_tick().unwrap();
    assert!(wait <= Duration::from_millis(300));
    assert!(!explorer.screen().contains("esc leaves"));
    explorer.now += wait;
    explorer.act(Action::Tick);
    let screen = explorer.screen();
    assert!(screen.contains("g … esc leaves"), "{screen}");
    assert!(screen.contains("Go to the first."), "{screen}");
    explorer.press("esc");
    let screen = explorer.screen();
    assert!(!screen.contains("esc leaves"), "{screen}");
    assert_eq!(explorer.app.browser.classes.cursor(), 1);
    explorer.press("g g");
    assert_eq!(explorer.app.browser.classes.cursor(), 0);
}

#[test]
fn the_box_knows_the_users_own_keys() {
    let mut explorer = explorer();
    let own = [("quit".to_string(), vec!["space q".to_string()])];
    let (keymap, _) = Keymap::new(&[
        own[0].clone(),
        ("mark".into(), vec!["M".into()]),
        ("zoom".into(), vec!["space z".into()]),
    ]);
    explorer.app.keymap = keymap;
    explorer.press("2 space");
    explorer.now += Duration::from_millis(400);
    explorer.act(Action::Tick);
    let screen = explorer.screen();
    assert!(screen.contains("space … esc leaves"), "{screen}");
    assert!(screen.contains(" z  Toggle full screen"), "{screen}");
    assert!(screen.contains(" q  Quit"), "{screen}");
}
