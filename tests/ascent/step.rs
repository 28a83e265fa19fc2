//! One step of the ascent beside a plain implementation: what a view shows, the gradient's way back, the mask, and the
//! score of each objective.

mod devices;
mod network;
mod views;

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, Ix4, s};
use network::{network, wave, weights};
use ziggurat::ascent::cam::{Map, Method};
use ziggurat::ascent::decorrelation::ColourBasis;
use ziggurat::ascent::random::Random;
use ziggurat::ascent::step_graph::{self, Request, Terms, names};
use ziggurat::ascent::views::{Anchor, AxisView, Frame, View};
use ziggurat::ascent::{ClassScore, Kind, Settings};
use ziggurat::autodiff::Device;
use ziggurat::model::Activation;
use ziggurat::model::layout::Layout;
use ziggurat::onnx::proto::ModelProto;
use ziggurat::runtime::{Provider, Session, SessionOptions, Tensor};

const CLASSES: usize = 4;
/// Rows and columns of the network's map of features.
const CELLS: (usize, usize) = (2, 3);
const AFFINE: [(f32, f32); 3] = [(2.0, 0.5), (1.5, 0.5), (1.0, 0.25)];

/// The inputs of a step.
struct Step {
    canvas: Array4<f32>,
    views: Vec<View>,
    class: (ClassScore, Activation),
    mask: Option<Array4<f32>>,
    clip: f32,
    /// What is added to the brightness that the network sees, (N, C, 8, 12).
    noise: Option<Array4<f32>>,
}

struct StepOutputs {
    score: Vec<f32>,
    /// The gradient with respect to the canvas, (N, C, h, w): axis by axis up to a positive factor.
    gradient: Array4<f32>,
    rms: Vec<f32>,
    mask: Option<Array4<f32>>,
}

impl Step {
    fn run(&self) -> StepOutputs {
        self.run_for(Device::CPU)
    }

    /// The step graph for a device.
    fn graph(&self, device: Device, levels: u32) -> ModelProto {
        let (runs, channels, ..) = self.canvas.dim();
        let (graph, shapes) = network(runs, channels);
        let basis = ColourBasis::new(channels, [0, 1, 2]);
        let layout = Layout::channels_first(&[runs, channels, CELLS.0, CELLS.1]).unwrap();
        let map = self.mask.as_ref().map(|_| Map {
            layer: "features".into(),
            layout,
            method: Method::GradCam,
        });
        step_graph::build(&Request {
            network: &graph,
            input: "x",
            branches: 0,
            shapes: &shapes,
            kind: Kind::Class,
            value: "logits",
            layout: None,
            map: map.as_ref(),
            logits: None,
            affine: &AFFINE[..channels],
            basis: &basis,
            class: self.class,
            terms: Terms {
                levels,
                noise: self.noise.is_some(),
                decay: false,
                damping: false,
                variation: false,
                contrast: false,
                stochastic_depth: false,
                rescue: false,
            },
            device,
        })
        .unwrap()
    }

