//! Pictures that are partly covered.

use super::*;

const AREA: Area = Area {
    x: 2,
    y: 1,
    width: 28,
    height: 14,
};

/// A popup in the middle of the picture, and one at its corner.
const MIDDLE: Area = Area {
    x: 10,
    y: 5,
    width: 8,
    height: 4,
};
const CORNER: Area = Area {
    x: 20,
    y: 10,
    width: 40,
    height: 9,
};

fn scene(version: u64, moving: bool, hidden: &[Area]) -> [PlacedPicture; 1] {
    [PlacedPicture {
        hidden: hidden.to_vec(),
        ..placed(1, flamingo(224), version, moving)
    }]
}

/// Placements by number and placement id: cells, and the part in the picture's pixels.
type Places = BTreeMap<(u32, usize), (Area, Option<[u32; 4]>)>;

/// Applies kitty's commands in a text to the placements.
fn apply(places: &mut Places, text: &str) {
    let mut cursor = (0, 0);
    for part in text.split('\x1b').skip(1) {
        if let Some(to) = part.strip_prefix('[').and_then(|to| to.strip_suffix('H')) {
            let (row, column) = to.split_once(';').unwrap();
            cursor = (
                column.parse::<u16>().unwrap() - 1,
                row.parse::<u16>().unwrap() - 1,
            );
        }
        let Some(command) = part.strip_prefix("_G") else {
            continue;
        };
        let keys = command.split(';').next().unwrap();
        let value = |key: &str| {
            let mut keys = keys.split(',').filter_map(|pair| pair.split_once('='));
            keys.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let number = |key| value(key).map(|value| value.parse::<u32>().unwrap());
        let place = || (number("i").unwrap(), number("p").unwrap() as usize);
        match (value("a"), value("d")) {
            (Some("p"), _) => {
                let area = Area {
                    x: cursor.0,
                    y: cursor.1,
                    width: number("c").unwrap() as u16,
                    height: number("r").unwrap() as u16,
                };
                let cut = number("x").map(|x| {
                    [
                        x,
                        number("y").unwrap(),
                        number("w").unwrap(),
                        number("h").unwrap(),
                    ]
                });
                places.insert(place(), (area, cut));
            }
            (Some("d"), Some("i")) => drop(places.remove(&place())),
            (Some("d"), Some("I")) => places.retain(|(id, _), _| Some(*id) != number("i")),
            _ => {}
        }
    }
}

/// The visible cells and parts, without numbers.
fn seen(places: &Places) -> Vec<(Area, Option<[u32; 4]>)> {
    let mut seen: Vec<_> = places.values().copied().collect();
    seen.sort_by_key(|(area, _)| (area.x, area.y));
    seen
}

#[test]
fn kitty_shows_the_visible_parts_without_sending_the_picture_again() {
    let mut painter = painter(Protocol::Kitty);
    let mut places = Places::new();
    apply(&mut places, &paint(&mut painter, &scene(1, false, &[])).0);
    assert_eq!(seen(&places), [(AREA, None)]);
    for hidden in [&[MIDDLE][..], &[CORNER], &[MIDDLE, CORNER], &[]] {
        // Text does not remove the picture.
        painter.written_over(&hidden.iter().map(|area| (1, *area)).collect::<Vec<_>>());
        let (text, painted) = paint(&mut painter, &scene(1, false, hidden));
        assert!(
            painted.bytes < 800 && numbers(&text, "a=t").is_empty(),
            "{text:?}"
        );
        apply(&mut places, &text);
        let mut fresh = Places::new();
        let mut other = super::painter(Protocol::Kitty);
        apply(&mut fresh, &paint(&mut other, &scene(1, false, hidden)).0);
        assert_eq!(seen(&places), seen(&fresh), "{hidden:?}");
        assert_eq!(paint(&mut painter, &scene(1, false, hidden)).0, "");
    }
}

#[test]
fn the_parts_in_kitty_keep_their_positions() {
    let mut painter = painter(Protocol::Kitty);
    let mut places = Places::new();
    apply(
        &mut places,
        &paint(&mut painter, &scene(1, false, &[MIDDLE])).0,
    );
    // 224 pixels on 28 columns and 14 rows: 8 and 16 per cell.
    let expected = AREA.without(MIDDLE).into_iter().map(|part| {
        let [x, y] = [part.x - AREA.x, part.y - AREA.y];
        let pixels = [8 * x, 16 * y, 8 * part.width, 16 * part.height];
        (part, Some(pixels.map(u32::from)))
    });
    let mut expected: Vec<_> = expected.collect();
    expected.sort_by_key(|(area, _)| (area.x, area.y));
    assert_eq!(seen(&places), expected);
}

#[test]
fn a_picture_is_updated_beside_a_popup() {
    let mut painter = painter(Protocol::Kitty);
    let mut places = Places::new();
    apply(&mut places, &paint(&mut painter, &scene(0, true, &[])).0);
    for (version, hidden) in [(1, &[MIDDLE][..]), (2, &[MIDDLE]), (3, &[CORNER]), (4, &[])] {
        let (text, _) = paint_next(&mut painter, &scene(version, true, hidden));
        assert_eq!(numbers(&text, "a=t").len(), 1);
        apply(&mut places, &text);
        let cells: Vec<Area> = seen(&places).into_iter().map(|(area, _)| area).collect();
        let mut expected = without(&[AREA], hidden);
        expected.sort_by_key(|area| (area.x, area.y));
        assert_eq!(cells, expected);
    }
}

#[test]
fn a_popup_does_not_wait_for_the_next_frame_on_a_slow_line() {
    for protocol in [Protocol::Kitty, Protocol::Sixel, Protocol::Iterm2] {
        let mut painter = painter(protocol);
        paint(&mut painter, &scene(0, true, &[MIDDLE]));
        let now = Instant::now();
        painter
            .bandwidth
            .record(100_000, Duration::from_secs(1), now);
        let (text, painted) = paint(&mut painter, &scene(1, true, &[]));
        assert!(!text.is_empty() && painted.again.is_some(), "{protocol}");
        // Only the hidden part, of any picture.
        let fresh = paint(&mut super::painter(protocol), &scene(1, true, &[])).0;
        assert!(2 * text.len() < fresh.len(), "{protocol}");
        assert_eq!(painter.shown[&1].version, scene(0, true, &[])[0].version);
    }
}

/// The cells covered by printed pictures, from the cursor's positions.
fn printed(text: &str, protocol: Protocol) -> Vec<Area> {
    let mut areas = Vec::new();
    let mut cursor = (0, 0);
    for part in text.split('\x1b').skip(1) {
        if let Some(rest) = part.strip_prefix('[')
            && let Some((to, file)) = rest.split_once('H')
            && let Some((row, column)) = to.split_once(';')
        {
            assert!(file.is_empty());
            cursor = (
                column.parse::<u16>().unwrap() - 1,
                row.parse::<u16>().unwrap() - 1,
            );
        }
        let (width, height) = match protocol {
            Protocol::Sixel if part.starts_with('P') => {
                let image = SixelImage::decode(format!("\x1b{part}\x1b\\").as_bytes()).unwrap();
                (
                    image.width.div_ceil(8) as u16,
                    image.height.div_ceil(16) as u16,
                )
            }
            Protocol::Iterm2 if part.starts_with("]1337") => {
                let value = |key: &str| {
                    part.split_once(key)
                        .unwrap()
                        .1
                        .split(';')
                        .next()
                        .unwrap()
                        .parse::<u16>()
                        .unwrap()
                };
                (value(";width="), value(";height="))
            }
            _ => continue,
        };
        areas.push(Area {
            x: cursor.0,
            y: cursor.1,
            width,
            height,
        });
    }
    areas
}

/// What is printed where a popup was: for sixels also the rows below, and from three rows of 16 pixels on the rows
/// above.
fn again(protocol: Protocol, popup: Area) -> Area {
    let above = (popup.y - 1 - AREA.y) / 3 * 3;
    match protocol {
        Protocol::Sixel => Area {
            y: AREA.y + above,
            height: AREA.height - above,
            ..popup
        },
        _ => popup,
    }
}

#[test]
fn printed_pictures_are_sent_again_only_where_a_popup_was() {
    for protocol in [Protocol::Sixel, Protocol::Iterm2] {
        let mut painter = painter(protocol);
        assert_eq!(
            printed(&paint(&mut painter, &scene(1, false, &[])).0, protocol),
            [AREA]
        );
        // The popup's text overwrites its cells.
        painter.written_over(&[(1, MIDDLE)]);
        assert_eq!(paint(&mut painter, &scene(1, false, &[MIDDLE])).0, "");
        painter.written_over(&[(1, CORNER)]);
        let both = paint(&mut painter, &scene(1, false, &[CORNER])).0;
        assert_eq!(printed(&both, protocol), [again(protocol, MIDDLE)]);
        let (text, _) = paint(&mut painter, &scene(1, false, &[]));
        let corner = AREA.shared(CORNER);
        assert_eq!(printed(&text, protocol), [again(protocol, corner)]);
        // Another picture is sent as its visible parts.
        let (text, _) = paint(&mut painter, &scene(2, false, &[MIDDLE]));
        assert_eq!(printed(&text, protocol), AREA.without(MIDDLE));
    }
}

#[test]
fn a_popup_between_two_scenes_leaves_no_hole() {
    for protocol in [Protocol::Sixel, Protocol::Iterm2] {
        let mut painter = painter(protocol);
        paint(&mut painter, &scene(1, false, &[]));
        painter.written_over(&[(1, MIDDLE)]);
        let (text, _) = paint(&mut painter, &scene(1, false, &[]));
        assert_eq!(printed(&text, protocol), [again(protocol, MIDDLE)]);
    }
}

#[test]
fn kitty_puts_a_picture_again_where_text_may_have_taken_it() {
    let mut painter = painter(Protocol::Kitty);
    paint(&mut painter, &scene(1, false, &[]));
    painter.written_over(&[(1, MIDDLE)]);
    let (text, _) = paint(&mut painter, &scene(1, false, &[]));
    assert_eq!(
        (numbers(&text, "a=p").len(), numbers(&text, "a=t").len()),
        (1, 0)
    );
    assert_eq!(paint(&mut painter, &scene(1, false, &[])).0, "");
}

#[test]
fn tmux_that_draws_sixels_itself_gets_all_parts_again() {
    let mut painter = Painter::new(&terminal(Protocol::Sixel, Route::Tmux));
    paint(&mut painter, &scene(1, false, &[]));
    painter.written_over(&[(1, MIDDLE)]);
    let (text, _) = paint(&mut painter, &scene(1, false, &[MIDDLE]));
    assert_eq!(printed(&text, Protocol::Sixel), AREA.without(MIDDLE));
}

#[test]
fn sixels_of_a_part_are_those_of_the_whole() {
    let whole = paint(&mut painter(Protocol::Sixel), &scene(1, true, &[])).0;
    let parts = paint(&mut painter(Protocol::Sixel), &scene(1, true, &[MIDDLE])).0;
    let decoded = |text: &str| -> Vec<SixelImage> {
        let parts = text.split("\x1bP").skip(1);
        let image = |part: &str| {
            let end = part.find("\x1b\\").unwrap() + 2;
            SixelImage::decode(format!("\x1bP{}", &part[..end]).as_bytes()).unwrap()
        };
        parts.map(image).collect()
    };
    let (whole, parts) = (&decoded(&whole)[0], decoded(&parts));
    let pixel = |image: &SixelImage, x: usize, y: usize| {
        let at = 4 * (y * image.width + x);
        [0, 1, 2].map(|channel| f64::from(image.pixels[at + channel]))
    };
    for (part, image) in AREA.without(MIDDLE).into_iter().zip(&parts) {
        let (left, top) = (
            8 * usize::from(part.x - AREA.x),
            16 * usize::from(part.y - AREA.y),
        );
        let mut error = 0.0;
        for (x, y) in (0..image.width).flat_map(|x| (0..image.height).map(move |y| (x, y))) {
            let (one, other) = (pixel(image, x, y), pixel(whole, left + x, top + y));
            error += one
                .iter()
                .zip(other)
                .map(|(a, b)| (a - b).abs())
                .sum::<f64>();
        }
        let mean = error / (3 * image.width * image.height) as f64;
        assert!(mean < 8.0, "{part:?}: {mean}");
    }
}

#[test]
fn a_fully_covered_picture_is_removed() {
    for protocol in [Protocol::Kitty, Protocol::Sixel] {
        let mut painter = painter(protocol);
        paint(&mut painter, &scene(1, false, &[]));
        paint(&mut painter, &scene(1, false, &[AREA]));
        assert!(painter.shown.is_empty());
        let (text, _) = paint(&mut painter, &scene(1, false, &[]));
        assert!(text.len() > 1000);
    }
}
