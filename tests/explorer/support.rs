//! An explorer of a small made-up network, driven by keys.

use image::RgbImage;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ziggurat::ascent::{Kind, Objective, Overlay, Settings, Unit};
use ziggurat::autodiff::differentiability::Differentiability;
use ziggurat::model::Layout;
use ziggurat::model::{Classes, Layer, ReceptiveField};
use ziggurat::runs::queue::{Job, JobId};
use ziggurat::runs::worker::{BatchProgress, ModelInfo, WorkerCommand, WorkerEvent};
use ziggurat::runs::{Record, Spec};
use ziggurat::terminal::{ColourDepth, Protocol, Route, Terminal};
use ziggurat::tui::action::{Action, DiskResponse, Effect};
use ziggurat::tui::keys::{Keymap, Keys};
use ziggurat::tui::theme::Themes;
use ziggurat::tui::{App, Environment};
use ziggurat::tui::{update, view};

pub struct Driver {
    pub app: App,
    pub now: Duration,
}

pub fn terminal(protocol: Protocol) -> Terminal {
    Terminal {
        protocol,
        route: Route::Direct,
        cell: (8, 16),
        blocks: ziggurat::terminal::Blocks::Half,
        colours: ColourDepth::True,
        light: Some(false),
        name: None,
        answered: true,
        remote: false,
        why: "",
    }
}

pub fn layer(name: &str, op: &str, dims: &[usize]) -> Layer {
    Layer {
        name: name.into(),
        op: op.into(),
        dims: dims.to_vec(),
        layout: Layout::channels_first(dims).unwrap(),
        is_activation: true,
        parameters: if op == "Conv" { 864 } else { 0 },
        differentiability: Differentiability::Differentiable,
    }
}

pub fn network() -> ModelInfo {
    let layers = vec![
        layer("stem/conv", "Conv", &[1, 32, 112, 112]),
        layer("stem/relu", "Relu", &[1, 32, 112, 112]),
        layer("blocks.0/depthwise/conv", "Conv", &[1, 32, 112, 112]),
        layer("blocks.0/depthwise/relu", "Relu", &[1, 32, 112, 112]),
        layer("blocks.0/project", "Conv", &[1, 16, 112, 112]),
        layer("head/conv", "Conv", &[1, 1280, 7, 7]),
        layer("head/logits", "Gemm", &[1, 6]),
    ];
    // A step within the head that nobody would call a layer.
    let mut values = layers.clone();
    let flat = Layer {
        is_activation: false,
        ..layer("head/flatten", "Flatten", &[1, 1280])
    };
    values.insert(6, flat);
    let names = [
        "tench",
        "goldfish",
        "great white shark",
        "tiger shark",
        "flamingo",
        "volcano",
    ];
    ModelInfo {
        model: "toy".into(),
        name: "toy".into(),
        hash: "0123456789abcdef".into(),
        input: (3, 224, 224),
        layers: layers.clone(),
        values: values.into(),
        fields: fields().into(),
        classes: Classes::new(names, "toy").unwrap(),
        logits: Some("head/logits".into()),
        assumptions: Vec::new(),
        batchable: true,
        parameters: 41_000,
        provider: "cpu".into(),
        provider_note: None,
    }
}

fn fields() -> std::collections::HashMap<String, ReceptiveField> {
    let square = |side| ReceptiveField::Pixels {
        rows: side,
        columns: side,
    };
    std::collections::HashMap::from([
        ("stem/conv".to_string(), square(3)),
        ("head/conv".to_string(), square(851)),
        ("head/logits".to_string(), ReceptiveField::Whole),
    ])
}

impl Driver {
    /// An explorer whose network is still being opened.
    pub fn opening(protocol: Protocol, width: u16, height: u16) -> Self {
        let environment = Environment {
            terminal: terminal(protocol),
            themes: Themes::default(),
            favourites: PathBuf::from("/favourites"),
            history: PathBuf::from("/history"),
            folder: PathBuf::from("/models"),
            user_folder: Some(PathBuf::from("/home/ada")),
        };
        let keymap = Keymap::new(&[]).0;
        let app = App::new(environment, keymap, "dark", "toy".into());
        let mut driver = Self {
            app,
            now: Duration::ZERO,
        };
        driver.act(Action::Resize(width, height));
        driver
    }

    /// An explorer with an open network.
    pub fn new(protocol: Protocol, width: u16, height: u16) -> Self {
        let mut driver = Self::opening(protocol, width, height);
        driver.report(WorkerEvent::Opened(Arc::new(network())));
        driver.answer(DiskResponse::RunsEnd { damaged: 0 });
        driver
    }

    pub fn act(&mut self, action: Action) -> Vec<Effect> {
        self.now += Duration::from_millis(10);
        update(&mut self.app, self.now, action)
    }

    pub fn report(&mut self, report: WorkerEvent) -> Vec<Effect> {
        self.act(Action::Report(report))
    }

    pub fn answer(&mut self, answer: DiskResponse) -> Vec<Effect> {
        self.act(Action::Disk(answer))
    }

