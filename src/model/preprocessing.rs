//! From pictures to a model's input and back: resize, crop, and a scale and an offset for each channel.

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

/// How pixels between pixels are guessed when a picture is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Catmull-Rom, which is what Pillow and torchvision call bicubic.
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

/// How a picture of other proportions than the input's becomes one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It keeps its proportions; what is too long is cropped away.
    #[default]
    Crop,
    /// It is squashed to the input's proportions.
    Squash,
}

/// How a model wants its pictures, as a card's `[preprocessing]` says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Keys")]
pub struct Preprocessing {
    mean: [f32; 3],
    std: [f32; 3],
    channels: ChannelOrder,
    layout: AxisOrder,
    crop: f32,
    filter: Filter,
    // The defaults of what came later are not written: hashes of models from before stay what they are.
    #[serde(skip_serializing_if = "is_default")]
    fit: Fit,
    #[serde(skip_serializing_if = "is_default")]
    antialias: Antialias,
}

/// Whether each pixel of a smaller picture is an average over all the pixels it stands for (Pillow, torchvision), or is
/// computed from its nearest neighbours alone (OpenCV, TensorFlow's default).
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

/// Who says how a model wants its pictures, or how high and wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The model's card, or the command line.
    Card,
    /// The file's metadata, or a file beside it.
    Exporter,
    /// The network, which scales them itself, takes bytes, or declares its input's dimensions.
    Network,
    /// Nobody: what is usual is assumed, which is worth telling the user.
    #[serde(rename = "nobody")]
    Assumed,
}

/// What a card may say; missing keys take ImageNet's values.
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
        if let Some(small) = std.iter().find(|std| **std < SMALLEST_STD) {
            return Err(format!(
                "std: every number must be at least {SMALLEST_STD}, which {small:?} is not"
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

/// Least standard deviation: with less, white is a number of millions, or none at all.
const SMALLEST_STD: f32 = 1e-6;

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

/// Of a side that is cropped to less than this share, people should know.
const NOTICEABLE: f64 = 0.75;

/// From the brightness of one channel, 0 to 1, to model-input units and back.
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
    /// What most models trained on ImageNet with PyTorch expect.
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

    /// Brightness as bytes have it, 0 to 255.
    pub const PIXELS: Self = Self {
        mean: [0.0; 3],
        std: [1.0 / 255.0; 3],
        ..Self::IMAGENET
    };

    /// Brightness as it is, 0 to 1.
    pub const UNITS: Self = Self {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..Self::IMAGENET
    };

    /// The share of a picture's short side that the model sees.
    pub fn crop(&self) -> f64 {
        f64::from(self.crop)
    }

    /// How a picture of other proportions becomes one of the input's.
    pub fn proportions(&self) -> Fit {
        self.fit
    }

    /// Whether smaller pictures are averages of larger ones.
    pub fn is_antialiased(&self) -> bool {
        self.antialias.0
    }

    /// Length of a picture's side of which the model sees `input` pixels: rounded down, as timm and transformers do it.
    pub fn uncropped(&self, input: u32) -> u32 {
        (f64::from(input) / self.crop() + window::ROUNDING) as u32
    }

    /// The order of a colour model's channels.
    pub fn channel_order(&self) -> ChannelOrder {
        self.channels
    }

    /// The same for a model whose colours come in another order.
    pub fn with_channel_order(self, channels: ChannelOrder) -> Self {
        Self { channels, ..self }
    }

    /// Which of red (0), green (1) and blue (2) each channel of a colour model is.
    pub fn rgb_of_channel(&self) -> [usize; 3] {
        match self.channels {
            ChannelOrder::Rgb => [0, 1, 2],
            ChannelOrder::Bgr => [2, 1, 0],
        }
    }

    /// The scale and offset of each of the model's channels, in the model's order. A grey model takes the averages of
    /// what is given for red, green and blue.
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

    /// A picture as model input, (1, C, H, W). A picture of exactly the input's size is taken as it is; any other is
    /// resized until the input covers the share `crop` of its short side, without changing its proportions unless it is to
    /// be squashed, and then cropped around its centre.
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

    /// A model input (C, H, W) as a picture, the first three channels of many; what is out of range becomes black or white.
    ///
    /// # Errors
    /// [`Error::Channels`] if there are none or more than 64.
    pub fn picture(&self, tensor: ArrayView3<'_, f32>) -> Result<RgbImage, Error> {
        let (count, height, width) = tensor.dim();
        let channels = Channels::from_count(count)?;
        let affine = self.affine(channels);
        let value = |channel: usize, x: u32, y: u32| {
            let units = tensor[(channel, y as usize, x as usize)];
            // The cast saturates, and makes 0 of what is not a number.
            (affine[channel].to_unit(units) * 255.0).round() as u8
        };
        let [r, g, b] = channels.shown(self.rgb_of_channel());
        Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
            Rgb([value(r, x, y), value(g, x, y), value(b, x, y)])
        }))
    }

    /// Which part of a picture of `width` × `height` pixels [`Preprocessing::tensor`] shows to the model.
    pub fn window(&self, (width, height): (u32, u32), size: InputSize) -> Window {
        match Placement::of(self, (width, height), size) {
            Some(placement) => placement.window(size),
            None => Window::entire(width, height),
        }
    }

    /// As [`Preprocessing::window`], but only where it is noticeably less than all of the picture: nearly every network is
    /// trained with a border cropped away.
    pub fn cropped(&self, (width, height): (u32, u32), size: InputSize) -> Option<Window> {
        let window = self.window((width, height), size);
        let share = (window.width / f64::from(width)).min(window.height / f64::from(height));
        (share < NOTICEABLE).then_some(window)
    }

    fn fit(&self, picture: &RgbImage, size: InputSize) -> RgbImage {
        let Some(placement) = Placement::of(self, picture.dimensions(), size) else {
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
