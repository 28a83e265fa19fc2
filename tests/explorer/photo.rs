//! Photos in the explorer: typed or dropped, predictions, most active channels, and runs of them.

use super::support::{Driver, network, picture, record, terminal, unit, work};
use std::path::PathBuf;
use std::sync::Arc;
use ziggurat::ascent::layer_probe::{ChannelActivation, Rank};
use ziggurat::ascent::{Kind, Objective, Settings};
use ziggurat::runs::Spec;
use ziggurat::runs::worker::photo::{
    About, Answer, AnswerContent, Channel, MapAt, Photo, Question,
};
use ziggurat::runs::worker::{WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{Action, DiskRequest, DiskResponse, Effect};

/// The questions about photos to the worker.
pub fn questions(effects: &[Effect]) -> Vec<Question> {
    let asked = work(effects).into_iter();
    let asked = asked.filter_map(|work| match work {
        WorkerCommand::Photo(question) => Some(question.clone()),
        _ => None,
    });
    asked.collect()
}

fn photo() -> Photo {
    Photo {
        picture: picture(),
        size: (640, 480),
        seen: None,
        top: vec![(4, 0.9), (0, 0.05), (2, 0.02)],
        has_probabilities: true,
    }
}

fn channel(channel: usize, mean: f32, at: Option<(usize, usize)>) -> Channel {
    Channel {
        activation: ChannelActivation {
            channel,
            mean,
            maximum: 2.0 * mean,
            at,
        },
        map: at.map(|_| picture()),
    }
}

/// A worker's answer: eight channels of a layer with positions.
pub fn found(question: &Question) -> AnswerContent {
    match &question.about {
        About::Photo | About::Listed => AnswerContent::Photo(Arc::new(photo())),
        About::Channels { layer, .. } => {
            let at = (layer != "head/logits").then_some((3, 5));
            let channels = (0..8).map(|index| channel(20 - index, 3.0 - 0.25 * index as f32, at));
            AnswerContent::Channels(channels.collect())
        }
        About::Class { .. } => AnswerContent::Class(picture()),
    }
}

/// Answers all questions, and those that follow.
fn answered(explorer: &mut Driver, effects: &[Effect]) {
    let mut open = questions(effects);
    while let Some(question) = open.pop() {
        let found = Ok(found(&question));
        let effects = explorer.report(WorkerEvent::Photo(Answer { question, found }));
        open.extend(questions(&effects));
    }
}

pub fn paste(explorer: &mut Driver, text: &str) -> Vec<Effect> {
    explorer.act(Action::Paste(text.into()))
}

#[test]
fn the_palette_opens_a_photo_like_a_model() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press(":");
    paste(&mut explorer, "open /home/me/cat.png");
    let questions = questions(&explorer.press("enter"));
    assert!(
        matches!(
            questions[..],
            [Question {
                about: About::Photo,
                ..
            }]
        ),
        "{questions:?}"
    );
}

/// An explorer with an open photo.
pub fn looking(width: u16, height: u16) -> Driver {
    let mut explorer = Driver::new(Protocol::Kitty, width, height);
    let effects = paste(&mut explorer, "/photos/cat.jpg");
    answered(&mut explorer, &effects);
    explorer
}

/// An explorer with the second of two photos open.
pub fn looking_at_two() -> Driver {
    let mut explorer = looking(120, 40);
    let effects = paste(&mut explorer, "/photos/dog.png");
    answered(&mut explorer, &effects);
    explorer
}

#[test]
fn the_screen_shows_classes_and_channels() {
    for (width, height) in [(80, 24), (120, 40)] {
        let explorer = looking(width, height);
        insta::assert_snapshot!(format!("photo_{width}"), explorer.screen());
    }
}

