//! kitty's pictures inside tmux with placeholders.

use super::*;

/// A painter through tmux with placeholders, and a fixed set of clients.
fn with_placeholders() -> Painter {
    let mut painter = Painter::new(&terminal(Protocol::Kitty, Route::TmuxPlaceholders));
    painter.viewers = Some(Viewers::asking(|| Some([7].into())));
    painter
}

/// The text between the wrapped pieces.
fn read_by_tmux(text: &str) -> String {
    let mut parts = text.split("\x1bPtmux;");
    let before = parts.next().unwrap_or_default().to_string();
    // Doubled escapes end in a backslash too: the envelope ends at the first single one.
    let after = parts.map(|part| {
        let mut rest = part;
        while let Some(at) = rest.find('\x1b') {
            match rest[at..].strip_prefix("\x1b\x1b") {
                Some(doubled) => rest = doubled,
                None => return rest[at..].strip_prefix("\x1b\\").unwrap(),
            }
        }
        panic!("a piece does not end");
    });
    before + &after.collect::<String>()
}

const CELLS: usize = 28 * 14;

fn cells(text: &str) -> usize {
    read_by_tmux(text).matches('\u{10eeee}').count()
}

#[test]
fn placeholders_go_to_tmux_and_the_picture_to_the_terminal() {
    let mut painter = with_placeholders();
    let picture = placed(1, flamingo(224), 1, false);
    let (text, _) = paint(&mut painter, &[picture]);
    let number = numbers(&text, "a=p")[0];
    assert_eq!(numbers(&text, "a=t"), [number]);
    assert!(text.contains(&format!("a=p,U=1,i={number},p=1,c=28,r=14,C=1,q=2")));
    let own = read_by_tmux(&text);
    assert!(!own.contains("\x1b_G"));
    // Relative to the pane, in the colour that is the number's lowest byte.
    let [_, _, _, low] = number.to_be_bytes();
    let start = format!("\x1b[?2026h\x1b7\x1b[0;38;5;{low}m\x1b[2;3H\u{10eeee}");
    assert!(own.starts_with(&start), "{own:?}");
    assert!(own.ends_with("\x1b[m\x1b8\x1b[?2026l"));
    assert_eq!(cells(&text), CELLS);
    // The update is synchronized: tmux does not pass on its own start and end.
    assert!(text.starts_with("\x1bPtmux;\x1b\x1b[?2026h\x1b\\"));
    assert!(text.ends_with("\x1bPtmux;\x1b\x1b[?2026l\x1b\\"));
}

#[test]
fn the_cells_stay_while_the_picture_in_them_changes() {
    let mut painter = with_placeholders();
    let (first, _) = paint(&mut painter, &[placed(1, noise(8), 0, true)]);
    for version in 1..4 {
        let scene = [placed(1, noise(8), version, version < 3)];
        let (next, painted) = paint_next(&mut painter, &scene);
        assert_eq!((painted.changed, cells(&next)), (1, 0));
        assert_eq!(numbers(&next, "a=t"), numbers(&first, "a=t"));
        assert_eq!(numbers(&next, "a=p"), numbers(&first, "a=t"));
        assert!(numbers(&next, "a=d").is_empty());
    }
    // The cells elsewhere are not written yet.
    let mut moved = placed(1, noise(8), 3, false);
    moved.area.x += 1;
    let (next, _) = paint_next(&mut painter, &[moved]);
    assert_eq!((cells(&next), numbers(&next, "a=d")), (CELLS, vec![]));
}

#[test]
fn cells_of_a_removed_picture_belong_to_the_text() {
    let mut painter = with_placeholders();
    let scene = [placed(1, noise(8), 1, false), placed(2, noise(8), 1, false)];
    let shown = numbers(&paint(&mut painter, &scene).0, "a=p");
    assert!(shown.len() == 2 && shown[0] != shown[1]);
    let (text, _) = paint(&mut painter, &scene[1..]);
    assert_eq!(numbers(&text, "a=d"), shown[..1]);
    assert_eq!(read_by_tmux(&text), "\x1b[?2026h\x1b7\x1b8\x1b[?2026l");
    let mut out = Vec::new();
    painter.clear(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(numbers(&text, "a=d"), shown[1..]);
    assert_eq!(read_by_tmux(&text).matches("\x1b[28X").count(), 14);
}

#[test]
fn a_client_that_attaches_later_gets_the_pictures() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CLIENT: AtomicU32 = AtomicU32::new(7);
    let mut painter = with_placeholders();
    painter.viewers = Some(Viewers::asking(|| {
        Some([CLIENT.load(Ordering::Relaxed)].into())
    }));
    let scene = [placed(1, noise(8), 1, false)];
    let shown = numbers(&paint(&mut painter, &scene).0, "a=t");
    let (text, painted) = paint(&mut painter, &scene);
    assert_eq!(text, "");
    let wait = painted.again.expect("tmux is asked again");
    std::thread::sleep(wait);
    let (text, painted) = paint(&mut painter, &scene);
    assert_eq!(text, "");
    CLIENT.store(8, Ordering::Relaxed);
    std::thread::sleep(painted.again.expect("tmux is asked again"));
    let (text, _) = paint(&mut painter, &scene);
    assert_eq!((numbers(&text, "a=t"), cells(&text)), (shown, CELLS));
}

