mod bands;
mod hidden;
mod placeholders;

use super::*;
use crate::terminal::ColourDepth;
use icy_sixel::SixelImage;
use image::{Rgb, RgbImage};
use std::sync::Arc;

const SCREEN: (u16, u16) = (80, 24);

fn terminal(protocol: Protocol, route: Route) -> Terminal {
    Terminal {
        protocol,
        route,
        cell: (8, 16),
        blocks: crate::terminal::Blocks::Half,
        colours: ColourDepth::True,
        light: None,
        name: None,
        answered: true,
        remote: false,
        why: "",
    }
}

fn painter(protocol: Protocol) -> Painter {
    Painter::new(&terminal(protocol, Route::Direct))
}

/// A painter in a tmux pane at column 10, row 2.
fn through_tmux(protocol: Protocol) -> Painter {
    let mut painter = Painter::new(&terminal(protocol, Route::TmuxPassthrough));
    painter.encoder.origin = Some((10, 2));
    painter
}

/// The picture that compresses worst.
fn noise(side: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(side, side, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [red, green, blue, _] = state.to_be_bytes();
        Rgb([red, green, blue])
    })
}

/// A picture made by Ziggurat.
fn flamingo(side: u32) -> RgbImage {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/flamingo.png");
    crate::terminal::resize(&image::open(path).unwrap().to_rgb8(), side, side)
}

fn placed(slot: u32, picture: RgbImage, version: u64, moving: bool) -> PlacedPicture {
    let area = Area {
        x: 2,
        y: 1,
        width: 28,
        height: 14,
    };
    PlacedPicture {
        slot,
        area,
        hidden: Vec::new(),
        picture: Arc::new(picture),
        version,
        moving,
    }
}

fn paint(painter: &mut Painter, scene: &[PlacedPicture]) -> (String, Painted) {
    let mut out = Vec::new();
    let painted = painter.paint(&mut out, SCREEN, scene).unwrap();
    assert_eq!(painted.bytes, out.len());
    (String::from_utf8(out).unwrap(), painted)
}

/// Paints as soon as the next frame of a moving picture is due.
fn paint_next(painter: &mut Painter, scene: &[PlacedPicture]) -> (String, Painted) {
    painter.bandwidth = Bandwidth::new(false);
    paint(painter, scene)
}

fn numbers(text: &str, command: &str) -> Vec<u32> {
    let after = |part: &str| {
        part.split_once("i=")?
            .1
            .split([',', ';'])
            .next()?
            .parse()
            .ok()
    };
    text.split("\x1b_G")
        .filter(|part| part.starts_with(command))
        .filter_map(after)
        .collect()
}

#[test]
fn only_what_changed_is_written() {
    let mut painter = painter(Protocol::Kitty);
    let scene = [
        placed(1, flamingo(64), 1, false),
        placed(2, noise(8), 1, false),
    ];
    let (first, painted) = paint(&mut painter, &scene);
    assert_eq!((painted.changed, numbers(&first, "a=p").len()), (2, 2));
    assert!(first.starts_with("\x1b[?2026h\x1b7") && first.ends_with("\x1b8\x1b[?2026l"));
    assert_eq!(paint(&mut painter, &scene).1, Painted::default());
    let changed = [scene[0].clone(), placed(2, noise(8), 2, false)];
    let (second, painted) = paint(&mut painter, &changed);
    assert_eq!((painted.changed, numbers(&second, "a=p").len()), (1, 1));
}

#[test]
fn a_picture_is_shown_before_the_old_one_is_removed_and_numbers_alternate() {
    let mut painter = painter(Protocol::Kitty);
    let mut last = Vec::new();
    for version in 0..4 {
        let (text, _) = paint(&mut painter, &[placed(1, noise(8), version, false)]);
        let (now, gone) = (numbers(&text, "a=p"), numbers(&text, "a=d"));
        assert_eq!(gone, last);
        assert!(gone.is_empty() || text.find("a=p") < text.find("a=d"));
        assert!(now[0] > 0 && now != last);
        last = now;
    }
    assert_eq!(painter.places, 0..1);
}

#[test]
fn a_picture_removed_from_the_scene_is_removed_from_the_screen() {
    let mut painter = painter(Protocol::Kitty);
    let scene = [placed(1, noise(8), 1, false), placed(2, noise(8), 1, false)];
    let shown = numbers(&paint(&mut painter, &scene).0, "a=p");
    let (text, painted) = paint(&mut painter, &scene[1..]);
    assert_eq!(numbers(&text, "a=d"), shown[..1]);
    assert_eq!(painted.changed, 1);
    let mut out = Vec::new();
    painter.clear(&mut out).unwrap();
    assert_eq!(numbers(&String::from_utf8(out).unwrap(), "a=d"), shown[1..]);
}

