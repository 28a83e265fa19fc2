//! The palette's commands with an argument.

use crate::support::{Driver, work};
use ziggurat::runs::worker::WorkerCommand;
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, Effect};

fn explorer() -> Driver {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("2");
    explorer
}

/// Types a line into the palette and confirms it.
fn give(explorer: &mut Driver, line: &str) -> Vec<Effect> {
    explorer.press(":");
    explorer.write(line);
    explorer.press("enter")
}

/// Asserts that a line is refused with these words and stays in the prompt.
fn refused(line: &str, words: &str) {
    let mut explorer = explorer();
    give(&mut explorer, line);
    let screen = explorer.screen();
    assert!(screen.contains(words), "{line}\n{screen}");
    let kept = explorer.app.prompt.as_ref().map(|prompt| prompt.text());
    assert_eq!(kept.map(str::trim), Some(line.trim()), "{screen}");
}

/// The targets of the queued runs.
fn queued(explorer: &Driver) -> Vec<String> {
    let jobs = explorer.app.queue.jobs().iter();
    jobs.map(|job| job.spec.target.clone()).collect()
}

#[test]
fn run_takes_every_form_of_a_target_wherever_one_is() {
    for (line, target) in [
        ("run flamingo", "flamingo"),
        ("run great white shark", "great white shark"),
        ("run 1", "goldfish"),
        ("run not:volcano", "not volcano"),
        ("run head/conv:7", "head/conv:7"),
        ("run head/conv:7:3,5", "head/conv:7:3,5"),
        ("run head/flatten:3", "head/flatten:3"),
    ] {
        let mut explorer = explorer();
        explorer.remember(3);
        explorer.press("3");
        let effects = give(&mut explorer, line);
        assert_eq!(Driver::started(&effects).len(), 1, "{line}");
        assert_eq!(queued(&explorer), [target], "{line}");
        assert!(explorer.app.popups.is_empty());
    }
}

#[test]
fn settings_seed_preset_and_theme_are_set() {
    let mut explorer = explorer();
    give(&mut explorer, "set steps=90");
    give(&mut explorer, "set mask_method=layer-cam blur=2");
    give(&mut explorer, "seed 7");
    let plan = &explorer.app.next_run;
    assert_eq!(
        (plan.settings.steps, plan.settings.blur, plan.seed),
        (90, 2.0, 7)
    );
    assert_eq!(plan.settings.mask_method.name(), "layer-cam");
    give(&mut explorer, "preset draft");
    assert_eq!(explorer.app.next_run.title(), "draft");
    assert!(
        explorer.screen().contains("dropped"),
        "{}",
        explorer.screen()
    );
    let effects = give(&mut explorer, "theme light");
    assert_eq!(explorer.app.theme_name, "light");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::SaveTheme(name))] if name == "light")
    );
}

#[test]
fn a_sweep_an_export_and_a_model_are_asked_for() {
    let mut explorer = explorer();
    let effects = give(&mut explorer, "sweep steps=80,96");
    assert_eq!(explorer.app.queue.jobs().len(), 2);
    for job in Driver::started(&effects) {
        explorer.finish(job, 1.0);
    }
    let jobs: Vec<_> = explorer.app.running.iter().map(|live| live.job).collect();
    for job in jobs {
        explorer.finish(job, 1.0);
    }
    let effects = give(&mut explorer, "export /tmp/a.png");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::Export(ids, path))] if ids.len() == 1 && path.ends_with("a.png")),
        "{effects:?}"
    );
    let effects = give(&mut explorer, "open /models/b.onnx");
    let asked = work(&effects);
    assert!(matches!(&asked[..], [WorkerCommand::Open(Some(path))] if path == "/models/b.onnx"));
    assert!(explorer.app.model.opened().is_none());
}

