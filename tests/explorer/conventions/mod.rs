//! Expectations of a terminal program, apart from its subject.

mod arguments;
mod attention;
mod footer;
mod returning;
mod settings;

use crate::support::Driver;
use ziggurat::terminal::Protocol;

#[test]
fn a_layer_says_how_much_of_the_picture_it_sees() {
    for (keys, text) in [
        ("1 enter j", "rec. field  3 × 3 px"),
        ("1 G enter j", "rec. field  851 × 851 px,"),
        ("1 G enter G", "rec. field  the whole image"),
    ] {
        let mut explorer = Driver::new(Protocol::Kitty, 160, 40);
        explorer.press(keys);
        let screen = explorer.screen();
        assert!(screen.contains(text), "{keys}\n{screen}");
    }
}

#[test]
fn a_probability_and_the_time_left_are_seen_in_a_narrow_panel_too() {
    for (width, text) in [
        (100, "48/192 · 6.93 · p 25.0 %"),
        (120, "48/192 · score 6.93 · p 25.0 %"),
    ] {
        let mut explorer = Driver::new(Protocol::Kitty, width, 40);
        let jobs = Driver::started(&explorer.press("2 enter"));
        explorer.step(&jobs, 48);
        let screen = explorer.screen();
        assert!(
            screen.contains(text) && screen.contains("6 s left"),
            "{screen}"
        );
    }
}
