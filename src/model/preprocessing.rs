//! From pictures to a model's input and back: resize, crop, and a scale and an offset for each channel.

use image::imageops::{self, FilterType};
use image::{GenericImageView, Rgb, RgbImage, SubImage};
use ndarray::{Array4, ArrayView3};
use serde::{Deserialize, Serialize};

use super::Error;

/// Longest picture that is resized whole, in multiples of its short side.
const MAX_ASPECT: u32 = 16;

/// The order of the channels in a colour model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    #[default]
    Rgb,
    Bgr,
}

/// The order of the axes in a model's input. Only one is supported yet; the key exists so that a card can say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    #[default]
    Nchw,
}

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

/// How a model wants its pictures, as a card's `[preprocessing]` says it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Keys")]
pub struct Preprocessing {
    mean: [f32; 3],
    std: [f32; 3],
    channels: ChannelOrder,
    layout: Layout,
    crop: f32,
    filter: Filter,
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
    layout: Layout,
    crop: Option<f32>,
    #[serde(default)]
    filter: Filter,
}

impl TryFrom<Keys> for Preprocessing {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let (mean, std) = match (keys.mean, keys.std) {
            (None, None) => (Self::IMAGENET.mean, Self::IMAGENET.std),
            (Some(mean), Some(std)) => (three("mean", &mean)?, three("std", &std)?),
            _ => return Err("mean and std must be given together".into()),
        };
        if std.iter().any(|std| *std <= 0.0) {
            return Err("std: every number must be greater than 0".into());
        }
        let crop = keys.crop.unwrap_or(Self::IMAGENET.crop);
        if !(0.1..=1.0).contains(&crop) {
            return Err("crop: must be from 0.1 to 1".into());
        }
        Ok(Self {
            mean,
            std,
            channels: keys.channels,
            layout: keys.layout,
            crop,
            filter: keys.filter,
        })
    }
}

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

/// The size of a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSize {
    channels: Channels,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// Grey or colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    Grey,
    Colour,
}

impl Channels {
    /// # Errors
    /// [`Error::Channels`] if `count` is neither one nor three.
    pub fn from_count(count: usize) -> Result<Self, Error> {
        match count {
            1 => Ok(Self::Grey),
            3 => Ok(Self::Colour),
            _ => Err(Error::Channels(count)),
        }
    }

    /// How many channels that is.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
        }
    }
}

impl InputSize {
    /// # Errors
    /// [`Error::Channels`] if `channels` is neither one nor three.
    pub fn new(channels: usize, height: u32, width: u32) -> Result<Self, Error> {
        Ok(Self {
            channels: Channels::from_count(channels)?,
            height,
            width,
        })
    }