#[test]
fn what_cannot_be_done_says_why_and_the_line_stays() {
    refused("run ", "run TARGET");
    refused("run zebra:9", "zebra");
    refused("run head/conv:99999", "0 to 1279");
    refused("run stem", "scope of 2 layers");
    refused("set steps", "write KEY=VALUE");
    refused("set stepz=3", "no setting is called");
    refused("set steps=0.5", "out of range");
    refused("set steps=80 mask_method=x-ray", "not one of");
    refused("set mask_layer=head/con", "did you mean");
    refused("seed -1", "not a seed");
    refused("preset slow", "available: default");
    refused("theme pink", "available: dark");
    refused("sweep steps", "write KEY=");
    refused("export a.png", "no finished run is selected or shown");
    refused("fly", "no command here is called fly");
}

#[test]
fn a_sweep_of_nothing_is_refused() {
    let mut explorer = explorer();
    explorer.press("/");
    explorer.write("zzz");
    explorer.press("enter");
    give(&mut explorer, "sweep steps=80,96");
    let screen = explorer.screen();
    assert!(screen.contains("nothing is selected"), "{screen}");
}

#[test]
fn of_several_settings_all_are_taken_or_none() {
    let mut explorer = explorer();
    give(&mut explorer, "set steps=80 blur=999");
    assert_eq!(explorer.app.next_run.title(), "default");
}

#[test]
fn completions_go_into_the_line_and_the_line_is_what_is_done() {
    let mut explorer = explorer();
    explorer.press(":");
    explorer.write("run flam");
    assert!(
        explorer.screen().contains("class 4"),
        "{}",
        explorer.screen()
    );
    explorer.press("tab");
    let line = |explorer: &Driver| explorer.app.prompt.as_ref().unwrap().text().to_string();
    assert_eq!(line(&explorer), "run flamingo");
    explorer.press("enter");
    assert_eq!(queued(&explorer), ["flamingo"]);

    explorer.press(":");
    explorer.write("set mask_m");
    explorer.press("down");
    assert_eq!(line(&explorer), "set mask_method=");
    explorer.write("l");
    explorer.press("down");
    assert_eq!(line(&explorer), "set mask_method=layer-cam");
    explorer.press("enter");
    assert_eq!(
        explorer.app.next_run.settings.mask_method.name(),
        "layer-cam"
    );

    explorer.press(":");
    explorer.write("theme ");
    explorer.press("down down down up");
    assert_eq!(line(&explorer), "theme light");
}

#[test]
fn the_list_shows_the_forms_and_leads_to_their_arguments() {
    let mut explorer = explorer();
    explorer.press(":");
    assert!(
        explorer.screen().contains("set KEY=VALUE"),
        "{}",
        explorer.screen()
    );
    explorer.write("seed");
    let screen = explorer.screen();
    assert!(
        screen.contains("seed N") && screen.contains("new-seed"),
        "{screen}"
    );
    explorer.press("enter");
    assert_eq!(explorer.app.prompt.as_ref().unwrap().text(), "seed ");
    explorer.write("12");
    explorer.press("enter");
    assert_eq!(explorer.app.next_run.seed, 12);
}

#[test]
fn plain_commands_go_by_name_and_by_help_and_nothing_found_says_so() {
    let mut explorer = explorer();
    give(&mut explorer, "run");
    assert_eq!(queued(&explorer), ["tench"]);
    give(&mut explorer, "full screen");
    assert!(explorer.app.zoomed);
    explorer.press("z");
    explorer.press(":");
    explorer.write("qqq");
    assert!(explorer.screen().contains("no command matches"));
}

#[test]
fn classes_that_share_a_name_are_completed_by_index() {
    let mut explorer = Driver::opening(Protocol::Kitty, 120, 40);
    let mut network = crate::support::network();
    let names = ["crane", "crane", "heron", "x", "y", "z"];
    network.classes = ziggurat::model::Classes::new(names, "toy").unwrap();
    explorer.report(ziggurat::runs::worker::WorkerEvent::Opened(
        std::sync::Arc::new(network),
    ));
    explorer.press(":");
    explorer.write("run not:crane");
    explorer.press("down down enter");
    let unit = explorer.app.queue.jobs()[0].spec.unit.index;
    assert_eq!(
        (queued(&explorer), unit),
        (vec!["not crane".to_string()], 1)
    );
}
