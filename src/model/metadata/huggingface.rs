//! The files beside a model of Hugging Face Transformers: class names in `config.json`, and preprocessing in
//! `preprocessor_config.json`.

use super::labels::Labels;
use super::{ExporterMetadata, Stated, sidecar};
use crate::model::{Activation, ImageSize, Preprocessing};
use crate::text::{one_line, safe};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::path::Path;

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";
/// The names of these files.
pub const FILES: [&str; 2] = [CONFIG, PREPROCESSOR];

/// Valid rescale factors of a pixel.
const FACTORS: std::ops::RangeInclusive<f64> = 1e-6..=1e3;

/// Minimum side from which `crop_pct` is ignored.
const MIN_UNCROPPED_SIDE: f64 = 384.0;

/// The relevant keys of `config.json`.
#[derive(Default, Deserialize)]
struct Config {
    id2label: Option<Labels>,
    label2id: Option<Labels>,
    problem_type: Option<Value>,
}

/// The relevant keys of `preprocessor_config.json`.
#[derive(Default, Deserialize)]
struct Preprocessor {
    do_normalize: Option<bool>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    rescale_offset: Option<bool>,
    image_mean: Option<Value>,
    image_std: Option<Value>,
    do_center_crop: Option<bool>,
    size: Option<Extent>,
    crop_size: Option<Extent>,
    crop_pct: Option<f64>,
    resample: Option<i64>,
    do_resize: Option<bool>,
    do_flip_channel_order: Option<bool>,
}

/// A size in any of its JSON forms.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Extent {
    Side(u32),
    Sides { height: u32, width: u32 },
    Shortest { shortest_edge: u32 },
    Other(IgnoredAny),
}

impl Extent {
    fn sides(self) -> Option<ImageSize> {
        let sides = match self {
            Self::Side(side)
            | Self::Shortest {
                shortest_edge: side,
            } => [side, side],
            Self::Sides { height, width } => [height, width],
            Self::Other(_) => return None,
        };
        ImageSize::try_from(sides).ok()
    }
}

/// The metadata beside the model at `path`.
pub fn read(path: &Path) -> ExporterMetadata {
    let mut unmet = Vec::new();
    let config = noted(sidecar::json(path, CONFIG), &mut unmet);
    let config: Config = config.unwrap_or_default();
    unmet.extend(config.problem());
    let preprocessor = noted(sidecar::json(path, PREPROCESSOR), &mut unmet);
    let preprocessor: Option<&Preprocessor> = preprocessor.as_ref();
    let size = preprocessor.and_then(|known| known.input_extent()?.sides());
    let preprocessing = preprocessor.map(|known| {
        let known = known.preprocessing();
        known.map_err(|why| sidecar::ignored(PREPROCESSOR, &why))
    });
    let preprocessing = noted(preprocessing, &mut unmet);
    let is_kept = preprocessor.is_some_and(|known| known.do_resize == Some(false));
    unmet.extend(is_kept.then(|| {
        format!("{PREPROCESSOR} does not resize pictures (do_resize), but they are resized")
    }));
    ExporterMetadata {
        names: config
            .names()
            .map(|names| Stated::new(names, CONFIG))
            .into_iter()
            .collect(),
        size: size.map(|size| Stated::new(size, PREPROCESSOR)),
        preprocessing: preprocessing.map(|known| Stated::new(known, PREPROCESSOR)),
        activation: config.activation().map(|known| Stated::new(known, CONFIG)),
        unmet,
        ..ExporterMetadata::default()
    }
}

/// The parsed value; adds an error to `unmet`.
fn noted<T>(read: Option<Result<T, String>>, unmet: &mut Vec<String>) -> Option<T> {
    match read? {
        Ok(read) => Some(read),
        Err(why) => {
            unmet.push(why);
            None
        }
    }
}

impl Config {
    fn names(&self) -> Option<Vec<String>> {
        let lists = [&self.id2label, &self.label2id].into_iter().flatten();
        let mut names = lists.filter_map(Labels::names);
        names.next()
    }

