use ndarray::{Array4, Axis};
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
    assert!(matches!(InputSize::new(0, 3, 3), Err(Error::Channels(0))));
    assert!(matches!(InputSize::new(65, 3, 3), Err(Error::Channels(65))));
}

#[test]
fn many_channels_are_colours_in_turn_and_the_fourth_of_four_is_opaque() {
    let unit = parse("mean = [0, 0.5, 0]\nstd = [1, 1, 2]\nchannels = \"bgr\"").unwrap();
    let picture = RgbImage::from_pixel(1, 1, Rgb([51, 102, 255]));
    let tensor = |channels| unit.tensor(&picture, InputSize::new(channels, 1, 1).unwrap());
    let near = |found: Array4<f32>, expected: &[f32]| {
        let found = found.iter().zip(expected);
        found.map(|(a, b)| (a - b).abs()).all(|error| error < 1e-6)
    };
    assert!(near(tensor(4), &[0.5, -0.1, 0.2, 0.5]));
    assert!(near(tensor(6), &[0.5, -0.1, 0.2, 0.5, -0.1, 0.2]));
    for channels in [3, 4, 6, 12] {
        let shown = tensor(channels);
        assert_eq!(unit.picture(shown.index_axis(Axis(0), 0)).unwrap(), picture);
    }
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
            "std: every number must be at least 0.000001, which 0.0 is not",
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

#[test]
fn keys_that_came_later_are_written_only_where_they_differ() {
    let plain = parse(LITE).unwrap();
    assert!(!serde_json::to_string(&plain).unwrap().contains("fit"));
    let other = parse(&format!(
        "{LITE}\nfit = 'squash'\nfilter = 'bilinear'\nantialias = false"
    ))
    .unwrap();
    assert_eq!(
        (other.proportions(), other.antialias.0),
        (Fit::Squash, false)
    );
    let written = serde_json::to_string(&other).unwrap();
    assert!(
        written.contains(r#""fit":"squash","antialias":false"#),
        "{written}"
    );
    let problem = parse(&format!("{LITE}\nantialias = false")).unwrap_err();
    assert!(problem.contains("bilinear"), "{problem}");
    assert!(
        parse(&format!("{LITE}\nfit = 'stretch'"))
            .unwrap_err()
            .contains("squash")
    );
}

#[test]
fn a_squashed_picture_has_other_proportions_and_is_not_cropped() {
    let squash = parse("mean = [0]\nstd = [1]\ncrop = 1.0\nfit = 'squash'").unwrap();
    let tensor = squash.tensor(&gradient(300, 100), colour(20));
    let (first, last) = (tensor[(0, 0, 10, 0)], tensor[(0, 0, 10, 19)]);
    assert!(first < 0.06 && last > 0.93, "{first} {last}");
}