#[test]
fn a_picture_fills_its_placeholder_cells() {
    // Cells of 8 × 16 pixels: the nearest area to a square is half a cell too high.
    let area = Area {
        x: 0,
        y: 0,
        width: 27,
        height: 20,
    };
    let picture = PlacedPicture {
        area,
        ..placed(1, flamingo(160), 1, false)
    };
    let (text, _) = paint(&mut with_placeholders(), &[picture]);
    assert_eq!(cells(&text), 27 * 14);
    let sent = sent(&text);
    assert_eq!(sent.dimensions(), (160, 166));
}

#[test]
fn cells_that_text_was_written_over_are_written_again() {
    let mut painter = with_placeholders();
    let scene = [placed(1, noise(8), 1, false), placed(2, noise(8), 1, false)];
    let shown = numbers(&paint(&mut painter, &scene).0, "a=t");
    painter.written_over(&[(2, scene[1].area), (3, scene[1].area)]);
    let (text, painted) = paint(&mut painter, &scene);
    assert_eq!((painted.changed, cells(&text)), (1, CELLS));
    assert_eq!(numbers(&text, "a=t"), shown[1..]);
    assert_eq!(paint(&mut painter, &scene).0, "");
}

#[test]
fn there_are_no_more_cells_than_marks() {
    let mut painter = with_placeholders();
    let area = Area {
        x: 0,
        y: 0,
        width: 500,
        height: 400,
    };
    let covered = painter.covered_cells((100, 100), area, (500, 400));
    assert_eq!((covered.width, covered.height), (297, 149));
    assert_eq!(covered.x, 101);
    let picture = PlacedPicture {
        area,
        ..placed(1, flamingo(32), 1, false)
    };
    let mut out = Vec::new();
    painter.paint(&mut out, (500, 400), &[picture]).unwrap();
    assert_eq!(cells(&String::from_utf8(out).unwrap()), 297 * 149);
}

#[test]
fn pictures_beside_others_have_numbers_of_their_own() {
    for route in [Route::Direct, Route::TmuxPlaceholders] {
        let terminal = terminal(Protocol::Kitty, route);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let mut painter = Painter::beside_others(&terminal);
            let (text, _) = paint(&mut painter, &[placed(1, noise(8), 1, false)]);
            assert!(seen.insert(numbers(&text, "a=t")[0]));
        }
    }
}

#[test]
fn remove_all_removes_only_our_pictures() {
    for route in [
        Route::Direct,
        Route::TmuxPassthrough,
        Route::TmuxPlaceholders,
    ] {
        let terminal = terminal(Protocol::Kitty, route);
        let mut painter = Painter::beside_others(&terminal);
        painter.encoder.origin = Some((0, 0));
        let shown = numbers(
            &paint(&mut painter, &[placed(1, noise(8), 1, false)]).0,
            "a=t",
        );
        let mut out = Vec::new();
        remove_all(&terminal, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(numbers(&text, "a=d").contains(&shown[0]));
        assert!(!text.contains("d=A"));
    }
}

#[test]
fn a_popup_takes_cells_and_returns_them() {
    let mut painter = with_placeholders();
    let popup = Area {
        x: 10,
        y: 5,
        width: 8,
        height: 4,
    };
    let scene = |hidden: &[Area]| {
        [PlacedPicture {
            hidden: hidden.to_vec(),
            ..placed(1, noise(8), 1, false)
        }]
    };
    paint(&mut painter, &scene(&[]));
    painter.written_over(&[(1, popup)]);
    assert_eq!(paint(&mut painter, &scene(&[popup])).0, "");
    let (text, _) = paint(&mut painter, &scene(&[]));
    assert_eq!((cells(&text), numbers(&text, "a=t")), (8 * 4, vec![]));
    // A picture that is new while the popup is open.
    let mut other = with_placeholders();
    let (text, _) = paint(&mut other, &scene(&[popup]));
    assert_eq!(cells(&text), CELLS - 8 * 4);
}
