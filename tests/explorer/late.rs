//! Answers that come late: what the user has done meanwhile stays.

use super::support::{Driver, network};
use std::path::PathBuf;
use std::sync::Arc;
use ziggurat::runs::worker::{ModelInfo, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect, Lookup};
use ziggurat::tui::browser::Tab;
use ziggurat::tui::popup::{Choice, Popup};
use ziggurat::tui::prompt::PromptKind;

/// An open network of this name.
fn model(name: &str) -> WorkerEvent {
    WorkerEvent::Opened(Arc::new(ModelInfo {
        model: name.into(),
        name: name.into(),
        hash: format!("hash of {name}"),
        ..network()
    }))
}

fn failed(name: &str) -> WorkerEvent {
    WorkerEvent::OpenFailed {
        model: name.into(),
        why: format!("{name}: it is cut off"),
    }
}

fn open(explorer: &mut Driver, name: &str) {
    explorer.press(":");
    explorer.write(&format!("open {name}"));
    explorer.press("enter");
}

fn opened(explorer: &Driver) -> Option<&str> {
    let opened = explorer.app.model.opened();
    opened.map(|opened| opened.model.as_str())
}

fn folder(folder: &str, choices: Result<Vec<Choice>, String>) -> DiskResponse {
    DiskResponse::Folder {
        folder: folder.into(),
        choices,
    }
}

fn typed(explorer: &Driver) -> &str {
    explorer.app.prompt.as_ref().unwrap().text()
}

#[test]
fn of_several_models_the_one_that_was_chosen_last_is_opened() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    open(&mut explorer, "second");
    open(&mut explorer, "third");
    explorer.report(WorkerEvent::Stage {
        model: "second".into(),
        text: "fetching the second".into(),
        bytes: None,
    });
    assert!(!explorer.screen().contains("fetching the second"));
    explorer.report(model("second"));
    assert_eq!(opened(&explorer), None);
    explorer.report(failed("second"));
    assert_eq!(opened(&explorer), None);
    explorer.report(model("third"));
    assert_eq!(opened(&explorer), Some("third"));
    // One that fails late takes nothing from the open one.
    explorer.report(failed("second"));
    assert_eq!(opened(&explorer), Some("third"));
}

#[test]
fn if_none_of_several_models_can_be_opened_the_open_one_stays() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    open(&mut explorer, "second");
    open(&mut explorer, "third");
    explorer.report(failed("third"));
    assert_eq!(opened(&explorer), Some("toy"));
}

#[test]
fn what_is_changed_while_a_model_is_being_opened_stays() {
    let mut before = Driver::new(Protocol::Kitty, 120, 40);
    before.press("1 N p");
    before.press("q");
    let saved = before.app.saved.clone();
    let mut explorer = Driver::opening(Protocol::Kitty, 120, 40);
    explorer.app.saved = saved.clone();
    explorer.press("4 n n n");
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    let app = &explorer.app;
    assert_eq!(app.browser.tab, Tab::Favourites);
    assert_eq!((app.next_run.seed, app.next_run.preset()), (3, "default"));
    // What was not changed comes back.
    let mut explorer = Driver::opening(Protocol::Kitty, 120, 40);
    explorer.app.saved = saved;
    explorer.press("4");
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    let app = &explorer.app;
    assert_eq!(app.browser.tab, Tab::Favourites);
    assert_eq!(app.next_run.preset(), before.app.next_run.preset());
    assert_ne!(app.next_run.preset(), "default");
}

#[test]
fn undo_brings_back_only_settings_of_the_open_model() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press(":");
    explorer.write("set steps=90");
    explorer.press("enter , p esc");
    assert_ne!(explorer.app.next_run.settings.steps, 90);
    open(&mut explorer, "second");
    explorer.report(model("second"));
    let plan = explorer.app.next_run.clone();
    explorer.press("u");
    assert_eq!(explorer.app.next_run, plan);
    open(&mut explorer, "toy");
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    explorer.press("u");
    assert_eq!(explorer.app.next_run.settings.steps, 90);
}

#[test]
fn a_folder_that_was_listed_late_opens_no_picker_and_replaces_no_line() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("m esc 2 /");
    explorer.write("shark");
    explorer.answer(folder("/models", Ok(Vec::new())));
    assert!(explorer.app.popups.is_empty());
    assert!(matches!(
        explorer.app.prompt.as_ref().unwrap().asked,
        PromptKind::Search { .. }
    ));
    assert_eq!(typed(&explorer), "shark");
    explorer.press("esc C esc");
    explorer.answer(folder("/models", Ok(Vec::new())));
    assert!(explorer.app.popups.is_empty() && explorer.app.prompt.is_none());
    // What is typed before the folder is listed is typed into the picker.
    let effects = explorer.press("m");
    assert!(matches!(
        &effects[..],
        [Effect::Disk(DiskRequest::Look(Lookup::Folder(_))), ..]
    ));
    explorer.write(":net");
    explorer.answer(folder("/models", Ok(Vec::new())));
    assert_eq!(typed(&explorer), ":net");
}

#[test]
fn a_record_that_cannot_be_read_is_not_waited_for() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(1);
    explorer.press("3 e");
    let id = explorer.app.pending_record.clone().unwrap().0;
    explorer.answer(DiskResponse::NoRecord {
        id,
        why: "it is damaged".into(),
    });
    assert_eq!(explorer.app.pending_record, None);
    assert!(explorer.screen().contains("it is damaged"));
}

#[test]
fn a_path_that_cannot_be_listed_can_be_corrected() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let file = Choice::File("/models/net.onnx".into());
    explorer.press("m");
    explorer.answer(folder("/models", Ok(vec![file.clone()])));
    explorer.write("/modles/");
    explorer.press("enter");
    let why = "/modles: no such folder";
    explorer.answer(folder("/modles/", Err(why.into())));
    assert_eq!(typed(&explorer), "/modles/");
    assert!(explorer.screen().contains(why), "{}", explorer.screen());
    let Some(Popup::Models(picker)) = explorer.app.popups.last() else {
        panic!("no picker");
    };
    assert_eq!(picker.folder, PathBuf::from("/models"));
    assert_eq!(picker.choices, [file]);
}
