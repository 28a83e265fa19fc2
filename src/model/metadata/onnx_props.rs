//! The metadata of a model file: ONNX's keys on images (`MetadataProps.md`), class names under the keys of exporters,
//! and the keys of Ultralytics.

use super::{ExporterMetadata, Stated, lists};
use crate::model::{ChannelOrder, ImageSize, Preprocessing};
use crate::onnx::proto::ModelProto;
use crate::text::printable;
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
                printable(text)
            ));
        }
        Some(Stated::new(known?, PIXEL_RANGE))
    });
    if find(GAMMA).is_some_and(|gamma| gamma.eq_ignore_ascii_case("linear")) {
        unmet.push(format!("it requires linear light ({GAMMA}), but gets sRGB"));
    }
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
        activation: None,
        unmet,
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
    use crate::model::Channels;
    use crate::onnx::proto::StringStringEntryProto;

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
