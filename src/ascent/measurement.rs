//! How fast a device takes steps, and how far its numbers are from the CPU's: what is worth reporting of a new one.

use super::probe::{Classifier, input_gradient};
use super::settings::Settings;
use super::{Ascent, Error, Kind, Objective, Run, Unit};
use crate::model::Network;
use crate::runtime::{CancelHandle, Device};
use ndarray::Array4;
use serde::Serialize;
use std::time::{Duration, Instant};

/// How many runs step together.
pub const BATCHES: [usize; 3] = [1, 8, 32];

/// At most so long is stepped for one figure, beside the first steps.
const TIME: Duration = Duration::from_secs(4);
/// At most so many steps.
const STEPS: usize = 64;
/// Steps of the pictures that are compared.
const COMPARED: u32 = 4;

/// What was measured of a device.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The device, as `--provider` names it.
    pub device: String,
    /// The network that stepped.
    pub model: String,
    /// One entry a batch size.
    pub batches: Vec<Batch>,
    /// Nodes of the step graph.
    pub nodes: usize,
    /// Operators of those that the device leaves to the CPU, each once.
    pub left_to_cpu: Vec<String>,
    /// Relative error (L2) of a class's gradient beside the CPU's.
    pub gradient_error: f64,
    /// Largest difference of a class's probability beside the CPU's.
    pub probability_error: f64,
    /// Largest difference of two pictures after four steps, of 255.
    pub picture_error: u8,
}

/// How fast a batch steps.
#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    /// Runs that step together.
    pub runs: usize,
    /// What stood in the way, such as too little memory.
    pub why_not: Option<String>,
    /// Seconds until the first step was taken: the session is opened and kernels are chosen.
    pub first_step: f64,
    /// Steps of the batch a second, later.
    pub steps_per_second: f64,
    /// The share of the time in which the host worked and the device waited.
    pub host_share: f64,
}

/// Measures a device with steps for a class of `network`.
///
/// # Errors
/// [`Error::NoClassScores`]; what a device with enough memory cannot do for one run.
pub fn measure(network: &Network, device: Device) -> Result<Measurement, Error> {
    let value = match &network.scores {
        Ok(scores) => scores.value.clone(),
        Err(why) => return Err(Error::NoClassScores(why.clone())),
    };
    let objective = Objective {
        kind: Kind::Class,
        value,
    };
    let sizes = BATCHES
        .into_iter()
        .filter(|&runs| runs == 1 || network.batchable);
    let batches = sizes.map(|runs| batch(network, &objective, runs, device));
    let batches = batches.collect::<Result<Vec<Batch>, Error>>()?;
    let one = ascent(network, &objective, 1, COMPARED, device)?;
    let placement = one.placement()?;
    let left = placement
        .iter()
        .filter(|node| device != Device::Cpu && node.provider.starts_with("CPU"));
    let mut left_to_cpu: Vec<String> = left.map(|node| node.operator.clone()).collect();
    left_to_cpu.sort();
    left_to_cpu.dedup();
    Ok(Measurement {
        device: device.to_string(),
        model: network.name.clone(),
        batches,
        nodes: placement.len(),
        left_to_cpu,
        gradient_error: gradient_error(network, &objective, device)?,
        probability_error: probability_error(network, device)?,
        picture_error: picture_error(network, &objective, device)?,
    })
}

fn ascent<'n>(
    network: &'n Network,
    objective: &Objective,
    runs: usize,
    steps: u32,
    device: Device,
) -> Result<Ascent<'n>, Error> {
    let run = |seed| Run {
        unit: Unit {
            index: 0,
            position: (0, 0),
        },
        seed,
        // One octave: its first step is the only one that prepares anything.
        settings: Settings {
            steps,
            octaves: 1,
            ..Settings::default()
        },
        earlier: Vec::new(),
    };
    let runs: Vec<Run> = (0..runs as u64).map(run).collect();
    Ascent::new(network, objective, &runs, device, &CancelHandle::default())
}

fn batch(
    network: &Network,
    objective: &Objective,
    runs: usize,
    device: Device,
) -> Result<Batch, Error> {
    let begun = Instant::now();
    let measured = (|| {
        let mut ascent = ascent(network, objective, runs, 2 + STEPS as u32, device)?;
        ascent.step()?;
        let first_step = begun.elapsed();
        // The second step writes to the other half of the state.
        ascent.step()?;
        let (start, busy) = (Instant::now(), ascent.busy());
        let mut steps = 0;
        while steps < STEPS && (steps == 0 || start.elapsed() < TIME) {
            ascent.step()?;
            steps += 1;
        }
        let time = start.elapsed().as_secs_f64();
        let busy = (ascent.busy() - busy).as_secs_f64();
        Ok(Batch {
            runs,
            why_not: None,
            first_step: first_step.as_secs_f64(),
            steps_per_second: steps as f64 / time,
            host_share: (1.0 - busy / time).max(0.0),
        })
    })();
    match measured {
        // What fails for several runs is a figure too.
        Err(problem) if runs > 1 => Ok(Batch {
            runs,
            why_not: Some(Error::to_string(&problem)),
            first_step: begun.elapsed().as_secs_f64(),
            steps_per_second: 0.0,
            host_share: 0.0,
        }),
        measured => measured,
    }
}

/// Deterministic noise as a network's input: in pictures with uniform parts, the inputs of many rectifiers are at a kink,
/// where rounding decides.
pub fn noise(network: &Network) -> Array4<f32> {
    let [_, channels, height, width] = network.input_dims(1);
    Array4::from_shape_fn((1, channels, height, width), |(_, c, y, x)| {
        let place = (x + 997 * y + 99_991 * c) as f32;
        2.0 * ((place * 0.618_034).sin() * 437.585).fract()
    })
}

fn gradient_error(network: &Network, objective: &Objective, device: Device) -> Result<f64, Error> {
    let unit = Unit {
        index: 0,
        position: (0, 0),
    };
    let on = |device| input_gradient(network, objective, unit, noise(network), device);
    let (expected, found) = (on(Device::Cpu)?, on(device)?);
    let square = |values: &Array4<f32>| -> f64 {
        values.iter().map(|&value| f64::from(value).powi(2)).sum()
    };
    let error = square(&(&found - &expected)) / square(&expected).max(f64::MIN_POSITIVE);
    match error.is_finite() {
        true => Ok(error.sqrt()),
        false => Err(Error::NotFinite(None)),
    }
}

fn probability_error(network: &Network, device: Device) -> Result<f64, Error> {
    let on = |device| Classifier::open(network, device)?.probabilities(noise(network));
    let (expected, found) = (on(Device::Cpu)?, on(device)?);
    let pairs = expected.iter().zip(&found);
    let differences = pairs.map(|(a, b)| f64::from((a - b).abs()));
    Ok(differences.fold(0.0, f64::max))
}

fn picture_error(network: &Network, objective: &Objective, device: Device) -> Result<u8, Error> {
    let on = |device| -> Result<Vec<u8>, Error> {
        let mut ascent = ascent(network, objective, 1, COMPARED, device)?;
        while ascent.step()?.is_some() {}
        let pictures = ascent.pictures()?.into_iter();
        Ok(pictures.flat_map(|picture| picture.into_raw()).collect())
    };
    let (expected, found) = (on(Device::Cpu)?, on(device)?);
    let pairs = expected.iter().zip(&found);
    let differences = pairs.map(|(a, b)| a.abs_diff(*b));
    Ok(differences.max().unwrap_or(0))
}