#[test]
fn enter_runs_the_selected_channel_and_c_the_neuron_that_fires_most() {
    let mut explorer = looking(120, 40);
    explorer.press("right");
    let started = Driver::started(&explorer.press("enter"));
    let job = explorer.app.queue.get(started[0]).unwrap();
    assert_eq!(job.spec.target, "head/conv:19");
    assert!(explorer.screen().contains("queued: head/conv:19"));
    explorer.press("c");
    let last = explorer.app.queue.jobs().last().unwrap();
    assert_eq!(last.spec.target, "head/conv:19:3,5");
    assert_eq!(last.spec.unit.position, (3, 5));
    // The cell shows what has become of it.
    explorer.finish(started[0], 3.0);
    let loaded = explorer.screen();
    assert_eq!(
        loaded
            .lines()
            .filter(|line| line.starts_with("picture 40"))
            .count(),
        1 + 6 + 1,
        "{loaded}"
    );
}

#[test]
fn the_run_of_a_neuron_is_seen_in_the_cell_of_its_channel() {
    let mut explorer = looking(120, 40);
    let started = Driver::started(&explorer.press("c"));
    let title = "head/conv:20:3,5";
    let job = explorer.app.queue.get(started[0]).unwrap();
    assert_eq!(job.spec.target, title);
    explorer.step(&started, 48);
    let screen = explorer.screen();
    let cell = format!("{title} · 48/192");
    assert!(screen.contains(&cell), "{screen}");
    let pictures = |screen: &str| {
        let lines = screen.lines();
        lines.filter(|line| line.starts_with("picture 4")).count()
    };
    let before = pictures(&screen);
    explorer.snapshot(started[0]);
    assert_eq!(pictures(&explorer.screen()), before + 1);
    explorer.finish(started[0], 3.0);
    let screen = explorer.screen();
    assert_eq!(pictures(&screen), before + 1);
    assert!(screen.contains(&format!("{title} · 3.00")), "{screen}");
    // A run of the channel itself takes its place, as soon as it has a picture.
    let channel = Driver::started(&explorer.press("enter"));
    let screen = explorer.screen();
    assert!(screen.contains("head/conv:20 · 0/"), "{screen}");
    assert_eq!(pictures(&screen), before + 1);
    explorer.report(WorkerEvent::Failed {
        job: channel[0],
        why: "of a test".into(),
    });
    assert!(explorer.screen().contains(&format!("{title} · 3.00")));
    let next = Driver::started(&explorer.press("right enter"));
    explorer.report(WorkerEvent::Failed {
        job: next[0],
        why: "of a test".into(),
    });
    assert!(explorer.screen().contains(" failed "));
}

#[test]
fn the_synthetic_picture_of_a_channel_is_loaded_from_history() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let objective = Objective {
        kind: Kind::Channel,
        value: "head/conv".into(),
    };
    let target = ("head/conv:20", objective, unit(20));
    let spec = Spec::new(("toy", &network().hash), target, 0, Settings::default());
    let record = record(spec, 3.0);
    let entry = ziggurat::runs::history::HistoryEntry::from_record(&record, false);
    explorer.answer(DiskResponse::Runs(vec![entry]));
    let effects = paste(&mut explorer, "/photos/cat.jpg");
    let asked = questions(&effects);
    explorer.report(WorkerEvent::Photo(Answer {
        question: asked[0].clone(),
        found: Ok(found(&asked[0])),
    }));
    let about = About::Channels {
        layer: "head/conv".into(),
        rank: Rank::Mean,
        count: 24,
    };
    let question = Question {
        about,
        ..asked[0].clone()
    };
    let effects = explorer.report(WorkerEvent::Photo(Answer {
        found: Ok(found(&question)),
        question,
    }));
    let is_loaded = |effect: &Effect| matches!(effect, Effect::Disk(DiskRequest::LoadPicture(id, _)) if *id == record.id);
    assert!(effects.iter().any(is_loaded), "{effects:?}");
}

