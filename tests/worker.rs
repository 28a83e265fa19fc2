//! The worker on a real network: what it promises to whoever watches it.

use image::{Rgb, RgbImage};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ziggurat::ascent::layer_probe::Rank;
use ziggurat::ascent::{Ascent, Overlay, Settings};
use ziggurat::home::Home;
use ziggurat::model::Ports;
use ziggurat::onnx::shapes::{fixed, untyped};
use ziggurat::onnx::{Builder, Elem, file};
use ziggurat::runs::queue::{Job, JobId, Queue};
use ziggurat::runs::target::Parts;
use ziggurat::runs::worker::photo::{About, Found, MapAt, Question};
use ziggurat::runs::worker::{Command, Opened, Origin, Report, Told, Watched, Worker};
use ziggurat::runs::{Spec, checkpoint, history};
use ziggurat::runtime::{Provider, testing};

/// A home of the test's own, which shares library and models with all other tests of the checkout.
struct Desk {
    folder: tempfile::TempDir,
    home: Home,
}

impl Desk {
    fn new() -> Self {
        let shared = testing::home();
        testing::library();
        let source = ziggurat::model::Source::resolve(&shared, None).unwrap();
        source
            .open(&shared, &ziggurat::runtime::package::quiet)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        for room in [shared.runtime(), shared.models()] {
            if room.exists() {
                std::os::unix::fs::symlink(&room, data.join(room.file_name().unwrap())).unwrap();
            }
        }
        let home = Home::at(folder.path());
        Self { folder, home }
    }

    /// A batch's checkpoint goes after its last report: the worker's end is the sure sign that it is through.
    fn expect_no_checkpoint(&self, seat: &mut Seat) {
        assert!(seat.worker.shut_down(Duration::from_secs(5)));
        let left = std::fs::read_dir(self.home.checkpoints());
        assert_eq!(left.map_or(0, Iterator::count), 0);
    }

    fn worker(&self) -> Seat {
        self.worker_told(Told::default())
    }

    fn worker_told(&self, told: Told) -> Seat {
        let (bell, rung) = std::sync::mpsc::channel();
        let wake = move || {
            let _ = bell.send(());
        };
        Seat {
            worker: Worker::spawn(self.home.clone(), Provider::Cpu, told, wake).unwrap(),
            rung,
            unread: Vec::new(),
        }
    }
}

/// A worker, and its reports one by one.
struct Seat {
    worker: Worker,
    rung: std::sync::mpsc::Receiver<()>,
    unread: Vec<Report>,
}

impl Seat {
    fn send(&self, command: Command) {
        self.worker.send(command);
    }

    fn next(&mut self) -> Report {
        let until = Instant::now() + Duration::from_secs(120);
        while self.unread.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            self.rung.recv_timeout(left).expect("the worker is silent");
            self.unread = self.worker.reports();
        }
        self.unread.remove(0)
    }

    /// The first thing that `wanted` picks; what comes before is passed over.
    fn wait_for<T>(&mut self, mut wanted: impl FnMut(&Report) -> Option<T>) -> T {
        loop {
            let report = self.next();
            if let Some(found) = wanted(&report) {
                return found;
            }
            if let Report::Failed { why, .. } | Report::OpenFailed { why, .. } = report {
                panic!("{why}");
            }
        }
    }

    fn open(&mut self) -> Arc<Opened> {
        self.send(Command::Open(None));
        self.wait_for(|report| match report {
            Report::Opened(opened) => Some(opened.clone()),
            _ => None,
        })
    }

    /// The picture and scores of a finished job, and whether it came from history.
    fn finished(&mut self, wanted: JobId) -> (Vec<u8>, Vec<f32>, bool) {
        self.wait_for(|report| match report {
            Report::Finished {
                job,
                record,
                picture,
                from_history,
            } if *job == wanted => Some((
                picture.as_raw().clone(),
                record.scores.clone(),
                *from_history,
            )),
            _ => None,
        })
    }

    fn stepped(&mut self, at_least: usize) {
        self.wait_for(|report| match report {
            Report::Stepped(progress) if progress.step >= at_least => Some(()),
            _ => None,
        });
    }

    fn cancelled(&mut self, wanted: JobId) {
        self.wait_for(|report| match report {
            Report::Cancelled { job } if *job == wanted => Some(()),
            _ => None,
        });
    }
}

