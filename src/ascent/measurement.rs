//! Measures the speed of a device and the deviation of its results from the CPU, for reports about new devices.

use super::evaluate::{Classifier, input_gradient};
use super::settings::Settings;
use super::{Ascent, Error, Objective, Run, Unit};
use crate::model::Network;
use crate::runtime::{CancelHandle, Device};
use ndarray::Array4;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Measured batch sizes.
pub const BATCHES: [usize; 3] = [1, 8, 32];

/// Time limit of one measurement, after the first steps.
const TIME: Duration = Duration::from_secs(4);
/// Maximum number of measured steps.
const STEPS: usize = 64;
/// Number of steps of the compared pictures.
const COMPARED: u32 = 4;

/// The measurements of a device.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The device, as `--provider` names it.
    pub device: String,
    /// The name of the network.
    pub model: String,
    /// One entry per batch size.
    pub batches: Vec<Batch>,
    /// The same with graph capture; empty on the CPU.
    pub graph_capture: Vec<Batch>,
    /// Maximum difference of the pictures after four steps with and without graph capture, 0 to 255; `None` without.
    pub graph_capture_error: Option<u8>,
    /// Number of nodes of the step graph.
    pub nodes: usize,
    /// Operators that run on the CPU instead, without duplicates.
    pub left_to_cpu: Vec<String>,
    /// Relative L2 error of the gradient of a class, compared with the CPU.
    pub gradient_error: f64,
    /// Maximum difference of a class probability, compared with the CPU.
    pub probability_error: f64,
    /// Maximum difference of the pictures after four steps, 0 to 255.
    pub picture_error: u8,
}

/// The speed of a batch.
#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    /// Batch size.
    pub runs: usize,
    /// Why the batch failed, for example insufficient memory.
    pub why_not: Option<String>,
    /// Seconds until the end of the first step, including opening the session and selecting kernels.
    pub first_step: f64,
    /// Later steps per second.
    pub steps_per_second: f64,
    /// Fraction of the time in which the host worked and the device waited.
    pub host_share: f64,
}

/// Measures a device with runs for a class of `network`.
///
/// # Errors
/// [`Error::NoClassScores`], or the error of a single run.
pub fn measure(network: &Network, device: Device) -> Result<Measurement, Error> {
    let objective = Objective::class(network)?;
    let sizes = BATCHES
        .into_iter()
        .filter(|&runs| runs == 1 || network.batchable);
    let all = |graph_capture| -> Result<Vec<Batch>, Error> {
        let sizes = sizes.clone();
        let batches = sizes.map(|runs| batch(network, &objective, runs, (device, graph_capture)));
        batches.collect()
    };
    let batches = all(false)?;
    let graph_capture = match device {
        Device::Cpu => Vec::new(),
        _ => all(true)?,
    };
    let is_captured = graph_capture.iter().any(|batch| batch.why_not.is_none());
    let picture = |device, graph_capture| picture(network, &objective, (device, graph_capture));
    let (cpu, found) = (picture(Device::Cpu, false)?, picture(device, false)?);
    let captured = is_captured.then(|| picture(device, true)).transpose()?;
    let one = ascent(network, &objective, 1, COMPARED, (device, false))?;
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
        graph_capture,
        graph_capture_error: captured.map(|captured| difference(&found, &captured)),
        nodes: placement.len(),
        left_to_cpu,
        gradient_error: gradient_error(network, &objective, device)?,
        probability_error: probability_error(network, device)?,
        picture_error: difference(&cpu, &found),
    })
}

fn ascent<'n>(
    network: &'n Network,
    objective: &Objective,
    runs: usize,
    steps: u32,
    (device, graph_capture): (Device, bool),
) -> Result<Ascent<'n>, Error> {
    // A single octave, so that only the first step includes preparation.
    let settings = Settings {
        steps,
        octaves: 1,
        ..Settings::default()
    };
    let run = |seed| Run::new(Unit::new(0), seed, settings.clone());
    let runs: Vec<Run> = (0..runs as u64).map(run).collect();
    let stop = CancelHandle::default();
    Ascent::with_graph_capture(network, objective, &runs, device, &stop, graph_capture)
}

fn batch(
    network: &Network,
    objective: &Objective,
    runs: usize,
    (device, graph_capture): (Device, bool),
) -> Result<Batch, Error> {
    let begun = Instant::now();
    let measured = (|| {
        let steps = 2 + STEPS as u32;
        let mut ascent = ascent(network, objective, runs, steps, (device, graph_capture))?;
        ascent.step()?;
        let first_step = begun.elapsed();
        // The second step uses the other state buffers for the first time.
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
            why_not: ascent.take_notice(),
            first_step: first_step.as_secs_f64(),
            steps_per_second: steps as f64 / time,
            host_share: (1.0 - busy / time).max(0.0),
        })
    })();
    match measured {
        // A failure of a larger batch is a result too.
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

/// A reproducible picture without a pattern. In a picture with uniform areas, the inputs of many ReLUs are close to 0,
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
    if error.is_finite() {
        Ok(error.sqrt())
    } else {
        Err(Error::NotFinite(None))
    }
}

fn probability_error(network: &Network, device: Device) -> Result<f64, Error> {
    let on = |device| Classifier::open(network, device)?.probabilities(noise(network));
    let (expected, found) = (on(Device::Cpu)?, on(device)?);
    let pairs = expected.iter().zip(&found);
    let differences = pairs.map(|(a, b)| f64::from((a - b).abs()));
    Ok(differences.fold(0.0, f64::max))
}

/// The bytes of the picture after a few steps.
fn picture(network: &Network, objective: &Objective, on: (Device, bool)) -> Result<Vec<u8>, Error> {
    let mut ascent = ascent(network, objective, 1, COMPARED, on)?;
    while ascent.step()?.is_some() {}
    let pictures = ascent.pictures()?.into_iter();
    Ok(pictures.flat_map(|picture| picture.into_raw()).collect())
}

fn difference(a: &[u8], b: &[u8]) -> u8 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
