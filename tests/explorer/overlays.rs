//! The shown picture: overlays of active and finished runs, and magnification.

use super::finished::{explorer, newest_message};
use super::support::{Driver, picture, work};
use ziggurat::ascent::Overlay;
use ziggurat::runs::worker::photo::{About, Answer, AnswerContent};
use ziggurat::runs::worker::{Started, Watched, WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, DiskResponse, Effect};
use ziggurat::tui::picture_cache::Size;
use ziggurat::tui::showing::Showing;

#[test]
fn the_overlay_cycles_and_the_worker_is_notified() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let jobs = Driver::started(&explorer.press("2 enter"));
    let effects = explorer.press("o");
    assert!(
        matches!(work(&effects)[..], [WorkerCommand::Watch(Watched::One(job), Overlay::Heat)] if *job == jobs[0])
    );
    let effects = explorer.press("O O");
    assert!(matches!(
        work(&effects).last(),
        Some(WorkerCommand::Watch(_, Overlay::Gradient))
    ));
}

#[test]
fn a_channel_has_no_class_activation_map_and_says_so() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let jobs = Driver::started(&explorer.press("1 f j l enter"));
    explorer.press("o");
    assert_eq!(explorer.app.overlay, Overlay::Band(0));
    assert_eq!(
        newest_message(&explorer),
        "only class runs have a class activation map"
    );
    // A class whose model has no layer for one has none either.
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let classes = Driver::started(&explorer.press("2 enter"));
    assert_eq!(jobs, classes);
    explorer.report(WorkerEvent::Started(Started {
        jobs: classes,
        steps: 10,
        resumed_at: 0,
        octaves: vec![10],
        scores: vec![Vec::new()],
        size: (64, 64),
        has_map: false,
        bands: 2,
    }));
    let mut seen = Vec::new();
    for _ in 0..4 {
        explorer.press("o");
        seen.push(explorer.app.overlay);
    }
    let bands = [0, 1].map(Overlay::Band);
    assert_eq!(
        seen,
        [bands[0], bands[1], Overlay::Gradient, Overlay::Plain]
    );
}

#[test]
fn the_class_activation_map_lies_over_a_finished_picture_until_another_is_shown() {
    let mut explorer = explorer();
    let ask = |explorer: &mut Driver| {
        let effects = explorer.press("o");
        let question = effects.into_iter().find_map(|effect| match effect {
            Effect::Worker(WorkerCommand::Photo(question)) => Some(question),
            _ => None,
        });
        question.unwrap()
    };
    let question = ask(&mut explorer);
    assert!(matches!(question.about, About::Class { class: 4, .. }));
    let Showing::Finished(id) = explorer.app.shown.clone() else {
        panic!("{:?}", explorer.app.shown);
    };
    assert!(question.photo.ends_with(format!("{id}/image.png")));
    let found = picture();
    explorer.report(WorkerEvent::Photo(Answer {
        question: question.clone(),
        found: Ok(AnswerContent::Class(found.clone())),
    }));
    assert!(std::sync::Arc::ptr_eq(
        explorer.app.shown_picture().unwrap(),
        &found
    ));
    assert!(explorer.screen().contains("heat map · flamingo"));
    explorer.press("o");
    assert!(explorer.app.heat.is_none());
    let question = ask(&mut explorer);
    explorer.press("j");
    assert!(explorer.app.heat.is_none());
    // A late map belongs to another picture.
    explorer.report(WorkerEvent::Photo(Answer {
        question,
        found: Ok(AnswerContent::Class(found)),
    }));
    assert!(explorer.app.heat.is_none());
    let question = ask(&mut explorer);
    explorer.report(WorkerEvent::Photo(Answer {
        question,
        found: Err("there is no map".into()),
    }));
    assert!(explorer.app.heat.is_none());
    assert_eq!(newest_message(&explorer), "there is no map");
}

#[test]
fn the_picture_is_magnified_and_moved_on_the_whole_screen() {
    let mut explorer = explorer();
    let Showing::Finished(id) = explorer.app.shown.clone() else {
        panic!("{:?}", explorer.app.shown);
    };
    explorer.answer(DiskResponse::Picture {
        id,
        size: Size::Full,
        picture: picture(),
    });
    let corner = |explorer: &Driver| {
        let part = explorer.app.magnified.as_ref().unwrap();
        (part.picture.dimensions(), part.picture.get_pixel(0, 0).0)
    };
    explorer.press("+");
    assert!(
        explorer.app.magnified.is_none(),
        "a key of the full screen only"
    );
    explorer.press("z + +");
    assert!(explorer.screen().contains("4×"), "{}", explorer.screen());
    // The picture has 64 by 64 pixels, red grows to the right.
    assert_eq!(corner(&explorer), ((16, 16), [96, 96, 128]));
    let part = explorer.app.magnified.clone().unwrap().picture;
    explorer.act(Action::Tick);
    let same = explorer.app.magnified.clone().unwrap().picture;
    assert!(
        std::sync::Arc::ptr_eq(&part, &same),
        "nothing is drawn again"
    );
    explorer.press("right up");
    assert_eq!(corner(&explorer).1, [112, 80, 128]);
    explorer.press("z");
    assert!(explorer.app.magnified.is_none());
}