fn specs(opened: &Opened, targets: &[&str], steps: u32) -> Vec<Spec> {
    let parts = Parts {
        logits: opened.logits.as_deref(),
        classes: &opened.classes,
        layers: &opened.layers,
    };
    let spec = |text: &&str| {
        let target = parts.read(text).unwrap();
        let what = (target.title.as_str(), target.objective, target.unit);
        let mut settings = Settings::default();
        settings.set("steps", f64::from(steps).into()).unwrap();
        settings.set("octaves", 2.0.into()).unwrap();
        Spec::new((&opened.model, &opened.hash), what, 0, settings)
    };
    targets.iter().map(spec).collect()
}

fn jobs(specs: Vec<Spec>) -> Vec<Job> {
    let mut queue = Queue::default();
    for spec in specs {
        queue.push(spec).unwrap();
    }
    queue.next_batch(8)
}

#[test]
fn a_run_is_watched_finished_kept_and_answered_at_once_the_second_time() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    assert_eq!((opened.provider.as_str(), opened.input.0), ("cpu", 3));
    assert!(opened.batchable && opened.parameters > 4_000_000);
    let batch = jobs(specs(&opened, &["flamingo", "goldfish"], 8));
    seat.send(Command::Watch(Watched::One(1), Overlay::Heat));
    seat.send(Command::Run(batch.clone()));
    let (mut steps, mut shown, mut done) = (Vec::new(), 0, HashSet::new());
    while done.len() < 2 {
        match seat.next() {
            Report::Started(started) => {
                assert_eq!((started.jobs.len(), started.steps), (2, 8));
                assert!(started.has_map && started.bands > 1 && started.resumed_at == 0);
            }
            Report::Stepped(progress) => {
                assert_eq!(progress.jobs, [0, 1]);
                assert_eq!((progress.top.len(), progress.top[0].len()), (2, 5));
                let probabilities = progress.probabilities.unwrap();
                assert!(progress.top[0][0].1 >= probabilities[0]);
                steps.extend(progress.unread.iter().map(|(step, _)| *step));
            }
            Report::Snapshot { job, overlay, .. } => {
                assert_eq!((job, overlay), (1, Overlay::Heat));
                shown += 1;
            }
            Report::Finished {
                job,
                record,
                from_history,
                ..
            } => {
                assert!(!from_history && record.scores.len() == 8);
                assert!(history::find(&desk.home, &record.spec, "cpu").is_some());
                done.insert(job);
            }
            Report::Failed { why, .. } => panic!("{why}"),
            _ => {}
        }
    }
    assert_eq!(steps, (1..=8).collect::<Vec<_>>());
    assert!(shown > 0);
    let start = Instant::now();
    seat.send(Command::Run(batch));
    assert!(seat.finished(0).2 && seat.finished(1).2);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    desk.expect_no_checkpoint(&mut seat);
}

#[test]
fn a_worker_that_is_gone_is_taken_over_to_the_same_picture_bit_for_bit() {
    let desk = Desk::new();
    let targets = ["flamingo", "goldfish"];
    let whole: Vec<_> = {
        let mut seat = desk.worker();
        let opened = seat.open();
        seat.send(Command::Run(jobs(specs(&opened, &targets, 12))));
        (0..2).map(|job| seat.finished(job)).collect()
    };
    std::fs::remove_dir_all(desk.home.history()).unwrap();

    let mut seat = desk.worker();
    let opened = seat.open();
    let batch = jobs(specs(&opened, &targets, 12));
    seat.send(Command::Run(batch.clone()));
    // Into the second octave, so that the way there counts too.
    seat.stepped(7);
    let start = Instant::now();
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    let wanted: Vec<Spec> = batch.iter().map(|job| job.spec.clone()).collect();
    assert!(checkpoint::find(&desk.home, &wanted, "cpu").is_some());

    let mut seat = desk.worker();
    // One of the two was cancelled meanwhile: the other is made in the same company.
    seat.send(Command::Run(vec![batch[1].clone()]));
    let resumed_at = seat.wait_for(|report| match report {
        Report::Started(started) => {
            assert_eq!(
                (started.jobs.as_slice(), started.scores.len()),
                (&[1][..], 1)
            );
            assert_eq!(started.scores[0].len(), started.resumed_at);
            Some(started.resumed_at)
        }
        _ => None,
    });
    assert!(resumed_at >= 7, "{resumed_at}");
    let (picture, scores, _) = seat.finished(1);
    assert_eq!(scores, whole[1].1);
    assert_eq!(picture, whole[1].0);
    desk.expect_no_checkpoint(&mut seat);
}