#[test]
fn brackets_turn_the_layers_and_an_answer_for_another_layer_is_dropped() {
    let mut explorer = looking(120, 40);
    let effects = explorer.press("]");
    let asked = questions(&effects);
    assert!(matches!(&asked[0].about, About::Channels { layer, .. } if layer == "head/logits"));
    let effects = explorer.press("]");
    let late = Ok(found(&asked[0]));
    explorer.report(WorkerEvent::Photo(Answer {
        question: asked[0].clone(),
        found: late,
    }));
    assert!(!explorer.screen().contains("head/logits:20"));
    answered(&mut explorer, &effects);
    assert!(
        explorer.screen().contains("stem/conv:20"),
        "{}",
        explorer.screen()
    );
    let effects = explorer.press("[");
    answered(&mut explorer, &effects);
    let screen = explorer.screen();
    // Numbers of a vector have no map, and no neuron.
    assert!(screen.contains("head/logits:20"), "{screen}");
    assert_eq!(
        screen
            .lines()
            .filter(|line| line.starts_with("picture 40"))
            .count(),
        1
    );
    explorer.press("c");
    assert!(explorer.screen().contains("no positions"));
}

#[test]
fn a_layer_is_found_by_a_part_of_its_name_and_channels_are_ranked_either_way() {
    let mut explorer = looking(120, 40);
    explorer.press("/");
    explorer.write("zzz");
    explorer.press("enter");
    assert!(explorer.screen().contains("no layer is called zzz"));
    explorer.press("ctrl-u");
    explorer.write("0 proj");
    let asked = questions(&explorer.press("enter"));
    let layer = "blocks.0/project".to_string();
    let about = |rank| About::Channels {
        layer: layer.clone(),
        rank,
        count: 24,
    };
    assert_eq!(asked[0].about, about(Rank::Mean));
    let effects = explorer.press("S");
    assert_eq!(questions(&effects)[0].about, about(Rank::Maximum));
    answered(&mut explorer, &effects);
    let screen = explorer.screen();
    assert!(
        screen.contains("16 channels by maximum") && screen.contains("project:20 · 6.00"),
        "{screen}"
    );
}

#[test]
fn a_lays_the_map_of_each_class_over_the_photo_in_turn() {
    let mut explorer = looking(120, 40);
    let mut classes = Vec::new();
    for _ in 0..3 {
        let effects = explorer.press("a");
        let asked = questions(&effects);
        classes.extend(asked.iter().map(|question| question.about.clone()));
        assert!(explorer.screen().contains(" …"), "{}", explorer.screen());
        answered(&mut explorer, &effects);
    }
    let map = |class| About::Class {
        class,
        at: MapAt::default(),
    };
    assert_eq!(classes, [4, 0, 2].map(map));
    assert!(explorer.screen().contains("▸"));
    assert!(questions(&explorer.press("a")).is_empty());
    assert!(!explorer.screen().contains("▸"));
    // It is there already.
    assert!(questions(&explorer.press("a")).is_empty());
    let asked = questions(&explorer.press("esc I enter"));
    assert_eq!(asked[0].about, About::Photo);
}

#[test]
fn the_map_is_taken_where_the_settings_say() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("1 f j j a");
    let layer = explorer.app.next_run.settings.mask_layer.clone();
    assert!(!layer.is_empty());
    let effects = paste(&mut explorer, "/photos/cat.jpg");
    answered(&mut explorer, &effects);
    let asked = questions(&explorer.press("a"));
    let About::Class { class: 4, at } = &asked[0].about else {
        panic!("{asked:?}");
    };
    assert_eq!(at.layer.as_ref(), Some(&layer));
}

#[test]
fn a_map_that_cannot_be_made_says_why() {
    let mut explorer = looking(120, 40);
    let asked = questions(&explorer.press("a"));
    let found = Err("head has no class activation map".into());
    explorer.report(WorkerEvent::Photo(Answer {
        question: asked[0].clone(),
        found,
    }));
    let screen = explorer.screen();
    assert!(
        screen.contains("no class activation map") && !screen.contains("▸"),
        "{screen}"
    );
}