#[test]
fn invalidation_deletes_our_numbers_and_draws_everything_again() {
    let mut painter = painter(Protocol::Kitty);
    let scene = [placed(1, noise(8), 1, false)];
    let shown = numbers(&paint(&mut painter, &scene).0, "a=p");
    painter.invalidate();
    let (text, painted) = paint(&mut painter, &scene);
    assert!(numbers(&text, "a=d").contains(&shown[0]));
    assert!(text.find("a=d") < text.find("a=p"));
    assert_eq!(painted.changed, 1);
}

#[test]
fn a_live_frame_of_224_pixels_takes_at_most_50_kb_in_every_protocol() {
    for protocol in [Protocol::Kitty, Protocol::Sixel, Protocol::Iterm2] {
        for (name, picture) in [("flamingo", flamingo(224)), ("noise", noise(224))] {
            let mut painter = painter(protocol);
            for version in 0..4 {
                let scene = [placed(1, picture.clone(), version, true)];
                let (_, painted) = paint_next(&mut painter, &scene);
                let bytes = painted.bytes;
                println!("{protocol} {name}: {bytes} bytes, step {}", painter.level);
                assert!(
                    bytes > 1000 && bytes <= 50_000 + 100,
                    "{protocol} {name}: {bytes} bytes"
                );
            }
        }
    }
}

#[test]
fn a_picture_that_stops_moving_is_drawn_in_full() {
    let mut painter = painter(Protocol::Kitty);
    let (moving, _) = paint(&mut painter, &[placed(1, flamingo(224), 1, true)]);
    let (still, painted) = paint(&mut painter, &[placed(1, flamingo(224), 1, false)]);
    assert_eq!(painted.changed, 1);
    assert!(still.len() > 2 * moving.len());
    // A picture that starts to move again is good enough as it is.
    let (_, painted) = paint(&mut painter, &[placed(1, flamingo(224), 1, true)]);
    assert_eq!(painted.changed, 0);
}

#[test]
fn full_quality_means_every_pixel() {
    let picture = flamingo(150);
    let (text, _) = paint(
        &mut painter(Protocol::Kitty),
        &[placed(1, picture.clone(), 1, false)],
    );
    assert_eq!(sent(&text), picture);
}

/// The only picture that was sent with kitty's protocol.
fn sent(text: &str) -> RgbImage {
    let chunks = text
        .split("\x1b_G")
        .filter_map(|part| part.split_once("\x1b")?.0.split_once(';'));
    let base64: String = chunks.map(|(_, payload)| payload).collect();
    use base64::Engine;
    let png = base64::prelude::BASE64_STANDARD.decode(base64).unwrap();
    image::load_from_memory(&png).unwrap().to_rgb8()
}

/// A writer with a delay per byte.
struct Slow;

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_micros(10) * bytes.len() as u32);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_terminal_gets_coarser_frames_and_fewer_of_them() {
    let mut painter = painter(Protocol::Kitty);
    let picture = flamingo(224);
    let scene = |version| [placed(1, picture.clone(), version, true)];
    let first = painter.paint(&mut Slow, SCREEN, &scene(0)).unwrap();
    let skipped = painter.paint(&mut Slow, SCREEN, &scene(1)).unwrap();
    assert_eq!(skipped.bytes, 0);
    let wait = skipped.again.expect("the frame waits for the link");
    assert!(wait > Duration::from_millis(50), "{wait:?}");
    for version in 2..5 {
        std::thread::sleep(painter.bandwidth.wait(Instant::now()).unwrap_or_default());
        painter.paint(&mut Slow, SCREEN, &scene(version)).unwrap();
    }
    std::thread::sleep(painter.bandwidth.wait(Instant::now()).unwrap_or_default());
    let last = painter.paint(&mut Slow, SCREEN, &scene(9)).unwrap();
    assert!(
        last.bytes * 2 < first.bytes,
        "{} then {} bytes",
        first.bytes,
        last.bytes
    );
}

#[test]
fn a_write_that_fails_is_reported_and_the_picture_drawn_again_afterwards() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut painter = painter(Protocol::Sixel);
    let scene = [placed(1, noise(8), 1, false)];
    assert!(painter.paint(&mut Broken, SCREEN, &scene).is_err());
    assert_eq!(paint(&mut painter, &scene).1.changed, 1);
}

#[test]
fn sixels_avoid_the_last_row_and_stay_on_the_screen() {
    let mut painter = painter(Protocol::Sixel);
    let area = Area {
        x: 60,
        y: 10,
        width: 40,
        height: 40,
    };
    let covered = painter.covered_cells((100, 100), area, SCREEN);
    assert!(covered.x + covered.width <= 80 && covered.y + covered.height <= 23);
    let picture = PlacedPicture {
        area,
        ..placed(1, flamingo(100), 1, false)
    };
    let (text, _) = paint(&mut painter, &[picture]);
    let start = text.find("\x1bP").unwrap();
    let end = text.find("\x1b\\").unwrap() + 2;
    let image = SixelImage::decode(&text.as_bytes()[start..end]).unwrap();
    let (width, height) = covered.pixels((8, 16));
    assert_eq!(
        (image.width as u32, image.height as u32),
        (width, height / 6 * 6)
    );
}