#[test]
fn a_branch_goes_on_from_the_paused_run_and_the_run_from_its_pause() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    let parents = specs(&opened, &["flamingo", "goldfish"], 12);
    let mut settings = parents[1].settings.clone();
    settings.set("momentum", 0.5.into()).unwrap();
    settings.set("mask", 0.0.into()).unwrap();
    let batch = jobs(parents.clone());
    seat.send(Command::Run(batch.clone()));
    seat.stepped(3);
    seat.send(Command::Pause);
    seat.wait_for(|report| matches!(report, Report::Paused(true)).then_some(()));
    // It is written a moment after the worker has said so.
    let until = Instant::now() + Duration::from_secs(20);
    let paused = loop {
        if let Some(paused) = checkpoint::find(&desk.home, &parents, "cpu") {
            break paused;
        }
        assert!(Instant::now() < until, "no checkpoint at the pause");
        std::thread::sleep(Duration::from_millis(20));
    };
    let step = paused.saved.at.step;
    let branch = parents[1].branched(step, &settings).unwrap();
    let mut job = jobs(vec![branch.clone()]);
    job[0].id = 7;

    // The worker goes away in the middle of the branch, and another one goes on with it.
    seat.send(Command::SetAside);
    seat.send(Command::Resume);
    seat.send(Command::Run(job.clone()));
    let start = |report: &Report| match report {
        Report::Started(started) => Some((started.jobs.clone(), started.resumed_at)),
        _ => None,
    };
    assert_eq!(seat.wait_for(start), (vec![7], step));
    seat.stepped(step + 2);
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    let mut seat = desk.worker();
    seat.send(Command::Run(job));
    let (ids, resumed_at) = seat.wait_for(start);
    assert!(ids == [7] && resumed_at >= step + 2, "{resumed_at}");
    let (picture, scores, _) = seat.finished(7);
    assert_eq!(scores.len(), 12);
    seat.send(Command::Run(batch));
    assert_eq!(seat.wait_for(start), (vec![0, 1], step));
    let parent = seat.finished(1);
    assert_ne!(parent.0, picture);
    let record = history::read(&desk.home, &branch.id()).unwrap();
    assert_eq!(record.spec, branch);

    // From the first step, without what the run before left.
    std::fs::remove_dir_all(desk.home.history()).unwrap();
    seat.send(Command::Run(jobs(vec![branch])));
    let (again, scored, from_history) = seat.finished(0);
    assert!(again == picture && scored == scores && !from_history);
    seat.send(Command::Run(jobs(vec![parents[1].clone()])));
    assert!(seat.finished(0).0 == parent.0);
}

#[test]
fn a_cancelled_job_is_gone_at_once_and_its_companions_go_on() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    seat.send(Command::Run(jobs(specs(
        &opened,
        &["flamingo", "goldfish"],
        10,
    ))));
    seat.stepped(2);
    seat.send(Command::Cancel(0));
    seat.cancelled(0);
    seat.wait_for(|report| match report {
        Report::Finished { job, .. } => {
            assert_eq!(*job, 1);
            Some(())
        }
        _ => None,
    });

    let mut many = jobs(specs(&opened, &["tench"], 100_000));
    many[0].id = 7;
    seat.send(Command::Run(many));
    seat.stepped(3);
    let start = Instant::now();
    seat.send(Command::Cancel(7));
    seat.cancelled(7);
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    desk.expect_no_checkpoint(&mut seat);
}

