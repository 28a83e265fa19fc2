//! Popups: the picture beside them, the filter of the settings, the selection of the picker.

use super::support::{Driver, network};
use std::path::PathBuf;
use std::sync::Arc;
use ziggurat::runs::worker::{ModelInfo, WorkerEvent};
use ziggurat::terminal::{Area, Protocol, without};
use ziggurat::tui::action::DiskResponse;
use ziggurat::tui::layout::SMALLEST;
use ziggurat::tui::popup::{Choice, Popup};
use ziggurat::tui::view;

/// An explorer in which a picture grows.
fn growing(width: u16, height: u16) -> Driver {
    let mut explorer = Driver::new(Protocol::Kitty, width, height);
    let jobs = Driver::started(&explorer.press("2 enter"));
    explorer.step(&jobs, 48);
    explorer.snapshot(jobs[0]);
    explorer
}

/// Number of hidden cells of the scene's pictures, and of all their cells.
fn hidden(explorer: &Driver) -> (usize, usize) {
    let size = explorer.app.size;
    let area = ratatui::layout::Rect::new(0, 0, size.width, size.height);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    let drawn = view::draw(&explorer.app, &mut buffer);
    let cells = |areas: &[Area]| -> usize {
        let size = |area: &Area| usize::from(area.width) * usize::from(area.height);
        areas.iter().map(size).sum()
    };
    let seen = drawn.scene.iter().map(|placed| {
        let seen = without(&[placed.area], &placed.hidden);
        // What is seen is not written to, what is hidden belongs to the text.
        for (x, y) in places(placed.area) {
            let is_seen = seen
                .iter()
                .any(|part| places(*part).any(|cell| cell == (x, y)));
            let is_skipped = buffer[(x, y)].diff_option == ratatui::buffer::CellDiffOption::Skip;
            assert_eq!(is_skipped, is_seen, "{x},{y}");
        }
        cells(&seen)
    });
    let seen: usize = seen.sum();
    let areas: Vec<Area> = drawn.scene.iter().map(|placed| placed.area).collect();
    (cells(&areas) - seen, cells(&areas))
}

fn places(area: Area) -> impl Iterator<Item = (u16, u16)> {
    let rows = area.y..area.y + area.height;
    rows.flat_map(move |y| (area.x..area.x + area.width).map(move |x| (x, y)))
}

#[test]
fn a_popup_hides_only_what_it_lies_over() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        for key in [",", ":", "m", "M", "?"] {
            let mut explorer = growing(width, height);
            let (before, all) = hidden(&explorer);
            assert_eq!((before, all > 0), (0, true));
            explorer.press(key);
            let (under, seen_of) = hidden(&explorer);
            assert!(under < all && under <= seen_of, "{key} {width}×{height}");
            explorer.press("esc");
            if !explorer.app.popups.is_empty() {
                explorer.press("esc");
            }
            assert_eq!(hidden(&explorer), (0, all), "{key} {width}×{height}");
        }
    }
}

#[test]
fn the_settings_leave_the_growing_picture_free_where_there_is_room() {
    for (width, height) in [(120, 40), (200, 60)] {
        let mut explorer = growing(width, height);
        let (_, all) = hidden(&explorer);
        explorer.press(",");
        let (under, of) = hidden(&explorer);
        assert_eq!(under, 0, "{width}×{height}");
        assert!(2 * of > all, "{of} of {all} on {width}×{height}");
    }
}

#[test]
fn the_settings_list_what_matches_a_filter() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press(", /");
    explorer.write("octave");
    let screen = explorer.screen();
    assert!(screen.contains("settings · octave"), "{screen}");
    assert!(screen.contains("octave_scale") && !screen.contains("momentum"));
    // What is selected is one of them, and what is typed next is about it.
    explorer.press("enter");
    let before = explorer.app.next_run.settings.octaves;
    explorer.press("+");
    assert_eq!(explorer.app.next_run.settings.octaves, before + 1);
    explorer.press("j j j j j j j j +");
    assert_eq!(explorer.app.next_run.settings.steps, 176, "not listed");
    // Escape in the line brings all of them back.
    explorer.press("/ esc");
    assert!(explorer.screen().contains("momentum"));
    explorer.press("/");
    explorer.write("nonsense");
    explorer.press("enter");
    assert!(explorer.screen().contains("no setting matches"));
    let before = explorer.app.next_run.settings.clone();
    explorer.press("+ backspace enter");
    assert_eq!(explorer.app.next_run.settings, before);
    assert!(explorer.screen().contains("no setting matches the filter"));
    assert!(explorer.app.prompt.is_none());
}