    /// Takes the step with the graph for a device, on the CPU.
    fn run_for(&self, device: Device) -> StepOutputs {
        let (runs, channels, height, width) = self.canvas.dim();
        let model = self.graph(device, 1);
        let options = SessionOptions {
            operators: true,
            ..SessionOptions::default()
        };
        let mut session = Session::open_model(&model, Provider::Cpu, &options).unwrap();
        let scalars = |value: f32| Array4::from_elem((runs, 1, 1, 1), value);
        let pixels = |size: usize| Array1::from_iter((0..size).map(|pixel| pixel as f32));
        let numbers = |line: fn(&View) -> AxisView| {
            let all = self.views.iter().map(line);
            let all = all.flat_map(|line| [line.start - 0.5, line.scale, 1.0 / line.support]);
            Array4::from_shape_vec((runs, 3, 1, 1), all.collect()).unwrap()
        };
        let units = Array2::from_shape_fn((runs, 2), |(run, part)| [run as i64 % 4, 0][part]);
        let inputs: Vec<(&str, Tensor)> = vec![
            (names::CANVAS, self.canvas.clone().into()),
            (
                names::VELOCITY,
                Array4::<f32>::zeros(self.canvas.dim()).into(),
            ),
            (names::ROW_PIXELS, pixels(height).into()),
            (names::COLUMN_PIXELS, pixels(width).into()),
            (names::VIEW_ROWS, numbers(|view| view.rows).into()),
            (names::VIEW_COLUMNS, numbers(|view| view.columns).into()),
            (
                names::VIEW_NOISE,
                self.noise
                    .clone()
                    .unwrap_or_else(|| Array4::zeros((0, 0, 0, 0)))
                    .into(),
            ),
            (names::UNITS, units.into()),
            (names::CLIP, scalars(self.clip).into()),
            (names::STEP_SIZE, scalars(1.0).into()),
            (names::MOMENTUM, scalars(0.0).into()),
            (
                names::MASK,
                self.mask
                    .clone()
                    .unwrap_or_else(|| Array4::zeros((0, 0, 0, 0)))
                    .into(),
            ),
            (names::MASK_STRENGTH, scalars(0.0).into()),
            (names::MASK_MEMORY, scalars(0.75).into()),
            (
                "ascent/band_weight_0",
                Array4::<f32>::ones((runs, channels, 1, 1)).into(),
            ),
        ];
        let known: Vec<(&str, &Tensor)> = inputs
            .iter()
            .filter(|(name, _)| session.inputs().iter().any(|port| port.name == *name))
            .map(|(name, tensor)| (*name, tensor))
            .collect();
        let mut wanted = vec![names::SCORE, names::NEW_VELOCITY, names::GRADIENT_RMS];
        wanted.extend(self.mask.as_ref().map(|_| names::NEW_MASK));
        let found = session.run(&known, &wanted).unwrap();
        let flat = |tensor: &Tensor| tensor.as_f32().unwrap().iter().copied().collect();
        StepOutputs {
            score: flat(&found[0]),
            gradient: four(&found[1]),
            rms: flat(&found[2]),
            mask: found.get(3).map(four),
        }
    }

    /// What the network sees, in its units, by definition.
    fn seen(&self, run: usize) -> Array3<f32> {
        let canvas = self.canvas.index_axis(Axis(0), run);
        let (channels, height, width) = canvas.dim();
        let view = self.views[run];
        let (rows, columns) = (view.rows.matrix(8, height), view.columns.matrix(12, width));
        let mut sampled = Array3::zeros((channels, 8, 12));
        for (plane, mut target) in canvas.outer_iter().zip(sampled.outer_iter_mut()) {
            target.assign(&rows.dot(&plane).dot(&columns.t()));
        }
        let mut seen = ColourBasis::new(channels, [0, 1, 2]).brightness(sampled.view());
        if let Some(noise) = &self.noise {
            seen += &noise.index_axis(Axis(0), run);
        }
        for (mut plane, (scale, shift)) in seen.outer_iter_mut().zip(AFFINE) {
            plane.mapv_inplace(|value| value.clamp(-self.clip, 1.0 + self.clip) * scale + shift);
        }
        seen
    }

    fn features(&self, run: usize) -> Array3<f32> {
        let seen = self.seen(run);
        Array3::from_shape_fn(
            (seen.dim().0, CELLS.0, CELLS.1),
            |(channel, row, column)| {
                let cell = s![channel, 4 * row..4 * row + 4, 4 * column..4 * column + 4];
                seen.slice(cell).mean().unwrap().max(0.0)
            },
        )
    }

    fn logits(&self, run: usize) -> Vec<f32> {
        let features = self.features(run);
        let means = features
            .mean_axis(Axis(2))
            .unwrap()
            .mean_axis(Axis(1))
            .unwrap();
        weights(means.len()).dot(&means).to_vec()
    }

    /// The score by definition.
    fn score(&self, run: usize) -> f32 {
        let logits = self.logits(run);
        let own = logits[run % CLASSES];
        match self.class {
            (ClassScore::Logit, _) | (_, Activation::None) => own,
            (ClassScore::LogProbability, Activation::Softmax) => {
                own - logits.iter().map(|logit| logit.exp()).sum::<f32>().ln()
            }
            (ClassScore::LogProbability, Activation::Sigmoid) => -(1.0 + (-own).exp()).ln(),
        }
    }
}

