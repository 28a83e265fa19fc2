//! The `config.json` of timm models: class names and preprocessing.

use super::{ExporterMetadata, Stated, py_literal, sidecar};
use crate::model::{ImageSize, Preprocessing};
use crate::text::one_line;
use serde_json::{Value, json};
use std::path::Path;

const FILE: &str = "config.json";

/// Default fraction of a picture's short side within the crop.
const CROP: f64 = 0.875;

/// The metadata beside the model at `path`.
pub fn read(path: &Path) -> ExporterMetadata {
    // Syntax errors are reported by `huggingface`, which reads the same file.
    match sidecar::json::<Value>(path, FILE) {
        Some(Ok(config)) if config.get("architecture").is_some() => from_config(&config),
        _ => ExporterMetadata::default(),
    }
}

fn from_config(config: &Value) -> ExporterMetadata {
    // Earlier versions have no separate section.
    let trained = config.get("pretrained_cfg").unwrap_or(config);
    let names = names(config).or_else(|| names(trained));
    let (preprocessing, problem) = match preprocessing(trained) {
        Some(Ok(known)) => (Some(known), None),
        Some(Err(why)) => (None, Some(sidecar::ignored(FILE, &why))),
        None => (None, None),
    };
    ExporterMetadata {
        names: names
            .map(|names| Stated::new(names, FILE))
            .into_iter()
            .collect(),
        size: size(trained).map(|size| Stated::new(size, FILE)),
        preprocessing: preprocessing.map(|known| Stated::new(known, FILE)),
        unmet: unmet(trained).into_iter().chain(problem).collect(),
        ..ExporterMetadata::default()
    }
}

/// The class names; for identifiers, their descriptions.
fn names(config: &Value) -> Option<Vec<String>> {
    let names = py_literal::names(&config.get("label_names")?.to_string())?;
    let descriptions = config.get("label_descriptions");
    let described = |name: &String| Some(descriptions?.get(name)?.as_str()?.to_owned());
    let described: Option<Vec<String>> = names.iter().map(described).collect();
    match described {
        Some(described) if names.iter().all(|name| is_identifier(name)) => Some(described),
        _ => Some(names),
    }
}

/// Digits after at most one letter, such as WordNet's `n01440764`.
fn is_identifier(name: &str) -> bool {
    let digits = name
        .strip_prefix(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(name);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Height and width; the number of channels precedes them.
fn size(trained: &Value) -> Option<ImageSize> {
    let [_, height, width]: [u32; 3] =
        serde_json::from_value(trained.get("input_size")?.clone()).ok()?;
    ImageSize::try_from([height, width]).ok()
}

/// A message about an unsupported crop mode.
fn unmet(trained: &Value) -> Option<String> {
    let mode = trained.get("crop_mode")?.as_str()?;
    (mode == "border").then(|| {
        format!("{FILE} pads pictures to a square (crop_mode border), which is not supported; they are cropped instead")
    })
}

/// The preprocessing; `None` if it is not stated.
fn preprocessing(trained: &Value) -> Option<Result<Preprocessing, String>> {
    let crop = trained
        .get("crop_pct")
        .and_then(Value::as_f64)
        .unwrap_or(CROP);
    let filter = match trained.get("interpolation").and_then(Value::as_str) {
        Some("bilinear") => "bilinear",
        Some("nearest") => "nearest",
        _ => "bicubic",
    };
    let (mean, std) = (trained.get("mean")?, trained.get("std")?);
    let fit = match trained.get("crop_mode").and_then(Value::as_str) {
        Some("squash") => "squash",
        _ => "crop",
    };
    let known = json!({"mean": mean, "std": std, "crop": crop, "filter": filter, "fit": fit});
    let known = serde_json::from_value(known);
    Some(known.map_err(|problem| one_line(&problem.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Channels, Fit};

    fn config() -> Value {
        json!({
            "architecture": "resnet18", "num_classes": 2,
            "label_names": ["n01440764", "n01443537"],
            "label_descriptions": {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish"},
            "pretrained_cfg": {
                "input_size": [3, 48, 64], "interpolation": "bilinear", "crop_pct": 0.95,
                "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": 2,
            },
        })
    }

    #[test]
    fn names_size_and_preparation_are_read() {
        let earlier = {
            let (mut all, mut trained) = (config(), config()["pretrained_cfg"].clone());
            all.as_object_mut().unwrap().remove("pretrained_cfg");
            all.as_object_mut()
                .unwrap()
                .append(trained.as_object_mut().unwrap());
            all
        };
        for config in [config(), earlier] {
            let hints = from_config(&config);
            assert_eq!(hints.names[0].value, ["tench, Tinca tinca", "goldfish"]);
            assert_eq!(hints.size.unwrap().value.to_string(), "48 × 64");
            let preprocessing = hints.preprocessing.unwrap().value;
            assert!((preprocessing.crop() - 0.95).abs() < 1e-6);
            let ranges = preprocessing.affine(Channels::Colour);
            assert!(ranges.iter().all(|channel| channel.range() == (-1.0, 1.0)));
        }
    }

    #[test]
    fn the_crop_mode_determines_the_fit() {
        let mut config = config();
        for (mode, fit) in [
            ("squash", Fit::Squash),
            ("center", Fit::Crop),
            ("border", Fit::Crop),
        ] {
            config["pretrained_cfg"]["crop_mode"] = json!(mode);
            let hints = from_config(&config);
            let preprocessing = hints.preprocessing.unwrap().value;
            assert_eq!(preprocessing.proportions(), fit);
            assert_eq!(hints.unmet.len(), usize::from(mode == "border"));
        }
    }

    #[test]
    fn names_that_are_words_need_no_description() {
        let mut config = config();
        config["label_names"] = json!(["tench", "goldfish"]);
        config["label_descriptions"] = json!({"tench": "a fish", "goldfish": "a fish"});
        assert_eq!(from_config(&config).names[0].value, ["tench", "goldfish"]);
        config["label_names"] = json!(["n1", "n2"]);
        config["label_descriptions"] = json!({"n1": "a fish"});
        assert_eq!(from_config(&config).names[0].value, ["n1", "n2"]);
    }

    #[test]
    fn invalid_values_are_ignored() {
        for (key, value) in [
            ("mean", json!("many")),
            ("std", json!([0, 0, 0])),
            ("crop_pct", json!(1e9)),
            ("input_size", json!([3, 0, 0])),
        ] {
            let mut config = config();
            config["pretrained_cfg"][key] = value;
            let hints = from_config(&config);
            assert!(
                hints.size.is_none() || hints.preprocessing.is_none(),
                "{key}"
            );
            let is_named = hints.unmet.len() == 1 && hints.unmet[0].starts_with(FILE);
            assert!(is_named || key == "input_size", "{key}: {:?}", hints.unmet);
        }
        for config in [
            json!({}),
            json!([1]),
            json!(null),
            json!({"architecture": 3}),
        ] {
            assert!(from_config(&config).names.is_empty());
        }
    }
}
