//! Converts between pictures and model input: resizing, cropping, and a scale and offset per channel.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::{Array4, ArrayView3};
use serde::{Deserialize, Serialize};

use super::Error;
use super::axis_order::AxisOrder;
use window::Placement;

mod channels;
mod resize;
mod window;

pub use channels::{ChannelOrder, Channels, InputSize};
pub use window::Window;

/// The interpolation of a resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Catmull-Rom, which Pillow and torchvision call bicubic.
    #[default]
    Bicubic,
    Bilinear,
    Nearest,
}

impl From<Filter> for FilterType {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Bicubic => Self::CatmullRom,
            Filter::Bilinear => Self::Triangle,
            Filter::Nearest => Self::Nearest,
        }
    }
}

/// How a picture is fitted to another aspect ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It keeps its aspect ratio and is cropped.
    #[default]
    Crop,
    /// It is stretched to the input's aspect ratio.
    Squash,
}

/// The preprocessing of a model, as in `[preprocessing]` of a card.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Keys")]
pub struct Preprocessing {
    mean: [f32; 3],
    std: [f32; 3],
    channels: ChannelOrder,
    layout: AxisOrder,
    crop: f32,
    filter: Filter,
    // Defaults of later additions are not serialized, so that existing hashes of models do not change.
    #[serde(skip_serializing_if = "is_default")]
    fit: Fit,
    #[serde(skip_serializing_if = "is_default")]
    antialias: Antialias,
}

/// Whether shrinking averages all covered pixels (Pillow, torchvision), or interpolates between nearest neighbours only
/// (OpenCV, TensorFlow's default).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Antialias(bool);

impl Default for Antialias {
    fn default() -> Self {
        Self(true)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The origin of information about a model, such as its preprocessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The model's card, or the command line.
    Card,
    /// The file's metadata, or a file beside it.
    Exporter,
    /// The network, which scales pixels itself, takes bytes, or declares the dimensions of its input.
    Network,
    /// A default, which is reported to the user.
    #[serde(rename = "nobody")]
    Assumed,
}

/// The keys of a card; missing ones default to ImageNet's values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
    #[serde(default)]
    channels: ChannelOrder,
    #[serde(default)]
    layout: AxisOrder,
    crop: Option<f32>,
    #[serde(default)]
    filter: Filter,
    #[serde(default)]
    fit: Fit,
    #[serde(default)]
    antialias: Antialias,
}

impl TryFrom<Keys> for Preprocessing {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let (mean, std) = match (keys.mean, keys.std) {
            (None, None) => (Self::IMAGENET.mean, Self::IMAGENET.std),
            (Some(mean), Some(std)) => (three("mean", &mean)?, three("std", &std)?),
            _ => return Err("mean and std must be given together".into()),
        };
        if let Some(small) = std.iter().find(|std| **std < MIN_STD) {
            return Err(format!(
                "std: every number must be at least {MIN_STD}, which {small:?} is not"
            ));
        }
        let crop = keys.crop.unwrap_or(Self::IMAGENET.crop);
        if !(0.1..=1.0).contains(&crop) {
            return Err("crop: must be from 0.1 to 1".into());
        }
        if keys.filter == Filter::Bicubic && !keys.antialias.0 {
            return Err("antialias = false: needs filter = \"bilinear\" or \"nearest\"".into());
        }
        Ok(Self {
            mean,
            std,
            channels: keys.channels,
            layout: keys.layout,
            crop,
            filter: keys.filter,
            fit: keys.fit,
            antialias: keys.antialias,
        })
    }
}

/// Minimum standard deviation; with less, pixels have values of millions or are not finite.
const MIN_STD: f32 = 1e-6;

/// The numbers of a key per colour: three, or one for all colours.
fn three(key: &str, values: &[f32]) -> Result<[f32; 3], String> {
    if values
        .iter()
        .any(|value| !value.is_finite() || value.abs() > 1e6)
    {
        return Err(format!(
            "{key}: every number must be finite and below a million"
        ));
    }
    match *values {
        [one] => Ok([one; 3]),
        [r, g, b] => Ok([r, g, b]),
        _ => Err(format!(
            "{key}: must have 1 or 3 numbers, not {}",
            values.len()
        )),
    }
}

/// Cropping to less than this fraction of a side is reported.
const NOTICEABLE: f64 = 0.75;

/// The conversion of one channel between brightness, 0 to 1, and model-input units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    mean: f32,
    std: f32,
}

impl Affine {
    /// Model-input units of the brightness `p` (0 to 1): `(p - mean) / std`.
    pub fn to_model(self, p: f32) -> f32 {
        (p - self.mean) / self.std
    }

    /// The brightness, 0 to 1 if `x` is in [`Affine::range`], of `x` model-input units.
    pub fn to_unit(self, x: f32) -> f32 {
        x * self.std + self.mean
    }

    /// Model-input units per unit of brightness.
    pub fn scale(self) -> f32 {
        1.0 / self.std
    }

    /// The model-input units of black and of white.
    pub fn range(self) -> (f32, f32) {
        (self.to_model(0.0), self.to_model(1.0))
    }
}

impl Preprocessing {
    /// The preprocessing of most models trained on ImageNet with PyTorch.
    pub const IMAGENET: Self = Self {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        channels: ChannelOrder::Rgb,
        layout: AxisOrder::Nchw,
        crop: 0.875,
        filter: Filter::Bicubic,
        fit: Fit::Crop,
        antialias: Antialias(true),
    };

