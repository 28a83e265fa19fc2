//! Runs in other models: choosing them, requests to the worker, and queued runs.

use super::support::{Driver, network, objective, picture, record, unit, work};
use ziggurat::ascent::Settings;
use ziggurat::model::Classes;
use ziggurat::runs::Spec;
use ziggurat::runs::history::HistoryEntry;
use ziggurat::runs::queue::JobState;
use ziggurat::runs::worker::{ModelInfo, TransferSource, WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect, Lookup};
use ziggurat::tui::picture_cache::Size;
use ziggurat::tui::popup::Choice;

/// Lists the available models.
fn list_models(explorer: &mut Driver) {
    let card = |name: &str| Choice::Card {
        name: name.into(),
        here: true,
    };
    explorer.answer(DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(vec![
            card("efficientnet-lite1"),
            card("efficientnet-lite2"),
            Choice::Folder("/".into()),
            Choice::File("/models/resnet18.onnx".into()),
        ]),
    });
}

/// The models in which runs are looked up, and the runs.
fn transfers(effects: &[Effect]) -> Vec<(String, Vec<TransferSource>)> {
    let asked = work(effects).into_iter().filter_map(|work| match work {
        WorkerCommand::Transfer { model, runs } => Some((model.clone(), runs.clone())),
        _ => None,
    });
    asked.collect()
}

/// Another model: its classes have other names at the same indices.
fn other_network() -> ModelInfo {
    let names = (0..140).map(|index| match index {
        130 => "flamingo".to_string(),
        index => format!("thing {index}"),
    });
    ModelInfo {
        model: "efficientnet-lite1".into(),
        name: "efficientnet-lite1".into(),
        hash: "fedcba".into(),
        classes: Classes::new(names, "other").unwrap(),
        ..network()
    }
}

/// The flamingo of another model, in which its class has another index.
fn elsewhere(seed: u64) -> Spec {
    let what = ("flamingo", objective(), unit(130));
    let settings = Settings::default();
    Spec::new(("efficientnet-lite1", "fedcba"), what, seed, settings)
}

#[test]
fn a_class_is_made_in_another_model_with_the_same_seed_and_settings() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("n 2 /");
    explorer.write("flamingo");
    let effects = explorer.press("enter C");
    assert!(matches!(
        &effects[..],
        [.., Effect::Disk(DiskRequest::Look(Lookup::Folder(_)))]
    ));
    list_models(&mut explorer);
    let screen = explorer.screen();
    assert!(screen.contains("run 1 target in other models"), "{screen}");
    assert!(screen.contains("space marks several"), "{screen}");
    explorer.write("lite1");
    let effects = explorer.press("enter");
    let asked = transfers(&effects);
    let [(model, runs)] = &asked[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(model, "efficientnet-lite1");
    assert!(
        matches!(&runs[..], [TransferSource::Spec(spec)] if spec.target == "flamingo" && spec.seed == 1)
    );
    assert!(explorer.app.popups.is_empty() && explorer.app.prompt.is_none());

    // The worker has looked it up: it is queued and made, and the queue says where.
    let effects = explorer.report(WorkerEvent::Transferred {
        model: "efficientnet-lite1".into(),
        opened: Some(other_network().into()),
        specs: vec![elsewhere(1)],
        problems: Vec::new(),
    });
    let jobs = Driver::started(&effects);
    let job = explorer.app.queue.get(jobs[0]).unwrap();
    assert_eq!(
        (&*job.spec.model, job.spec.unit),
        ("efficientnet-lite1", unit(130))
    );
    let screen = explorer.screen();
    assert!(
        screen.contains("1 run queued in efficientnet-lite1"),
        "{screen}"
    );
    assert!(screen.contains("flamingo  efficien…"), "{screen}");
    // So does the run, which names the classes as that model does.
    assert!(
        screen.contains("╭ flamingo · efficientnet-lite1 ─"),
        "{screen}"
    );
    explorer.step(&jobs, 1);
    let screen = explorer.screen();
    assert!(screen.contains("thing 4 "), "{screen}");
}

#[test]
fn finished_runs_are_made_in_several_marked_models() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(3);
    explorer.press("3 space space C");
    list_models(&mut explorer);
    let screen = explorer.screen();
    assert!(screen.contains("run 2 targets in other models"), "{screen}");
    // Both cards and the file; a folder cannot be marked.
    let effects = explorer.press("space space space down space enter");
    let asked = transfers(&effects);
    let models: Vec<&str> = asked.iter().map(|(model, _)| model.as_str()).collect();
    let expected = [
        "efficientnet-lite1",
        "efficientnet-lite2",
        "/models/resnet18.onnx",
    ];
    assert_eq!(models, expected);
    assert!(asked.iter().all(|(_, runs)| matches!(
        &runs[..],
        [TransferSource::Stored(_), TransferSource::Stored(_)]
    )));
    assert_eq!(explorer.app.browser.history.mark_count(), 0);
}