fn four(tensor: &Tensor) -> Array4<f32> {
    let array: ArrayD<f32> = tensor.as_f32().unwrap().clone();
    array.into_dimensionality::<Ix4>().unwrap()
}

/// Views of a canvas of `height` × `width`: the middle, random ones, and ones that lie on each border, beyond it, or
/// show the canvas as small as a few samples.
fn views(height: usize, width: usize) -> Vec<View> {
    let line = |start: f32, scale: f32, support: f32| AxisView {
        start,
        scale,
        support,
    };
    let frame = Frame {
        canvas: (height, width),
        input: (8, 12),
        share: 0.875,
        anchor: None,
    };
    let mut random = Settings::default();
    (random.view_min, random.view_max) = (0.3, 2.0);
    let mut seeds = Random::new(5);
    let (h, w) = (height as f32, width as f32);
    let mut views = vec![
        frame.middle(),
        View {
            rows: line(-0.3 * h, h / 8.0, 1.0),
            columns: line(0.4 * w, w / 12.0, 2.0),
        },
        View {
            rows: line(-h, 3.0 * h / 8.0, 3.0),
            columns: line(-w / 2.0, w / 6.0, 5.0),
        },
        View {
            rows: line(0.0, 0.31, 1.0),
            columns: line(w - 12.0 * 0.17, 0.17, 1.0),
        },
    ];
    views.extend((0..4).map(|_| frame.draw(&random, &mut seeds)));
    views
}

fn canvas(runs: usize, channels: usize, height: usize, width: usize) -> Array4<f32> {
    let mut index = 0;
    Array4::from_shape_simple_fn((runs, channels, height, width), || {
        index += 1;
        wave(index)
    })
}

fn step(channels: usize, height: usize, width: usize) -> Step {
    let views = views(height, width);
    Step {
        canvas: canvas(views.len(), channels, height, width),
        views,
        class: (ClassScore::Logit, Activation::Softmax),
        mask: None,
        clip: 0.1,
        noise: None,
    }
}

/// A step with noise in its views.
fn noisy(channels: usize, height: usize, width: usize) -> Step {
    let step = step(channels, height, width);
    let mut random = Random::new(9);
    let shape = (step.views.len(), channels, 8, 12);
    let count = shape.0 * shape.1 * 8 * 12;
    let noise = random.view_noise(0.4, count).unwrap();
    let noise = noise.values().take(count).collect();
    Step {
        noise: Some(Array4::from_shape_vec(shape, noise).unwrap()),
        ..step
    }
}

/// Canvases larger and smaller than the input of 8 × 12, and one of a single column of the input's pixels.
const CANVASES: [(usize, usize); 4] = [(16, 24), (5, 7), (9, 40), (31, 3)];

#[test]
fn the_network_sees_the_view_and_nothing_but_grey_beyond_the_canvas() {
    for channels in [1, 3] {
        for (height, width) in CANVASES {
            let (plain, noisy) = (
                step(channels, height, width),
                noisy(channels, height, width),
            );
            for step in [&plain, &noisy] {
                let report = step.run();
                for run in 0..step.views.len() {
                    let (found, expected) = (report.score[run], step.score(run));
                    assert!(
                        (found - expected).abs() < 1e-4,
                        "{channels} channels, {height} × {width}, view {run}: {found}, not {expected}"
                    );
                }
            }
            assert!((plain.score(0) - noisy.score(0)).abs() > 1e-3);
        }
    }
    let mut beyond = step(3, 16, 24);
    for view in &mut beyond.views {
        view.rows.start = 1000.0;
    }
    let grey = beyond.seen(0);
    assert!(
        grey.slice(s![0, .., ..])
            .iter()
            .all(|&value| value == 0.5 * AFFINE[0].0 + AFFINE[0].1)
    );
}

