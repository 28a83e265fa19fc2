//! Views into a running ascent: the pictures, the class activation maps, and the gradient with its bands.

use super::canvas::{array4, picture};
use super::decorrelation::ColourBasis;
use super::resampling::{both_axes, expand, reduce};
use super::step_graph::names;
use super::{Ascent, Error, heatmap};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::{Array2, Array3, ArrayView3, Axis, Zip, s};

/// The quantile of absolute values to which a signed picture is scaled; larger values are clipped.
const SCALE_QUANTILE: f64 = 0.995;

/// What to display of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// The picture itself.
    Plain,
    /// The class activation map over the picture.
    Heat,
    /// The class activation map alone.
    Map,
    /// A band of the gradient's Laplacian pyramid, 0 being the finest; the last is the residual.
    Band(u32),
    /// The gradient of the last step, normalized and masked, around mid-grey.
    Gradient,
}

impl Ascent<'_> {
    /// The current pictures, one per run, at the size of the current octave.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn pictures(&self) -> Result<Vec<RgbImage>, Error> {
        let image = array4(self.state.state(names::CANVAS)?);
        let canvases = image.outer_iter();
        Ok(canvases.map(|canvas| self.picture(canvas)).collect())
    }

    /// The picture of a run before the last step if it is still on the device, otherwise the current one.
    pub(super) fn picture_before(&self, run: usize) -> Result<RgbImage, Error> {
        let canvas = if self.has_previous {
            self.state.previous(names::CANVAS)?
        } else {
            self.state.state(names::CANVAS)?
        };
        Ok(self.picture(array4(canvas).index_axis(Axis(0), run)))
    }

    fn picture(&self, canvas: ArrayView3<f32>) -> RgbImage {
        let brightness = ColourBasis::for_network(self.network).brightness(canvas);
        picture(brightness.view(), self.network.shown_channels())
    }

    /// The current pictures at a size that does not depend on the octave: that of the finished picture, shrunk to sides
    /// of at most `longest` pixels.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn small_pictures(&self, longest: u32) -> Result<Vec<RgbImage>, Error> {
        let (height, width) = self.finished_size();
        let shrink = (f64::from(longest) / height.max(width) as f64).min(1.0);
        let size = |side: usize| ((side as f64 * shrink).round() as u32).max(1);
        let (height, width) = (size(height), size(width));
        let small = |picture: RgbImage| {
            if picture.width() < width {
                imageops::resize(&picture, width, height, FilterType::Triangle)
            } else {
                imageops::thumbnail(&picture, width, height)
            }
        };
        Ok(self.pictures()?.into_iter().map(small).collect())
    }

    /// The current class activation maps, one per run, (height, width) of the current octave, 0 to 1; `None` if the
    /// ascent has no mask.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn masks(&self) -> Result<Option<Vec<Array2<f32>>>, Error> {
        if !self.has_map() {
            return Ok(None);
        }
        let masks = array4(self.state.state(names::MASK)?);
        let mask = |mask: ArrayView3<f32>| mask.slice(s![0, .., ..]).to_owned();
        Ok(Some(masks.outer_iter().map(mask).collect()))
    }

    /// Whether the runs have class activation maps.
    pub fn has_map(&self) -> bool {
        self.plan.map.is_some()
    }

    /// Number of bands of the gradient's pyramid.
    pub fn bands(&self) -> u32 {
        self.plan.terms.levels
    }

    /// The gradient (C, height, width) of one run in the last step, normalized and masked; `None` before the first step
    /// of an octave.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn gradient(&self, run: usize) -> Result<Option<Array3<f32>>, Error> {
        if !self.has_previous {
            return Ok(None);
        }
        // It follows from the velocities before and after the step, so that the graph needs no output for a rare
        // display: new = memory · old + (1 - memory) · gradient.
        let memory = self.runs[run].run.settings.momentum as f32;
        let old = array4(self.state.previous(names::VELOCITY)?);
        let new = array4(self.state.state(names::VELOCITY)?);
        let mut gradient = new.index_axis_move(Axis(0), run);
        Zip::from(&mut gradient)
            .and(&old.index_axis(Axis(0), run))
            .for_each(|new, &old| *new = (*new - memory * old) / (1.0 - memory));
        Ok(Some(gradient))
    }

    /// The display of one run; `None` if it is not available now, or never (see [`Ascent::has_map`] and
    /// [`Ascent::bands`]).
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn view(&self, run: usize, overlay: Overlay) -> Result<Option<RgbImage>, Error> {
        let shown = self.network.shown_channels();
        let signed = |change: Array3<f32>| {
            let change = ColourBasis::for_network(self.network).to_channels(change.view());
            signed(change.view(), shown)
        };
        let plain = || -> Result<RgbImage, Error> {
            let image = array4(self.state.state(names::CANVAS)?);
            Ok(self.picture(image.index_axis(Axis(0), run)))
        };
        let map = || Ok::<_, Error>(self.masks()?.map(|mut masks| masks.swap_remove(run)));
        Ok(match overlay {
            Overlay::Plain => Some(plain()?),
            Overlay::Heat => match map()? {
                Some(map) => Some(heatmap::overlay(&plain()?, &map)),
                None => None,
            },
            Overlay::Map => map()?.map(|map| heatmap::alone(&map)),
            Overlay::Gradient => self.gradient(run)?.map(signed),
            Overlay::Band(level) if level >= self.bands() => None,
            Overlay::Band(level) => {
                let gradient = self.gradient(run)?;
                gradient.map(|gradient| signed(band(gradient, level, self.bands())))
            }
        })
    }
}