#[test]
fn a_resting_worker_takes_no_step_but_shows_every_overlay() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    seat.send(Command::Run(jobs(specs(&opened, &["flamingo"], 1000))));
    seat.stepped(3);
    seat.send(Command::Pause);
    seat.wait_for(|report| matches!(report, Report::Paused(true)).then_some(()));
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
        seat.send(Command::Watch(Watched::One(0), wanted));
        let (step, raw) = seat.wait_for(|report| match report {
            Report::Snapshot {
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
    seat.send(Command::Watch(Watched::One(0), Overlay::Band(99)));
    seat.wait_for(|report| match report {
        Report::Snapshot { overlay, .. } => (*overlay == Overlay::Plain).then_some(()),
        _ => None,
    });
    seat.send(Command::Resume);
    seat.stepped(steps.into_iter().next().unwrap() + 1);
}

#[test]
fn what_cannot_be_made_or_opened_says_why_in_one_line_and_the_worker_lives_on() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    seat.send(Command::Open(Some("efficientnet-lite00".into())));
    let why = loop {
        if let Report::OpenFailed { why, .. } = seat.next() {
            break why;
        }
    };
    assert!(
        why.contains("efficientnet-lite0") && !why.contains('\n'),
        "{why}"
    );
    // What the command line says of a model's inputs and outputs holds for this model, and for no other.
    let told = |model: &str| Told {
        model: model.into(),
        ports: Ports {
            scores_output: Some("nowhere".into()),
            ..Ports::default()
        },
    };
    let mut misled = desk.worker_told(told("efficientnet-lite0"));
    misled.send(Command::Open(None));
    let why = loop {
        if let Report::OpenFailed { why, .. } = misled.next() {
            break why;
        }
    };
    assert!(why.contains("nowhere"), "{why}");
    desk.worker_told(told("another.onnx")).open();
    let garbage = desk.folder.path().join("garbage.onnx");
    std::fs::write(&garbage, "no model").unwrap();
    let opened = seat.open();
    let mut batch = jobs(specs(&opened, &["flamingo", "goldfish", "tench"], 3));
    batch[0].spec.unit.index = 5000;
    batch[1].spec.model_hash = "another".into();
    batch[2].spec.model = garbage.to_str().unwrap().into();
    for job in &batch {
        seat.send(Command::Run(vec![job.clone()]));
    }
    let mut failures = Vec::new();
    while failures.len() < 3 {
        if let Report::Failed { why, .. } = seat.next() {
            failures.push(why);
        }
    }
    for (why, word) in failures
        .iter()
        .zip(["5000", "not the model", "garbage.onnx"])
    {
        assert!(why.contains(word) && !why.contains('\n'), "{why}");
    }
    // One that is impossible does not keep its companion from being made.
    let mut pair = jobs(specs(&opened, &["flamingo", "goldfish"], 3));
    pair[0].spec.unit.index = 5000;
    seat.send(Command::Run(pair));
    let failed = loop {
        if let Report::Failed { job, .. } = seat.next() {
            break job;
        }
    };
    assert_eq!(failed, 0);
    assert_eq!(seat.finished(1).1.len(), 3);
}

/// The gradient that the overlays show is told by two velocities; the first step's velocity tells it directly.
#[test]
fn the_gradient_that_is_shown_is_the_one_that_moved_the_picture() {
    testing::library();
    let home = testing::home();
    let source = ziggurat::model::Source::resolve(&home, None).unwrap();
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
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    let batch = jobs(specs(&opened, &["flamingo", "goldfish", "volcano"], 6));
    seat.send(Command::Watch(Watched::All, Overlay::Plain));
    seat.send(Command::Run(batch));
    let mut seen = HashSet::new();
    let (mut pictures, mut done) = (HashSet::new(), 0);
    while done < 3 {
        match seat.next() {
            Report::Snapshot { job, picture, .. } => {
                seen.insert(job);
                pictures.insert(picture.as_raw().clone());
            }
            Report::Finished { .. } => done += 1,
            _ => {}
        }
    }
    assert_eq!(seen, HashSet::from([0, 1, 2]));
    assert!(pictures.len() >= 3, "{}", pictures.len());
}

#[test]
fn a_channels_picture_is_told_for_what_it_is_taken() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    let channels = ["blocks.3/expand/relu6:1", "blocks.3/expand/relu6:2"];
    let batch = jobs(specs(&opened, &channels, 4));
    seat.send(Command::Watch(Watched::One(1), Overlay::Plain));
    seat.send(Command::Run(batch));
    let top = seat.wait_for(|report| match report {
        Report::Stepped(progress) => Some(progress.top.clone()),
        _ => None,
    });
    assert_eq!(top.len(), 2);
    assert_eq!((top[0].len(), top[1].len()), (0, 5));
    assert!(top[1].is_sorted_by(|a, b| a.1 >= b.1) && top[1][0].1 > 0.0);
    seat.wait_for(|report| matches!(report, Report::Finished { job: 1, .. }).then_some(()));
}

