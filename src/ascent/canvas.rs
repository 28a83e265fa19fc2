//! Canvases on the host: where an ascent starts, how a canvas becomes larger, and how one becomes a picture.

use super::machine::State;
use super::octaves::Octave;
use super::resampling::resize_picture;
use super::run::Running;
use crate::runtime::Tensor;
use image::{Rgb, RgbImage};
use ndarray::{Array4, ArrayD, ArrayView3, Dimension, Ix4};

/// The state that runs begin with: each its own noise, no velocity, and a mask that draws everywhere.
pub(super) fn start(
    runs: &mut [Running],
    channels: usize,
    octave: Octave,
    has_mask: bool,
) -> State {
    let Octave { height, width, .. } = octave;
    let mut image = Array4::<f32>::zeros((runs.len(), channels, height, width));
    for (run, mut target) in runs.iter_mut().zip(image.outer_iter_mut()) {
        let deviation = run.run.settings.noise;
        target.assign(&run.random.noise((channels, height, width), deviation));
    }
    image.mapv_inplace(|value| value.clamp(-1.0, 1.0));
    State {
        velocity: Array4::<f32>::zeros(image.dim()).into(),
        mask: has_mask.then(|| Array4::<f32>::ones((runs.len(), 1, height, width)).into()),
        image: image.into(),
    }
}

/// The state on the next canvas: pictures and masks are resized, velocities start anew.
pub(super) fn enlarged(state: State, octave: Octave) -> State {
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
    let image = resized(state.image);
    State {
        velocity: Array4::<f32>::zeros(image.dim()).into(),
        image: image.into(),
        mask: state.mask.map(|mask| resized(mask).into()),
    }
}

/// A tensor of the state as an array.
pub(super) fn array4(tensor: Tensor) -> Array4<f32> {
    let array: ArrayD<f32> = tensor.try_into().expect("the state is float32");
    debug_assert_eq!(array.ndim(), Ix4::NDIM.unwrap_or(4));
    array
        .into_dimensionality()
        .expect("the state has four axes")
}

/// A canvas (C, h, w) between -1 and 1 as a picture; `shown` says which channels are red, green and blue.
pub(super) fn picture(canvas: ArrayView3<f32>, shown: [usize; 3]) -> RgbImage {
    let (_, height, width) = canvas.dim();
    let planes = shown.map(|channel| canvas.index_axis_move(ndarray::Axis(0), channel));
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb([0, 1, 2].map(|colour: usize| {
            let value = planes[colour][(y as usize, x as usize)];
            ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
        }))
    })
}
