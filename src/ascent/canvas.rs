//! Canvases on the host: the initial state, enlargement, and conversion to pictures.

use super::octaves::Octave;
use super::resampling::resize_picture;
use super::run::{Run, RunState};
use super::step_session::StateTensors;
use super::{Settings, spectrum};
use crate::runtime::Tensor;
use image::{Rgb, RgbImage};
use ndarray::{Array4, ArrayD, ArrayView3, Dimension, Ix4};

/// The initial state: per run, noise with the spectrum of photographs, zero velocity, and a mask of ones.
pub(super) fn start(
    runs: &mut [RunState],
    channels: usize,
    octave: Octave,
    has_mask: bool,
) -> StateTensors {
    let Octave { height, width, .. } = octave;
    let mut canvas = Array4::<f32>::zeros((runs.len(), channels, height, width));
    for (run, mut target) in runs.iter_mut().zip(canvas.outer_iter_mut()) {
        let settings = &run.run.settings;
        let noise = run.random.noise((channels, height, width), 1.0);
        target.assign(&spectrum::shaped(noise, settings.levels));
        target.mapv_inplace(|value| value * settings.noise as f32);
    }
    StateTensors {
        velocity: Array4::<f32>::zeros(canvas.dim()).into(),
        mask: has_mask.then(|| Array4::<f32>::ones((runs.len(), 1, height, width)).into()),
        canvas: canvas.into(),
    }
}

/// The state on the next canvas: canvases and masks are resized, velocities are reset.
pub(super) fn enlarged(state: StateTensors, octave: Octave) -> StateTensors {
    let Octave { height, width, .. } = octave;
    let resized = |tensor: Tensor| -> Array4<f32> {
        let pictures = array4(tensor);
        let (runs, channels, ..) = pictures.dim();
        let mut larger = Array4::zeros((runs, channels, height, width));
        for (picture, mut target) in pictures.outer_iter().zip(larger.outer_iter_mut()) {
            target.assign(&resize_picture(&picture.to_owned(), height, width));
        }
        larger
    };
    let canvas = resized(state.canvas);
    StateTensors {
        velocity: Array4::<f32>::zeros(canvas.dim()).into(),
        canvas: canvas.into(),
        mask: state.mask.map(|mask| resized(mask).into()),
    }
}

/// The state when settings change, with the same canvases and velocities. A run keeps its mask if its former settings
/// used one or its settings stay the same; other masks are ones.
pub(super) fn with_new_settings(
    state: StateTensors,
    before: &[&Settings],
    after: &[Run],
    has_mask: bool,
) -> StateTensors {
    let canvas = array4(state.canvas);
    let (runs, _, height, width) = canvas.dim();
    let kept = state.mask.map(array4);
    let mask = has_mask.then(|| {
        let mut mask = Array4::<f32>::ones((runs, 1, height, width));
        for (run, mut target) in mask.outer_iter_mut().enumerate() {
            let is_kept = before[run].mask > 0.0 || before[run] == &after[run].settings;
            if let Some(kept) = kept.as_ref().filter(|_| is_kept) {
                target.assign(&kept.index_axis(ndarray::Axis(0), run));
            }
        }
        mask.into()
    });
    StateTensors {
        canvas: canvas.into(),
        velocity: state.velocity,
        mask,
    }
}

/// A state tensor as an array.
pub(super) fn array4(tensor: Tensor) -> Array4<f32> {
    let array: ArrayD<f32> = tensor.try_into().expect("the state is float32");
    debug_assert_eq!(array.ndim(), Ix4::NDIM.unwrap_or(4));
    array
        .into_dimensionality()
        .expect("the state has four axes")
}

/// Brightness (C, h, w) as a picture, clamped to 0 (black) and 1 (white). `shown` are the channels for red, green and
/// blue.
pub(super) fn picture(brightness: ArrayView3<f32>, shown: [usize; 3]) -> RgbImage {
    let (_, height, width) = brightness.dim();
    let planes = shown.map(|channel| brightness.index_axis_move(ndarray::Axis(0), channel));
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb([0, 1, 2].map(|colour: usize| {
            let value = planes[colour][(y as usize, x as usize)];
            (value * 255.0).round().clamp(0.0, 255.0) as u8
        }))
    })
}
