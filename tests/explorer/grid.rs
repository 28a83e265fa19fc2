//! Several pictures at once: the tiles of a batch, lists as grids, and the atlas of a layer.

use super::support::{Driver, left_in_another_model, network, picture, work};
use std::collections::HashSet;
use std::sync::Arc;
use ziggurat::ascent::{Overlay, Settings};
use ziggurat::autodiff::differentiability::Differentiability;
use ziggurat::runs::queue::JobId;
use ziggurat::runs::worker::{Watched, WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect};
use ziggurat::tui::browser::{CellOrder, Tab};
use ziggurat::tui::picture_cache::Size;
use ziggurat::tui::showing::{Showing, Tile};

fn explorer() -> Driver {
    Driver::new(Protocol::Kitty, 120, 40)
}

fn snapshot(explorer: &mut Driver, job: JobId) {
    explorer.report(WorkerEvent::Snapshot {
        job,
        step: 3,
        overlay: Overlay::Plain,
        picture: picture(),
    });
}

/// Number of pictures on the screen.
fn pictures(explorer: &Driver) -> usize {
    let screen = explorer.screen();
    screen
        .lines()
        .filter(|line| line.starts_with("picture "))
        .count()
}

#[test]
fn the_pictures_of_a_batch_grow_side_by_side_and_stay_when_they_are_done() {
    let mut explorer = explorer();
    let effects = explorer.press("2 space space space enter");
    let jobs = Driver::started(&effects);
    assert!(matches!(
        work(&effects).last(),
        Some(WorkerCommand::Watch(Watched::All, Overlay::Plain))
    ));
    let tiles = jobs.iter().copied().map(Tile::Running).collect();
    assert_eq!(explorer.app.shown, Showing::Batch(tiles));
    for &job in &jobs {
        snapshot(&mut explorer, job);
    }
    explorer.step(&jobs, 3);
    let screen = explorer.screen();
    assert_eq!(pictures(&explorer), 3, "{screen}");
    for wanted in ["3 runs", "tench · p 25.0 %", "goldfish · p 25.0 %"] {
        assert!(screen.contains(wanted), "{wanted}\n{screen}");
    }
    for &job in &jobs {
        explorer.finish(job, 9.0);
    }
    assert!(matches!(&explorer.app.shown, Showing::Batch(tiles) if tiles.len() == 3));
    assert!(explorer.app.snapshots.is_empty());
    assert_eq!(pictures(&explorer), 3, "{}", explorer.screen());
    explorer.press("G");
    assert!(
        matches!(explorer.app.shown, Showing::Batch(_)),
        "nothing is known of the last class"
    );
    explorer.press("g g");
    assert!(matches!(explorer.app.shown, Showing::Finished(_)));
}

#[test]
fn one_run_of_a_batch_after_another_is_shown_and_then_all() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 space space enter"));
    let effects = explorer.press(".");
    assert_eq!(explorer.app.shown, Showing::Running(jobs[0]));
    assert!(matches!(
        work(&effects)[..],
        [WorkerCommand::Watch(Watched::One(job), _)] if *job == jobs[0]
    ));
    explorer.press(".");
    assert_eq!(explorer.app.shown, Showing::Running(jobs[1]));
    let effects = explorer.press(".");
    assert!(matches!(explorer.app.shown, Showing::Batch(_)));
    assert!(matches!(
        work(&effects)[..],
        [WorkerCommand::Watch(Watched::All, _)]
    ));
    let effects = explorer.press("o");
    assert!(matches!(
        work(&effects)[..],
        [WorkerCommand::Watch(Watched::All, Overlay::Heat)]
    ));
}

#[test]
fn a_cancelled_run_leaves_the_tiles() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 space space enter"));
    explorer.report(WorkerEvent::Cancelled { job: jobs[0] });
    assert_eq!(
        explorer.app.shown,
        Showing::Batch(vec![Tile::Running(jobs[1])])
    );
    explorer.report(WorkerEvent::Cancelled { job: jobs[1] });
    assert_eq!(explorer.app.shown, Showing::Nothing);
    // A late picture is ignored.
    snapshot(&mut explorer, jobs[1]);
    assert!(explorer.app.snapshots.is_empty());
}

#[test]
fn lists_are_grids_on_the_whole_screen_and_rows_again() {
    let mut explorer = explorer();
    explorer.remember(5);
    explorer.press("2 j t");
    let screen = explorer.screen();
    for wanted in ["tench", "goldfish", "flamingo", "volcano", "2/6"] {
        assert!(screen.contains(wanted), "{wanted}\n{screen}");
    }
    assert!(!screen.contains("next run"), "{screen}");
    // Right and down go to the neighbours.
    explorer.press("right");
    assert_eq!(explorer.app.browser.list().selected(), Some(2));
    let columns = explorer.app.browser.list().columns();
    explorer.press("+ g g down");
    let fewer = explorer.app.browser.list().columns();
    assert!(fewer < columns);
    assert_eq!(explorer.app.browser.list().selected(), Some(fewer));
    let effects = explorer.press("- 3");
    let wanted: Vec<&Effect> = effects
        .iter()
        .filter(|effect| {
            matches!(
                effect,
                Effect::Disk(DiskRequest::LoadPicture(_, Size::Cell))
            )
        })
        .collect();
    // The fifth was asked for among the classes.
    assert_eq!(wanted.len(), 4);
    explorer.press("esc");
    assert!(!explorer.app.is_grid());
    assert!(explorer.screen().contains("next run"));
}

