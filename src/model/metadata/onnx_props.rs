//! The metadata of a model file: ONNX's keys on images (`MetadataProps.md`), class names under the keys of exporters,
//! the keys of Ultralytics, and what Ziggurat writes.

use super::{Choices, ExporterMetadata, Stated, lists};
use crate::model::{Activation, ChannelOrder, Classes, ImageSize, Preprocessing};
use crate::onnx::proto::{ModelProto, StringStringEntryProto};
use crate::text::quoted;
use serde_json::{Value, json};

/// Keys of class names.
const NAMES: [&str; 6] = [
    "names",
    "class_names",
    "classes",
    "labels",
    "id2label",
    "character",
];

const PIXEL_FORMAT: &str = "Image.BitmapPixelFormat";
const PIXEL_RANGE: &str = "Image.NominalPixelRange";
/// The preprocessing in JSON, with the keys of a card. Only Ziggurat writes it.
const PREPROCESSING: &str = "ziggurat.preprocessing";
/// The activation of the class scores, by its name in cards. Only Ziggurat writes it.
const ACTIVATION: &str = "ziggurat.activation";

const GAMMA: &str = "Image.ColorSpaceGamma";

/// The metadata of a model file.
pub fn read(model: &ModelProto) -> ExporterMetadata {
    let find = |key: &str| {
        let mut entries = model.metadata_props.iter();
        let found = entries.find(|entry| entry.key == key)?;
        Some(found.value.trim())
    };
    let is_ultralytics = find("author") == Some("Ultralytics");
    let mut unmet = Vec::new();
    let range = find(PIXEL_RANGE).and_then(|text| {
        let known = range(text);
        if known.is_none() {
            unmet.push(format!(
                "{PIXEL_RANGE} {} is unknown and ignored",
                quoted(text)
            ));
        }
        Some(Stated::new(known?, PIXEL_RANGE))
    });
    if find(GAMMA).is_some_and(|gamma| gamma.eq_ignore_ascii_case("linear")) {
        unmet.push(format!("it requires linear light ({GAMMA}), but gets sRGB"));
    }
    let mut unreadable = |key: &str| unmet.push(format!("{key} cannot be read and is ignored"));
    let recorded = find(PREPROCESSING).and_then(|text| {
        let known = serde_json::from_str(text).ok();
        if known.is_none() {
            unreadable(PREPROCESSING);
        }
        Some(Stated::new(known?, PREPROCESSING))
    });
    let activation = find(ACTIVATION).and_then(|name| {
        let known = serde_json::from_value(name.into()).ok();
        if known.is_none() {
            unreadable(ACTIVATION);
        }
        Some(Stated::new(known?, ACTIVATION))
    });
    let choices = Choices::read(model, &mut unmet);
    ExporterMetadata {
        names: NAMES
            .iter()
            .filter_map(|key| Some(Stated::new(names(find(key)?)?, *key)))
            .collect(),
        size: find("imgsz")
            .and_then(sides)
            .map(|size| Stated::new(size, "imgsz")),
        range,
        order: find(PIXEL_FORMAT)
            .and_then(order)
            .map(|order| Stated::new(order, PIXEL_FORMAT)),
        preprocessing: is_ultralytics
            .then(brightness)
            .flatten()
            .map(|known| Stated::new(known, "Ultralytics")),
        recorded,
        activation,
        choices,
        unmet,
    }
}

/// What is known of a model from elsewhere, and recorded in it.
#[derive(Debug, Default)]
pub struct Record<'a> {
    pub classes: Option<&'a Classes>,
    pub preprocessing: Option<Preprocessing>,
    pub activation: Option<Activation>,
    pub choices: Choices,
}

/// Writes what is known of a model from elsewhere into it, as metadata that [`read`] finds. What the model states
/// already stays as it is.
pub fn record(model: &mut ModelProto, known: &Record<'_>) {
    known.choices.record(model);
    let stated = read(model);
    let mut put = |key: &str, value: String| {
        model.metadata_props.retain(|entry| entry.key != key);
        model.metadata_props.push(StringStringEntryProto {
            key: key.into(),
            value,
        });
    };
    let is_same = |classes: &Classes, stated: &Classes| classes.iter().eq(stated.iter());
    if let Some(classes) = known.classes
        && !stated
            .classes(classes.len())
            .is_some_and(|stated| is_same(classes, &stated.value))
    {
        let names: Vec<&str> = classes.iter().map(|(_, name)| name).collect();
        put(NAMES[0], json!(names).to_string());
    }
    if let Some(preprocessing) = known.preprocessing
        && let Ok(text) = serde_json::to_string(&preprocessing)
    {
        put(PREPROCESSING, text);
    }
    if let Some(activation) = known.activation {
        put(ACTIVATION, activation.name().into());
    }
}

