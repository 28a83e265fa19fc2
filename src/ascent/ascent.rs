//! Drives the step graph: octaves, shifts, the rescue of dead starts, snapshots.
//!
//! All runs of one [`Ascent`] share a session and step together. Each draws its randomness from its own seed, so its
//! picture does not depend on its companions (up to rounding, where a batched kernel adds in another order).

use super::colour::mixing;
use super::machine::{Machine, Plan, State};
use super::octaves::{Octave, octaves};
use super::random::Random;
use super::resampling::{expand, reduce, resize_picture, view};
use super::step_graph::{Terms, names};
use super::{Error, Kind, Settings, Unit};
use crate::model::Network;
use crate::runtime::{Device, Loop, Stop, Tensor};
use image::{Rgb, RgbImage};
use ndarray::{Array, Array2, Array3, Array4, ArrayD, ArrayView3, Axis, Dimension, Ix4, s};
use serde::{Deserialize, Serialize};

/// What is climbed: a kind of score of one of the network's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Objective {
    pub kind: Kind,
    /// Name of the value: the logits for a class, else a layer.
    pub value: String,
}

/// One picture to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub unit: Unit,
    pub seed: u64,
    pub settings: Settings,
}

/// A gradient whose root mean square is below this moves nothing: the network is dead where the picture is.
const DEAD: f32 = 1e-20;

/// What a step told, one entry a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Steps taken, this one included.
    pub step: usize,
    /// Which octave the step was in, from 0.
    pub octave: usize,
    /// The objective before the step.
    pub scores: Vec<f32>,
    /// The probability of the run's class before the step; only where the objective is a class.
    pub probabilities: Option<Vec<f32>>,
}

/// How a run stands at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The objective of the picture itself, unshifted.
    pub score: f32,
    /// The probability of the run's class; only where the objective is a class.
    pub probability: Option<f32>,
    /// Whether the gradient was zero all along and still is.
    pub dead: bool,
}

/// A batch of runs under way.
pub struct Ascent<'a> {
    network: &'a Network,
    device: Device,
    stop: Stop,
    plan: Plan,
    runs: Vec<Running>,
    octaves: Vec<Octave>,
    machine: Machine,
    /// The device's side of the state, for the current octave.
    state: Loop,
    octave: usize,
    step_in_octave: usize,
    step: usize,
}

/// A run, and what changes about it.
struct Running {
    run: Run,
    random: Random,
    /// Steps that it may still take with blocked rectifiers opened.
    rescue_left: u32,
    /// Whether a true gradient was zero, so that rectifiers are to be opened while there are steps left for that.
    dead: bool,
    /// Whether any step moved it.
    moved: bool,
}

impl Running {
    /// Whether its next step is taken with blocked rectifiers opened.
    fn is_rescued(&self) -> bool {
        self.dead && self.rescue_left > 0
    }
}

impl<'a> Ascent<'a> {
    /// Prepares runs that share `objective`. Nothing is computed yet but the session.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the runs differ in a setting that shapes the step graph or the plan,
    /// [`Error::NoSuchUnit`] if one asks for what the network does not have, [`Error::NotDifferentiable`].
    pub fn new(
        network: &'a Network,
        objective: &Objective,
        runs: &[Run],
        device: Device,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let [first, ..] = runs else {
            return Err(Error::Mismatch("nothing: there are none"));
        };
        agree(runs)?;
        for run in runs {
            check_unit(network, objective, run.unit)?;
        }
        let any = |used: fn(&Settings) -> bool| runs.iter().any(|run| used(&run.settings));
        let masked = any(|settings| settings.mask > 0.0);
        let plan = Plan {
            objective: objective.clone(),
            map: if masked {
                map_layer(network, objective)?
            } else {
                None
            },
            runs: runs.len(),
            terms: Terms {
                levels: first.settings.levels,
                decay: any(|settings| settings.decay > 0.0),
                damping: any(|settings| settings.damping > 0.0),
                variation: any(|settings| settings.total_variation > 0.0),
                rescue: false,
            },
        };
        let size = network.size;
        let octaves = octaves(
            &first.settings,
            uncropped(network, size.height),
            uncropped(network, size.width),
        );
        let machine = Machine::new(network, &plan, device, stop)?;
        let mut running: Vec<Running> = runs
            .iter()
            .map(|run| Running {
                run: run.clone(),
                random: Random::new(run.seed),
                rescue_left: run.settings.rescue,
                dead: false,
                moved: false,
            })
            .collect();
        let start = start_state(
            &mut running,
            size.channels().count(),
            octaves[0],
            plan.map.is_some(),
        );
        let state = machine.start(&start)?;
        let mut ascent = Self {
            network,
            device,
            stop: stop.clone(),
            plan,
            runs: running,
            octaves,
            machine,
            state,
            octave: 0,
            step_in_octave: 0,
            step: 0,
        };
        ascent.set_constants()?;
        Ok(ascent)
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.octaves.iter().map(|octave| octave.steps).sum()
    }

