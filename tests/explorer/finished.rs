//! Finished runs: favourites, details, settings.

use super::support::{Driver, flamingo, network, objective, picture, record, unit};
use ziggurat::ascent::Settings;
use ziggurat::runs::Spec;
use ziggurat::runs::history::HistoryEntry;
use ziggurat::runs::worker::WorkerEvent;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, DiskRequest, DiskResponse, Effect, ScreenRequest};
use ziggurat::tui::picture_cache::Size;
use ziggurat::tui::popup::Popup;
use ziggurat::tui::showing::Showing;

/// An explorer that lists five finished runs.
pub fn explorer() -> Driver {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(5);
    explorer.press("3");
    explorer
}

fn selected(explorer: &Driver) -> String {
    explorer.app.selected_entry().unwrap().id.clone()
}

/// The newest message.
pub fn newest_message(explorer: &Driver) -> String {
    explorer.app.messages.iter().last().unwrap().text.clone()
}

#[test]
fn the_newest_comes_first_and_its_picture_is_loaded_and_shown() {
    let mut explorer = explorer();
    assert_eq!(explorer.app.selected_entry().unwrap().seed, 4);
    let id = selected(&explorer);
    explorer.answer(DiskResponse::Picture {
        id: id.clone(),
        size: Size::Full,
        picture: picture(),
    });
    assert_eq!(explorer.app.shown, Showing::Finished(id));
    assert!(explorer.screen().contains("picture 1 at"));
    let effects = explorer.press("j");
    let wanted = selected(&explorer);
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::LoadRecord(record)), Effect::Disk(DiskRequest::LoadPicture(id, Size::Full))]
            if *id == wanted && *record == wanted)
    );
}

#[test]
fn s_makes_a_favourite_and_takes_it_back() {
    let mut explorer = explorer();
    let id = selected(&explorer);
    let effects = explorer.press("s");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::SetFavourite(other, true))] if *other == id)
    );
    explorer.answer(DiskResponse::Favourite {
        id: id.clone(),
        on: true,
        saved: Some("/favourites/f.png".into()),
    });
    explorer.press("4");
    assert_eq!(explorer.app.browser.favourites.len(), 2);
    explorer.press("g g");
    assert!(matches!(
        &explorer.press("s")[..],
        [Effect::Disk(DiskRequest::SetFavourite(_, false))]
    ));
}

#[test]
fn details_show_every_setting_and_edit_takes_them_over() {
    let mut explorer = explorer();
    let mut settings = Settings::default();
    settings.set("momentum", 0.5.into()).unwrap();
    let id = selected(&explorer);
    assert!(
        matches!(&explorer.press("enter")[..], [Effect::Disk(DiskRequest::LoadRecord(other)), ..] if *other == id)
    );
    let spec = Spec::new(
        ("toy", "0"),
        ("flamingo", objective(), unit(4)),
        7,
        settings,
    );
    let mut found = record(spec, 3.0);
    found.id = id.clone();
    explorer.answer(DiskResponse::Record(Box::new(found.clone())));
    let screen = explorer.screen();
    assert!(
        screen.contains("momentum") && screen.contains("0.5"),
        "{screen}"
    );
    explorer.press("esc e");
    explorer.answer(DiskResponse::Record(Box::new(found)));
    assert_eq!(
        (
            explorer.app.next_run.settings.momentum,
            explorer.app.next_run.seed
        ),
        (0.5, 7)
    );
    assert!(matches!(
        explorer.app.popups.last(),
        Some(Popup::Settings(_))
    ));
}

#[test]
fn the_preset_of_a_run_is_seen_where_its_name_has_little_room() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let mut settings = Settings::preset("draft").unwrap();
    settings.set("blur", 1.0.into()).unwrap();
    let what = ("great white shark with a long name", objective(), unit(2));
    let spec = Spec::new(("toy", &network().hash), what, 12345, settings);
    let mut short = spec.with_seed(12346);
    short.target = "tench".into();
    let runs = [spec, short].map(|spec| HistoryEntry::from_record(&record(spec, 3.0), false));
    explorer.answer(DiskResponse::Runs(runs.into()));
    explorer.press("3");
    let screen = explorer.screen();
    let row = screen
        .lines()
        .find(|line| line.starts_with("│  great"))
        .unwrap();
    assert!(row.contains("…  draft "), "{screen}");
    explorer.act(Action::Resize(160, 24));
    let screen = explorer.screen();
    assert!(screen.contains("tench  draft seed 12346"), "{screen}");
}

