//! Runs that the explorer's last process left.

use super::support::{Driver, left_in_another_model, queue_of_another};
use ziggurat::runs::queue::JobState;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::DiskResponse;

fn explorer() -> Driver {
    Driver::new(Protocol::Kitty, 120, 40)
}

#[test]
fn runs_that_were_left_waiting_are_offered_and_start_when_asked() {
    let mut explorer = explorer();
    let left = queue_of_another("2 space space enter");
    let effects = explorer.answer(DiskResponse::Orphans(left));
    assert!(Driver::started(&effects).is_empty());
    assert_eq!(explorer.app.queue.jobs().len(), 2);
    assert_eq!(Driver::started(&explorer.press("P")).len(), 2);
}

#[test]
fn runs_of_an_earlier_method_are_not_offered_to_be_resumed() {
    let mut left = queue_of_another("2 space space space enter");
    left[1].spec.method = 6;
    let last = |explorer: &Driver| explorer.app.messages.iter().last().unwrap().text.clone();
    let mut explorer = explorer();
    explorer.answer(DiskResponse::Orphans(left.clone()));
    assert_eq!(
        last(&explorer),
        "2 unfinished runs from last time: P resumes them, X in the queue discards them; 1 more failed"
    );
    let jobs = explorer.app.queue.jobs();
    let failed = jobs.iter().find_map(|job| match &job.state {
        JobState::Failed(why) => Some((job.spec.method, why.clone())),
        _ => None,
    });
    let (method, why) = failed.unwrap();
    assert!(
        method == 6 && why.contains("it was queued for method 6"),
        "{why}"
    );
    assert_eq!(Driver::started(&explorer.press("P")).len(), 2);
    assert_eq!(last(&explorer), "resuming 2 runs");

    let mut explorer = self::explorer();
    left.truncate(2);
    left.remove(0);
    explorer.answer(DiskResponse::Orphans(left));
    assert_eq!(
        last(&explorer),
        "1 failed run from last time: the queue says why, X in the queue discards it"
    );
    assert!(!explorer.app.awaiting_confirmation);
}

#[test]
fn runs_that_were_left_waiting_go_behind_those_that_are_queued_and_the_message_says_so() {
    let mut explorer = explorer();
    explorer.press("2 G enter");
    let left = queue_of_another("2 space space enter");
    explorer.answer(DiskResponse::Orphans(left));
    assert!(!explorer.app.awaiting_confirmation);
    let messages = explorer.app.messages.iter();
    let report = messages
        .map(|message| message.text.clone())
        .next_back()
        .unwrap();
    assert_eq!(
        report,
        "2 unfinished runs from last time: queued behind the others, x in the queue cancels one"
    );
}

#[test]
fn classes_of_another_model_have_no_names_here() {
    let mut explorer = explorer();
    explorer.answer(left_in_another_model());
    let jobs = Driver::started(&explorer.press("P"));
    explorer.step(&jobs, 48);
    let screen = explorer.screen();
    assert!(
        screen.contains("class 4") && screen.contains("class 5"),
        "{screen}"
    );
}