    /// Steps taken.
    pub fn step_count(&self) -> usize {
        self.step
    }

    /// Where it runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Takes one step; `None` once all are taken. If it fails or is stopped, the pictures are as before.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails, or was stopped (see [`Error::is_stop`]).
    pub fn step(&mut self) -> Result<Option<Report>, Error> {
        if self.octave + 1 < self.octaves.len()
            && self.step_in_octave == self.octaves[self.octave].steps
        {
            self.next_octave()?;
        }
        let octave = self.octaves[self.octave];
        if self.step_in_octave == octave.steps {
            return Ok(None);
        }
        if self.runs.iter().any(Running::is_rescued) {
            self.open_rectifiers()?;
        }
        let size = self.network.size;
        let share = self.network.preprocessing.crop();
        let shift = |random: &mut Random, jitter: f64, canvas: usize, input: u32| {
            // Jitter is told in pixels of the network's input; a coarse canvas has fewer of them.
            let most = (jitter * share * canvas as f64 / f64::from(input)).round() as u32;
            random.shift(most)
        };
        let bound = self.largest_jitter();
        let mut shifts = Vec::with_capacity(self.runs.len());
        // A step that fails must draw the same shifts again.
        let mut drawn: Vec<Random> = self.runs.iter().map(|run| run.random.clone()).collect();
        for (run, random) in self.runs.iter().zip(&mut drawn) {
            let jitter = f64::from(run.run.settings.jitter);
            let row = shift(random, jitter.min(bound.0), octave.height, size.height);
            let column = shift(random, jitter.min(bound.1), octave.width, size.width);
            shifts.push((row, column));
        }
        let progress = self.step_in_octave as f64 / octave.steps as f64;
        let results = self.run_step(&shifts, progress)?;
        for (run, random) in self.runs.iter_mut().zip(drawn) {
            run.random = random;
        }
        let rms = floats(&results[1]);
        for (run, rms) in self.runs.iter_mut().zip(rms) {
            if run.is_rescued() {
                // An opened rectifier's gradient says nothing of the true one.
                run.rescue_left -= 1;
                continue;
            }
            run.dead = rms.is_nan() || rms < DEAD;
            run.moved |= !run.dead;
        }
        self.step_in_octave += 1;
        self.step += 1;
        Ok(Some(Report {
            step: self.step,
            octave: self.octave,
            scores: floats(&results[0]),
            probabilities: results.get(2).map(|logits| self.probabilities(logits)),
        }))
    }

