//! Several devices: each makes a batch of its own.

use super::support::{Driver, work};
use ziggurat::runs::queue::{JobId, JobState};
use ziggurat::runs::worker::{WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::Effect;
use ziggurat::tui::showing::{Showing, Tile};

fn explorer() -> Driver {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.app.workers = 2;
    explorer
}

/// The batches that are sent to the workers.
fn batches(effects: &[Effect]) -> Vec<Vec<JobId>> {
    let batch = |work: &WorkerCommand| match work {
        WorkerCommand::Run(jobs) => Some(jobs.iter().map(|job| job.id).collect()),
        _ => None,
    };
    work(effects).into_iter().filter_map(batch).collect()
}

#[test]
fn marked_items_are_shared_out_and_shown_side_by_side() {
    let mut explorer = explorer();
    let sent = batches(&explorer.press("2 space space space space enter"));
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    let all = sent.concat().into_iter().map(Tile::Running).collect();
    assert_eq!(explorer.app.shown, Showing::Batch(all));
    for batch in &sent {
        explorer.step(batch, 5);
    }
    let screen = explorer.screen();
    assert!(
        screen.contains("batch of 2") && !screen.contains("batch of 4"),
        "{screen}"
    );
    assert!(screen.contains("2 devices · cpu"), "{screen}");
}

#[test]
fn a_second_run_starts_beside_the_first_and_does_not_take_its_place() {
    let mut explorer = explorer();
    let first = batches(&explorer.press("2 enter"));
    let second = batches(&explorer.press("j enter"));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(explorer.app.shown, Showing::Running(first[0][0]));
    // Both devices have work: the third waits.
    assert!(batches(&explorer.press("j enter")).is_empty());
    assert_eq!(explorer.app.queue.waiting(), 1);
    let third = batches(&explorer.finish(second[0][0], 9.0));
    assert_eq!(third.len(), 1);
    assert_eq!(explorer.app.shown, Showing::Running(first[0][0]));
}

#[test]
fn nothing_starts_while_the_devices_are_paused() {
    let mut explorer = explorer();
    explorer.press("2 enter");
    explorer.report(WorkerEvent::Paused(true));
    assert!(batches(&explorer.press("j enter")).is_empty());
    let effects = explorer.report(WorkerEvent::Paused(false));
    assert_eq!(batches(&effects).len(), 1);
}

#[test]
fn a_device_that_does_not_work_is_named_and_gets_no_more_runs() {
    let mut explorer = explorer();
    explorer.press("2 enter");
    explorer.press("j enter");
    let retired = WorkerEvent::Retired {
        jobs: Vec::new(),
        why: "cuda:1 cannot start: out of memory".into(),
        workers: 1,
    };
    explorer.report(retired);
    assert!(batches(&explorer.press("j enter")).is_empty());
    let message = explorer.app.messages.iter().last().unwrap();
    let earlier = explorer.app.messages.iter().any(|message| {
        message.text == "cuda:1 cannot start: out of memory; 1 device left for the runs"
    });
    assert!(earlier, "{}", message.text);
}

#[test]
fn a_branch_sets_its_own_device_aside_and_the_others_go_on() {
    let mut explorer = explorer();
    let first = batches(&explorer.press("2 enter"))[0].clone();
    let second = batches(&explorer.press("j enter"))[0].clone();
    explorer.step(&first, 7);
    explorer.step(&second, 3);
    explorer.report(WorkerEvent::Paused(true));
    explorer
        .app
        .next_run
        .settings
        .set("tilt", 2.0.into())
        .unwrap();
    let key = explorer.app.key(ziggurat::tui::command::Command::Branch);
    let effects = explorer.press(&key);
    let state = |job: JobId| explorer.app.queue.get(job).unwrap().state.clone();
    assert_eq!(state(first[0]), JobState::Paused(7));
    assert_eq!(state(second[0]), JobState::Running);
    let sent = work(&effects);
    assert!(
        matches!(sent[..3], [WorkerCommand::SetAside(job), WorkerCommand::Resume, WorkerCommand::Run(_)] if *job == first[0]),
        "{sent:?}"
    );
}