/// One band of the Laplacian pyramid of `levels` bands, upsampled to the size of `picture`.
fn band(picture: Array3<f32>, level: u32, levels: u32) -> Array3<f32> {
    let mut sizes = Vec::new();
    let mut band = picture;
    for _ in 0..level {
        let (_, height, width) = band.dim();
        sizes.push((height, width));
        band = both_axes(&band, &reduce(height), &reduce(width));
    }
    if level + 1 < levels {
        let (_, height, width) = band.dim();
        let coarse = both_axes(&band, &reduce(height), &reduce(width));
        band = band - both_axes(&coarse, &expand(height), &expand(width));
    }
    for (height, width) in sizes.into_iter().rev() {
        band = both_axes(&band, &expand(height), &expand(width));
    }
    band
}

/// Signed values as a picture around mid-grey, scaled to [`SCALE_QUANTILE`].
fn signed(values: ArrayView3<f32>, shown: [usize; 3]) -> RgbImage {
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    let index =
        (((sizes.len() as f64) * SCALE_QUANTILE) as usize).min(sizes.len().saturating_sub(1));
    if sizes.is_empty() {
        return RgbImage::from_pixel(1, 1, Rgb([128; 3]));
    }
    let (_, &mut largest, _) = sizes.select_nth_unstable_by(index, f32::total_cmp);
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let scaled = values.mapv(|value| 0.5 + 0.5 * (value * scale).clamp(-1.0, 1.0));
    picture(scaled.view(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves() -> Array3<f32> {
        Array3::from_shape_fn((3, 37, 50), |(c, y, x)| {
            (x as f32 / 9.0).sin() + (y as f32 / 3.0).cos() * (c as f32 + 1.0) - 0.3
        })
    }

    #[test]
    fn the_bands_sum_to_the_picture() {
        let mut sum = Array3::<f32>::zeros(waves().dim());
        for level in 0..4 {
            sum += &band(waves(), level, 4);
        }
        let error = (sum - waves()).fold(0.0, |most: f32, value| most.max(value.abs()));
        assert!(error < 1e-4, "{error}");
    }

    #[test]
    fn fine_bands_hold_fine_detail() {
        let checks =
            Array3::from_shape_fn(
                (1, 32, 32),
                |(_, y, x)| {
                    if (x + y) % 2 == 0 { 1.0f32 } else { -1.0 }
                },
            );
        let power = |level| band(checks.clone(), level, 3).mapv(|v| v * v).sum();
        assert!(power(0) > 100.0 * (power(1) + power(2)));
    }

    #[test]
    fn zero_is_mid_grey_and_an_outlier_does_not_change_the_scale() {
        let mut values = Array3::<f32>::zeros((3, 40, 40));
        values.slice_mut(s![.., 10..30, 0..20]).fill(1.0);
        values.slice_mut(s![.., 10..30, 20..40]).fill(-1.0);
        values[(0, 0, 0)] = 1e6;
        let picture = signed(values.view(), [0, 1, 2]);
        assert_eq!(picture.get_pixel(20, 5).0, [128; 3]);
        assert_eq!(picture.get_pixel(5, 20).0, [255; 3]);
        assert_eq!(picture.get_pixel(35, 20).0, [0; 3]);
        let nothing = signed(Array3::zeros((3, 2, 2)).view(), [0, 1, 2]);
        assert!(nothing.pixels().all(|pixel| pixel.0 == [128; 3]));
    }
}
