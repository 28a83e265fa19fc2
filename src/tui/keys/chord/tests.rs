use super::*;
use proptest::prelude::*;

fn chord(text: &str) -> Chord {
    text.parse().unwrap()
}

fn event(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, modifiers)
}

fn any_code() -> impl Strategy<Value = KeyCode> {
    let codes: Vec<KeyCode> = NAMED.iter().map(|named| named.code).collect();
    prop_oneof![
        any::<char>().prop_map(KeyCode::Char),
        prop::char::range(' ', '~').prop_map(KeyCode::Char),
        (0..=40u8).prop_map(KeyCode::F),
        prop::sample::select(codes),
        Just(KeyCode::CapsLock),
    ]
}

proptest! {
    #[test]
    fn whatever_is_pressed_is_read_back_as_it_is_written(
        presses in prop::collection::vec((any_code(), any::<u8>()), 1..=MAX_SEQUENCE)
    ) {
        let chords: Vec<Chord> = presses
            .iter()
            .filter_map(|(code, bits)| Chord::new(*code, KeyModifiers::from_bits_truncate(*bits)))
            .collect();
        for chord in &chords {
            prop_assert_eq!(chord.to_string().parse(), Ok(*chord));
            prop_assert_eq!(Chord::new(chord.code, chord.modifiers), Some(*chord));
            prop_assert!(!chord.short().is_empty());
        }
        if !chords.is_empty() {
            let keys = Keys(chords);
            prop_assert_eq!(keys.to_string().parse(), Ok(keys));
        }
    }

    #[test]
    fn no_text_is_too_strange_to_read(text in ".{0,40}") {
        if let Ok(keys) = text.parse::<Keys>() {
            prop_assert_eq!(keys.to_string().parse(), Ok(keys));
        }
    }
}

#[test]
fn keys_are_written_in_one_way_and_read_in_several() {
    for (written, read) in [
        ("ctrl-x", "Ctrl+X"),
        ("ctrl--", "ctrl--"),
        ("ctrl-+", "ctrl-+"),
        ("alt-enter", "ALT-Return"),
        ("ctrl-alt-delete", "alt-ctrl-del"),
        ("G", "shift-g"),
        ("backtab", "shift-tab"),
        ("shift-enter", "shift-enter"),
        ("-", "-"),
        ("f12", "F12"),
        ("f", "f"),
        ("é", "é"),
    ] {
        assert_eq!(chord(read).to_string(), written);
    }
    let keys: Keys = " g   g ".parse().unwrap();
    assert_eq!(
        (keys.to_string(), keys.short()),
        ("g g".into(), "gg".into())
    );
}

#[test]
fn what_is_no_key_is_named_with_what_to_write_instead() {
    for text in [
        "ctrl-",
        "f0",
        "f36",
        "f01",
        "f+1",
        "ctrl-nothing",
        "\u{7}",
        "\u{301}",
        "\u{202e}",
    ] {
        let problem = text.parse::<Keys>().unwrap_err();
        assert_eq!(problem, KeyError::Unknown(text.into()));
        assert!(!problem.to_string().contains(char::is_control));
    }
    assert_eq!("  ".parse::<Keys>(), Err(KeyError::Empty));
    assert_eq!("shift-1".parse::<Keys>(), Err(KeyError::Shifted('1')));
    assert_eq!("a b c d e".parse::<Keys>(), Err(KeyError::TooLong(5)));
}

#[test]
fn every_terminal_sends_the_same_chord_for_a_key() {
    let control = KeyModifiers::CONTROL;
    let shift = KeyModifiers::SHIFT;
    for (written, code, modifiers) in [
        // As plain terminals send it, then as those with kitty's protocol do.
        ("G", KeyCode::Char('G'), shift),
        ("G", KeyCode::Char('g'), shift),
        ("?", KeyCode::Char('?'), KeyModifiers::NONE),
        ("?", KeyCode::Char('?'), shift),
        ("backtab", KeyCode::BackTab, shift),
        ("backtab", KeyCode::Tab, shift),
        ("tab", KeyCode::Tab, KeyModifiers::NONE),
        ("tab", KeyCode::Char('i'), control),
        ("backspace", KeyCode::Char('h'), control),
        ("ctrl-c", KeyCode::Char('c'), control),
        ("ctrl-c", KeyCode::Char('C'), control | shift),
        ("ctrl-/", KeyCode::Char('7'), control),
        ("ctrl-/", KeyCode::Char('/'), control),
        ("alt-G", KeyCode::Char('G'), KeyModifiers::ALT | shift),
    ] {
        assert_eq!(
            Chord::pressed(&event(code, modifiers)),
            Some(chord(written))
        );
    }
}

#[test]
fn a_repetition_is_a_press_and_a_release_is_not() {
    let mut event = event(KeyCode::Char('j'), KeyModifiers::NONE);
    event.kind = KeyEventKind::Repeat;
    assert_eq!(Chord::pressed(&event), Some(chord("j")));
    event.kind = KeyEventKind::Release;
    assert_eq!(Chord::pressed(&event), None);
}

#[test]
fn hints_are_short_and_text_is_distinguished_from_commands() {
    for (text, short) in [
        ("ctrl-l", "^L"),
        ("ctrl-home", "^home"),
        ("enter", "↵"),
        ("backspace", "⌫"),
        ("space", "␣"),
        ("alt-x", "alt-x"),
        ("G", "G"),
        ("f1", "f1"),
    ] {
        assert_eq!(chord(text).short(), short);
    }
    assert_eq!(chord("space").typed(), Some(' '));
    assert_eq!(chord("G").typed(), Some('G'));
    assert_eq!(chord("alt-x").typed(), None);
    assert_eq!(chord("enter").typed(), None);
}
