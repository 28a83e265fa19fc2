//! Hostile names, terminals of any size, pastes of any length.

use super::support::{Driver, layer, network};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use ziggurat::model::Classes;
use ziggurat::runs::worker::{ModelInfo, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::Action;
use ziggurat::tui::view;

fn hostile() -> ModelInfo {
    let long = "x".repeat(10_000);
    let names = [
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "火烈鸟 e\u{301}\u{301}\u{301} \u{202e}evil",
        "a\nb\rc\td",
        &long,
        "",
        "\u{9b}31m",
    ];
    ModelInfo {
        layers: names
            .iter()
            .map(|name| layer(name, "Conv\u{1b}[31m", &[1, 3, 8, 8]))
            .collect(),
        classes: Classes::new(names, "hostile").unwrap(),
        name: "\u{1b}[2J".into(),
        model: "m\u{7}".into(),
        ..network()
    }
}

fn assert_harmless(explorer: &Driver) {
    let size = explorer.app.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
    view::draw(&explorer.app, &mut buffer);
    for cell in &buffer.content {
        let steers = |letter: char| letter.is_control() || letter == '\u{202e}';
        assert!(!cell.symbol().chars().any(steers), "{:?}", cell.symbol());
    }
}

#[test]
fn names_from_a_model_cannot_control_the_terminal() {
    let mut explorer = Driver::opening(Protocol::Kitty, 100, 30);
    explorer.report(WorkerEvent::Opened(Arc::new(hostile())));
    for keys in [
        "1", "f", "G", "2", "j", "enter", "j enter", "tab", "?", "esc", ":", "esc", "M",
    ] {
        explorer.press(keys);
        assert_harmless(&explorer);
    }
    explorer.report(WorkerEvent::OpenFailed {
        model: "\u{1b}[2J".into(),
        why: "\u{1b}]52;c;x\u{7}".into(),
    });
    assert_harmless(&explorer);
}

#[test]
fn a_paste_of_a_megabyte_is_no_command_and_no_hang() {
    let mut explorer = Driver::new(Protocol::Kitty, 100, 30);
    explorer.act(Action::Paste("q".repeat(1 << 20)));
    assert!(!explorer.app.quitting);
    explorer.press("2 /");
    explorer.act(Action::Paste("shark\n\u{1b}".repeat(1 << 17)));
    assert!(explorer.app.browser.search().len() <= 4096);
    assert_harmless(&explorer);
}

#[test]
fn a_long_path_is_taken_and_one_that_no_file_can_have_is_refused() {
    let mut explorer = Driver::new(Protocol::Kitty, 100, 30);
    explorer.press("I");
    let typed = |explorer: &Driver| {
        let prompt = explorer.app.prompt.as_ref();
        prompt.map(|prompt| prompt.text().to_string())
    };
    let path = |bytes: usize| format!("/{}/cat.png", "folder/".repeat(bytes / 7));
    explorer.act(Action::Paste(path(3000)));
    assert_eq!(typed(&explorer), Some(path(3000)));
    explorer.act(Action::Paste(path(5000)));
    assert_eq!(
        typed(&explorer),
        Some(path(3000)),
        "the prompt is as before"
    );
    let screen = explorer.screen();
    assert!(screen.contains("longer than 4096 bytes"), "{screen}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_keys_at_any_size_draw_something_and_never_panic(
        sizes in proptest::collection::vec((0u16..300, 0u16..100), 1..6),
        keys in proptest::collection::vec(0usize..60, 0..60),
        blocks: bool,
    ) {
        const KEYS: [&str; 60] = ["j", "k", "h", "l", "1", "2", "3", "4", "enter", "esc", "space", "tab", "/", "x", "d",
            "u", "c", "b", "s", "o", "O", "z", "P", ".", "m", "T", "M", "?", ":", "ctrl-l", "n", "N", "p", ",", "w", "g", "G",
            "pageup", "pagedown", "v", "ctrl-a", "f", "R", "e", "S", "K", "J", "r", "X", "+", "-", "backspace", "D", "]", "[",
            "home", "end", "i", "a", "5"];
        let protocol = if blocks { Protocol::Blocks } else { Protocol::Sixel };
        let mut explorer = Driver::new(protocol, 80, 24);
        explorer.remember(20);
        for (index, key) in keys.iter().enumerate() {
            explorer.press(KEYS[*key]);
            let (width, height) = sizes[index % sizes.len()];
            explorer.act(Action::Resize(width, height));
            explorer.act(Action::Click(width / 3, height / 2));
            explorer.act(Action::Wheel(width / 2, height / 2, index % 2 == 0));
            assert_harmless(&explorer);
        }
    }
}
