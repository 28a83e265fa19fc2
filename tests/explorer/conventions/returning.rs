//! The view state is restored at the next start.

use crate::support::{Driver, network};
use std::sync::Arc;
use std::time::Duration;
use ziggurat::runs::worker::WorkerEvent;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, DiskRequest, DiskResponse, Effect};
use ziggurat::tui::browser::Tab;
use ziggurat::tui::saved::{SavedModel, SavedState};
use ziggurat::tui::showing::Showing;

/// The view state that is saved on quitting.
fn quit(explorer: &mut Driver) -> SavedState {
    let effects = explorer.press("q");
    assert!(matches!(effects.last(), Some(Effect::Quit)));
    let mut saved = SavedState::default();
    kept(&effects)
        .into_iter()
        .for_each(|model| saved.put(model));
    saved
}

fn kept(effects: &[Effect]) -> Vec<SavedModel> {
    let kept = effects.iter().filter_map(|effect| match effect {
        Effect::Disk(DiskRequest::SaveView(model)) => Some(SavedModel::clone(model)),
        _ => None,
    });
    kept.collect()
}

/// An explorer that starts with a saved view state, before the finished runs are known.
fn start(saved: &SavedState) -> Driver {
    let mut explorer = Driver::opening(Protocol::Kitty, 120, 40);
    explorer.app.saved = saved.clone();
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    explorer
}

fn start_with_runs(saved: &SavedState) -> Driver {
    let mut explorer = start(saved);
    explorer.remember(12);
    explorer.answer(DiskResponse::RunsEnd { damaged: 0 });
    explorer
}

#[test]
fn layers_scopes_and_channels_come_back_by_name() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.press("1 f G k l l l");
    let (layer, channel) = {
        let channels = before.app.browser.channels.as_ref().unwrap();
        (channels.layer, channels.list.selected())
    };
    let saved = quit(&mut before);
    let after = start(&saved);
    let browser = &after.app.browser;
    assert_eq!(browser.tab, Tab::Layers);
    let channels = browser.channels.as_ref().unwrap();
    assert_eq!((channels.layer, channels.list.selected()), (layer, channel));
    assert_eq!(browser.open, before.app.browser.open);
    assert_eq!(browser.selected_row(), before.app.browser.selected_row());
}

#[test]
fn a_class_is_found_where_it_is_listed_now() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.press("2 j j j j");
    let saved = quit(&mut before);
    let mut after = Driver::opening(Protocol::Kitty, 120, 40);
    after.app.saved = saved;
    let mut other = network();
    let names = ["flamingo", "tench", "x", "y", "z", "volcano"];
    other.classes = ziggurat::model::Classes::new(names, "toy").unwrap();
    after.report(WorkerEvent::Opened(Arc::new(other)));
    assert_eq!(after.app.browser.classes.selected(), Some(0));
}

#[test]
fn another_model_brings_its_settings_back_and_says_which() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press(":");
    explorer.write("set steps=90");
    explorer.press("enter n n");
    let other = || {
        Arc::new(ziggurat::runs::worker::ModelInfo {
            model: "other".into(),
            name: "other".into(),
            hash: "fedcba".into(),
            ..network()
        })
    };
    let open = |explorer: &mut Driver, model: &str| {
        explorer.press(":");
        explorer.write(&format!("open {model}"));
        explorer.press("enter");
    };
    let shown_messages = |explorer: &Driver| {
        let messages = explorer.app.messages.iter();
        messages
            .map(|message| message.text.clone())
            .next_back()
            .unwrap()
    };
    // A model opened for the first time keeps the current settings.
    open(&mut explorer, "other");
    explorer.report(WorkerEvent::Opened(other()));
    assert!(!shown_messages(&explorer).contains("settings of this model"));
    explorer.press("N p");
    open(&mut explorer, "toy");
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    let text = "settings of this model: default, steps = 90 · seed 2";
    assert_eq!(shown_messages(&explorer), text);
    assert_eq!(
        (
            explorer.app.next_run.settings.steps,
            explorer.app.next_run.seed
        ),
        (90, 2)
    );
}