/// Names as a list, a dictionary, several lines, or several names separated by commas. A single word may be anything.
fn names(text: &str) -> Option<Vec<String>> {
    let separated = || text.split(',').map(|name| name.trim().into()).collect();
    if text.contains(['\n', '[', '{']) {
        lists::names(text)
    } else {
        text.contains(',').then(separated)
    }
}

/// The channel order of pixel formats such as `Bgr8` and `Rgba16`.
fn order(format: &str) -> Option<ChannelOrder> {
    let format = format.to_ascii_lowercase();
    let known = [("bgr", ChannelOrder::Bgr), ("rgb", ChannelOrder::Rgb)];
    let found = known
        .into_iter()
        .find(|(start, _)| format.starts_with(start));
    found.map(|(_, order)| order)
}

/// The preprocessing for a nominal pixel range.
fn range(name: &str) -> Option<Preprocessing> {
    let (mean, std) = match name.to_ascii_lowercase().as_str() {
        "nominalrange_0_255" => (0.0, 1.0 / 255.0),
        "nominalrange_16_235" => (-16.0 / 219.0, 1.0 / 219.0),
        "normalized_0_1" => (0.0, 1.0),
        "normalized_1_1" => (0.5, 0.5),
        _ => return None,
    };
    serde_json::from_value(json!({"mean": [mean], "std": [std]})).ok()
}

/// The preprocessing of Ultralytics classifiers: range 0 to 1, centre crop to a square, bilinear resizing.
fn brightness() -> Option<Preprocessing> {
    let known = json!({"mean": [0, 0, 0], "std": [1, 1, 1], "crop": 1.0, "filter": "bilinear"});
    serde_json::from_value(known).ok()
}