    /// Grey or colour.
    pub fn channels(self) -> Channels {
        self.channels
    }
}

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
        layout: Layout::Nchw,
        crop: 0.875,
        filter: Filter::Bicubic,
    };

    /// The order of a colour model's channels.
    pub fn channel_order(&self) -> ChannelOrder {
        self.channels
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
            Channels::Colour => self
                .rgb_of_channel()
                .map(|colour| Affine {
                    mean: self.mean[colour],
                    std: self.std[colour],
                })
                .to_vec(),
        }
    }

    /// A picture as model input, (1, C, H, W). A picture of exactly the input's size is taken as it is; any other is
    /// resized, without changing its proportions, until the input covers the share `crop` of its short side, and then
    /// cropped around its centre.
    pub fn tensor(&self, picture: &RgbImage, size: InputSize) -> Array4<f32> {
        let fitted = self.fit(picture, size);
        let affine = self.affine(size.channels);
        let colours = self.rgb_of_channel();
        let shape = (1, affine.len(), size.height as usize, size.width as usize);
        Array4::from_shape_fn(shape, |(_, channel, y, x)| {
            let pixel = fitted.get_pixel(x as u32, y as u32);
            let brightness = match size.channels {
                Channels::Grey => luma(*pixel),
                Channels::Colour => f32::from(pixel[colours[channel]]),
            };
            affine[channel].to_model(brightness / 255.0)
        })
    }

    /// A model input (C, H, W) as a picture; what is out of range becomes black or white.
    ///
    /// # Errors
    /// [`Error::Channels`] if there is neither one channel nor three.
    pub fn picture(&self, tensor: ArrayView3<'_, f32>) -> Result<RgbImage, Error> {
        let (count, height, width) = tensor.dim();
        let channels = Channels::from_count(count)?;
        let affine = self.affine(channels);
        let value = |channel: usize, x: u32, y: u32| {
            let units = tensor[(channel, y as usize, x as usize)];
            // The cast saturates, and makes 0 of what is not a number.
            (affine[channel].to_unit(units) * 255.0).round() as u8
        };
        // The order of the channels undoes itself: swapping red and blue twice changes nothing.
        let [r, g, b] = match channels {
            Channels::Grey => [0; 3],
            Channels::Colour => self.rgb_of_channel(),
        };
        Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
            Rgb([value(r, x, y), value(g, x, y), value(b, x, y)])
        }))
    }

    fn fit(&self, picture: &RgbImage, size: InputSize) -> RgbImage {
        if picture.dimensions() == (size.width, size.height) {
            return picture.clone();
        }
        let picture = without_far_ends(picture);
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let cover = |input: u32| (f64::from(input) / f64::from(self.crop)).round();
        let scale = (cover(size.width) / width).max(cover(size.height) / height);
        // Rounding must not leave less than the input needs.
        let wide = ((width * scale).round() as u32).max(size.width);
        let high = ((height * scale).round() as u32).max(size.height);
        let (left, top) = ((wide - size.width) / 2, (high - size.height) / 2);
        let resized = imageops::resize(&*picture, wide, high, self.filter.into());
        imageops::crop_imm(&resized, left, top, size.width, size.height).to_image()
    }
}

/// A picture much longer than it is wide, cut to its middle: resized whole it would fill the memory with what the crop
/// throws away.
fn without_far_ends(picture: &RgbImage) -> SubImage<&RgbImage> {
    let (width, height) = picture.dimensions();
    let longest = width.min(height).saturating_mul(MAX_ASPECT);
    let (wide, high) = (width.min(longest), height.min(longest));
    imageops::crop_imm(picture, (width - wide) / 2, (height - high) / 2, wide, high)
}