#[test]
fn a_run_of_a_sweep_differs_from_the_rows_beside_it_in_a_narrow_list() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let grid = [(10.0, 1.0), (10.0, 5.0), (20.0, 1.0), (20.0, 5.0)];
    let mut time = 0;
    let runs = grid.map(|(steps, blur)| {
        time += 1;
        let mut settings = Settings::default();
        settings.set("steps", steps.into()).unwrap();
        settings.set("blur", blur.into()).unwrap();
        let what = ("tench", objective(), unit(2));
        let spec = Spec::new(("toy", &network().hash), what, 1, settings);
        let mut entry = HistoryEntry::from_record(&record(spec, 3.0), false);
        entry.time = time;
        entry
    });
    explorer.answer(DiskResponse::Runs(runs.into()));
    explorer.press("3");
    let screen = explorer.screen();
    let rows = screen.lines().filter(|line| line.starts_with("│  tench"));
    let rows: Vec<&str> = rows.map(|row| row.split('│').nth(1).unwrap()).collect();
    assert_eq!(rows.len(), 4, "{screen}");
    for pair in rows.windows(2) {
        assert_ne!(pair[0], pair[1], "{screen}");
    }
}

#[test]
fn sorting_and_the_model_filter_change_the_list() {
    let mut explorer = explorer();
    explorer.press("S S");
    assert!(
        explorer
            .app
            .messages
            .iter()
            .last()
            .unwrap()
            .text
            .contains("score")
    );
    explorer.press("f");
    assert_eq!(explorer.app.browser.history.len(), 5);
}

#[test]
fn a_class_with_a_finished_run_is_marked_and_shown_when_selected() {
    let mut explorer = explorer();
    explorer.press("2 /");
    explorer.write("flamingo");
    explorer.press("enter");
    assert!(matches!(explorer.app.shown, Showing::Finished(_)));
    assert!(explorer.screen().contains('◆'));
}

#[test]
fn what_has_just_finished_stays_in_view() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let first = Driver::started(&explorer.press("2 enter"));
    explorer.finish(first[0], 1.0);
    let latest = Driver::started(&explorer.press("n enter"));
    explorer.finish(latest[0], 2.0);
    // The history answers the first run again: its own picture is shown, not that of the latest run of the
    // class.
    let again = Driver::started(&explorer.press("N enter"));
    let spec = explorer.app.queue.get(again[0]).unwrap().spec.clone();
    let mut record = record(spec, 1.0);
    record.time = 1;
    let id = record.id.clone();
    explorer.report(WorkerEvent::Finished {
        job: again[0],
        record: Box::new(record),
        picture: picture(),
        from_history: true,
    });
    assert_eq!(explorer.app.shown, Showing::Finished(id));
}

#[test]
fn a_run_that_ends_elsewhere_leaves_the_record_of_the_shown_one() {
    let mut explorer = explorer();
    let job = Driver::started(&explorer.press("2 enter"))[0];
    explorer.press("3");
    let id = selected(&explorer);
    let shown = record(flamingo(4).spec, 1.0);
    assert_eq!(shown.id, id);
    explorer.answer(DiskResponse::Record(Box::new(shown)));
    assert!(explorer.app.record_of(&id).is_some());
    explorer.finish(job, 2.0);
    assert_eq!(explorer.app.shown, Showing::Finished(id.clone()));
    assert!(explorer.app.record_of(&id).is_some());
}

#[test]
fn a_run_under_way_is_shown_again_behind_history() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(3);
    let jobs = Driver::started(&explorer.press("2 enter"));
    explorer.press("3 j");
    assert!(matches!(explorer.app.shown, Showing::Finished(_)));
    explorer.press(".");
    assert_eq!(explorer.app.shown, Showing::Running(jobs[0]));
    explorer.press("j");
    assert!(matches!(explorer.app.shown, Showing::Finished(_)));
    explorer.press("2");
    assert_eq!(explorer.app.shown, Showing::Running(jobs[0]));
}