    /// The pictures as they are now, one a run, of the current octave's size.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn pictures(&self) -> Result<Vec<RgbImage>, Error> {
        let image = array4(self.state.state(names::IMAGE)?);
        let order = self.network.preprocessing.rgb_of_channel();
        Ok(image
            .outer_iter()
            .map(|canvas| picture(canvas, order))
            .collect())
    }

    /// The class activation maps as they are now, one a run, (height, width) of the current octave, 0 to 1; `None` where
    /// the ascent has no mask.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn masks(&self) -> Result<Option<Vec<Array2<f32>>>, Error> {
        if self.plan.map.is_none() {
            return Ok(None);
        }
        let masks = array4(self.state.state(names::MASK)?);
        Ok(Some(
            masks
                .outer_iter()
                .map(|mask| mask.slice(s![0, .., ..]).to_owned())
                .collect(),
        ))
    }

    /// Judges the pictures as they are now, unshifted, without changing them.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn outcomes(&mut self) -> Result<Vec<Outcome>, Error> {
        let kept = self.read_state()?;
        let still = vec![(0, 0); self.runs.len()];
        let results = self.run_step(&still, 1.0)?;
        self.state.reset(names::IMAGE, &kept.image)?;
        self.state.reset(names::VELOCITY, &kept.velocity)?;
        if let Some(mask) = &kept.mask {
            self.state.reset(names::MASK, mask)?;
        }
        let probabilities = results.get(2).map(|logits| self.probabilities(logits));
        let rms = floats(&results[1]);
        let outcome = |(index, score): (usize, f32)| Outcome {
            score,
            probability: probabilities.as_ref().map(|all| all[index]),
            dead: !self.runs[index].moved && rms[index] < DEAD,
        };
        Ok(floats(&results[0])
            .into_iter()
            .enumerate()
            .map(outcome)
            .collect())
    }

    /// How far (rows, columns, in pixels of the network's input) a picture may be shifted for this objective: a neuron
    /// has a place, and a shift by more than half of it would ask for its neighbour's picture.
    fn largest_jitter(&self) -> (f64, f64) {
        let objective = &self.plan.objective;
        let plane = self
            .network
            .shapes
            .find(&objective.value)
            .map(|value| value.dims.as_slice());
        match (objective.kind, plane) {
            (Kind::Neuron, Some(&[_, _, rows, columns])) => {
                let size = self.network.size;
                let half = |input: u32, places: usize| f64::from(input) / places as f64 / 2.0;
                (half(size.height, rows), half(size.width, columns))
            }
            _ => (f64::INFINITY, f64::INFINITY),
        }
    }

    /// One run of the graph: score, gradient rms, and logits where there are some.
    fn run_step(&mut self, shifts: &[(i64, i64)], progress: f64) -> Result<Vec<Tensor>, Error> {
        let Octave { height, width, .. } = self.octaves[self.octave];
        let rows = rolled(shifts.iter().map(|shift| shift.0), height);
        let columns = rolled(shifts.iter().map(|shift| shift.1), width);
        let step_size = self.scalars(|run| {
            let settings = &run.run.settings;
            settings.step_size * (1.0 - (1.0 - settings.step_decay) * progress)
        });
        let mut inputs = vec![
            (names::ROLLED_ROWS, &rows),
            (names::ROLLED_COLUMNS, &columns),
            (names::STEP_SIZE, &step_size),
        ];
        let redirect = self.scalars(|run| f64::from(u8::from(run.is_rescued())));
        if self.plan.terms.rescue {
            inputs.push((names::REDIRECT, &redirect));
        }
        let mut read = vec![names::SCORE, names::GRADIENT_RMS];
        if self.plan.objective.value == self.network.logits {
            read.push(names::LOGITS);
        }
        Ok(self.state.step(&mut self.machine.session, &inputs, &read)?)
    }

    /// Gives the graph all that does not change within an octave.
    fn set_constants(&mut self) -> Result<(), Error> {
        let Octave { height, width, .. } = self.octaves[self.octave];
        let size = self.network.size;
        let mut constants: Vec<(String, Tensor)> = Vec::new();
        let mut set = |name: &str, tensor: Tensor| constants.push((name.into(), tensor));
        // The network sees the picture as it sees every picture: the middle of it. Shifts bring the rest into view.
        let share = self.network.preprocessing.crop();
        set(
            names::ROWS,
            transposed(view(height, size.height as usize, share)),
        );
        set(
            names::COLUMNS,
            transposed(view(width, size.width as usize, share)),
        );
        let terms = self.plan.terms;
        if let Some((rows, columns)) = self.machine.map_size {
            set(names::MASK_ROWS, view(rows, height, 1.0 / share).into());
            set(
                names::MASK_COLUMNS,
                view(columns, width, 1.0 / share).into(),
            );
            set(
                names::MASK_STRENGTH,
                self.scalars(|run| run.run.settings.mask),
            );
            set(
                names::MASK_MEMORY,
                self.scalars(|run| run.run.settings.mask_memory),
            );
        }
        let (mut rows, mut columns) = (height, width);
        for level in 0..(terms.levels - 1).max(u32::from(terms.damping)) {
            set(&names::reduce_rows(level), reduce(rows).into());
            set(&names::reduce_columns(level), reduce(columns).into());
            set(&names::expand_rows(level), expand(rows).into());
            set(&names::expand_columns(level), expand(columns).into());
            (rows, columns) = (rows.div_ceil(2), columns.div_ceil(2));
        }
        for level in 0..terms.levels {
            let weight = self.scalars(|run| run.run.settings.boost.powi(level as i32));
            set(&names::band_weight(level), weight);
        }
        set(
            names::MOMENTUM,
            self.scalars(|run| run.run.settings.momentum),
        );
        if terms.decay {
            set(names::DECAY, self.scalars(|run| run.run.settings.decay));
        }
        if terms.damping {
            set(names::DAMPING, self.scalars(|run| run.run.settings.damping));
        }
        if terms.variation {
            set(
                names::VARIATION,
                self.scalars(|run| run.run.settings.total_variation),
            );
        }
        let plane = self
            .network
            .shapes
            .get(&self.plan.objective.value)?
            .dims
            .get(3)
            .copied();
        let units = Array2::from_shape_fn((self.runs.len(), 2), |(run, column)| {
            let unit = self.runs[run].run.unit;
            match column {
                0 => unit.index as i64,
                _ => (unit.position.0 * plane.unwrap_or(1) + unit.position.1) as i64,
            }
        });
        set(names::UNITS, units.into());
        let channels = size.channels().count();
        let order = self.network.preprocessing.rgb_of_channel();
        let mut colour = Array3::zeros((self.runs.len(), channels, channels));
        for (run, mut target) in self.runs.iter().zip(colour.outer_iter_mut()) {
            target.assign(&mixing(run.run.settings.decorrelation, channels, order));
        }
        set(names::COLOUR, colour.into());
        for (name, tensor) in &constants {
            // A layer's objective needs no unit, and says so by not having the input.
            let known = self
                .machine
                .session
                .inputs()
                .iter()
                .any(|port| port.name == *name);
            if known {
                self.state.set(&self.machine.session, name, tensor)?;
            }
        }
        Ok(())
    }

    /// Moves on to the next canvas: pictures and masks are resized, velocities start anew.
    fn next_octave(&mut self) -> Result<(), Error> {
        let Octave { height, width, .. } = self.octaves[self.octave + 1];
        let old = self.read_state()?;
        let resized = |tensor: Tensor| -> Array4<f32> {
            let pictures = array4(tensor);
            let (runs, channels, ..) = pictures.dim();
            let mut larger = Array4::zeros((runs, channels, height, width));
            for (picture, mut target) in pictures.outer_iter().zip(larger.outer_iter_mut()) {
                target.assign(&resize_picture(&picture.to_owned(), height, width));
            }
            larger
        };
        let image = resized(old.image);
        let state = State {
            velocity: Array4::<f32>::zeros(image.dim()).into(),
            image: image.into(),
            mask: old.mask.map(|mask| resized(mask).into()),
        };
        self.state = self.machine.start(&state)?;
        self.octave += 1;
        self.step_in_octave = 0;
        self.set_constants()
    }

    /// Goes over to a step graph in which blocked rectifiers can be opened, run by run.
    fn open_rectifiers(&mut self) -> Result<(), Error> {
        if self.plan.terms.rescue {
            return Ok(());
        }
        let state = self.read_state()?;
        self.plan.terms.rescue = true;
        self.machine = Machine::new(self.network, &self.plan, self.device, &self.stop)?;
        self.state = self.machine.start(&state)?;
        self.set_constants()
    }

    fn read_state(&self) -> Result<State, Error> {
        Ok(State {
            image: self.state.state(names::IMAGE)?,
            velocity: self.state.state(names::VELOCITY)?,
            mask: match self.plan.map {
                Some(_) => Some(self.state.state(names::MASK)?),
                None => None,
            },
        })
    }

    /// One number a run: (N, 1, 1, 1).
    fn scalars(&self, value: impl Fn(&Running) -> f64) -> Tensor {
        let values: Vec<f32> = self.runs.iter().map(|run| value(run) as f32).collect();
        Array::from(values)
            .insert_axis(Axis(1))
            .insert_axis(Axis(2))
            .insert_axis(Axis(3))
            .into()
    }

    /// Softmax of each run's logits at its own class.
    fn probabilities(&self, logits: &Tensor) -> Vec<f32> {
        let Some(logits) = logits.as_f32() else {
            return Vec::new();
        };
        let probability = |(run, scores): (&Running, ndarray::ArrayViewD<f32>)| {
            let largest = scores.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            let total: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
            (scores[run.run.unit.index] - largest).exp() / total
        };
        self.runs
            .iter()
            .zip(logits.outer_iter())
            .map(probability)
            .collect()
    }
}

