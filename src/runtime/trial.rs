//! Tests whether a device works: runs a small model on it and compares the result with the CPU's.
//! Opening a session is not enough: libraries are loaded, and kernels chosen, only when a node
//! runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::session::Source;
use super::{Device, Error, Session, SessionOptions, Tensor};
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Builder, ElementType, file};
use ndarray::Array4;

/// Largest relative error (L2) compared with the CPU. Rounding gives 1e-6, wrong kernels more than 1e-1.
const TOLERANCE: f32 = 1e-3;

const INPUT: &str = "x";
/// Height and width of its input.
const SIDE: usize = 8;

/// The result of each device so far.
static FOUND: Mutex<Option<HashMap<Device, Result<(), String>>>> = Mutex::new(None);

/// Whether a device works; the reason if it does not. Tested once per process, but again after a lack of memory.
pub(super) fn result(device: Device) -> Result<(), String> {
    if let Some(known) = known(device) {
        return known;
    }
    let result = attempt(device);
    // Others may have freed memory when it is tried again.
    let is_final = !matches!(result, Err(Error::NoMemory { .. }));
    let result = result.map_err(Error::into_reason);
    // A run may have failed on the device meanwhile.
    if let Some(Err(why)) = known(device) {
        return Err(why);
    }
    if is_final {
        remember(device, result.clone());
    }
    result
}

/// Marks a device as failed after a run failed on it.
pub(super) fn give_up(device: Device, why: &str) {
    remember(device, Err(why.into()));
}

fn known(device: Device) -> Option<Result<(), String>> {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.as_ref()?.get(&device).cloned()
}

fn remember(device: Device, result: Result<(), String>) {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.get_or_insert_default().insert(device, result);
}

fn attempt(device: Device) -> Result<(), Error> {
    let (model, output) = model()?;
    let options = SessionOptions {
        record_placement: true,
        threads: Some(1),
        ..SessionOptions::default()
    };
    let picture = Array4::from_shape_fn((1, 3, SIDE, SIDE), |(_, c, y, x)| {
        ((x + 3 * y + 5 * c) as f32 / 7.0).sin()
    });
    let picture = Tensor::from(picture);
    let run = |device: Device| {
        let mut session = Session::on_device(Source::File(&model), device, &options)?;
        let results = session.run(&[(INPUT, &picture)], &[output.as_str()])?;
        Ok::<_, Error>((session, results))
    };
    let (session, results) = run(device)?;
    if device == Device::Cpu {
        return Ok(());
    }
    let refused = |why: String| Error::Provider { device, why };
    let nodes = session.placement()?;
    let left = nodes.iter().find(|node| node.provider.starts_with("CPU"));
    if let Some(node) = left {
        return Err(refused(format!(
            "its provider leaves {} to the CPU",
            crate::text::quoted(&node.operator)
        )));
    }
    let (_, expected) = run(Device::Cpu)?;
    let error = distance(&results, &expected);
    // A comparison with NaN is false, and so a failure.
    if error.is_some_and(|error| error < TOLERANCE) {
        return Ok(());
    }
    let error = error.map_or("other shapes".into(), |error| {
        format!("an error of {error:.1e}")
    });
    Err(refused(format!(
        "its results are wrong ({error} compared with the CPU); its driver may be damaged"
    )))
}

/// The relative L2 distance of two results of one float32 tensor.
fn distance(results: &[Tensor], expected: &[Tensor]) -> Option<f32> {
    let (results, expected) = (results.first()?.as_f32()?, expected.first()?.as_f32()?);
    if results.shape() != expected.shape() {
        return None;
    }
    let square = |value: f32| value * value;
    let difference: f32 = (results - expected).iter().copied().map(square).sum();
    let norm: f32 = expected.iter().copied().map(square).sum();
    Some((difference / norm).sqrt())
}

/// `MatMul(HardSigmoid(Conv(x)))`: an operator of cuDNN's, one of the provider's own, and one of cuBLAS's. Returns its
/// bytes and its output's name.
fn model() -> Result<(Vec<u8>, String), Error> {
    let mut builder = Builder::empty(17, "trial/");
    let channels = 8;
    let x = builder.input(INPUT, ElementType::F32, &fixed_dims(&[1, 3, SIDE, SIDE]))?;
    let numbers = |count: usize, step: f32| -> Vec<f32> {
        (0..count)
            .map(|place| (place as f32 * step).cos())
            .collect()
    };
    let weights = numbers(channels * 3 * 9, 0.7);
    let weights = builder.floats(&[channels as i64, 3, 3, 3], &weights);
    let matrix = builder.floats(&[SIDE as i64, SIDE as i64], &numbers(SIDE * SIDE, 1.3));
    let pads = [("pads", vec![1i64, 1, 1, 1].into())];
    let maps = builder.emit("Conv", &[&x, &weights], &pads);
    let bounded = builder.emit("HardSigmoid", &[&maps], &[]);
    let output = builder.emit("MatMul", &[&bounded, &matrix], &[]);
    let model = builder.graph().to_model(&[untyped_value(&output)])?;
    Ok((file::encode(&model)?, output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing;
    use ndarray::arr1;

    #[test]
    fn the_cpu_works_and_a_device_that_failed_is_remembered() {
        testing::library();
        assert_eq!(result(Device::Cpu), Ok(()));
        let lost = Device::Cuda(1234);
        give_up(lost, "the GPU fell off the bus");
        assert_eq!(result(lost), Err("the GPU fell off the bus".into()));
    }

    #[test]
    fn the_trial_has_numbers_that_a_wrong_kernel_would_miss() {
        testing::library();
        let (model, output) = model().unwrap();
        let source = Source::File(&model);
        let mut session =
            Session::on_device(source, Device::Cpu, &SessionOptions::default()).unwrap();
        let picture = Tensor::from(Array4::from_elem((1, 3, SIDE, SIDE), 0.3_f32));
        let results = session.run(&[(INPUT, &picture)], &[&output]).unwrap();
        let values = results[0].as_f32().unwrap();
        assert_eq!(values.shape(), [1, 8, SIDE, SIDE]);
        let spread = values
            .iter()
            .fold(0f32, |most, value| most.max(value.abs()));
        assert!(spread > 0.1 && values.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn numbers_are_compared_by_their_relative_distance() {
        let of = |values: &[f32]| vec![Tensor::from(arr1(values))];
        assert_eq!(distance(&of(&[3.0, 4.0]), &of(&[3.0, 4.0])), Some(0.0));
        assert_eq!(distance(&of(&[3.0, 9.0]), &of(&[3.0, 4.0])), Some(1.0));
        assert_eq!(distance(&of(&[3.0]), &of(&[3.0, 4.0])), None);
        let error = distance(&of(&[f32::NAN, 4.0]), &of(&[3.0, 4.0])).unwrap();
        assert!(error.is_nan(), "{error}");
    }
}