#[test]
fn the_command_and_the_path_of_a_picture_are_copied() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let copied = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Screen(ScreenRequest::Copy(text)) => Some(text.clone()),
            _ => None,
        })
    };
    assert_eq!(copied(&explorer.press("2 y")), None);
    assert!(explorer.screen().contains("nothing to copy"));
    let jobs = Driver::started(&explorer.press("j enter"));
    let command = "ziggurat run class:1 --model toy --seed 0";
    assert_eq!(copied(&explorer.press("y")).as_deref(), Some(command));
    explorer.finish(jobs[0], 1.0);
    assert_eq!(copied(&explorer.press("y")).as_deref(), Some(command));
    let path = copied(&explorer.press("Y")).unwrap();
    assert!(path.starts_with("/history/") && path.ends_with("/image.png"));
    // In the details it is their run, whatever has finished since.
    explorer.remember(1);
    let jobs = Driver::started(&explorer.press("j enter 3"));
    let old = flamingo(0);
    let index = explorer.app.history.index(&old.id).unwrap();
    explorer.app.browser.history.go_to(index);
    explorer.press("i");
    assert_eq!(copied(&explorer.press("y")), None);
    explorer.answer(DiskResponse::Record(Box::new(old.clone())));
    explorer.finish(jobs[0], 1.0);
    let command = copied(&explorer.press("y")).unwrap();
    assert!(command.contains("class:4"), "{command}");
    let path = copied(&explorer.press("Y")).unwrap();
    assert!(path.contains(&old.id), "{path}");
}

#[test]
fn s_means_the_selected_run_and_not_one_that_has_just_finished() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(3);
    let jobs = Driver::started(&explorer.press("2 enter 3"));
    let id = selected(&explorer);
    explorer.app.shown = Showing::Running(jobs[0]);
    explorer.finish(jobs[0], 1.0);
    assert_ne!(explorer.app.shown, Showing::Finished(id.clone()));
    let effects = explorer.press("s");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::SetFavourite(other, true))] if *other == id)
    );
}

#[test]
fn the_explorer_begins_with_the_latest_picture() {
    let mut explorer = Driver::opening(Protocol::Kitty, 120, 40);
    explorer.remember(3);
    explorer.report(WorkerEvent::Opened(network().into()));
    explorer.answer(DiskResponse::RunsEnd { damaged: 0 });
    assert_eq!(explorer.app.shown, Showing::Finished(flamingo(2).id));
    assert!(explorer.screen().contains("flamingo · score"));
}

#[test]
fn another_theme_is_kept() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let effects = explorer.press("T");
    let name = &explorer.app.theme_name;
    assert!(effects.iter().any(
        |effect| matches!(effect, Effect::Disk(DiskRequest::SaveTheme(kept)) if kept == name)
    ));
}

#[test]
fn a_finished_picture_is_replayed_and_another_one_ends_that() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(3);
    explorer.press("3");
    let Showing::Finished(id) = explorer.app.shown.clone() else {
        panic!("{:?}", explorer.app.shown);
    };
    let effects = explorer.press("r");
    assert!(matches!(&effects[..], [Effect::Disk(DiskRequest::LoadFrames(run))] if *run == id));
    let frames = DiskResponse::Frames {
        id: id.clone(),
        frames: vec![picture(); 4],
    };
    explorer.answer(frames.clone());
    assert!(explorer.app.is_animated());
    assert!(
        explorer.screen().contains("replay · flamingo"),
        "{}",
        explorer.screen()
    );
    explorer.press("j");
    assert!(explorer.app.replay.is_none());
    // Late frames belong to another picture.
    explorer.answer(frames.clone());
    assert!(explorer.app.replay.is_none());
    explorer.press("k");
    explorer.answer(frames);
    explorer.now += std::time::Duration::from_secs(3);
    explorer.act(Action::Tick);
    assert!(explorer.app.replay.is_none());
}