/// Length of a picture's side of which the network sees `input` pixels.
fn uncropped(network: &Network, input: u32) -> usize {
    (f64::from(input) / network.preprocessing.crop()).round() as usize
}

/// Settings that all runs of a batch must share, because they shape the graph or the plan.
fn agree(runs: &[Run]) -> Result<(), Error> {
    const SHARED: &[&str] = &["steps", "canvas", "octaves", "octave_scale", "levels"];
    for pair in runs.windows(2) {
        let [a, b] = [&pair[0].settings, &pair[1].settings];
        if let Some(key) = SHARED.iter().find(|key| a.get(key) != b.get(key)) {
            return Err(Error::Mismatch(key));
        }
    }
    Ok(())
}

/// Whether the network has `unit`.
pub(super) fn check_unit(
    network: &Network,
    objective: &Objective,
    unit: Unit,
) -> Result<(), Error> {
    let dims = &network.shapes.get(&objective.value)?.dims;
    let name = crate::onnx::printable(&objective.value);
    let channels = dims.get(1).copied().unwrap_or(0);
    if objective.kind != Kind::Layer && unit.index >= channels {
        let index = unit.index;
        return Err(Error::NoSuchUnit(format!(
            "{name} has {channels} channels, 0 to {}: there is no {index}",
            channels.saturating_sub(1)
        )));
    }
    let (row, column) = unit.position;
    let inside =
        matches!(dims.as_slice(), &[_, _, height, width] if row < height && column < width);
    if objective.kind == Kind::Neuron && !inside {
        let plane = dims.get(2..).unwrap_or_default();
        return Err(Error::NoSuchUnit(format!(
            "{name} has channels of {plane:?} (rows, columns): there is no {row},{column}"
        )));
    }
    Ok(())
}