/// `[height, width]`, or one number for both.
fn sides(text: &str) -> Option<ImageSize> {
    let sides = match serde_json::from_str(text).ok()? {
        sides @ Value::Array(_) => serde_json::from_value(sides).ok()?,
        side => [serde_json::from_value(side).ok()?; 2],
    };
    ImageSize::try_from(sides).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Channels, Origin};

    fn stated(metadata: &[(&str, &str)]) -> ExporterMetadata {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        };
        read(&ModelProto {
            metadata_props: metadata.iter().map(entry).collect(),
            ..Default::default()
        })
    }

    #[test]
    fn onnx_keys_on_images_are_read() {
        for (name, black, white) in [
            ("NominalRange_0_255", 0.0, 255.0),
            ("NominalRange_16_235", 16.0, 235.0),
            ("Normalized_0_1", 0.0, 1.0),
            ("normalized_1_1", -1.0, 1.0),
        ] {
            let range = stated(&[(PIXEL_RANGE, name)]).range.unwrap();
            assert_eq!(range.source, PIXEL_RANGE);
            let (dark, bright) = range.value.affine(Channels::Grey)[0].range();
            assert!(
                (dark - black).abs() < 1e-3 && (bright - white).abs() < 1e-3,
                "{name}"
            );
        }
        for (format, expected) in [
            ("Bgr8", Some(ChannelOrder::Bgr)),
            ("BGRA8", Some(ChannelOrder::Bgr)),
            ("Rgb8", Some(ChannelOrder::Rgb)),
            ("Rgba16", Some(ChannelOrder::Rgb)),
            ("Gray8", None),
            ("", None),
        ] {
            let order = stated(&[(PIXEL_FORMAT, format)]).order;
            assert_eq!(order.map(|order| order.value), expected, "{format}");
        }
    }

    #[test]
    fn unsupported_metadata_is_listed() {
        assert!(
            stated(&[(GAMMA, "SRGB"), (PIXEL_RANGE, "Normalized_0_1")])
                .unmet
                .is_empty()
        );
        let hints = stated(&[(GAMMA, "Linear"), (PIXEL_RANGE, "\u{1b}[31m")]);
        assert!(hints.range.is_none() && hints.unmet.len() == 2);
        assert!(hints.unmet.iter().all(|line| !line.contains('\u{1b}')));
    }

    #[test]
    fn class_names_are_literals_or_lines() {
        for (key, value) in [
            ("names", "{0: 'cat', 1: 'dog'}"),
            ("classes", r#"["cat", "dog"]"#),
            ("character", "cat\ndog"),
            ("labels", "cat\r\ndog\r\n"),
            ("classes", "cat, dog"),
            ("class_names", r#"{"dog": 1, "cat": 0}"#),
        ] {
            let names = stated(&[(key, value)]).names;
            assert_eq!(names[0].value, ["cat", "dog"], "{key}");
            assert_eq!(names[0].source, key);
        }
        for entry in [("names", " "), ("other", "cat\ndog"), ("classes", "2")] {
            assert!(stated(&[entry]).names.is_empty(), "{entry:?}");
        }
    }

    #[test]
    fn what_is_recorded_is_read() {
        let mut model = ModelProto::default();
        let names = ["cat", "dog's \"x\"", "Kärpfen\\ü"];
        let classes = Classes::new(names, "card").unwrap();
        let preprocessing = json!({
            "mean": [0.498039215686, 0.1, 0.2], "std": [0.501960784314, 0.3, 0.4], "channels": "bgr",
            "crop": 0.9, "filter": "bilinear", "fit": "squash", "antialias": false
        });
        let preprocessing: Preprocessing = serde_json::from_value(preprocessing).unwrap();
        for _ in 0..2 {
            let known = Record {
                classes: Some(&classes),
                preprocessing: Some(preprocessing),
                activation: Some(Activation::Sigmoid),
                choices: Choices::default(),
            };
            record(&mut model, &known);
            assert_eq!(model.metadata_props.len(), 3);
            let hints = read(&model);
            let stated = Stated::new(Activation::Sigmoid, "ziggurat.activation");
            assert_eq!(hints.activation, Some(stated));
            assert_eq!(hints.names[0].value, names);
            let network = Some(Preprocessing::UNITS);
            let (found, origin) = hints.prepare(None, network, true);
            assert_eq!((found, origin), (preprocessing, Origin::Exporter));
            assert!(hints.unmet.is_empty());
        }
    }

    #[test]
    fn what_a_file_states_is_not_recorded_again() {
        let stated = "{0: 'cat', 1: 'dog'}";
        let mut model = ModelProto {
            metadata_props: vec![StringStringEntryProto {
                key: "names".into(),
                value: stated.into(),
            }],
            ..Default::default()
        };
        let mut record_names = |names: &[&str]| {
            let classes = Classes::new(names, "card").unwrap();
            let known = Record {
                classes: Some(&classes),
                ..Record::default()
            };
            record(&mut model, &known);
            model.metadata_props[0].value.clone()
        };
        assert_eq!(record_names(&["cat", "dog"]), stated);
        assert_eq!(record_names(&["cat", "wolf"]), r#"["cat","wolf"]"#);
        record(&mut model, &Record::default());
        assert_eq!(model.metadata_props.len(), 1);
    }

    #[test]
    fn a_damaged_record_is_reported() {
        for text in [
            "",
            "{",
            "[]",
            r#"{"mean": [0], "std": [0]}"#,
            r#"{"mean": [1e40], "std": [1]}"#,
        ] {
            let hints = stated(&[(PREPROCESSING, text)]);
            assert!(hints.recorded.is_none(), "{text}");
            assert_eq!(
                hints.unmet,
                ["ziggurat.preprocessing cannot be read and is ignored"]
            );
        }
        for text in ["", "tanh", "\"sigmoid\""] {
            let hints = stated(&[(ACTIVATION, text)]);
            assert!(hints.activation.is_none(), "{text}");
            assert_eq!(
                hints.unmet,
                ["ziggurat.activation cannot be read and is ignored"]
            );
        }
    }

    #[test]
    fn metadata_of_ultralytics_is_read() {
        let hints = stated(&[
            ("author", "Ultralytics"),
            ("imgsz", "[192, 256]"),
            ("names", r#"{0: 'cat', 1: "dog's"}"#),
        ]);
        assert_eq!(hints.names[0].value, ["cat", "dog's"]);
        assert_eq!(hints.size.unwrap().value.to_string(), "192 × 256");
        let preprocessing = hints.preprocessing.unwrap().value;
        assert_eq!(preprocessing.crop(), 1.0);
        let affine = preprocessing.affine(Channels::Colour);
        assert!(affine.iter().all(|channel| channel.range() == (0.0, 1.0)));
        let size = stated(&[("imgsz", "224")]).size.unwrap().value;
        assert_eq!(size, ImageSize::DEFAULT);
        for imgsz in ["", "[1]", "[0, 1]", "[1, 2, 3]", "-3", "{}", "[1e9, 2]"] {
            assert!(stated(&[("imgsz", imgsz)]).size.is_none(), "{imgsz}");
        }
    }
}