    /// Unscaled pixels, 0 to 255.
    pub const PIXELS: Self = Self {
        mean: [0.0; 3],
        std: [1.0 / 255.0; 3],
        ..Self::IMAGENET
    };

    /// Brightness, 0 to 1.
    pub const UNITS: Self = Self {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..Self::IMAGENET
    };

    /// The fraction of a picture's short side within the crop.
    pub fn crop(&self) -> f64 {
        f64::from(self.crop)
    }

    /// How a picture is fitted to the input's aspect ratio.
    pub fn proportions(&self) -> Fit {
        self.fit
    }

    /// Length of a side before cropping to `input` pixels, rounded down as in timm and Transformers.
    pub fn uncropped(&self, input: u32) -> u32 {
        (f64::from(input) / self.crop() + window::ROUNDING) as u32
    }

    /// The order of a colour model's channels.
    pub fn channel_order(&self) -> ChannelOrder {
        self.channels
    }

    /// The same preprocessing with another channel order.
    pub fn with_channel_order(self, channels: ChannelOrder) -> Self {
        Self { channels, ..self }
    }

    /// The colour, red (0), green (1) or blue (2), of each channel of a colour model.
    pub fn rgb_of_channel(&self) -> [usize; 3] {
        match self.channels {
            ChannelOrder::Rgb => [0, 1, 2],
            ChannelOrder::Bgr => [2, 1, 0],
        }
    }

    /// The scale and offset of each channel, in the model's order. A grey model uses the averages over red, green and
    /// blue.
    pub fn affine(&self, channels: Channels) -> Vec<Affine> {
        let average = |values: [f32; 3]| values.iter().sum::<f32>() / 3.0;
        match channels {
            Channels::Grey => vec![Affine {
                mean: average(self.mean),
                std: average(self.std),
            }],
            Channels::Colour | Channels::Many(_) => {
                let colours = self.rgb_of_channel().into_iter().cycle();
                let affine = |colour: usize| Affine {
                    mean: self.mean[colour],
                    std: self.std[colour],
                };
                colours.take(channels.count()).map(affine).collect()
            }
        }
    }

    /// A picture as model input, (1, C, H, W). A picture of exactly the input's size is not resized. Any other is
    /// resized until the input covers the fraction `crop` of its short side, keeping its aspect ratio unless the fit is
    /// [`Fit::Squash`], and centre-cropped.
    pub fn tensor(&self, picture: &RgbImage, size: InputSize) -> Array4<f32> {
        let fitted = self.fit(picture, size);
        let affine = self.affine(size.channels());
        let colours = self.rgb_of_channel();
        let shape = (1, affine.len(), size.height as usize, size.width as usize);
        Array4::from_shape_fn(shape, |(_, channel, y, x)| {
            let pixel = fitted.get_pixel(x as u32, y as u32);
            let brightness = match size.channels() {
                Channels::Grey => luma(*pixel),
                Channels::Many(4) if channel == 3 => 255.0,
                Channels::Colour | Channels::Many(_) => f32::from(pixel[colours[channel % 3]]),
            };
            affine[channel].to_model(brightness / 255.0)
        })
    }

    /// A model input (C, H, W) as a picture of its first three channels, clamped to black and white.
    ///
    /// # Errors
    /// [`Error::Channels`] if there are no channels or more than 64.
    pub fn picture(&self, tensor: ArrayView3<'_, f32>) -> Result<RgbImage, Error> {
        let (count, height, width) = tensor.dim();
        let channels = Channels::from_count(count)?;
        let affine = self.affine(channels);
        let value = |channel: usize, x: u32, y: u32| {
            let units = tensor[(channel, y as usize, x as usize)];
            // The cast saturates, and converts NaN to 0.
            (affine[channel].to_unit(units) * 255.0).round() as u8
        };
        let [r, g, b] = channels.shown(self.rgb_of_channel());
        Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
            Rgb([value(r, x, y), value(g, x, y), value(b, x, y)])
        }))
    }

    /// The part of a picture of `width` × `height` pixels that [`Preprocessing::tensor`] shows to the model.
    pub fn window(&self, (width, height): (u32, u32), size: InputSize) -> Window {
        match Placement::new(self, (width, height), size) {
            Some(placement) => placement.window(size),
            None => Window::entire(width, height),
        }
    }

    /// As [`Preprocessing::window`], but `None` for a narrow border, which most networks crop.
    pub fn cropped(&self, (width, height): (u32, u32), size: InputSize) -> Option<Window> {
        let window = self.window((width, height), size);
        let share = (window.width / f64::from(width)).min(window.height / f64::from(height));
        (share < NOTICEABLE).then_some(window)
    }

    fn fit(&self, picture: &RgbImage, size: InputSize) -> RgbImage {
        let Some(placement) = Placement::new(self, picture.dimensions(), size) else {
            return picture.clone();
        };
        let [left, top, wide, high] = placement.region;
        let region = imageops::crop_imm(picture, left, top, wide, high);
        let (wide, high) = placement.resized;
        let resized = match self.antialias {
            Antialias(true) => imageops::resize(&*region, wide, high, self.filter.into()),
            Antialias(false) => resize::without_antialiasing(&*region, (wide, high), self.filter),
        };
        let (left, top) = placement.cut;
        imageops::crop_imm(&resized, left, top, size.width, size.height).to_image()
    }
}

/// Brightness of a pixel by Rec. 601, 0 to 255, as Pillow and torchvision compute it.
fn luma(Rgb([r, g, b]): Rgb<u8>) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

#[cfg(test)]
mod tests;