/// Where the class activation map is taken: for a class, the last activations before the scores that still have rows and
/// columns; for a channel, its own layer. A neuron is one place, and a layer is everywhere: neither has a map.
pub(super) fn map_layer(network: &Network, objective: &Objective) -> Result<Option<String>, Error> {
    let spatial = |value: &str| match network
        .shapes
        .find(value)
        .map(|found| found.dims.as_slice())
    {
        Some(&[_, _, rows, columns]) => rows * columns > 1,
        _ => false,
    };
    match objective.kind {
        Kind::Neuron | Kind::Layer => Ok(None),
        Kind::Channel => Ok(Some(objective.value.clone()).filter(|value| spatial(value))),
        Kind::Class => {
            let graph = &network.graph;
            let needed = graph.needed_for([objective.value.as_str()]);
            let dependent = graph.descendants([network.input.as_str()]);
            let on_the_way = graph
                .nodes()
                .iter()
                .zip(needed)
                .rev()
                .filter(|(_, needed)| *needed);
            let outputs = on_the_way.flat_map(|(node, _)| &node.output);
            let mut maps =
                outputs.filter(|output| dependent.contains(output.as_str()) && spatial(output));
            Ok(maps.next().cloned())
        }
    }
}

fn start_state(runs: &mut [Running], channels: usize, octave: Octave, masked: bool) -> State {
    let Octave { height, width, .. } = octave;
    let mut image = Array4::<f32>::zeros((runs.len(), channels, height, width));
    for (run, mut target) in runs.iter_mut().zip(image.outer_iter_mut()) {
        target.assign(
            &run.random
                .noise((channels, height, width), run.run.settings.noise),
        );
    }
    image.mapv_inplace(|value| value.clamp(-1.0, 1.0));
    State {
        velocity: Array4::<f32>::zeros(image.dim()).into(),
        mask: masked.then(|| Array4::<f32>::ones((runs.len(), 1, height, width)).into()),
        image: image.into(),
    }
}

/// For each run, where each line of the canvas is after a circular shift: (N, size).
fn rolled(shifts: impl ExactSizeIterator<Item = i64>, size: usize) -> Tensor {
    let mut lines = Array2::<i64>::zeros((shifts.len(), size));
    for (shift, mut row) in shifts.zip(lines.outer_iter_mut()) {
        for (position, line) in row.iter_mut().enumerate() {
            *line = (position as i64 + shift).rem_euclid(size as i64);
        }
    }
    lines.into()
}

fn transposed(matrix: Array2<f32>) -> Tensor {
    matrix.t().as_standard_layout().into_owned().into()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor
        .as_f32()
        .map(|array| array.iter().copied().collect())
        .unwrap_or_default()
}

fn array4(tensor: Tensor) -> Array4<f32> {
    let array: ArrayD<f32> = tensor.try_into().expect("the state is float32");
    debug_assert_eq!(array.ndim(), Ix4::NDIM.unwrap_or(4));
    array
        .into_dimensionality()
        .expect("the state has four axes")
}

/// A canvas (C, h, w) between -1 and 1 as a picture.
fn picture(canvas: ArrayView3<f32>, rgb_of_channel: [usize; 3]) -> RgbImage {
    let (channels, height, width) = canvas.dim();
    let mut of_colour = [0usize; 3];
    if channels == 3 {
        for (channel, colour) in rgb_of_channel.into_iter().enumerate() {
            of_colour[colour] = channel;
        }
    }
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb(of_colour.map(|channel| {
            let value = canvas[(channel, y as usize, x as usize)];
            ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
        }))
    })
}