/// A small classifier of four classes, with their names in a file beside it.
fn small_model(desk: &Desk) -> String {
    let mut b = Builder::empty(18, "g/");
    let numbers = |count: usize| -> Vec<f32> {
        let value = |place: usize| ((place * 7 % 11) as f32 - 5.0) / 16.0;
        (0..count).map(value).collect()
    };
    let kernel = b.floats(&[6, 3, 3, 3], &numbers(162));
    let head = b.floats(&[6, 4], &numbers(24));
    b.input("image", Elem::F32, &fixed(&[1, 3, 32, 32]))
        .unwrap();
    let strides = [("strides", vec![2i64, 2].into())];
    let seen = b.emit("Conv", &["image", &kernel], &strides);
    let active = b.emit("Relu", &[&seen], &[]);
    let axes = b.ints(&[2, 3]);
    let keep = [("keepdims", 0i64.into())];
    let pooled = b.emit("ReduceMean", &[&active, &axes], &keep);
    b.emit_named("logits", "MatMul", &[&pooled, &head], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped("logits")]).unwrap();
    let path = desk.folder.path().join("small.onnx");
    file::write(model, &path, None).unwrap();
    std::fs::write(
        desk.folder.path().join("labels.txt"),
        "pug\ntench\nflamingo\ncrane\n",
    )
    .unwrap();
    path.to_str().unwrap().into()
}

#[test]
fn runs_are_looked_up_in_another_model_made_there_and_judged() {
    let desk = Desk::new();
    let small = small_model(&desk);
    let mut seat = desk.worker();
    let opened = seat.open();
    seat.send(Command::Judges(vec![opened.model.clone()]));
    let chosen = specs(
        &opened,
        &["flamingo", "goldfish", "blocks.3/expand/relu6:2"],
        3,
    );
    let runs = chosen
        .iter()
        .map(|spec| Origin::Spec(Box::new(spec.clone())))
        .collect();
    seat.send(Command::Transfer {
        model: small.clone(),
        runs,
    });
    let (found, problems) = seat.wait_for(|report| match report {
        Report::Transferred {
            model,
            specs,
            problems,
            ..
        } if model == "small" => Some((specs.clone(), problems.clone())),
        _ => None,
    });
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].target, found[0].unit.index), ("flamingo", 2));
    assert_eq!((&found[0].model, found[0].seed), (&small, chosen[0].seed));
    assert_eq!(found[0].settings, chosen[0].settings);
    assert!(
        problems[0].starts_with("goldfish: no class is called `goldfish`"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("blocks.3/expand/relu6"),
        "{problems:?}"
    );

    // The network that is looked at has judged it, and that is kept.
    let kept = found[0].id();
    seat.send(Command::Run(jobs(found)));
    seat.finished(0);
    let verdicts = history::read(&desk.home, &kept).unwrap().verdicts;
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0].model_hash, opened.hash);
    assert!(
        verdicts[0]
            .target_probability
            .is_some_and(|found| (0.0..=1.0).contains(&found))
    );

    // A finished run goes back to where its class has the other index.
    let runs = vec![Origin::Kept(kept), Origin::Kept("00000000000000ff".into())];
    let model = opened.model.clone();
    seat.send(Command::Transfer { model, runs });
    let (back, problems) = seat.wait_for(|report| match report {
        Report::Transferred {
            specs, problems, ..
        } => Some((specs.clone(), problems.clone())),
        _ => None,
    });
    assert_eq!(back, chosen[..1]);
    assert!(
        problems.len() == 1 && problems[0].contains("00000000000000ff"),
        "{problems:?}"
    );

    let missing = desk.folder.path().join("gone.onnx").display().to_string();
    let runs = vec![Origin::Spec(Box::new(chosen[0].clone()))];
    seat.send(Command::Transfer {
        model: missing.clone(),
        runs,
    });
    let why = seat.wait_for(|report| match report {
        Report::Transferred {
            model, problems, ..
        } if *model == missing => problems.first().cloned(),
        _ => None,
    });
    assert!(why.contains("gone.onnx"), "{why}");
}

