//! Branching: from a paused run to one that continues from its picture with other settings.

use super::support::{Driver, work};
use ziggurat::runs::queue::{JobId, JobState};
use ziggurat::runs::worker::{WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::DiskResponse;
use ziggurat::tui::showing::Showing;

/// An explorer in which a run of a class is paused after 48 steps.
fn paused() -> (Driver, JobId) {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let job = Driver::started(&explorer.press("2 enter"))[0];
    explorer.step(&[job], 48);
    explorer.press("P");
    explorer.report(WorkerEvent::Paused(true));
    (explorer, job)
}

fn set(explorer: &mut Driver, text: &str) {
    explorer.press(":");
    explorer.write(&format!("set {text}"));
    explorer.press("enter");
}

fn last_message(explorer: &Driver) -> String {
    explorer.app.messages.iter().last().unwrap().text.clone()
}

#[test]
fn a_paused_run_goes_on_with_other_settings_as_a_run_of_its_own() {
    let (mut explorer, job) = paused();
    set(&mut explorer, "momentum=0.5");
    let effects = explorer.press("B");
    let branch = Driver::started(&effects)[0];
    let asked = work(&effects);
    assert!(
        matches!(
            asked[..3],
            [
                WorkerCommand::SetAside(_),
                WorkerCommand::Resume,
                WorkerCommand::Run(_)
            ]
        ),
        "{asked:?}"
    );
    let queue = &explorer.app.queue;
    let (parent, spec) = (queue.get(job).unwrap(), &queue.get(branch).unwrap().spec);
    assert_eq!(parent.state, JobState::Paused(48));
    let from = spec.branched_from().unwrap();
    assert_eq!((from.id, from.step), (parent.run.clone(), 48));
    assert_eq!(spec.settings.momentum, 0.5);
    assert_eq!(queue.jobs()[0].id, branch);
    assert_eq!(explorer.app.shown, Showing::Running(branch));
    assert!(!explorer.app.paused);
    let message = last_message(&explorer);
    assert!(
        message.contains("tench branched at step 48: momentum 0.8 → 0.5"),
        "{message}"
    );

    // Late events of the previous run change nothing.
    explorer.step(&[job], 48);
    explorer.report(WorkerEvent::Paused(false));
    assert_eq!(explorer.app.running.len(), 1);

    // The branch is finished; the previous run waits for the user.
    let effects = explorer.finish(branch, 9.0);
    assert!(Driver::started(&effects).is_empty());
    assert_eq!(explorer.app.queue.jobs().len(), 1);
    let screen = explorer.screen();
    assert!(screen.contains("paused at 48"), "{screen}");
    let resumed = Driver::started(&explorer.press("P"));
    assert_eq!(resumed, [job]);
}

#[test]
fn a_paused_run_of_the_queue_is_resumed_watched_and_cancelled_like_any_other() {
    let (mut explorer, job) = paused();
    set(&mut explorer, "momentum=0.5");
    let branch = Driver::started(&explorer.press("B"))[0];
    explorer.press("tab j enter");
    assert!(last_message(&explorer).contains("it is paused: r resumes it"));
    explorer.press("r");
    assert_eq!(
        explorer.app.queue.get(job).unwrap().state,
        JobState::Waiting
    );
    assert_eq!(Driver::started(&explorer.finish(branch, 1.0)), [job]);
}

#[test]
fn the_settings_panel_says_what_a_branch_would_change() {
    let (mut explorer, _) = paused();
    explorer.press(",");
    let screen = explorer.screen();
    let same = "B branch: no setting differs from the paused run";
    assert!(screen.contains(same), "{screen}");
    set(&mut explorer, "blur=1");
    let screen = explorer.screen();
    assert!(
        screen.contains("B branches tench at step 48: blur 3 → 1"),
        "{screen}"
    );
    insta::assert_snapshot!(screen);
    assert_eq!(Driver::started(&explorer.press("B")).len(), 1);
}

#[test]
fn what_cannot_be_branched_says_why() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("B");
    assert!(last_message(&explorer).contains("no run is paused"));
    let jobs = Driver::started(&explorer.press("2 space space enter"));
    explorer.press("B");
    assert!(last_message(&explorer).contains("several pictures are shown"));
    explorer.press(".");
    explorer.press("B");
    assert_eq!(last_message(&explorer), "pause the run first: P");
    explorer.report(WorkerEvent::Paused(true));
    explorer.press("B");
    assert!(last_message(&explorer).contains("not taken a step yet"));
    explorer.step(&jobs, 7);
    set(&mut explorer, "canvas=512");
    let effects = explorer.press("B");
    assert!(work(&effects).is_empty());
    let message = last_message(&explorer);
    assert_eq!(
        message,
        "canvas cannot change from 0 to 512 within a run: it sets the size of the canvas"
    );
    // One of a batch goes on, and all of it is paused.
    set(&mut explorer, "canvas=0 tilt=1.5");
    let branch = Driver::started(&explorer.press("B"));
    assert_eq!(branch.len(), 1);
    for job in &jobs {
        let state = &explorer.app.queue.get(*job).unwrap().state;
        assert_eq!(*state, JobState::Paused(7));
    }
    explorer.finish(branch[0], 1.0);
    assert_eq!(Driver::started(&explorer.press("P")), jobs);
}

#[test]
fn a_paused_run_of_last_time_is_distinguished_from_waiting_ones() {
    let (mut other, job) = paused();
    set(&mut other, "momentum=0.5");
    let branch = Driver::started(&other.press("B"))[0];
    let left = other.app.queue.jobs().to_vec();
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let offered = explorer.answer(DiskResponse::Orphans(left.clone()));
    assert!(Driver::started(&offered).is_empty());
    let message = last_message(&explorer);
    assert!(
        message.starts_with("1 unfinished run from last time: P resumes it")
            && message.ends_with("; 1 more paused"),
        "{message}"
    );
    assert!(explorer.screen().contains("paused at 48"));
    let begun = Driver::started(&explorer.press("P"));
    assert_eq!(begun.len(), 1);
    let spec = |driver: &Driver, job| driver.app.queue.get(job).unwrap().spec.clone();
    assert_eq!(spec(&explorer, begun[0]), spec(&other, branch));
    let effects = explorer.finish(begun[0], 1.0);
    assert!(Driver::started(&effects).is_empty());
    let parent = Driver::started(&explorer.press("P"));
    assert_eq!(spec(&explorer, parent[0]), spec(&other, job));

    // Only a paused run: its own key resumes it.
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let left = left.into_iter().filter(|left| left.id == job).collect();
    explorer.answer(DiskResponse::Orphans(left));
    let message = last_message(&explorer);
    assert!(
        message.starts_with("1 paused run from last time: r in the queue resumes it"),
        "{message}"
    );
    assert_eq!(Driver::started(&explorer.press("tab r")).len(), 1);
}