#[test]
fn an_atlas_draws_every_channel_of_a_layer_as_a_draft() {
    let mut explorer = explorer();
    // The sixth layer has 32 channels; one was run before.
    explorer.press("1 f j l");
    let first = Driver::started(&explorer.press("l enter"));
    explorer.finish(first[0], 3.0);
    explorer.press("esc");
    let jobs = Driver::started(&explorer.press("L"));
    assert_eq!(jobs.len(), 8);
    assert!(explorer.app.is_grid());
    assert_eq!(explorer.app.queue.jobs().len(), 32);
    let draft = Settings::preset("draft").unwrap();
    let units: HashSet<usize> = explorer
        .app
        .queue
        .jobs()
        .iter()
        .map(|job| {
            assert_eq!(job.spec.settings, draft);
            job.spec.unit.index
        })
        .collect();
    assert_eq!(units.len(), 32);
    for &job in &jobs {
        snapshot(&mut explorer, job);
    }
    let screen = explorer.screen();
    assert_eq!(pictures(&explorer), 8, "{screen}");
    assert!(screen.contains("8 running, 24 waiting"), "{screen}");
    // The picture is that of the selected cell.
    explorer.press("home");
    assert_eq!(explorer.app.shown, Showing::Running(jobs[0]));
    for job in jobs {
        explorer.finish(job, 2.0);
    }
    // Repeated, it queues only what is missing.
    explorer.press("L");
    assert_eq!(explorer.app.queue.jobs().len(), 24);
    assert!(matches!(explorer.app.shown, Showing::Finished(_)));
    // What waits is cleared, and comes back.
    explorer.press("X");
    assert_eq!(explorer.app.queue.jobs().len(), 8);
    explorer.press("u");
    assert_eq!(explorer.app.queue.jobs().len(), 24);
    // Another seed is another atlas.
    explorer.press("n L");
    assert_eq!(explorer.app.queue.jobs().len(), 56);
}

/// Marking moves the cursor to the next row: the marked layer is drawn, not the one below it.
#[test]
fn an_atlas_draws_the_marked_layer_and_refuses_several() {
    let mut explorer = explorer();
    explorer.press("1 g g space");
    let marked = explorer.app.browser.layers.chosen();
    explorer.press("space L");
    assert!(explorer.app.queue.jobs().is_empty());
    let screen = explorer.screen();
    assert!(screen.contains("an atlas draws one layer"), "{screen}");
    explorer.press("k space L");
    let row = explorer.app.browser.tree.row(marked[0]);
    let layer = explorer.app.browser.tree.last_layer(row);
    let channels = explorer.app.browser.channels.as_ref();
    assert_eq!(channels.map(|channels| channels.layer), Some(layer));
}

#[test]
fn an_atlas_of_marked_classes_draws_these_only() {
    let mut explorer = explorer();
    explorer.press("2 space j space");
    let jobs = Driver::started(&explorer.press("L"));
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        explorer.finish(job, 2.0);
    }
    explorer.press("g g space L");
    assert!(explorer.app.queue.jobs().is_empty());
    assert!(
        explorer.screen().contains("all have drafts with seed 0"),
        "{}",
        explorer.screen()
    );
}

