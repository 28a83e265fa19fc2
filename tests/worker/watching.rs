//! Pictures and classes while a run steps.

use super::*;

#[test]
fn a_paused_worker_takes_no_step_but_shows_every_overlay() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    seat.send(WorkerCommand::Run(jobs(specs(
        &opened,
        &["flamingo"],
        1000,
    ))));
    seat.stepped(3);
    seat.send(WorkerCommand::Pause);
    seat.wait_for(|report| matches!(report, WorkerEvent::Paused(true)).then_some(()));
    let overlays = [
        Overlay::Plain,
        Overlay::Heat,
        Overlay::Map,
        Overlay::Gradient,
        Overlay::Band(0),
        Overlay::Band(4),
    ];
    let mut pictures = HashSet::new();
    let mut steps = HashSet::new();
    for wanted in overlays {
        seat.send(WorkerCommand::Watch(Watched::One(0), wanted));
        let (step, raw) = seat.wait_for(|report| match report {
            WorkerEvent::Snapshot {
                step,
                overlay,
                picture,
                ..
            } if *overlay == wanted => Some((*step, picture.as_raw().clone())),
            _ => None,
        });
        steps.insert(step);
        pictures.insert(raw);
    }
    assert_eq!((pictures.len(), steps.len()), (overlays.len(), 1));
    seat.send(WorkerCommand::Watch(Watched::One(0), Overlay::Band(99)));
    seat.wait_for(|report| match report {
        WorkerEvent::Snapshot { overlay, .. } => (*overlay == Overlay::Plain).then_some(()),
        _ => None,
    });
    seat.send(WorkerCommand::Resume);
    seat.stepped(steps.into_iter().next().unwrap() + 1);
}

/// Overlays compute the gradient from two velocities; the first step's velocity is the gradient itself.
#[test]
fn the_gradient_that_is_shown_is_the_one_that_moved_the_picture() {
    testing::library();
    let home = testing::home();
    let source = ziggurat::model::ModelSource::resolve(&home, None).unwrap();
    let file = source
        .open(&home, &ziggurat::runtime::package::quiet)
        .unwrap();
    let network = ziggurat::model::Network::open(&file).unwrap();
    let target = ziggurat::runs::target::read(&network, "flamingo").unwrap();
    let run = ziggurat::ascent::Run {
        unit: target.unit,
        seed: 0,
        settings: Settings::default(),
        earlier: Vec::new(),
    };
    let device = ziggurat::runtime::Device::Cpu;
    let stop = ziggurat::runtime::CancelHandle::default();
    let mut ascent = Ascent::new(&network, &target.objective, &[run], device, &stop).unwrap();
    assert!(ascent.gradient(0).unwrap().is_none());
    ascent.step().unwrap();
    let first = ascent.gradient(0).unwrap().unwrap();
    let velocity = ascent.save().unwrap().velocity;
    let share = 1.0 - Settings::default().momentum as f32;
    let error = (&first * share - velocity.index_axis(ndarray::Axis(0), 0))
        .fold(0.0, |most: f32, value| most.max(value.abs()));
    assert!(error < 1e-5, "{error}");
    ascent.step().unwrap();
    let second = ascent.gradient(0).unwrap().unwrap();
    assert!((&second - &first).mapv(f32::abs).sum() > 1.0);
    ascent.outcomes().unwrap();
    assert!(ascent.gradient(0).unwrap().is_none());
}

/// The explorer tiles the pictures of a batch.
#[test]
fn every_job_of_a_batch_sends_pictures_when_all_are_watched() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let batch = jobs(specs(&opened, &["flamingo", "goldfish", "volcano"], 6));
    seat.send(WorkerCommand::Watch(Watched::All, Overlay::Plain));
    seat.send(WorkerCommand::Run(batch));
    let mut seen = HashSet::new();
    let (mut pictures, mut done) = (HashSet::new(), 0);
    while done < 3 {
        match seat.next() {
            WorkerEvent::Snapshot { job, picture, .. } => {
                seen.insert(job);
                pictures.insert(picture.as_raw().clone());
            }
            WorkerEvent::Finished { .. } => done += 1,
            _ => {}
        }
    }
    assert_eq!(seen, HashSet::from([0, 1, 2]));
    assert!(pictures.len() >= 3, "{}", pictures.len());
}

#[test]
fn the_picture_of_a_channel_is_classified_while_it_runs() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let channels = ["blocks.3/expand/relu6:1", "blocks.3/expand/relu6:2"];
    let batch = jobs(specs(&opened, &channels, 4));
    seat.send(WorkerCommand::Watch(Watched::One(1), Overlay::Plain));
    seat.send(WorkerCommand::Run(batch));
    let top = seat.wait_for(|report| match report {
        WorkerEvent::Stepped(progress) => Some(progress.top.clone()),
        _ => None,
    });
    assert_eq!(top.len(), 2);
    assert_eq!((top[0].len(), top[1].len()), (0, 5));
    assert!(top[1].is_sorted_by(|a, b| a.1 >= b.1) && top[1][0].1 > 0.0);
    seat.wait_for(|report| matches!(report, WorkerEvent::Finished { job: 1, .. }).then_some(()));
}