#[test]
fn a_model_that_is_typed_as_a_path_need_not_be_listed() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("2 C");
    list_models(&mut explorer);
    explorer.write("/srv/other.onnx");
    let effects = explorer.press("enter");
    assert_eq!(transfers(&effects)[0].0, "/srv/other.onnx");
}

#[test]
fn what_a_model_lacks_is_reported_and_the_rest_is_queued() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let problem = |index| format!("thing {index}: no class is called `thing {index}`");
    explorer.report(WorkerEvent::Transferred {
        model: "efficientnet-lite1".into(),
        opened: Some(other_network().into()),
        specs: vec![elsewhere(0)],
        problems: (0..9).map(problem).collect(),
    });
    assert_eq!(explorer.app.queue.jobs().len(), 1);
    let message: Vec<String> = explorer
        .app
        .messages
        .iter()
        .map(|one| one.text.clone())
        .collect();
    let expected = "efficientnet-lite1: thing 0: no class is called `thing 0`";
    assert!(message.iter().any(|text| text == expected), "{message:?}");
    let last = "efficientnet-lite1: 6 runs more cannot be run in it";
    assert_eq!(message.last().unwrap(), last);
}

#[test]
fn giving_up_the_choice_queues_nothing() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("2 space C");
    list_models(&mut explorer);
    let effects = explorer.press("esc");
    assert!(transfers(&effects).is_empty() && explorer.app.popups.is_empty());
    assert_eq!(explorer.app.browser.classes.mark_count(), 1);
}

#[test]
fn two_models_pictures_of_one_class_are_compared_and_their_model_is_the_difference() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(1);
    let jobs = Driver::started(&explorer.report(WorkerEvent::Transferred {
        model: "efficientnet-lite1".into(),
        opened: Some(other_network().into()),
        specs: vec![elsewhere(0)],
        problems: Vec::new(),
    }));
    explorer.report(WorkerEvent::Finished {
        job: jobs[0],
        record: Box::new(record(elsewhere(0), 2.5)),
        picture: picture(),
        from_history: false,
    });
    assert!(
        explorer
            .app
            .queue
            .jobs()
            .iter()
            .all(|job| job.state != JobState::Running)
    );
    explorer.press("3 space space c");
    let ids: Vec<String> = explorer
        .app
        .history
        .list("", false, None)
        .into_iter()
        .map(|index| explorer.app.history.get(index).id.clone())
        .collect();
    for id in ids {
        let (size, picture) = (Size::Full, picture());
        explorer.answer(DiskResponse::Picture { id, size, picture });
    }
    let screen = explorer.screen();
    let common = "flamingo · default · seed 0 · 90.0 %; different: model";
    assert!(screen.contains(common), "{screen}");
    assert!(
        screen.contains("efficientnet-lite1 · score 2.50"),
        "{screen}"
    );
    assert!(screen.contains("toy · score 0.00"), "{screen}");
}

/// A finished run, with what a judge gives its target.
fn judged(seed: u64, probability: Option<f32>) -> HistoryEntry {
    let mut run = super::support::flamingo(seed);
    run.verdicts = probability
        .map(|found| ziggurat::runs::judging::Verdict {
            model: "efficientnet-lite2".into(),
            model_hash: "judge".into(),
            class: "crane".into(),
            probability: 0.625,
            target_probability: Some(found),
        })
        .into_iter()
        .collect();
    HistoryEntry::from_record(&run, false)
}

#[test]
fn what_judges_say_is_shown_and_sorts_the_list() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let runs = vec![
        judged(1, Some(0.25)),
        judged(2, None),
        judged(3, Some(0.375)),
    ];
    explorer.answer(DiskResponse::Runs(runs));
    explorer.press("3 S S S S g g");
    let screen = explorer.screen();
    let places: Vec<usize> = ["judge 37.5 %", "judge 25.0 %", "not judged"]
        .iter()
        .map(|text| {
            screen
                .find(text)
                .unwrap_or_else(|| panic!("{text}\n{screen}"))
        })
        .collect();
    assert!(places.is_sorted(), "{screen}");
    let verdict = "judge       efficientnet-lite2: crane 62.5 %, flamingo 37.5 %";
    assert!(screen.contains(verdict), "{screen}");

    // The details say it too.
    explorer.press("enter");
    let mut record = super::support::flamingo(3);
    record.verdicts = explorer
        .app
        .history
        .find(&record.id)
        .unwrap()
        .verdicts
        .clone();
    explorer.answer(DiskResponse::Record(Box::new(record)));
    let screen = explorer.screen();
    for part in [
        "judge            efficientnet-lite2: crane",
        "flamingo 37.5 %",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
}
