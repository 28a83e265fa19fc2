//! Snapshots of every screen at three sizes.

use super::support::{Driver, flamingo, picture};
use std::sync::Arc;
use ziggurat::ascent::Overlay;
use ziggurat::runs::worker::{ModelInfo, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::DiskResponse;
use ziggurat::tui::picture_cache::Size;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// A name for a screen and how to get there.
type Screen = (&'static str, fn(&mut Driver));

const SCREENS: &[Screen] = &[
    ("classes", |explorer| drop(explorer.press("2 j"))),
    ("layers", |explorer| drop(explorer.press("1 f j j"))),
    ("channels", |explorer| drop(explorer.press("1 f j l l"))),
    ("history", |explorer| drop(explorer.press("3"))),
    ("report", |explorer| {
        explorer.press("3");
        let mut record = flamingo(5);
        record.scores = (0..40).map(|step| (step as f32).sqrt() - 2.0).collect();
        record.octaves = vec![20, 12, 8];
        explorer.answer(DiskResponse::Record(Box::new(record)));
    }),
    ("favourites", |explorer| drop(explorer.press("4"))),
    ("search", |explorer| {
        explorer.press("2 /");
        explorer.write("shark");
    }),
    ("running", running),
    ("queue", |explorer| {
        running(explorer);
        explorer.press("G enter tab");
    }),
    ("zoomed", |explorer| {
        running(explorer);
        explorer.press("z");
    }),
    ("grid", |explorer| drop(explorer.press("3 t j"))),
    ("atlas", |explorer| {
        let jobs = Driver::started(&explorer.press("1 f j L"));
        for job in jobs {
            explorer.report(WorkerEvent::Snapshot {
                job,
                step: 12,
                overlay: Overlay::Plain,
                picture: picture(),
            });
        }
    }),
    ("settings", |explorer| drop(explorer.press(", j j j +"))),
    ("sweep", |explorer| drop(explorer.press("w"))),
    ("help", |explorer| drop(explorer.press("?"))),
    ("palette", |explorer| {
        explorer.press(":");
        explorer.write("tab");
    }),
    ("palette-argument", |explorer| {
        explorer.press(":");
        explorer.write("set mas");
    }),
    ("key-sequence", |explorer| {
        explorer.press("2 g");
        explorer.now += std::time::Duration::from_millis(400);
        explorer.act(ziggurat::tui::Action::Tick);
    }),
    ("compare", |explorer| {
        drop(explorer.press("3 space space space c"))
    }),
    ("details", |explorer| drop(explorer.press("3 i"))),
    ("messages", |explorer| {
        drop(explorer.press("w x enter esc M"))
    }),
    ("models", |explorer| {
        explorer.press("m");
        explorer.answer(DiskResponse::Folder {
            folder: "/models".into(),
            choices: Ok(vec![
                ziggurat::tui::popup::Choice::Card {
                    name: "efficientnet-lite0".into(),
                    here: true,
                },
                ziggurat::tui::popup::Choice::Folder("/".into()),
                ziggurat::tui::popup::Choice::File("/models/resnet18.onnx".into()),
            ]),
        });
    }),
];

fn running(explorer: &mut Driver) {
    let jobs = Driver::started(&explorer.press("2 space space enter"));
    for step in 1..=48 {
        explorer.step(&jobs, step);
    }
    for job in jobs {
        explorer.snapshot(job);
    }
}

#[test]
fn every_screen_at_every_size() {
    for (width, height) in SIZES {
        for (name, go) in SCREENS {
            let mut explorer = Driver::new(Protocol::Kitty, width, height);
            explorer.remember(6);
            go(&mut explorer);
            let shown = explorer.app.history.list("", false, None);
            for index in shown {
                let id = explorer.app.history.get(index).id.clone();
                for size in [Size::Full, Size::Thumbnail, Size::Cell] {
                    explorer.answer(DiskResponse::Picture {
                        id: id.clone(),
                        size,
                        picture: picture(),
                    });
                }
            }
            insta::assert_snapshot!(
                format!("{name}-{width}x{height}"),
                steady(&explorer.screen())
            );
        }
    }
}

#[test]
fn the_first_start_shows_the_download() {
    let mut explorer = Driver::opening(Protocol::Kitty, 80, 24);
    explorer.report(WorkerEvent::Stage {
        model: "toy".into(),
        text: "fetching ONNX Runtime 1.27.0".into(),
        bytes: Some((7_000_000, 20_000_000)),
    });
    insta::assert_snapshot!("first-start-80x24", explorer.screen());
    explorer.report(WorkerEvent::OpenFailed {
        model: "toy".into(),
        why: "broken.onnx: it is cut off after 12 of 40 bytes".into(),
    });
    explorer.press("esc");
    insta::assert_snapshot!("failed-80x24", explorer.screen());
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    let explorer = Driver::new(Protocol::Kitty, 20, 5);
    assert!(explorer.screen().contains("too small"));
}

#[test]
fn ten_thousand_layers_are_drawn_quickly() {
    let mut explorer = Driver::opening(Protocol::Blocks, 200, 60);
    let base = super::support::network();
    let layers = (0..100_000)
        .map(|index| {
            super::support::layer(&format!("s{}/l{index}", index / 50), "Conv", &[1, 8, 4, 4])
        })
        .collect();
    explorer.report(WorkerEvent::Opened(Arc::new(ModelInfo { layers, ..base })));
    explorer.press("1 f");
    assert!(explorer.app.browser.layers.len() > 100_000);
    let begun = std::time::Instant::now();
    for _ in 0..60 {
        explorer.press("j");
        explorer.screen();
    }
    // An unoptimised build on a busy machine, too; a release build takes a small part of it.
    assert!(begun.elapsed().as_secs_f64() < 6.0, "{:?}", begun.elapsed());
}

/// Without what changes from day to day.
fn steady(screen: &str) -> String {
    let mut lines = Vec::new();
    for line in screen.lines() {
        let mut line = line.to_string();
        let places: Vec<usize> = line.match_indices(" y ago").map(|(at, _)| at).collect();
        for at in places.into_iter().rev() {
            let start = line[..at]
                .rfind(|letter: char| !letter.is_ascii_digit())
                .map_or(0, |place| place + 1);
            line.replace_range(start..at, &format!("{:>1$}", "N", at - start));
        }
        lines.push(line);
    }
    lines.join("\n")
}
