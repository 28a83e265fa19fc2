//! The worker on a real network: its commands and events.

mod checkpoints;
mod driving;
#[path = "../common/networks.rs"]
mod networks;
mod photos;
mod pool;
mod runs;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod watching;

use image::{Rgb, RgbImage};
use sandbox::Sandbox;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ziggurat::ascent::layer_probe::Rank;
use ziggurat::ascent::{Ascent, Overlay, Settings};
use ziggurat::model::ModelOverrides;
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runs::queue::{Job, JobId, Queue};
use ziggurat::runs::target::TargetScope;
use ziggurat::runs::worker::photo::{About, AnswerContent, MapAt, Question};
use ziggurat::runs::worker::{
    ModelInfo, OpenOptions, TransferSource, Watched, Worker, WorkerCommand, WorkerEvent, WorkerPool,
};
use ziggurat::runs::{Spec, checkpoint, history};
use ziggurat::runtime::{Provider, testing};

/// A batch's checkpoint is removed after its last event: once the worker has ended, it must be gone.
fn expect_no_checkpoint(sandbox: &Sandbox, seat: &mut Seat) {
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    let left = std::fs::read_dir(sandbox.home.checkpoints());
    assert_eq!(left.map_or(0, Iterator::count), 0);
}

fn worker(sandbox: &Sandbox) -> Seat {
    worker_with(sandbox, OpenOptions::default())
}

fn worker_with(sandbox: &Sandbox, options: OpenOptions) -> Seat {
    let (bell, rung) = std::sync::mpsc::channel();
    let wake = move || {
        let _ = bell.send(());
    };
    Seat {
        worker: Worker::spawn(sandbox.home.clone(), Provider::Cpu, options, wake).unwrap(),
        rung,
        unread: Vec::new(),
    }
}

/// A worker, and its reports one by one.
struct Seat {
    worker: Worker,
    rung: std::sync::mpsc::Receiver<()>,
    unread: Vec<WorkerEvent>,
}

impl Seat {
    fn send(&self, command: WorkerCommand) {
        self.worker.send(command);
    }

    fn next(&mut self) -> WorkerEvent {
        let until = Instant::now() + Duration::from_secs(120);
        while self.unread.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            self.rung.recv_timeout(left).expect("the worker is silent");
            self.unread = self.worker.events();
        }
        self.unread.remove(0)
    }

    /// The first thing that `wanted` picks; what comes before is passed over.
    fn wait_for<T>(&mut self, mut wanted: impl FnMut(&WorkerEvent) -> Option<T>) -> T {
        loop {
            let report = self.next();
            if let Some(found) = wanted(&report) {
                return found;
            }
            if let WorkerEvent::Failed { why, .. } | WorkerEvent::OpenFailed { why, .. } = report {
                panic!("{why}");
            }
        }
    }

    fn open(&mut self) -> Arc<ModelInfo> {
        self.send(WorkerCommand::Open(None));
        self.wait_for(|report| match report {
            WorkerEvent::Opened(opened) => Some(opened.clone()),
            _ => None,
        })
    }

    /// The picture and scores of a finished job, and whether it came from history.
    fn finished(&mut self, wanted: JobId) -> (Vec<u8>, Vec<f32>, bool) {
        self.wait_for(|report| match report {
            WorkerEvent::Finished {
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

    /// Waits for this step or a later one, which it returns.
    fn stepped(&mut self, at_least: usize) -> usize {
        self.wait_for(|report| match report {
            WorkerEvent::Stepped(progress) if progress.step >= at_least => Some(progress.step),
            _ => None,
        })
    }

    fn cancelled(&mut self, wanted: JobId) {
        self.wait_for(|report| match report {
            WorkerEvent::Cancelled { job } if *job == wanted => Some(()),
            _ => None,
        });
    }
}

fn specs(opened: &ModelInfo, targets: &[&str], steps: u32) -> Vec<Spec> {
    let parts = TargetScope {
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
    queue.next_batch(8, 8)
}

/// A small classifier of four classes, with their names in a file beside it.
fn small_model(sandbox: &Sandbox) -> String {
    let mut b = Builder::empty(18, "g/");
    let numbers = |count: usize| -> Vec<f32> {
        let value = |place: usize| ((place * 7 % 11) as f32 - 5.0) / 16.0;
        (0..count).map(value).collect()
    };
    let kernel = b.floats(&[6, 3, 3, 3], &numbers(162));
    let head = b.floats(&[6, 4], &numbers(24));
    b.input("image", ElementType::F32, &fixed_dims(&[1, 3, 32, 32]))
        .unwrap();
    let strides = [("strides", vec![2i64, 2].into())];
    let seen = b.emit("Conv", &["image", &kernel], &strides);
    let active = b.emit("Relu", &[&seen], &[]);
    let axes = b.ints(&[2, 3]);
    let keep = [("keepdims", 0i64.into())];
    let pooled = b.emit("ReduceMean", &[&active, &axes], &keep);
    b.emit_named("logits", "MatMul", &[&pooled, &head], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    let path = PathBuf::from(sandbox.path("small.onnx"));
    file::write(model, &path, None).unwrap();
    std::fs::write(
        PathBuf::from(sandbox.path("labels.txt")),
        "pug\ntench\nflamingo\ncrane\n",
    )
    .unwrap();
    path.to_str().unwrap().into()
}