/// What the worker finds out of a question.
fn found(seat: &mut Seat, question: Question) -> Result<Found, String> {
    seat.send(Command::Photo(question.clone()));
    seat.wait_for(|report| match report {
        Report::Photo(answer) if answer.question == question => Some(answer.found.clone()),
        _ => None,
    })
}

#[test]
fn a_photo_is_looked_at_between_two_steps_of_a_run() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    let path = desk.folder.path().join("photo.png");
    let photo = RgbImage::from_fn(1500, 1000, |x, y| {
        Rgb([(x / 6) as u8, (y / 4) as u8, ((x * y) / 5000 % 256) as u8])
    });
    photo.save(&path).unwrap();
    let question = |about| Question {
        photo: path.clone(),
        model: opened.model.clone(),
        about,
    };
    let batch = jobs(specs(&opened, &["flamingo"], 400));
    seat.send(Command::Run(batch.clone()));
    seat.stepped(2);

    let Ok(Found::Photo(seen)) = found(&mut seat, question(About::Photo)) else {
        panic!("no photo");
    };
    assert_eq!(
        (seen.size, seen.picture.dimensions()),
        ((1500, 1000), (1024, 682))
    );
    assert_eq!(seen.seen, Some((875, 875)));
    assert!(seen.has_probabilities && seen.top.len() == 5);
    assert!(seen.top.is_sorted_by(|a, b| a.1 >= b.1));

    let layer = "blocks.10/expand/relu6".to_string();
    let about = About::Channels {
        layer,
        rank: Rank::Mean,
        count: 4,
    };
    let Ok(Found::Channels(channels)) = found(&mut seat, question(about)) else {
        panic!("no channels");
    };
    assert_eq!(channels.len(), 4);
    assert!(channels.is_sorted_by(|a, b| a.activation.mean >= b.activation.mean));
    let maps = channels.iter().map(|channel| channel.map.as_ref().unwrap());
    assert!(maps.clone().all(|map| map.dimensions() == (224, 224)));
    assert_ne!(channels[0].map, channels[1].map);

    let class = seen.top[0].0;
    let Ok(Found::Class(map)) = found(
        &mut seat,
        question(About::Class {
            class,
            at: MapAt::default(),
        }),
    ) else {
        panic!("no map");
    };
    assert_eq!(map.dimensions(), (1024, 682));
    assert_ne!(map.as_raw(), seen.picture.as_raw());

    let missing = Question {
        photo: desk.folder.path().join("no.png"),
        ..question(About::Photo)
    };
    let why = found(&mut seat, missing).unwrap_err();
    assert!(why.contains("no.png") && !why.contains('\n'), "{why}");
    let about = About::Channels {
        layer: "nowhere".into(),
        rank: Rank::Mean,
        count: 4,
    };
    assert!(
        found(&mut seat, question(about))
            .unwrap_err()
            .contains("nowhere")
    );
    let other = Question {
        model: "another".into(),
        ..question(About::Photo)
    };
    assert!(found(&mut seat, other).unwrap_err().contains("not open"));

    seat.send(Command::Cancel(batch[0].id));
    seat.cancelled(batch[0].id);
}

#[test]
fn a_photo_that_is_left_is_not_answered_and_the_next_one_is() {
    let desk = Desk::new();
    let mut seat = desk.worker();
    let opened = seat.open();
    let [large, small] = [("large.png", 5000), ("small.png", 50)].map(|(name, side)| {
        let path = desk.folder.path().join(name);
        RgbImage::new(side, side).save(&path).unwrap();
        path
    });
    let question = |photo: &std::path::Path| Question {
        photo: photo.into(),
        model: opened.model.clone(),
        about: About::Listed,
    };
    seat.send(Command::Photo(question(&large)));
    seat.send(Command::LeavePhoto(large));
    seat.send(Command::Photo(question(&small)));
    let answered = seat.wait_for(|report| match report {
        Report::Photo(answer) => Some((answer.question.photo.clone(), answer.found.is_ok())),
        _ => None,
    });
    assert_eq!(answered, (small, true));
}
