//! Starting, queueing and watching runs.

use super::support::{Driver, work};
use ziggurat::ascent::Kind;
use ziggurat::ascent::settings::in_groups;
use ziggurat::runs::worker::{WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, DiskRequest, Effect};
use ziggurat::tui::app::Panel;
use ziggurat::tui::showing::Showing;

fn explorer() -> Driver {
    Driver::new(Protocol::Kitty, 120, 40)
}

#[test]
fn enter_starts_what_is_selected_at_once() {
    let mut explorer = explorer();
    let effects = explorer.press("2 j j enter");
    let jobs = Driver::started(&effects);
    assert_eq!(jobs.len(), 1);
    let job = explorer.app.queue.get(jobs[0]).unwrap();
    assert_eq!(job.spec.target, "great white shark");
    assert_eq!(explorer.app.shown, Showing::Running(jobs[0]));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Disk(DiskRequest::SaveQueue(_))))
    );
}

#[test]
fn marked_items_run_together_and_the_next_batch_follows() {
    let mut explorer = explorer();
    let first = Driver::started(&explorer.press("2 space space space enter"));
    assert_eq!(first.len(), 3);
    let effects = explorer.press("G enter");
    assert!(Driver::started(&effects).is_empty());
    assert_eq!(explorer.app.queue.waiting(), 1);
    for job in &first[..2] {
        assert!(Driver::started(&explorer.finish(*job, 9.0)).is_empty());
    }
    let next = Driver::started(&explorer.finish(first[2], 9.0));
    assert_eq!(next.len(), 1);
    assert_eq!(explorer.app.history.len(), 3);
}

#[test]
fn the_same_run_is_not_queued_twice() {
    let mut explorer = explorer();
    explorer.press("2 enter enter enter");
    assert_eq!(explorer.app.queue.jobs().len(), 1);
    explorer.press("n enter");
    assert_eq!(explorer.app.queue.jobs().len(), 2);
}

#[test]
fn channels_and_neurons_of_a_layer_run() {
    let mut explorer = explorer();
    explorer.press("1 f j l");
    let jobs = Driver::started(&explorer.press("l enter"));
    assert_eq!(
        explorer.app.queue.get(jobs[0]).unwrap().spec.target,
        "stem/conv:1"
    );
    explorer.press("c");
    let titles: Vec<&str> = explorer
        .app
        .queue
        .jobs()
        .iter()
        .map(|job| job.spec.target.as_str())
        .collect();
    assert_eq!(titles[1], "stem/conv:1:56,56");
}

#[test]
fn the_negative_of_a_class_runs_and_a_layer_has_none() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 j j !"));
    let spec = &explorer.app.queue.get(jobs[0]).unwrap().spec;
    assert_eq!(spec.target, "not great white shark");
    assert_eq!(spec.objective.kind, Kind::NotClass);
    let effects = explorer.press("1 !");
    assert!(Driver::started(&effects).is_empty());
    assert_eq!(explorer.app.queue.jobs().len(), 1);
    let message = explorer.app.messages.iter().last().unwrap();
    assert!(message.text.starts_with("only a class has a negative"));
}

#[test]
fn a_sweep_queues_a_grid_and_leaves_the_settings_as_they_were() {
    let mut explorer = explorer();
    explorer.press("2 w");
    explorer.write("momentum=0.5,0.9 tilt=1..2/3");
    let jobs = Driver::started(&explorer.press("enter"));
    // The settings that shape the graph agree: all six go together.
    assert_eq!(jobs.len(), 6);
    assert_eq!(explorer.app.next_run.title(), "default");
    explorer.press("w");
    explorer.write("nonsense");
    explorer.press("enter");
    let report = explorer.app.messages.iter().last().unwrap();
    assert!(report.text.contains("KEY=VALUE"), "{}", report.text);
    // The line stays, to be corrected.
    assert_eq!(explorer.app.prompt.as_ref().unwrap().text(), "nonsense");
    explorer.press("esc");
    assert!(explorer.app.prompt.is_none());
}