#[test]
fn a_grid_is_sorted_by_score_and_by_likeness() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 space space space enter"));
    for (job, score) in jobs.into_iter().zip([1.0, 3.0, 2.0]) {
        explorer.finish(job, score);
    }
    explorer.press("t S");
    assert_eq!(explorer.app.browser.list().rows(), [1, 2, 0, 3, 4, 5]);
    let effects = explorer.press("S");
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Disk(DiskRequest::OrderBySimilarity(_, items)) => {
            Some(items.iter().map(|(item, _)| *item).collect())
        }
        _ => None,
    });
    assert_eq!(asked, Some(vec![1, 2, 0]));
    explorer.answer(DiskResponse::Similarity(
        (Tab::Classes, None),
        vec![1, 0, 2],
    ));
    assert_eq!(explorer.app.browser.list().rows(), [1, 0, 2, 3, 4, 5]);
    explorer.press("S");
    assert_eq!(explorer.app.browser.order, CellOrder::Number);
    assert_eq!(explorer.app.browser.list().rows(), [0, 1, 2, 3, 4, 5]);
    // A late order is ignored.
    explorer.answer(DiskResponse::Similarity(
        (Tab::Classes, None),
        vec![1, 0, 2],
    ));
    assert_eq!(explorer.app.browser.list().rows(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn the_pictures_of_a_grid_are_exported_together() {
    let mut explorer = explorer();
    let jobs = Driver::started(&explorer.press("2 space space enter"));
    for job in jobs {
        explorer.finish(job, 1.0);
    }
    explorer.press("x");
    assert!(
        explorer.screen().contains("/models/toy.html"),
        "{}",
        explorer.screen()
    );
    let effects = explorer.press("enter");
    assert!(
        matches!(
            &effects[..],
            [Effect::Disk(DiskRequest::Export(ids, _)), ..] if ids.len() == 2
        ),
        "{effects:?}"
    );
}

#[test]
fn the_class_scores_of_a_network_carry_the_names_of_the_classes() {
    let mut explorer = explorer();
    explorer.press("1 / l o g i t s enter t");
    let screen = explorer.screen();
    assert!(screen.contains("4 flamingo"), "{screen}");
}

/// However many channels a layer has, the reason why it cannot be run is one message.
#[test]
fn the_error_of_a_layer_is_shown_once_and_not_per_channel() {
    let mut network = network();
    for layer in &mut network.layers {
        layer.differentiability = Differentiability::Independent;
    }
    let mut explorer = explorer();
    explorer.report(WorkerEvent::Opened(Arc::new(network)));
    let before = explorer.app.messages.iter().len();
    explorer.press("1 / h e a d / c o n v enter L");
    let new: Vec<&str> = explorer
        .app
        .messages
        .iter()
        .skip(before)
        .map(|message| &*message.text)
        .collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert!(new[0].contains("; nor can 1279 other targets"), "{new:?}");
    assert!(explorer.app.queue.jobs().is_empty());
}

#[test]
fn a_long_atlas_is_queued_only_if_the_user_says_yes() {
    let mut explorer = explorer();
    explorer.press("1 / h e a d / c o n v enter");
    assert!(Driver::started(&explorer.press("L")).is_empty());
    let asks = |explorer: &Driver| explorer.screen().contains("queue 1280 drafts? y/n");
    assert!(asks(&explorer), "{}", explorer.screen());
    // It stays, however long it takes and whatever else is pressed.
    explorer.now += std::time::Duration::from_secs(60);
    explorer.act(ziggurat::tui::action::Action::Tick);
    assert!(Driver::started(&explorer.press("j L enter")).is_empty());
    assert!(asks(&explorer), "{}", explorer.screen());
    explorer.press("n");
    assert!(!asks(&explorer) && explorer.app.queue.jobs().is_empty());
    explorer.press("L");
    assert_eq!(Driver::started(&explorer.press("y")).len(), 8);
    assert_eq!(explorer.app.queue.jobs().len(), 1280);
}

#[test]
fn the_picture_of_a_cell_that_was_left_is_not_meant_any_more() {
    let mut explorer = explorer();
    explorer.remember(1);
    explorer.press("2 t G left");
    let Showing::Finished(id) = explorer.app.shown.clone() else {
        panic!("{:?}", explorer.app.shown);
    };
    explorer.press("left");
    assert_eq!(explorer.app.shown, Showing::Nothing);
    let effects = explorer.press("s");
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Disk(DiskRequest::SetFavourite(..)))),
        "{effects:?}"
    );
    explorer.press("right");
    assert_eq!(explorer.app.shown, Showing::Finished(id));
}

#[test]
fn an_order_of_one_list_is_not_taken_for_another() {
    let mut explorer = explorer();
    explorer.press("2 S S");
    assert_eq!(explorer.app.browser.order, CellOrder::Similarity);
    explorer.answer(DiskResponse::Similarity((Tab::Layers, Some(3)), vec![5, 4]));
    assert_eq!(explorer.app.browser.list().rows(), [0, 1, 2, 3, 4, 5]);
    explorer.press("1 2");
    assert_eq!(explorer.app.browser.order, CellOrder::Number);
}

#[test]
fn a_list_that_was_left_is_in_the_order_of_its_numbers_again() {
    let mut explorer = explorer();
    explorer.press("2 S S");
    explorer.answer(DiskResponse::Similarity((Tab::Classes, None), vec![5, 4]));
    assert_eq!(explorer.app.browser.list().rows()[..2], [5, 4]);
    explorer.press("1 2");
    assert_eq!(explorer.app.browser.list().rows(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_run_in_another_model_is_not_shown_in_the_cell_of_this_one() {
    let mut explorer = explorer();
    explorer.answer(left_in_another_model());
    let jobs = Driver::started(&explorer.press("P"));
    explorer.press("2 t");
    snapshot(&mut explorer, jobs[0]);
    assert_eq!(pictures(&explorer), 0, "{}", explorer.screen());
    assert!(!explorer.screen().contains("0/176"));
}
