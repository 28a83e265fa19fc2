//! What exporters leave in a file, and beside it, of what a card would say: the names of the classes, how pictures are
//! prepared, how large they are. What cannot be made sense of counts as not said.
//!
//! - the file's metadata: class names under [`NAMES`], as JSON or as Python writes a list or a dictionary; what Ultralytics
//!   says of its classifiers
//! - [`transformers`]: `config.json` and `preprocessor_config.json`, which lie beside the files of Hugging Face

mod literal;
mod transformers;

use super::{Preprocessing, Sides};
use crate::onnx::proto::ModelProto;
use serde_json::{Value, json};
use std::path::Path;

/// Keys of metadata under which class names stand.
const NAMES: [&str; 5] = ["names", "class_names", "classes", "labels", "id2label"];

/// What is said of a model beside its graph.
#[derive(Debug, Default)]
pub struct Hints {
    /// A name for each class, in order.
    pub names: Option<Vec<String>>,
    /// How high and wide pictures are, for a model that leaves it open.
    pub size: Option<Sides>,
    pub preprocessing: Option<Preprocessing>,
}

impl Hints {
    /// What the model at `path` says, and the files beside it where it says nothing.
    pub fn of(model: &ModelProto, path: &Path) -> Self {
        let own = Self::of_metadata(model);
        let beside = transformers::read(path);
        Self {
            names: own.names.or(beside.names),
            size: own.size.or(beside.size),
            preprocessing: own.preprocessing.or(beside.preprocessing),
        }
    }

    fn of_metadata(model: &ModelProto) -> Self {
        let find = |key: &str| {
            let entries = model.metadata_props.iter();
            let mut found = entries.filter(|entry| entry.key == key);
            found.next().map(|entry| entry.value.as_str())
        };
        let ultralytics = find("author") == Some("Ultralytics");
        Self {
            names: NAMES.into_iter().find_map(|key| literal::names(find(key)?)),
            size: find("imgsz").and_then(sides),
            preprocessing: ultralytics.then(brightness).flatten(),
        }
    }
}

/// How Ultralytics's classifiers take pictures: from 0 to 1, the middle square, resized bilinearly.
fn brightness() -> Option<Preprocessing> {
    let said = json!({"mean": [0, 0, 0], "std": [1, 1, 1], "crop": 1.0, "filter": "bilinear"});
    serde_json::from_value(said).ok()
}

/// `[height, width]`, or one number for both.
fn sides(text: &str) -> Option<Sides> {
    let sides = match serde_json::from_str(text).ok()? {
        sides @ Value::Array(_) => serde_json::from_value(sides).ok()?,
        side => [serde_json::from_value(side).ok()?; 2],
    };
    Sides::try_from(sides).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::StringStringEntryProto;

    fn said(metadata: &[(&str, &str)]) -> Hints {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        };
        let metadata_props = metadata.iter().map(entry).collect();
        let model = ModelProto {
            metadata_props,
            ..Default::default()
        };
        Hints::of(&model, Path::new("nowhere/model.onnx"))
    }

    #[test]
    fn what_ultralytics_says_is_read() {
        let hints = said(&[
            ("author", "Ultralytics"),
            ("imgsz", "[192, 256]"),
            ("names", r#"{0: 'cat', 1: "dog's"}"#),
        ]);
        assert_eq!(hints.names.unwrap(), ["cat", "dog's"]);
        assert_eq!(hints.size.unwrap().to_string(), "192 × 256");
        let preprocessing = hints.preprocessing.unwrap();
        assert_eq!(preprocessing.crop(), 1.0);
        let affine = preprocessing.affine(crate::model::Channels::Colour);
        assert!(affine.iter().all(|channel| channel.range() == (0.0, 1.0)));
        assert_eq!(said(&[("imgsz", "224")]).size, Some(Sides::USUAL));
    }

    #[test]
    fn what_makes_no_sense_is_not_said() {
        for imgsz in ["", "[1]", "[0, 1]", "[1, 2, 3]", "-3", "{}", "[1e9, 2]"] {
            assert!(said(&[("imgsz", imgsz)]).size.is_none(), "{imgsz}");
        }
        let hints = said(&[("names", "many"), ("labels", r#"["a"]"#)]);
        assert_eq!(hints.names.unwrap(), ["a"]);
        assert!(hints.preprocessing.is_none());
    }
}