#[test]
fn progress_and_pictures_reach_the_screen() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter"));
    for step in 1..=48 {
        explorer.step(&jobs, step);
    }
    explorer.snapshot(jobs[0]);
    let screen = explorer.screen();
    for wanted in [
        "48/192 · score 6.93 · p 25.0 %",
        "6 s left",
        "goldfish",
        "flamingo",
        "picture 1 at",
    ] {
        assert!(screen.contains(wanted), "{wanted}\n{screen}");
    }
}

#[test]
fn each_of_several_quick_keys_cancels_the_run_that_is_selected_then() {
    let mut explorer = explorer();
    let first = Driver::started(&explorer.press("2 space space enter"));
    explorer.press("j j enter");
    explorer.remember(3);
    // Three runs, four keys, before any event from the worker; the list must not receive the fourth.
    let effects = explorer.press("3 tab x x x x");
    let cancelled: Vec<_> = work(&effects)
        .into_iter()
        .filter_map(|work| match work {
            WorkerCommand::Cancel(job) => Some(*job),
            _ => None,
        })
        .collect();
    assert_eq!(cancelled[..2], first);
    assert_eq!(cancelled.len(), 3);
    assert!(explorer.app.queue.is_empty() && explorer.app.prompt.is_none());
    let report = explorer.app.messages.iter().last().unwrap().text.clone();
    assert_eq!(report, "the queue is empty: esc returns to the list");
    assert!(
        !explorer
            .press("d")
            .iter()
            .any(|effect| matches!(effect, Effect::Disk(DiskRequest::Remove(_))))
    );
    for job in cancelled {
        explorer.report(WorkerEvent::Cancelled { job });
    }
    // A key of the list, or one that leaves the queue, is heard there again.
    explorer.press("j");
    assert_eq!(explorer.app.focus, Panel::Browser);
    explorer.press("x");
    assert!(explorer.app.prompt.is_some());
}

#[test]
fn the_focus_stays_on_the_queue_when_it_ends() {
    // The last one is a key of the list alone.
    for key in ["esc", "tab", "j", "space"] {
        let mut explorer = explorer();
        let jobs = Driver::started(&explorer.press("2 enter tab"));
        explorer.finish(jobs[0], 1.0);
        assert_eq!(explorer.app.focus, Panel::Queue);
        assert!(!explorer.screen().contains("retry"));
        explorer.press("enter");
        assert_eq!(explorer.app.focus, Panel::Queue);
        explorer.press(key);
        assert_eq!(explorer.app.focus, Panel::Browser);
        let marked = explorer.app.browser.classes.mark_count();
        assert_eq!(marked, usize::from(key == "space"));
    }
}

#[test]
fn a_run_that_fails_after_it_was_cancelled_is_of_no_interest() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter tab x"));
    let before = explorer.app.messages.iter().count();
    explorer.report(WorkerEvent::Failed {
        job: jobs[0],
        why: "no memory".into(),
    });
    assert_eq!(explorer.app.messages.iter().count(), before);
}

#[test]
fn the_run_chosen_in_the_queue_stays_chosen_when_one_above_it_ends() {
    let mut explorer = explorer();
    let running = Driver::started(&explorer.press("2 space space enter"));
    assert_eq!(running.len(), 2);
    explorer.press("j enter j enter j enter tab G k");
    let chosen = explorer.app.queue.jobs()[explorer.app.queue_cursor].id;
    assert_eq!(explorer.app.queue_cursor, 3);
    explorer.finish(running[0], 1.0);
    explorer.press("x");
    assert!(explorer.app.queue.get(chosen).is_none());
    assert_eq!(explorer.app.queue.jobs().len(), 3);
}