    /// A message about an invalid list of names.
    fn problem(&self) -> Option<String> {
        let lists = [("id2label", &self.id2label), ("label2id", &self.label2id)];
        let mut lists = lists.into_iter();
        let is_useless =
            |list: &Option<Labels>| list.as_ref().is_some_and(|list| list.names().is_none());
        let (key, _) = lists.find(|(_, list)| is_useless(list))?;
        let list = format!("{CONFIG}: {key}");
        Some(sidecar::ignored(
            &list,
            "it must name each class from 0 on once",
        ))
    }

    fn activation(&self) -> Option<Activation> {
        match self.problem_type.as_ref()?.as_str()? {
            "single_label_classification" => Some(Activation::Softmax),
            "multi_label_classification" => Some(Activation::Sigmoid),
            "regression" => Some(Activation::None),
            _ => None,
        }
    }
}

impl Preprocessor {
    /// Whether resized pictures are centre-cropped.
    fn is_cropped(&self) -> bool {
        self.do_center_crop.unwrap_or(false)
    }

    /// The size of the input.
    fn input_extent(&self) -> Option<Extent> {
        if self.is_cropped() {
            self.crop_size.or(self.size)
        } else {
            self.size
        }
    }

    /// The preprocessing, with mean and standard deviation of brightness from 0 to 1. The error names the key and the
    /// problem of its value.
    fn preprocessing(&self) -> Result<Preprocessing, String> {
        let (white, offset) = self.rescaling()?;
        let (mean, std) = if self.do_normalize.unwrap_or(self.image_mean.is_some()) {
            (
                numbers("image_mean", &self.image_mean)?,
                numbers("image_std", &self.image_std)?,
            )
        } else {
            (vec![0.0], vec![1.0])
        };
        if let Some(small) = std.iter().find(|std| !(**std / white).is_normal()) {
            return Err(format!("image_std {small:?} makes pixels infinite"));
        }
        let mean: Vec<f64> = mean.iter().map(|mean| (mean + offset) / white).collect();
        let std: Vec<f64> = std.iter().map(|std| std / white).collect();
        let filter = match self.resample {
            Some(0) => "nearest",
            Some(2) => "bilinear",
            _ => "bicubic",
        };
        let preprocessing = json!({"mean": mean, "std": std, "crop": self.crop(), "filter": filter,
            "fit": if self.is_squashed() { "squash" } else { "crop" },
            "channels": if self.do_flip_channel_order.unwrap_or(false) { "bgr" } else { "rgb" }});
        let known = serde_json::from_value(preprocessing);
        known.map_err(|problem| {
            format!(
                "image_mean or image_std: {}",
                one_line(&problem.to_string())
            )
        })
    }

    /// The value of white before mean and standard deviation are applied (black is 0), and the offset that is
    /// subtracted.
    fn rescaling(&self) -> Result<(f64, f64), String> {
        if !self.do_rescale.unwrap_or(true) {
            return Ok((255.0, 0.0));
        }
        let offset = self.rescale_offset.unwrap_or(false);
        let factor = self.rescale_factor.unwrap_or(1.0 / 255.0);
        if FACTORS.contains(&factor) {
            Ok((factor * 255.0, f64::from(u8::from(offset))))
        } else {
            Err(format!(
                "rescale_factor {factor:?} is not from {:?} to {:?}",
                FACTORS.start(),
                FACTORS.end()
            ))
        }
    }

    /// Whether a picture is resized to a height and a width regardless of its aspect ratio. A single number means this
    /// too, unless the picture is cropped afterwards.
    fn is_squashed(&self) -> bool {
        let side = self
            .size
            .and_then(Extent::sides)
            .map_or(0, |sides| sides.height());
        match self.size {
            // ConvNeXt: large inputs are not cropped.
            _ if self.crop_pct.is_some() && f64::from(side) >= MIN_UNCROPPED_SIDE => true,
            Some(Extent::Sides { .. }) => true,
            Some(Extent::Side(_)) => !self.is_cropped() && self.crop_pct.is_none(),
            _ => false,
        }
    }

    /// The fraction of a picture's short side within the crop.
    fn crop(&self) -> f64 {
        let short = |extent: Option<Extent>| {
            let sides = extent?.sides()?;
            Some(f64::from(sides.height().min(sides.width())))
        };
        match (short(self.crop_size), short(self.size), self.crop_pct) {
            (Some(crop), Some(size), _) if self.is_cropped() => (crop / size).min(1.0),
            (_, Some(size), Some(share)) if size < MIN_UNCROPPED_SIDE => share,
            _ => 1.0,
        }
    }
}

