//! QueueProgress and notifications outside of the screen.

use crate::support::Driver;
use std::time::Duration;
use ziggurat::runs::worker::{Started, WorkerEvent};
use ziggurat::terminal::{Protocol, QueueProgress};
use ziggurat::tui::action::{Action, Effect, ScreenRequest};

fn explorer() -> Driver {
    Driver::new(Protocol::Kitty, 120, 40)
}

fn notifications(effects: &[Effect]) -> Vec<&str> {
    let notifications = effects.iter().filter_map(|effect| match effect {
        Effect::Screen(ScreenRequest::Notify(text)) => Some(text.as_str()),
        _ => None,
    });
    notifications.collect()
}

/// The last change of the progress; `None` if there was none.
fn progress(effects: &[Effect]) -> Option<Option<QueueProgress>> {
    let mut shown = effects.iter().filter_map(|effect| match effect {
        Effect::Screen(ScreenRequest::QueueProgress(progress)) => Some(*progress),
        _ => None,
    });
    shown.next_back()
}

fn percent(effects: &[Effect]) -> u8 {
    progress(effects)
        .flatten()
        .expect("progress is shown")
        .percent
}

#[test]
fn the_end_of_a_long_queue_is_notified() {
    let mut explorer = explorer();
    let first = Driver::started(&explorer.press("2 space space enter"));
    explorer.press("n enter");
    explorer.now += Duration::from_secs(20);
    assert!(notifications(&explorer.finish(first[0], 1.0)).is_empty());
    let effects = explorer.finish(first[1], 2.0);
    assert!(notifications(&effects).is_empty(), "one still waits");
    let last = Driver::started(&effects);
    let effects = explorer.report(WorkerEvent::Failed {
        job: last[0],
        why: "of a test".into(),
    });
    assert_eq!(notifications(&effects), ["2 runs finished, 1 failed"]);
    assert!(notifications(&explorer.press("j")).is_empty());
}

#[test]
fn short_work_is_notified_only_without_the_focus() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 j enter"));
    assert!(notifications(&explorer.finish(jobs[0], 1.0)).is_empty());
    explorer.act(Action::FocusLost);
    let jobs = Driver::started(&explorer.press("n enter"));
    assert_eq!(
        notifications(&explorer.finish(jobs[0], 1.0)),
        ["goldfish finished"]
    );
    explorer.act(Action::Focus);
    let jobs = Driver::started(&explorer.press("n enter"));
    assert!(notifications(&explorer.finish(jobs[0], 1.0)).is_empty());
}

#[test]
fn cancelling_sends_no_notification() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter"));
    explorer.now += Duration::from_secs(60);
    let effects = explorer.report(WorkerEvent::Cancelled { job: jobs[0] });
    assert!(notifications(&effects).is_empty());
    assert_eq!(progress(&effects), Some(None));
}

#[test]
fn progress_is_that_of_the_whole_queue_and_goes_away_at_its_end() {
    let mut explorer = explorer();
    let effects = explorer.press("2 space space enter");
    assert_eq!(percent(&effects), 0);
    let jobs = Driver::started(&effects);
    explorer.report(WorkerEvent::Started(Started {
        jobs: jobs.clone(),
        steps: 192,
        resumed_at: 0,
        octaves: vec![192],
        scores: vec![Vec::new(); 2],
        size: (224, 224),
        has_map: true,
        bands: 4,
    }));
    assert_eq!(percent(&explorer.step(&jobs, 96)), 50);
    assert_eq!(progress(&explorer.step(&jobs, 97)), None, "still 50 %");
    // Two more wait: half of two of four.
    assert_eq!(percent(&explorer.press("n space space enter")), 25);
    let paused = explorer.report(WorkerEvent::Paused(true));
    assert!(progress(&paused).flatten().unwrap().paused);
    explorer.report(WorkerEvent::Paused(false));
    explorer.finish(jobs[0], 1.0);
    let effects = explorer.finish(jobs[1], 1.0);
    assert_eq!(percent(&effects), 50);
    let rest = Driver::started(&effects);
    explorer.finish(rest[0], 1.0);
    assert_eq!(progress(&explorer.finish(rest[1], 1.0)), Some(None));
    assert_eq!(progress(&explorer.press("j")), None);
}