#[test]
fn a_canvas_that_is_found_is_called_so_and_can_be_typed_so() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press(", /");
    explorer.write("canvas");
    explorer.press("enter");
    let screen = explorer.screen();
    assert!(
        screen.contains("auto") && !screen.contains("0 px"),
        "{screen}"
    );
    assert!(screen.contains("┼ default"), "{screen}");
    explorer.press("enter");
    explorer.write("300");
    explorer.press("enter");
    assert_eq!(explorer.app.next_run.settings.canvas, 300);
    explorer.press("enter");
    explorer.write("auto");
    explorer.press("enter");
    assert_eq!(explorer.app.next_run.settings.canvas, 0);
}

fn folder(explorer: &mut Driver) {
    explorer.answer(DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(vec![
            Choice::Card {
                name: "toy".into(),
                here: true,
            },
            Choice::Folder("/".into()),
            Choice::File("/models/other.onnx".into()),
        ]),
    });
}

fn selected(explorer: &Driver) -> String {
    let Some(Popup::Models(picker)) = explorer.app.popups.last() else {
        panic!("no picker");
    };
    let index = picker.list.selected().unwrap();
    picker.choices[index].label(&picker.folder)
}

#[test]
fn runs_go_to_the_first_other_model_and_the_open_one_is_marked() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("2 C");
    folder(&mut explorer);
    assert_eq!(selected(&explorer), "other.onnx");
    assert!(explorer.screen().contains("open · built-in"));
    explorer.write("toy");
    assert_eq!(selected(&explorer), "toy");
    explorer.press("ctrl-u o t h");
    assert_eq!(selected(&explorer), "other.onnx");
    // A model to open is the first that matches.
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("m");
    folder(&mut explorer);
    assert_eq!(selected(&explorer), "toy");
}

#[test]
fn a_file_that_is_open_is_marked_too() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let opened = ModelInfo {
        model: "/models/other.onnx".into(),
        ..network()
    };
    explorer.report(WorkerEvent::Opened(Arc::new(opened)));
    explorer.answer(DiskResponse::RunsEnd { damaged: 0 });
    explorer.press("2 C");
    folder(&mut explorer);
    assert_eq!(selected(&explorer), "toy");
    assert!(explorer.screen().contains("open · onnx"));
}

#[test]
fn a_grid_says_its_layer_and_how_long_it_will_take() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let jobs = Driver::started(&explorer.press("1 f j L"));
    let screen = explorer.screen();
    let title = screen.lines().nth(1).unwrap();
    assert!(title.contains("stem/conv"), "{screen}");
    assert!(!screen.contains(" left"), "nothing is known yet");
    explorer.now += std::time::Duration::from_secs(60);
    explorer.step(&jobs, 96);
    assert!(explorer.screen().contains("min"), "{}", explorer.screen());
    assert!(
        explorer.screen().contains(" left · "),
        "{}",
        explorer.screen()
    );
}

#[test]
fn a_long_message_has_several_lines() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let why = "broken.onnx: node 17 (Foo) of opset 23 has no gradient here; classes and layers after it can be \
               visualised, and so can all layers of a model that was exported without it";
    explorer.report(WorkerEvent::OpenFailed {
        model: "broken.onnx".into(),
        why: why.into(),
    });
    let screen = explorer.screen();
    let lines = ziggurat::tui::text::wrapped(why, 76);
    assert!(lines.len() > 1);
    for line in lines {
        assert!(screen.contains(&line), "{line:?}: {screen}");
    }
}

#[test]
fn no_screen_is_too_small_for_a_popup() {
    for key in [",", ":", "m", "M", "?", ", / x"] {
        let mut explorer = growing(SMALLEST.width, SMALLEST.height);
        explorer.app.environment.folder = PathBuf::from("/models");
        explorer.press(key);
        explorer.screen();
        hidden(&explorer);
    }
}