/// A list of numbers; `key` names it in the error.
fn numbers(key: &str, value: &Option<Value>) -> Result<Vec<f64>, String> {
    let value = value.as_ref().ok_or_else(|| format!("{key} is missing"))?;
    let numbers = serde_json::from_value(value.clone());
    numbers.map_err(|_| {
        format!(
            "{key} {} is not a list of numbers",
            safe(&value.to_string())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelOrder, Channels, Fit};

    /// The metadata of a model in the folder `place`, with the two files in its parent.
    fn metadata(place: &str, config: &str, preprocessor: &str) -> ExporterMetadata {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        std::fs::write(folder.path().join("preprocessor_config.json"), preprocessor).unwrap();
        read(&folder.path().join(place).join("model.onnx"))
    }

    const VIT: &str = r#"{"do_normalize": true, "do_rescale": true, "do_resize": true,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "ViTImageProcessor", "image_std": [0.5, 0.5, 0.5],
        "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"height": 384, "width": 384}}"#;

    #[test]
    fn names_size_and_preparation_are_read() {
        let config = r#"{"architectures": ["ViT"], "id2label": {"0": "tench, Tinca tinca", "1": "goldfish"}}"#;
        for place in ["", "onnx"] {
            let hints = metadata(place, config, VIT);
            assert_eq!(hints.names[0].value, ["tench, Tinca tinca", "goldfish"]);
            assert_eq!(hints.size.unwrap().value.to_string(), "384 × 384");
            let preprocessing = hints.preprocessing.unwrap().value;
            assert_eq!(preprocessing.crop(), 1.0);
            assert_eq!(preprocessing.proportions(), Fit::Squash);
            let ranges = preprocessing.affine(Channels::Colour);
            assert!(ranges.iter().all(|channel| channel.range() == (-1.0, 1.0)));
        }
        assert!(metadata("elsewhere", config, VIT).names.is_empty());
    }

    #[test]
    fn the_problem_type_determines_the_activation() {
        let of = |kind: &str| {
            let config = format!(r#"{{"problem_type": {kind}, "id2label": {{"0": "a"}}}}"#);
            let hints = metadata("", &config, "");
            assert_eq!(hints.names.len(), 1);
            hints.activation.map(|hint| hint.value)
        };
        assert_eq!(
            of("\"single_label_classification\""),
            Some(Activation::Softmax)
        );
        assert_eq!(
            of("\"multi_label_classification\""),
            Some(Activation::Sigmoid)
        );
        assert_eq!(of("\"regression\""), Some(Activation::None));
        for other in ["null", "\"\"", "7", "[]"] {
            assert_eq!(of(other), None);
        }
    }

    #[test]
    fn the_crop_is_a_fraction_of_the_resized_picture() {
        let resnet = r#"{"crop_pct": 0.875, "do_normalize": true, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 224}}"#;
        let hints = metadata("", "{}", resnet);
        assert_eq!(hints.preprocessing.unwrap().value, Preprocessing::IMAGENET);
        assert_eq!(hints.size.unwrap().value, ImageSize::DEFAULT);
        let large = metadata("", "{}", &resnet.replace("224}", "384}"));
        for (size, fit) in [
            ("{\"height\": 224, \"width\": 224}", Fit::Squash),
            ("224", Fit::Crop),
        ] {
            let sized = resnet.replace("{\"shortest_edge\": 224}", size);
            let known = metadata("", "{}", &sized).preprocessing.unwrap().value;
            assert_eq!((known.proportions(), known.crop()), (fit, 0.875), "{size}");
        }
        let large = large.preprocessing.unwrap().value;
        assert_eq!((large.proportions(), large.crop()), (Fit::Squash, 1.0));
        let flipped = resnet.replace(
            "{\"crop_pct\"",
            "{\"do_flip_channel_order\": true, \"crop_pct\"",
        );
        let flipped = metadata("", "{}", &flipped).preprocessing.unwrap().value;
        assert_eq!(flipped.channel_order(), ChannelOrder::Bgr);
        let other = metadata("", "{}", &resnet.replace("shortest", "longest"));
        assert!(other.size.is_none() && other.preprocessing.is_some());
        let deit = r#"{"crop_size": 224, "do_center_crop": true, "size": 256,
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#;
        let hints = metadata("", "{}", deit);
        assert_eq!(hints.preprocessing.unwrap().value, Preprocessing::IMAGENET);
        assert_eq!(hints.size.unwrap().value, ImageSize::DEFAULT);
    }

    #[test]
    fn pixels_are_scaled_as_stated() {
        for (scaling, black, white) in [
            (r#""rescale_factor": 0.00392156862745098"#, 0.0, 1.0),
            (r#""do_rescale": true, "do_normalize": false"#, 0.0, 1.0),
            (r#""do_rescale": false"#, 0.0, 255.0),
            (
                r#""do_rescale": false, "image_mean": [127.5], "image_std": [127.5]"#,
                -1.0,
                1.0,
            ),
            (
                r#""rescale_factor": 0.00784313725490196, "rescale_offset": true"#,
                -1.0,
                1.0,
            ),
            (
                r#""rescale_offset": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]"#,
                -3.0,
                -1.0,
            ),
        ] {
            let known = metadata("", "{}", &format!("{{{scaling}}}")).preprocessing;
            for channel in known.unwrap().value.affine(Channels::Colour) {
                let (dark, bright) = channel.range();
                let is_near = (dark - black).abs() < 1e-3 && (bright - white).abs() < 1e-3;
                assert!(is_near, "{scaling}: {dark} to {bright}");
            }
        }
    }

    #[test]
    fn disabled_resizing_is_reported() {
        let unmet = |text: &str| metadata("", "{}", text).unmet;
        assert!(unmet(r#"{"do_resize": false}"#)[0].contains("do_resize"));
        assert!(unmet(r#"{"do_resize": true}"#).is_empty());
    }

    #[test]
    fn names_may_come_from_label2id_only() {
        let hints = metadata("", r#"{"label2id": {"dog": 1, "cat": 0}}"#, "");
        assert_eq!(hints.names[0].value, ["cat", "dog"]);
    }

    #[test]
    fn invalid_files_are_reported_and_ignored() {
        for (unusual, why) in [
            ("", "EOF while parsing"),
            ("[]", "invalid length 0"),
            (r#"{"do_rescale": "yes"}"#, "invalid type: string"),
            (r#"{"image_mean": [1]}"#, "image_std is missing"),
            (
                r#"{"image_mean": [1], "image_std": [0]}"#,
                "image_std 0.0 makes pixels",
            ),
            (
                r#"{"image_mean": [1], "image_std": [1e-45]}"#,
                "std: every number",
            ),
            (
                r#"{"image_mean": "a", "image_std": [1]}"#,
                "image_mean \"a\" is not a list",
            ),
            (r#"{"image_std": [1e999]}"#, "number out of range"),
            (
                r#"{"size": {"height": 0, "width": 9999999}, "rescale_factor": 0}"#,
                "rescale_factor 0.0 is not from",
            ),
            (
                r#"{"rescale_factor": 1e39}"#,
                "rescale_factor 1e39 is not from",
            ),
        ] {
            let hints = metadata("", r#"{"id2label": {"1": "b"}}"#, unusual);
            assert!(hints.preprocessing.is_none(), "{unusual}");
            assert!(hints.names.is_empty() && hints.size.is_none(), "{unusual}");
            let [labels, preprocessor] = hints.unmet.as_slice() else {
                panic!("{unusual}: {:?}", hints.unmet);
            };
            assert_eq!(
                labels,
                "config.json: id2label is ignored: it must name each class from 0 on once"
            );
            let is_reported = preprocessor.starts_with("preprocessor_config.json is ignored: ");
            assert!(
                is_reported && preprocessor.contains(why),
                "{unusual}: {preprocessor}"
            );
        }
    }

    #[test]
    fn duplicate_indices_are_reported() {
        let twice = r#"{"id2label": {"0": "a", "0": "b", "1": "c"}, "label2id": {"a": 0, "c": 1}}"#;
        let hints = metadata("", twice, "{}");
        assert_eq!(hints.names[0].value, ["a", "c"]);
        assert!(hints.unmet[0].contains("id2label"), "{:?}", hints.unmet);
        let alike = metadata("", r#"{"id2label": {"0": "crane", "1": "crane"}}"#, "{}");
        assert!(alike.unmet.is_empty() && alike.names[0].value == ["crane", "crane"]);
    }
}