/// Brightness of a pixel by Rec. 601, 0 to 255, as Pillow and torchvision compute it.
fn luma(Rgb([r, g, b]): Rgb<u8>) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Preprocessing, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
        })
    }

    fn colour(side: u32) -> InputSize {
        InputSize::new(3, side, side).unwrap()
    }

    const LITE: &str = "mean = [0.498039216]\nstd = [0.501960784]";

    #[test]
    fn units_follow_mean_and_std() {
        let lite = parse(LITE).unwrap();
        let picture = RgbImage::from_pixel(2, 2, Rgb([0, 127, 255]));
        let tensor = lite.tensor(&picture, colour(2));
        for (channel, expected) in [-127.0 / 128.0, 0.0, 1.0].into_iter().enumerate() {
            let found = tensor[(0, channel, 1, 1)];
            assert!((found - expected).abs() < 1e-6, "{channel}: {found}");
        }
        let (black, white) = lite.affine(Channels::Colour)[0].range();
        assert!((black + 127.0 / 128.0).abs() < 1e-6 && (white - 1.0).abs() < 1e-6);
    }

    #[test]
    fn bgr_models_see_blue_first_and_keep_each_colours_mean() {
        let bgr = parse("mean = [0.1, 0.2, 0.3]\nstd = [1, 1, 1]\nchannels = 'bgr'").unwrap();
        let picture = RgbImage::from_pixel(1, 1, Rgb([255, 0, 0]));
        let tensor = bgr.tensor(&picture, colour(1));
        assert_eq!(tensor.as_slice().unwrap(), [-0.3, -0.2, 0.9]);
        assert_eq!(bgr.picture(tensor.index_axis(Axis(0), 0)).unwrap(), picture);
    }

    #[test]
    fn grey_models_get_one_channel_and_give_a_grey_picture() {
        let unit = parse("mean = [0]\nstd = [1]").unwrap();
        let picture = RgbImage::from_pixel(3, 3, Rgb([10, 200, 60]));
        let tensor = unit.tensor(&picture, InputSize::new(1, 3, 3).unwrap());
        assert_eq!(tensor.dim(), (1, 1, 3, 3));
        let grey = unit.picture(tensor.index_axis(Axis(0), 0)).unwrap();
        assert_eq!(*grey.get_pixel(0, 0), Rgb([127, 127, 127]));
        assert!(matches!(InputSize::new(4, 3, 3), Err(Error::Channels(4))));
    }

    #[test]
    fn a_picture_is_resized_by_its_short_side_and_cropped_in_the_middle() {
        let mut picture = RgbImage::from_pixel(600, 300, Rgb([255, 0, 0]));
        for (x, _, pixel) in picture.enumerate_pixels_mut() {
            if (150..450).contains(&x) {
                *pixel = Rgb([0, 255, 0]);
            }
        }
        // 224 / 0.875 = 256 rows: the crop sees columns 169 to 431 of the 600.
        let tensor = parse("").unwrap().tensor(&picture, colour(224));
        let back = Preprocessing::IMAGENET
            .picture(tensor.index_axis(Axis(0), 0))
            .unwrap();
        assert_eq!(back.dimensions(), (224, 224));
        assert!(back.pixels().all(|pixel| *pixel == Rgb([0, 255, 0])));
    }

    #[test]
    fn a_very_long_picture_is_cut_before_it_is_resized() {
        let picture = gradient(20_000, 1);
        let tensor = Preprocessing::IMAGENET.tensor(&picture, colour(32));
        assert_eq!(tensor.dim(), (1, 3, 32, 32));
    }

    #[test]
    fn what_a_card_may_not_say_is_an_error_that_names_the_key() {
        for (text, expected) in [
            ("mean = [0.5]", "mean and std must be given together"),
            (
                "mean = [0.5]\nstd = [0.0]",
                "std: every number must be greater than 0",
            ),
            (
                "mean = [0.5, 0.5]\nstd = [1.0]",
                "mean: must have 1 or 3 numbers, not 2",
            ),
            (
                "mean = [inf]\nstd = [1.0]",
                "mean: every number must be finite and below a million",
            ),
            ("crop = 0.0", "crop: must be from 0.1 to 1"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected);
        }
        assert!(parse("layout = 'nhwc'").unwrap_err().contains("nhwc"));
        assert!(parse("sigma = 1").unwrap_err().contains("sigma"));
        assert_eq!(parse("").unwrap(), Preprocessing::IMAGENET);
    }

    proptest! {
        /// Pictures of the input's own size are taken pixel by pixel.
        #[test]
        fn a_picture_survives_the_way_there_and_back(width in 1u32..20, height in 1u32..20, bgr in any::<bool>()) {
            let mut preprocessing = Preprocessing::IMAGENET;
            preprocessing.channels = if bgr { ChannelOrder::Bgr } else { ChannelOrder::Rgb };
            let picture = gradient(width, height);
            let tensor = preprocessing.tensor(&picture, InputSize::new(3, height, width).unwrap());
            prop_assert_eq!(preprocessing.picture(tensor.index_axis(Axis(0), 0)).unwrap(), picture);
        }

        #[test]
        fn every_picture_fits_every_input(
            width in 1u32..80, height in 1u32..80, input_width in 1u32..40, input_height in 1u32..40,
        ) {
            let size = InputSize::new(3, input_height, input_width).unwrap();
            let tensor = Preprocessing::IMAGENET.tensor(&gradient(width, height), size);
            prop_assert_eq!(tensor.dim(), (1, 3, input_height as usize, input_width as usize));
            prop_assert!(tensor.iter().all(|value| value.is_finite()));
        }
    }
}