    /// Presses keys, one after another, as in the keymap: `j j enter`.
    pub fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys.split_whitespace() {
            let chords: Keys = key.parse().unwrap();
            for chord in chords.chords() {
                effects.extend(self.act(Action::Key(*chord)));
            }
        }
        effects
    }

    /// Types a text, letter by letter.
    pub fn write(&mut self, text: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for letter in text.chars() {
            let key = if letter == ' ' {
                "space".into()
            } else {
                letter.to_string()
            };
            effects.extend(self.press(&key));
        }
        effects
    }

    /// The screen as text, and below it what pictures lie where.
    pub fn screen(&self) -> String {
        let size = self.app.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        let drawn = view::draw(&self.app, &mut buffer);
        let mut text = String::new();
        for y in 0..size.height {
            let mut line = String::new();
            let mut skip = 0;
            for x in 0..size.width {
                let symbol = buffer[(x, y)].symbol();
                if skip == 0 {
                    line.push_str(symbol);
                    skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
                }
                skip -= 1;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for placed in &drawn.scene {
            let area = placed.area;
            text.push_str(&format!(
                "picture {} at {},{} of {}×{}",
                placed.slot, area.x, area.y, area.width, area.height
            ));
            for area in &placed.hidden {
                let (x, y) = (area.x, area.y);
                text.push_str(&format!(
                    " behind {x},{y} of {}×{}",
                    area.width, area.height
                ));
            }
            text.push('\n');
        }
        text
    }

    /// The jobs that these effects start.
    pub fn started(effects: &[Effect]) -> Vec<JobId> {
        effects
            .iter()
            .filter_map(Effect::started)
            .flatten()
            .collect()
    }

    /// Lets the worker finish a job.
    pub fn finish(&mut self, job: JobId, score: f32) -> Vec<Effect> {
        let spec = self.app.queue.get(job).unwrap().spec.clone();
        let record = record(spec, score);
        self.report(WorkerEvent::Finished {
            job,
            record: Box::new(record),
            picture: picture(),
            from_history: false,
        })
    }

    /// Lets the worker report a step of the jobs.
    pub fn step(&mut self, jobs: &[JobId], step: usize) -> Vec<Effect> {
        self.report(WorkerEvent::Stepped(BatchProgress {
            jobs: jobs.to_vec(),
            step,
            steps: 192,
            octave: 0,
            scores: jobs.iter().map(|_| (step as f32).sqrt()).collect(),
            unread: vec![(step, jobs.iter().map(|_| (step as f32).sqrt()).collect())],
            probabilities: Some(jobs.iter().map(|_| 0.25).collect()),
            top: jobs
                .iter()
                .map(|_| vec![(4, 0.25), (0, 0.2), (2, 0.1), (3, 0.05), (5, 0.01)])
                .collect(),
            steps_per_second: 25.0,
        }))
    }

    /// Reports a live picture of a job after its 48th step.
    pub fn snapshot(&mut self, job: JobId) {
        self.report(WorkerEvent::Snapshot {
            job,
            step: 48,
            overlay: Overlay::Plain,
            picture: picture(),
        });
    }

    /// Adds finished runs to the history.
    pub fn remember(&mut self, count: u64) {
        let runs = (0..count)
            .map(|seed| {
                let mut entry =
                    ziggurat::runs::history::HistoryEntry::from_record(&flamingo(seed), seed == 1);
                entry.time = 1000 + seed;
                entry
            })
            .collect();
        self.answer(DiskResponse::Runs(runs));
    }
}

/// The queue of another explorer after these keys.
pub fn queue_of_another(keys: &str) -> Vec<Job> {
    let mut other = Driver::new(Protocol::Kitty, 80, 24);
    other.press(keys);
    other.app.queue.jobs().to_vec()
}

/// Runs that another explorer left, the first of them in another model.
pub fn left_in_another_model() -> DiskResponse {
    let mut left = queue_of_another("2 space enter");
    left[0].spec.model_hash = "another".into();
    DiskResponse::Orphans(left)
}

/// A finished run of a class.
pub fn flamingo(seed: u64) -> Record {
    let spec = Spec::new(
        ("toy", &network().hash),
        ("flamingo", objective(), unit(4)),
        seed,
        Settings::default(),
    );
    record(spec, seed as f32)
}

pub fn objective() -> Objective {
    Objective {
        kind: Kind::Class,
        value: "head/logits".into(),
    }
}

pub fn unit(index: usize) -> Unit {
    Unit {
        index,
        position: (0, 0),
    }
}

pub fn record(spec: Spec, score: f32) -> Record {
    Record {
        versions: ["0".into(), "1".into()],
        probability: Some(0.9),
        top: vec![(4, 0.9), (0, 0.05)],
        octaves: vec![1, 1],
        seconds: 7.0,
        time: 5000,
        ..crate::records::record(spec, score)
    }
}

pub fn picture() -> Arc<RgbImage> {
    Arc::new(RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb([4 * x as u8, 4 * y as u8, 128])
    }))
}

/// What the worker is asked, without the runs.
pub fn work(effects: &[Effect]) -> Vec<&WorkerCommand> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Worker(work) => Some(work),
            _ => None,
        })
        .collect()
}
