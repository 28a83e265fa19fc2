//! The two files that lie beside a model of Hugging Face's transformers: `config.json` names the classes, and
//! `preprocessor_config.json` says how pictures are prepared. Of a file in a folder `onnx`, they may lie beside that.

use super::{Hint, Hints, beside, literal};
use crate::model::{Activation, Preprocessing, Sides};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::path::Path;

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// From this side on, `crop_pct` is not heeded.
const UNCUT: f64 = 384.0;

/// What is read of `config.json`.
#[derive(Default, Deserialize)]
struct Config {
    id2label: Option<Value>,
    label2id: Option<Value>,
    problem_type: Option<Value>,
}

/// What is read of `preprocessor_config.json`.
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

/// A size as one of the ways that it is written.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Extent {
    Side(u32),
    Sides { height: u32, width: u32 },
    Shortest { shortest_edge: u32 },
    Other(IgnoredAny),
}

impl Extent {
    fn sides(self) -> Option<Sides> {
        let sides = match self {
            Self::Side(side)
            | Self::Shortest {
                shortest_edge: side,
            } => [side, side],
            Self::Sides { height, width } => [height, width],
            Self::Other(_) => return None,
        };
        Sides::try_from(sides).ok()
    }
}

/// What is stated beside the model at `path`.
pub fn read(path: &Path) -> Hints {
    let config: Config = beside::json(path, CONFIG).unwrap_or_default();
    let preprocessor: Option<Preprocessor> = beside::json(path, PREPROCESSOR);
    let preprocessor = preprocessor.as_ref();
    let size = preprocessor.and_then(|known| known.seen()?.sides());
    let preprocessing = preprocessor.and_then(Preprocessor::preprocessing);
    let is_kept = preprocessor.is_some_and(|known| known.do_resize == Some(false));
    let unmet = is_kept.then(|| {
        format!(
            "{PREPROCESSOR} leaves pictures at their own size (do_resize), but they are resized"
        )
    });
    Hints {
        names: config
            .names()
            .map(|names| Hint::new(names, CONFIG))
            .into_iter()
            .collect(),
        size: size.map(|size| Hint::new(size, PREPROCESSOR)),
        preprocessing: preprocessing.map(|known| Hint::new(known, PREPROCESSOR)),
        activation: config.activation().map(|known| Hint::new(known, CONFIG)),
        unmet: unmet.into_iter().collect(),
        ..Hints::default()
    }
}

impl Config {
    fn names(&self) -> Option<Vec<String>> {
        let lists = [&self.id2label, &self.label2id].into_iter().flatten();
        let mut names = lists.filter_map(|list| literal::names(&list.to_string()));
        names.next()
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
    /// Whether the middle is cut out of what is resized.
    fn is_cropped(&self) -> bool {
        self.do_center_crop.unwrap_or(false)
    }

    /// How much the network gets to see.
    fn seen(&self) -> Option<Extent> {
        match self.is_cropped() {
            true => self.crop_size.or(self.size),
            false => self.size,
        }
    }

    /// How pixels become numbers, where that is a mean and a standard deviation of brightness from 0 to 1.
    fn preprocessing(&self) -> Option<Preprocessing> {
        let (white, offset) = self.rescaling();
        let (mean, std) = match self.do_normalize.unwrap_or(self.image_mean.is_some()) {
            true => (numbers(&self.image_mean)?, numbers(&self.image_std)?),
            false => (vec![0.0], vec![1.0]),
        };
        let mean: Vec<f64> = mean.iter().map(|mean| (mean + offset) / white).collect();
        let std: Vec<f64> = std.iter().map(|std| std / white).collect();
        let filter = match self.resample {
            Some(0) => "nearest",
            Some(2) => "bilinear",
            _ => "bicubic",
        };
        let said = json!({"mean": mean, "std": std, "crop": self.crop(), "filter": filter,
            "fit": if self.is_squashed() { "squash" } else { "crop" },
            "channels": if self.do_flip_channel_order.unwrap_or(false) { "bgr" } else { "rgb" }});
        serde_json::from_value(said).ok()
    }

    /// What white is before mean and standard deviation are applied, and what is subtracted from it: black is 0.
    fn rescaling(&self) -> (f64, f64) {
        if !self.do_rescale.unwrap_or(true) {
            return (255.0, 0.0);
        }
        let offset = self.rescale_offset.unwrap_or(false);
        let white = self.rescale_factor.map_or(1.0, |factor| factor * 255.0);
        (white, f64::from(u8::from(offset)))
    }

    /// Whether a picture is resized to a height and a width, whatever its own proportions. One number means this too,
    /// unless the middle is cut out afterwards.
    fn is_squashed(&self) -> bool {
        let side = self
            .size
            .and_then(Extent::sides)
            .map_or(0, |sides| sides.height());
        match self.size {
            // ConvNeXt: from this side on the middle is not cut out.
            _ if self.crop_pct.is_some() && f64::from(side) >= UNCUT => true,
            Some(Extent::Sides { .. }) => true,
            Some(Extent::Side(_)) => !self.is_cropped() && self.crop_pct.is_none(),
            _ => false,
        }
    }

    /// The share of a picture's short side that is seen.
    fn crop(&self) -> f64 {
        let short = |extent: Option<Extent>| {
            let sides = extent?.sides()?;
            Some(f64::from(sides.height().min(sides.width())))
        };
        match (short(self.crop_size), short(self.size), self.crop_pct) {
            (Some(seen), Some(whole), _) if self.is_cropped() => (seen / whole).min(1.0),
            (_, Some(whole), Some(share)) if whole < UNCUT => share,
            _ => 1.0,
        }
    }
}

/// A list of numbers.
fn numbers(value: &Option<Value>) -> Option<Vec<f64>> {
    serde_json::from_value(value.clone()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelOrder, Channels, Fit};

    /// What is read beside a model in the folder `place`, with the two files in the folder above it.
    fn said(place: &str, config: &str, preprocessor: &str) -> Hints {
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
            let hints = said(place, config, VIT);
            assert_eq!(hints.names[0].value, ["tench, Tinca tinca", "goldfish"]);
            assert_eq!(hints.size.unwrap().value.to_string(), "384 × 384");
            let preprocessing = hints.preprocessing.unwrap().value;
            assert_eq!(preprocessing.crop(), 1.0);
            assert_eq!(preprocessing.proportions(), Fit::Squash);
            let ranges = preprocessing.affine(Channels::Colour);
            assert!(ranges.iter().all(|channel| channel.range() == (-1.0, 1.0)));
        }
        assert!(said("elsewhere", config, VIT).names.is_empty());
    }

