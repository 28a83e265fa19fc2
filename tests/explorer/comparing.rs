//! Finished runs side by side.

use super::finished::{explorer, newest_message};
use super::support::{Driver, flamingo, picture, record, unit};
use std::time::Duration;
use ziggurat::ascent::{Kind, Objective, Settings};
use ziggurat::runs::Spec;
use ziggurat::runs::history::HistoryEntry;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, DiskRequest, DiskResponse, Effect};
use ziggurat::tui::picture_cache::Size;
use ziggurat::tui::popup::Popup;

#[test]
fn marked_runs_are_compared_and_two_of_them_blink() {
    let mut explorer = explorer();
    explorer.press("c");
    assert!(explorer.app.popups.is_empty());
    explorer.press("space space c");
    let Some(Popup::Compare(compare)) = explorer.app.popups.last() else {
        panic!("nothing is compared")
    };
    for id in compare.ids.clone() {
        explorer.answer(DiskResponse::Picture {
            id,
            size: Size::Full,
            picture: picture(),
        });
    }
    let screen = explorer.screen();
    assert!(
        screen.contains("picture 100") && screen.contains("picture 101"),
        "{screen}"
    );
    // Common facts are shown once, differences under each picture.
    let common = "compare 2 runs · flamingo · toy · default · 90.0 %; different: seed";
    assert!(screen.contains(common), "{screen}");
    let (newer, older) = (
        screen.find("seed 4 · score 4.00"),
        screen.find("seed 3 · score 3.00"),
    );
    assert!(newer.is_some() && newer < older, "{screen}");
    assert!(screen.contains(" b blink  "), "{screen}");
    explorer.press("b");
    assert!(explorer.app.is_animated());
    let one = explorer.screen();
    assert!(!one.contains("picture 101"));
    assert!(one.contains("blink 1 of 2 · flamingo"), "{one}");
    assert!(one.contains("1 of 2 · seed 4 · score 4.00"), "{one}");
    explorer.now += Duration::from_millis(600);
    explorer.act(Action::Tick);
    let other = explorer.screen();
    assert!(other.contains("2 of 2 · seed 3 · score 3.00"), "{other}");
    explorer.press("b");
    assert!(!explorer.app.is_animated());
    explorer.press("esc");
    assert!(explorer.app.popups.is_empty());
}

#[test]
fn two_to_twelve_runs_can_be_compared_and_their_pictures_all_stay() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(13);
    // That of the latest run has been asked for already.
    let mut asked = vec![Effect::Disk(DiskRequest::LoadPicture(
        flamingo(12).id,
        Size::Full,
    ))];
    asked.extend(explorer.press("3 space c"));
    assert_eq!(
        newest_message(&explorer),
        "1 run is marked: 2 to 12 can be compared (␣ marks)"
    );
    asked.extend(explorer.press("G v g g v c"));
    assert_eq!(
        newest_message(&explorer),
        "13 runs are marked: 2 to 12 can be compared (␣ marks)"
    );
    asked.extend(explorer.press("G space c"));
    let Some(Popup::Compare(compare)) = explorer.app.popups.last() else {
        panic!("nothing is compared")
    };
    assert_eq!(compare.ids.len(), 12);
    // Every picture is asked for once, and none leaves for another.
    for _ in 0..3 {
        let wanted: Vec<String> = asked
            .drain(..)
            .filter_map(|effect| match effect {
                Effect::Disk(DiskRequest::LoadPicture(id, Size::Full)) => Some(id),
                _ => None,
            })
            .collect();
        for id in wanted {
            let size = Size::Full;
            let picture = picture();
            asked.extend(explorer.answer(DiskResponse::Picture { id, size, picture }));
        }
    }
    let asks = |effect: &Effect| matches!(effect, Effect::Disk(DiskRequest::LoadPicture(..)));
    assert!(!asked.iter().any(asks));
    let screen = explorer.screen();
    for slot in 100..112 {
        assert!(
            screen.contains(&format!("picture {slot} at")),
            "{slot}\n{screen}"
        );
    }
    for seed in 1..13 {
        assert!(screen.contains(&format!("seed {seed} · score")), "{screen}");
    }
}

#[test]
fn compared_runs_come_in_the_order_of_the_list_and_hold_long_names() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let layer = "blocks/a/very/long/path/to/some/layer/deep/within/the/network/conv";
    let runs = (0..4u64).map(|seed| {
        let objective = Objective {
            kind: Kind::Channel,
            value: layer.into(),
        };
        let title = format!("{layer}:{seed}");
        let mut settings = Settings::default();
        settings
            .set("tilt", (1.0 + seed as f64 / 10.0).into())
            .unwrap();
        let what = (title.as_str(), objective, unit(seed as usize));
        let mut run = record(Spec::new(("toy", "h"), what, seed, settings), seed as f32);
        run.probability = None;
        HistoryEntry::from_record(&run, false)
    });
    explorer.answer(DiskResponse::Runs(runs.collect()));
    // By score, the best first; marked from the last to the first.
    explorer.press("3 S S G v g g v c");
    let Some(Popup::Compare(compare)) = explorer.app.popups.last() else {
        panic!("nothing is compared")
    };
    let seeds = compare
        .ids
        .iter()
        .map(|id| explorer.app.history.find(id).unwrap().seed);
    assert_eq!(seeds.collect::<Vec<_>>(), [3, 2, 1, 0]);
    let screen = explorer.screen();
    assert!(
        screen.contains("toy · default; different: target, tilt, seed"),
        "{screen}"
    );
    assert!(screen.contains("tilt=1.3 · seed 3"), "{screen}");
}