#[test]
fn a_click_in_a_scrolled_queue_selects_the_row_that_is_seen_there() {
    let mut explorer = explorer();
    explorer.press("2 enter");
    for _ in 0..50 {
        explorer.press("n enter");
    }
    explorer.press("tab G");
    let queue = explorer.app.layout().queue.unwrap();
    let (last, rows) = (50, usize::from(queue.height) - 2);
    assert_eq!(explorer.app.queue_cursor, last);
    assert!(rows < last);
    explorer.act(Action::Click(queue.x + 2, queue.y + 2));
    assert_eq!(explorer.app.queue_cursor, last + 2 - rows);
}

#[test]
fn a_run_that_failed_waits_again_when_it_is_asked_for_again() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter"));
    explorer.report(WorkerEvent::Failed {
        job: jobs[0],
        why: "no memory".into(),
    });
    let effects = explorer.press("enter");
    assert_eq!(Driver::started(&effects), jobs);
    let is_saved = |effect: &Effect| matches!(effect, Effect::Disk(DiskRequest::SaveQueue(_)));
    assert!(effects.iter().any(is_saved));
    assert!(explorer.screen().contains("1 run retried"));
}

#[test]
fn pause_cancel_retry_reorder_and_clear() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter"));
    assert!(matches!(
        work(&explorer.press("P"))[..],
        [WorkerCommand::Pause]
    ));
    explorer.report(WorkerEvent::Paused(true));
    assert!(matches!(
        work(&explorer.press("P"))[..],
        [WorkerCommand::Resume]
    ));
    explorer.report(WorkerEvent::Paused(false));
    explorer.press("j enter j enter j enter");
    assert_eq!(explorer.app.queue.waiting(), 3);
    explorer.press("tab j j K");
    assert_eq!(explorer.app.focus, Panel::Queue);
    let order: Vec<&str> = explorer.app.queue.jobs()[1..]
        .iter()
        .map(|job| job.spec.target.as_str())
        .collect();
    assert_eq!(order, ["great white shark", "goldfish", "tiger shark"]);
    // Both one that waits and one under way leave at once.
    explorer.press("x");
    assert_eq!(explorer.app.queue.waiting(), 2);
    let effects = explorer.press("g g x");
    assert!(matches!(work(&effects)[0], WorkerCommand::Cancel(job) if *job == jobs[0]));
    let late = explorer.report(WorkerEvent::Cancelled { job: jobs[0] });
    assert!(work(&late).is_empty());
    let next = Driver::started(&effects);
    assert!(!next.is_empty());
    for job in next {
        explorer.report(WorkerEvent::Failed {
            job,
            why: "the device is out of memory".into(),
        });
    }
    assert!(explorer.screen().contains("out of memory"));
    assert!(!Driver::started(&explorer.press("g g r")).is_empty());
    explorer.press("X");
    assert_eq!(explorer.app.queue.waiting(), 0);
}

#[test]
fn a_cancelled_run_comes_back_with_undo_and_its_pause_ends_with_it() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter"));
    explorer.report(WorkerEvent::Paused(true));
    let effects = explorer.press("tab x");
    assert!(matches!(
        work(&effects)[..],
        [WorkerCommand::Cancel(job), WorkerCommand::Resume] if *job == jobs[0]
    ));
    assert!(!explorer.app.paused && explorer.app.queue.is_empty());
    assert_eq!(Driver::started(&explorer.press("u")).len(), 1);
    // One of two that are paused: the other one stays paused.
    let mut explorer = self::explorer();
    Driver::started(&explorer.press("2 space space enter"));
    explorer.report(WorkerEvent::Paused(true));
    explorer.press("tab x");
    assert!(explorer.app.paused);
}

#[test]
fn clearing_a_queue_of_active_runs_says_that_there_is_nothing_to_clear() {
    let mut explorer = explorer();
    explorer.press("2 enter j enter");
    explorer.press("tab X");
    assert_eq!(explorer.app.queue.jobs().len(), 1);
    let effects = explorer.press("X");
    assert!(effects.is_empty());
    let report = explorer.app.messages.iter().last().unwrap().text.clone();
    assert_eq!(
        report,
        "only active runs are left: x cancels the selected one"
    );
    // What was cleared is what comes back.
    explorer.press("u");
    assert_eq!(explorer.app.queue.jobs().len(), 2);
}