    #[test]
    fn the_problem_type_tells_the_activation() {
        let of = |kind: &str| {
            let config = format!(r#"{{"problem_type": {kind}, "id2label": {{"0": "a"}}}}"#);
            let hints = said("", &config, "");
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
    fn the_middle_is_a_share_of_the_whole() {
        let resnet = r#"{"crop_pct": 0.875, "do_normalize": true, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 224}}"#;
        let hints = said("", "{}", resnet);
        assert_eq!(hints.preprocessing.unwrap().value, Preprocessing::IMAGENET);
        assert_eq!(hints.size.unwrap().value, Sides::USUAL);
        let large = said("", "{}", &resnet.replace("224}", "384}"));
        for (size, fit) in [
            ("{\"height\": 224, \"width\": 224}", Fit::Squash),
            ("224", Fit::Crop),
        ] {
            let sized = resnet.replace("{\"shortest_edge\": 224}", size);
            let known = said("", "{}", &sized).preprocessing.unwrap().value;
            assert_eq!((known.proportions(), known.crop()), (fit, 0.875), "{size}");
        }
        let large = large.preprocessing.unwrap().value;
        assert_eq!((large.proportions(), large.crop()), (Fit::Squash, 1.0));
        let flipped = resnet.replace(
            "{\"crop_pct\"",
            "{\"do_flip_channel_order\": true, \"crop_pct\"",
        );
        let flipped = said("", "{}", &flipped).preprocessing.unwrap().value;
        assert_eq!(flipped.channel_order(), ChannelOrder::Bgr);
        let other = said("", "{}", &resnet.replace("shortest", "longest"));
        assert!(other.size.is_none() && other.preprocessing.is_some());
        let deit = r#"{"crop_size": 224, "do_center_crop": true, "size": 256,
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#;
        let hints = said("", "{}", deit);
        assert_eq!(hints.preprocessing.unwrap().value, Preprocessing::IMAGENET);
        assert_eq!(hints.size.unwrap().value, Sides::USUAL);
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
            let known = said("", "{}", &format!("{{{scaling}}}")).preprocessing;
            for channel in known.unwrap().value.affine(Channels::Colour) {
                let (dark, bright) = channel.range();
                let is_near = (dark - black).abs() < 1e-3 && (bright - white).abs() < 1e-3;
                assert!(is_near, "{scaling}: {dark} to {bright}");
            }
        }
    }

    #[test]
    fn pictures_that_are_not_resized_are_named() {
        let unmet = |text: &str| said("", "{}", text).unmet;
        assert!(unmet(r#"{"do_resize": false}"#)[0].contains("do_resize"));
        assert!(unmet(r#"{"do_resize": true}"#).is_empty());
    }

    #[test]
    fn classes_may_be_named_by_their_indices_only() {
        let hints = said("", r#"{"label2id": {"dog": 1, "cat": 0}}"#, "");
        assert_eq!(hints.names[0].value, ["cat", "dog"]);
    }

    #[test]
    fn what_is_unusual_or_damaged_is_not_said() {
        for unusual in [
            "",
            "[]",
            r#"{"image_mean": [1]}"#,
            r#"{"image_mean": [1], "image_std": [0]}"#,
            r#"{"image_mean": "a", "image_std": [1e999]}"#,
            r#"{"size": {"height": 0, "width": 9999999}, "rescale_factor": 0}"#,
        ] {
            let hints = said("", r#"{"id2label": {"1": "b"}}"#, unusual);
            assert!(hints.preprocessing.is_none(), "{unusual}");
            assert!(hints.names.is_empty() && hints.size.is_none(), "{unusual}");
        }
    }
}