#[test]
fn n_goes_through_the_photos_that_were_opened() {
    let mut explorer = looking(120, 40);
    explorer.press("n");
    assert!(explorer.screen().contains("no other photo was opened"));
    let effects = paste(&mut explorer, "/photos/dog.png /photos/fox.webp");
    assert_eq!(
        questions(&effects)[0].photo,
        PathBuf::from("/photos/dog.png")
    );
    // Several are listed.
    answered(&mut explorer, &effects);
    let effects = explorer.press("enter");
    answered(&mut explorer, &effects);
    assert!(
        explorer.screen().contains("dog.png · 2 of 3"),
        "{}",
        explorer.screen()
    );
    for (key, name) in [
        ("n", "fox.webp · 3 of 3"),
        ("n", "cat.jpg · 1 of 3"),
        ("N", "fox.webp · 3 of 3"),
    ] {
        let effects = explorer.press(key);
        answered(&mut explorer, &effects);
        assert!(explorer.screen().contains(name), "{}", explorer.screen());
    }
    explorer.press("esc esc");
    assert!(!explorer.screen().contains("fox.webp"));
}

#[test]
fn a_photo_that_cannot_be_opened_is_named_and_the_one_before_comes_back() {
    let mut explorer = looking(120, 40);
    let asked = questions(&paste(&mut explorer, "/photos/no.png"));
    let found = Err("/photos/no.png: not a PNG, JPEG or WebP picture but a text file".into());
    explorer.report(WorkerEvent::Photo(Answer {
        question: asked[0].clone(),
        found,
    }));
    let screen = explorer.screen();
    assert!(
        screen.contains("not a PNG, JPEG or WebP picture"),
        "{screen}"
    );
    assert!(
        screen.contains("photo · cat.jpg ") && screen.contains("head/conv:20"),
        "{screen}"
    );

    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let asked = questions(&paste(&mut explorer, "/photos/no.png"));
    let found = Err("/photos/no.png: No such file or directory".into());
    explorer.report(WorkerEvent::Photo(Answer {
        question: asked[0].clone(),
        found,
    }));
    let screen = explorer.screen();
    assert!(
        screen.contains("No such file") && !screen.contains("photo · "),
        "{screen}"
    );
}

#[test]
fn while_something_runs_the_photo_is_waited_for() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("2 enter");
    paste(&mut explorer, "/photos/cat.jpg");
    assert!(
        explorer.screen().contains("after the step under way"),
        "{}",
        explorer.screen()
    );
}

#[test]
fn no_photo_is_opened_before_a_model_is_and_another_model_closes_it() {
    let mut explorer = Driver::opening(Protocol::Kitty, 120, 40);
    assert!(questions(&paste(&mut explorer, "/photos/cat.jpg")).is_empty());
    assert!(explorer.screen().contains("no model is open yet"));
    let mut explorer = looking(120, 40);
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    assert!(!explorer.screen().contains("cat.jpg"));
}

#[test]
fn names_from_files_control_nothing() {
    let mut explorer = Driver::new(Protocol::Blocks, 80, 24);
    explorer.app.environment.terminal = terminal(Protocol::Blocks);
    explorer.press("I");
    paste(&mut explorer, "/photos/\u{202e}cat.png");
    assert!(!explorer.screen().contains('\u{202e}'));
    let asked = questions(&explorer.press("enter"));
    let found = Err("/photos/\u{1b}[2J\u{202e}x: damaged".into());
    assert!(!explorer.screen().contains('\u{202e}'));
    explorer.report(WorkerEvent::Photo(Answer {
        question: asked[0].clone(),
        found,
    }));
    let screen = explorer.screen();
    assert!(
        !screen.contains('\u{202e}') && !screen.contains('\u{1b}'),
        "{screen}"
    );
}
