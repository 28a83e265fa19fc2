//! Which input and output of a model are used, and the values of its further inputs: chosen in a card, and recorded in
//! the metadata of a model that is made from it.

use crate::model::ModelFile;
use crate::onnx::proto::{ModelProto, StringStringEntryProto, ValueInfoProto};
use crate::text::quoted;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The image input. Only Ziggurat writes it.
const INPUT: &str = "ziggurat.input";
/// The output with the class scores. Only Ziggurat writes it.
const OUTPUT: &str = "ziggurat.output";
/// The values of further inputs in TOML, as below `[feed]` of a card. Only Ziggurat writes it.
const FEED: &str = "ziggurat.feed";

/// A choice among the inputs and outputs of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choices {
    /// The image input.
    pub input: Option<String>,
    /// The output with the class scores.
    pub output: Option<String>,
    /// The values of further inputs, by name.
    pub feed: BTreeMap<String, f64>,
}

impl Choices {
    /// Those that are recorded in a model. What names no input or output of it, or cannot be read, is ignored: `unmet`
    /// gets a line for each key.
    pub(super) fn read(model: &ModelProto, unmet: &mut Vec<String>) -> Self {
        let find = |key: &str| {
            let found = model.metadata_props.iter().find(|entry| entry.key == key)?;
            Some(found.value.as_str())
        };
        let graph = model.graph.as_ref();
        let inputs = graph.map_or(&[][..], |graph| &graph.input);
        let outputs = graph.map_or(&[][..], |graph| &graph.output);
        let mut exists = |key: &str, name: &str, values: &[ValueInfoProto], kind: &str| {
            let exists = values.iter().any(|value| value.name == name);
            if !exists {
                let name = quoted(name);
                unmet.push(format!(
                    "{key} names {name}, which is no {kind} of it, and is ignored"
                ));
            }
            exists
        };
        let input = find(INPUT).filter(|name| exists(INPUT, name, inputs, "input"));
        let output = find(OUTPUT).filter(|name| exists(OUTPUT, name, outputs, "output"));
        let feed = find(FEED).map(toml::from_str::<BTreeMap<String, f64>>);
        let (mut feed, is_damaged) = match feed {
            Some(Ok(feed)) => (feed, false),
            Some(Err(_)) => (BTreeMap::new(), true),
            None => (BTreeMap::new(), false),
        };
        // A line for the first one.
        let is_input = |name: &String| inputs.iter().any(|input| input.name == *name);
        if let Some(missing) = feed.keys().find(|name| !is_input(name)) {
            exists(FEED, missing, inputs, "input");
        }
        feed.retain(|name, _| is_input(name));
        if is_damaged {
            unmet.push(format!("{FEED} cannot be read and is ignored"));
        }
        Self {
            input: input.map(str::to_owned),
            output: output.map(str::to_owned),
            feed,
        }
    }

    /// Records these choices in a model, beside those that it has and that are not made here.
    pub(super) fn record(&self, model: &mut ModelProto) {
        let before = Self::read(model, &mut Vec::new());
        let mut feed = before.feed;
        feed.extend(self.feed.clone());
        let feed = (!feed.is_empty()).then(|| toml::to_string(&feed).ok());
        for (key, value) in [
            (INPUT, self.input.clone().or(before.input)),
            (OUTPUT, self.output.clone().or(before.output)),
            (FEED, feed.flatten()),
        ] {
            model.metadata_props.retain(|entry| entry.key != key);
            model
                .metadata_props
                .extend(value.map(|value| StringStringEntryProto {
                    key: key.into(),
                    value,
                }));
        }
    }

    /// The model file with these choices where its card makes none.
    pub fn complete<'a>(&self, file: &'a ModelFile) -> Cow<'a, ModelFile> {
        if *self == Self::default() {
            return Cow::Borrowed(file);
        }
        let mut file = file.clone();
        let card = &mut file.card;
        let input = self.input.clone();
        let input = input.filter(|name| !card.feed.contains_key(name));
        card.input = card.input.take().or(input);
        card.output = card.output.take().or_else(|| self.output.clone());
        for (name, value) in &self.feed {
            if card.input.as_ref() != Some(name) {
                card.feed.entry(name.clone()).or_insert(*value);
            }
        }
        Cow::Owned(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::GraphProto;
    use crate::onnx::types::untyped_value;

    fn model() -> ModelProto {
        let values = |names: &[&str]| names.iter().map(|name| untyped_value(name)).collect();
        ModelProto {
            graph: Some(GraphProto {
                input: values(&["x", "mask", "rate.of drop"]),
                output: values(&["features", "scores"]),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn choices() -> Choices {
        Choices {
            input: Some("x".into()),
            output: Some("scores".into()),
            feed: [("rate.of drop".into(), 0.1), ("mask".into(), f64::INFINITY)].into(),
        }
    }

    #[test]
    fn what_is_recorded_is_read() {
        let mut model = model();
        let mut unmet = Vec::new();
        for recorded in [choices(), choices(), Choices::default()] {
            recorded.record(&mut model);
            assert_eq!(model.metadata_props.len(), 3);
            assert_eq!(Choices::read(&model, &mut unmet), choices());
        }
        assert!(unmet.is_empty(), "{unmet:?}");
    }

    #[test]
    fn what_the_model_lacks_is_named_and_not_recorded_again() {
        let mut model = model();
        choices().record(&mut model);
        let graph = model.graph.as_mut().unwrap();
        graph.input.truncate(1);
        graph.output.truncate(1);
        let mut unmet = Vec::new();
        let input = Some("x".to_owned());
        let left = Choices {
            input,
            ..Choices::default()
        };
        assert_eq!(Choices::read(&model, &mut unmet), left);
        assert_eq!(
            unmet,
            [
                "ziggurat.output names \"scores\", which is no output of it, and is ignored",
                "ziggurat.feed names \"mask\", which is no input of it, and is ignored",
            ]
        );
        Choices::default().record(&mut model);
        assert_eq!(model.metadata_props.len(), 1);
    }

    #[test]
    fn a_damaged_record_is_named() {
        for text in ["mask", "mask = 'x'", "mask = [1]"] {
            let mut model = model();
            model.metadata_props.push(StringStringEntryProto {
                key: FEED.into(),
                value: text.into(),
            });
            let mut unmet = Vec::new();
            assert_eq!(Choices::read(&model, &mut unmet), Choices::default());
            assert_eq!(unmet, ["ziggurat.feed cannot be read and is ignored"]);
        }
    }
}