/// The gradient of every objective beside central differences of the score, at single pixels: the corners, and some
/// within.
#[test]
fn the_gradient_is_that_of_the_score_at_every_pixel_and_border() {
    for class in [
        (ClassScore::Logit, Activation::Softmax),
        (ClassScore::LogProbability, Activation::Softmax),
        (ClassScore::LogProbability, Activation::Sigmoid),
    ] {
        for (height, width) in CANVASES {
            // One channel: a step normalises each axis of its own, and here it is the only one.
            let mut step = Step {
                class,
                clip: 5.0,
                ..step(1, height, width)
            };
            let report = step.run();
            let at = [
                (0, 0),
                (0, width - 1),
                (height - 1, 0),
                (height - 1, width - 1),
                (height / 2, width / 2),
            ];
            for run in 0..step.views.len() {
                assert!((report.score[run] - step.score(run)).abs() < 1e-4);
                for (row, column) in at {
                    let mut score = |change: f32| {
                        step.canvas[(run, 0, row, column)] += change;
                        let score = f64::from(step.score(run));
                        step.canvas[(run, 0, row, column)] -= change;
                        score
                    };
                    let expected = (score(0.25) - score(-0.25)) / 0.5;
                    // The ascent of a class follows the gradient of its log-odds; that of the log-probability is
                    // `1 - p` times as large.
                    let factor = match class {
                        (ClassScore::Logit, _) | (_, Activation::None) => 1.0,
                        _ => 1.0 - f64::from(report.score[run]).exp(),
                    };
                    let size = factor * f64::from(report.rms[run]);
                    let found = size * f64::from(report.gradient[(run, 0, row, column)]);
                    assert!(
                        (found - expected).abs() < 1e-2 * expected.abs() + 2e-2 * size,
                        "{class:?}, {height} × {width}, view {run}, {row},{column}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_clipped_gets_no_gradient() {
    let mut step = step(1, 16, 24);
    step.views.truncate(1);
    step.canvas = Array4::from_elem((1, 1, 16, 24), 3.0);
    step.clip = 0.1;
    assert_eq!(step.run().rms, [0.0]);
    step.clip = 1.0;
    assert!(step.run().rms[0] > 0.0);
}

/// The class activation map lies where its view lay on the canvas; elsewhere the mask stays as it was.
#[test]
fn the_mask_follows_the_view() {
    for (height, width) in CANVASES {
        let mut step = step(3, height, width);
        step.mask = Some(Array4::from_elem((step.views.len(), 1, height, width), 0.5));
        let found = step.run().mask.unwrap();
        for (run, view) in step.views.iter().enumerate() {
            let features = step.features(run);
            let weights = weights(3);
            let mut map = Array2::<f32>::zeros(CELLS);
            for (channel, plane) in features.outer_iter().enumerate() {
                map.scaled_add(weights[(run % CLASSES, channel)], &plane);
            }
            map.mapv_inplace(|value| value.max(0.0));
            let largest = map.fold(0.0, |a: f32, &b| a.max(b)) + 1e-30;
            for row in 0..height {
                for column in 0..width {
                    let (y, rows) = place(view.rows, row, 8, CELLS.0);
                    let (x, columns) = place(view.columns, column, 12, CELLS.1);
                    let fresh = between(&map, y, x) / largest;
                    let expected = 0.5 + 0.25 * rows * columns * (fresh - 0.5);
                    let found = found[(run, 0, row, column)];
                    assert!(
                        (found - expected).abs() < 1e-3,
                        "{height} × {width}, view {run}, {row},{column}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}

/// Which of `cells` a pixel lies in, as a position between their centres, and how much of it lies in the view.
fn place(line: AxisView, pixel: usize, samples: usize, cells: usize) -> (f32, f32) {
    let at = (pixel as f32 + 0.5 - line.start) / line.scale;
    let cell = at / samples as f32 * cells as f32 - 0.5;
    let inside = at.min(samples as f32 - at) * line.scale + 0.5;
    (cell.clamp(0.0, cells as f32 - 1.0), inside.clamp(0.0, 1.0))
}

/// Linear interpolation.
fn between(map: &Array2<f32>, y: f32, x: f32) -> f32 {
    let weight = |position: f32, cell: usize| (1.0 - (position - cell as f32).abs()).max(0.0);
    let part =
        |((row, column), value): ((usize, usize), &f32)| weight(y, row) * weight(x, column) * value;
    map.indexed_iter().map(part).sum()
}