#[test]
fn an_error_that_begins_with_the_target_does_not_repeat_it() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 enter"));
    let title = explorer.app.queue.jobs()[0].spec.target.clone();
    let why = format!("{title}: it was queued for method 6");
    explorer.report(WorkerEvent::Failed {
        job: jobs[0],
        why: why.clone(),
    });
    let messages = explorer.app.messages.iter();
    assert!(
        messages
            .map(|message| &message.text)
            .any(|text| *text == why)
    );
    // Nor does its row in the queue.
    let screen = explorer.screen();
    let row = screen.lines().find(|line| line.contains("it was queued"));
    let mut cells = row.unwrap().split('│');
    let cell = cells.find(|cell| cell.contains("it was queued"));
    assert_eq!(cell.unwrap().matches(&title).count(), 1, "{screen}");
}

#[test]
fn quitting_keeps_the_queue() {
    let mut explorer = explorer();
    explorer.press("2 enter j enter");
    let effects = explorer.press("q");
    let kept = effects.iter().find_map(|effect| match effect {
        Effect::Disk(DiskRequest::SaveQueue(queue)) => Some(queue.jobs().len()),
        _ => None,
    });
    assert_eq!(kept, Some(2));
    assert!(matches!(effects.last(), Some(Effect::Quit)));
}

/// The class activation map of the next runs: at a layer by its key, by typing its name, and where it is found again.
#[test]
fn the_map_is_taken_at_a_layer_that_the_user_picks() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("1 f g g j j a");
    let chosen = explorer.app.next_run.settings.mask_layer.clone();
    assert!(!chosen.is_empty());
    let screen = explorer.screen();
    assert!(screen.contains("112×112 map"), "{screen}");
    let effects = explorer.press("2 enter");
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Disk(DiskRequest::SaveQueue(_))))
    );
    let queued = explorer.app.queue.jobs()[0]
        .spec
        .settings
        .mask_layer
        .clone();
    assert_eq!(queued, chosen);

    explorer.press("1 a");
    assert_eq!(explorer.app.next_run.settings.mask_layer, "");
    let to_map_layer = |explorer: &mut Driver| {
        let at = in_groups().iter().position(|knob| knob.key == "mask_layer");
        explorer.press(", g g");
        (0..at.unwrap()).for_each(|_| drop(explorer.press("j")));
    };
    to_map_layer(&mut explorer);
    explorer.press("enter");
    explorer.write("head/con");
    explorer.press("enter");
    assert!(
        explorer.screen().contains("did you mean"),
        "{}",
        explorer.screen()
    );
    explorer.write("v");
    explorer.press("enter");
    assert_eq!(explorer.app.next_run.settings.mask_layer, "head/conv");
    explorer.press("+");
    assert!(explorer.screen().contains("type a layer's name"));
    explorer.press("k +");
    assert_eq!(
        explorer.app.next_run.settings.mask_method.name(),
        "grad-cam++"
    );
    // The scores have no rows and columns.
    explorer.press("esc G a");
    assert_eq!(explorer.app.next_run.settings.mask_layer, "head/conv");
}

#[test]
fn the_runs_of_a_sweep_can_be_distinguished() {
    let mut explorer = Driver::new(Protocol::Kitty, 160, 40);
    explorer.press("2 w");
    explorer.write("steps=80,96 blur=1,2");
    let jobs = Driver::started(&explorer.press("enter"));
    let screen = explorer.screen();
    for settings in ["steps=80 blur=1", "steps=96 blur=2"] {
        assert!(screen.contains(settings), "{screen}");
    }
    explorer.finish(jobs[0], 3.0);
    explorer.press("3");
    let screen = explorer.screen();
    assert!(screen.contains("steps=80 blur=1"), "{screen}");
}