#[test]
fn no_area_is_too_small_or_too_large() {
    for protocol in [
        Protocol::Kitty,
        Protocol::Sixel,
        Protocol::Iterm2,
        Protocol::Blocks,
    ] {
        let mut painter = painter(protocol);
        let place = |width, height| PlacedPicture {
            area: Area {
                x: 0,
                y: 0,
                width,
                height,
            },
            ..placed(1, flamingo(32), u64::from(width), false)
        };
        let mut out = Vec::new();
        for (width, height) in [(0, 0), (1, 1), (65_535, 65_535), (3, 0)] {
            painter
                .paint(&mut out, (500, 500), &[place(width, height)])
                .unwrap();
        }
        assert!(out.len() < 12 << 20, "{protocol}: {} bytes", out.len());
        assert_eq!(out.is_empty(), protocol == Protocol::Blocks);
        assert!(painter.shown.is_empty());
    }
}

#[test]
fn every_piece_through_tmux_is_wrapped_positioned_and_short_enough() {
    for protocol in [Protocol::Kitty, Protocol::Sixel, Protocol::Iterm2] {
        let mut painter = through_tmux(protocol);
        let area = Area {
            x: 0,
            y: 0,
            width: 120,
            height: 60,
        };
        let scene = [PlacedPicture {
            area,
            ..placed(1, noise(900), 1, false)
        }];
        let mut out = Vec::new();
        painter.paint(&mut out, (200, 100), &scene).unwrap();
        let text = String::from_utf8(out).unwrap();
        let pieces: Vec<&str> = text.split("\x1bPtmux;").skip(1).collect();
        assert!(
            pieces.iter().all(|piece| piece.len() < 900_000),
            "{protocol}"
        );
        assert!(
            text.len() > 500_000 || protocol == Protocol::Iterm2,
            "{protocol}: {}",
            text.len()
        );
        let covered = painter.covered_cells((900, 900), area, (200, 100));
        let to = format!("\x1b\x1b7\x1b\x1b[{};{}H", covered.y + 3, covered.x + 11);
        assert!(
            pieces.iter().any(|piece| piece.starts_with(&to)),
            "{protocol}"
        );
    }
}

/// A writer that is slow for the first bytes.
struct Stalling {
    stalls: u32,
    taken: usize,
}

impl Write for Stalling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stalls > 0 {
            self.stalls -= 1;
            std::thread::sleep(Duration::from_millis(600));
        }
        self.taken += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_picture_coarsened_by_a_stall_is_refined_once() {
    let mut painter = painter(Protocol::Kitty);
    let mut out = Stalling {
        stalls: 2,
        taken: 0,
    };
    let small = [placed(1, noise(24), 1, false)];
    painter.paint(&mut out, SCREEN, &small).unwrap();
    let scene = [placed(1, flamingo(224), 2, false)];
    let mut painted = painter.paint(&mut out, SCREEN, &scene).unwrap();
    let level = |painter: &Painter| painter.shown[&1].level;
    assert!(level(&painter) > 0);
    for _ in 0..10 {
        let Some(again) = painted.again else { break };
        assert!(again <= Duration::from_secs(2));
        std::thread::sleep(again);
        painted = painter.paint(&mut out, SCREEN, &scene).unwrap();
    }
    assert_eq!((level(&painter), painted.again), (0, None));
    assert_eq!(
        painter.paint(&mut out, SCREEN, &scene).unwrap(),
        Painted::default()
    );
}

#[test]
fn a_picture_on_a_slow_line_is_refined_once_at_most() {
    let mut painter = painter(Protocol::Kitty);
    let slow = |painter: &mut Painter| {
        for _ in 0..8 {
            // 20 KB per second.
            painter
                .bandwidth
                .record(10_000, Duration::from_millis(500), Instant::now());
        }
    };
    slow(&mut painter);
    let scene = [placed(1, flamingo(224), 1, false)];
    let (first, painted) = paint(&mut painter, &scene);
    let mut bytes = first.len();
    let mut again = painted.again;
    for _ in 0..3 {
        let Some(wait) = again else { break };
        std::thread::sleep(wait);
        slow(&mut painter);
        let (text, painted) = paint(&mut painter, &scene);
        bytes += text.len();
        again = painted.again;
    }
    assert_eq!(again, None);
    assert!(bytes < 70_000, "{bytes}");
}