#[test]
fn settings_seed_and_preset_come_back() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.press("p n n , +");
    before.press("esc");
    let plan = before.app.next_run.clone();
    assert_eq!(plan.title(), "draft*");
    let after = start(&quit(&mut before));
    assert_eq!(after.app.next_run, plan);
}

#[test]
fn settings_that_are_not_allowed_are_refused_with_a_line() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.press("p");
    let effects = before.press("q");
    let mut model = kept(&effects).remove(0);
    model.changes.insert("steps".into(), 1e12.into());
    let mut saved = SavedState::default();
    saved.put(model);
    let after = start(&saved);
    assert_eq!(after.app.next_run.title(), "draft");
    let report = &after.app.messages.iter().last().unwrap().text;
    assert!(report.contains("steps"), "{report}");
}

#[test]
fn the_shown_picture_and_the_run_under_the_cursor_come_back_once_runs_are_known() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.remember(12);
    before.press("3 j j j");
    let shown = before.app.shown.clone();
    let saved = quit(&mut before);
    let after = start_with_runs(&saved);
    assert_eq!(after.app.shown, shown);
    let entry = after.app.selected_entry().unwrap();
    assert_eq!(Showing::Finished(entry.id.clone()), shown);

    before.app.quitting = false;
    before.press("2");
    let saved = quit(&mut before);
    let mut after = start(&saved);
    after.remember(3);
    assert_eq!(after.app.shown, Showing::Nothing);
    after.remember(12);
    let effects = after.answer(DiskResponse::RunsEnd { damaged: 0 });
    let Showing::Finished(id) = &shown else {
        panic!("{shown:?}");
    };
    let loads = |effect: &Effect| matches!(effect, Effect::Disk(DiskRequest::LoadRecord(asked)) if asked == id);
    assert!(effects.iter().any(loads));
    assert_eq!(
        (after.app.browser.tab, &after.app.shown),
        (Tab::Classes, &shown)
    );
}

#[test]
fn navigation_before_the_runs_are_known_is_kept() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.remember(12);
    before.press("3 j j j 2");
    let saved = quit(&mut before);
    let mut after = start(&saved);
    after.remember(12);
    after.press("j j j j");
    let shown = after.app.shown.clone();
    assert_ne!(shown, Showing::Nothing);
    after.answer(DiskResponse::RunsEnd { damaged: 0 });
    assert_eq!(after.app.shown, shown);
}

#[test]
fn the_view_state_is_saved_some_time_after_a_change() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.now = Duration::from_secs(60);
    assert_eq!(kept(&explorer.press("j")).len(), 1);
    let effects = explorer.press("j j j");
    assert!(kept(&effects).is_empty());
    let wait = explorer.app.next_tick().unwrap();
    assert!(wait < Duration::from_secs(5));
    explorer.now += wait;
    let effects = explorer.act(Action::Tick);
    assert_eq!(kept(&effects)[0].class.as_ref().unwrap().0, 4);
    explorer.now += Duration::from_secs(20);
    explorer.act(Action::Tick);
    assert_eq!(explorer.app.next_tick(), None);
}

#[test]
fn each_model_has_its_own_and_another_one_is_left_alone() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("1 j n");
    explorer.press(":");
    explorer.press("esc");
    let mut other = network();
    other.hash = "fedcba9876543210".into();
    other.model = "/models/b.onnx".into();
    explorer.press("m");
    explorer.answer(DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(vec![ziggurat::tui::popup::Choice::File(
            "/models/b.onnx".into(),
        )]),
    });
    let effects = explorer.press("enter");
    assert_eq!(kept(&effects).len(), 1);
    explorer.report(WorkerEvent::Opened(Arc::new(other)));
    explorer.press("2 j j");
    let row = explorer.app.browser.classes.selected();
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    assert_eq!(explorer.app.browser.tab, Tab::Layers);
    assert_eq!((row, explorer.app.next_run.seed), (Some(2), 1));
}

#[test]
fn internal_tensors_come_back_if_they_were_listed() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.press("1 A");
    let saved = quit(&mut before);
    let after = start(&saved);
    let opened = after.app.model.opened().unwrap();
    assert_eq!(opened.layers.len(), opened.values.len());
}
