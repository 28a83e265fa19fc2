//! What is stated of a model, in its file and in files beside it, of what a card would say: the names of the classes, how
//! pictures are prepared, how large they are, what makes probabilities of the scores. What cannot be made sense of counts as
//! not stated.
//!
//! - [`metadata`]: the file's own
//! - [`timm`] and [`transformers`]: `config.json` and `preprocessor_config.json`
//! - [`lists`]: `labels.txt` and the like

mod huggingface;
mod labels;
mod lists;
mod onnx_props;
mod py_literal;
mod sidecar;
mod timm;

use super::{Activation, ChannelOrder, Classes, ImageSize, Origin, Preprocessing};
use crate::onnx::proto::ModelProto;
use std::path::Path;

/// A statement, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated<T> {
    pub value: T,
    /// A key of the metadata, or the name of a file.
    pub source: String,
}

impl<T> Stated<T> {
    fn new(value: T, source: impl Into<String>) -> Self {
        let source = source.into();
        Self { value, source }
    }
}

/// What is stated of a model beside its graph.
#[derive(Debug, Default)]
pub struct ExporterMetadata {
    /// Lists of class names, in order, the most trusted first.
    pub names: Vec<Stated<Vec<String>>>,
    /// How high and wide pictures are, for a model that leaves it open.
    pub size: Option<Stated<ImageSize>>,
    /// Which numbers black and white are in the file's own input.
    pub range: Option<Stated<Preprocessing>>,
    /// The order of colours in the file's own input.
    pub order: Option<Stated<ChannelOrder>>,
    /// How pictures are prepared.
    pub preprocessing: Option<Stated<Preprocessing>>,
    /// What makes probabilities of the scores in the file's output: Hugging Face's `problem_type`. Of one class per picture
    /// it is softmax, of several a sigmoid; whether the network has applied it already is not stated.
    pub activation: Option<Stated<Activation>>,
    /// What is stated but cannot be followed; a line each, for the user.
    pub unmet: Vec<String>,
}

impl ExporterMetadata {
    /// What the model at `path` states, and the files beside it where it states nothing.
    pub fn of(model: &ModelProto, path: &Path) -> Self {
        let beside = [timm::read(path), huggingface::read(path), lists::read(path)];
        beside.into_iter().fold(onnx_props::read(model), Self::or)
    }

    fn or(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.unmet.extend(other.unmet);
        Self {
            size: self.size.or(other.size),
            range: self.range.or(other.range),
            order: self.order.or(other.order),
            preprocessing: self.preprocessing.or(other.preprocessing),
            activation: self.activation.or(other.activation),
            ..self
        }
    }

    /// The classes of a model that has `count` of them, by the first list that has as many names.
    pub fn classes(&self, count: usize) -> Option<Stated<Classes>> {
        let list = self.names.iter().find(|list| list.value.len() == count)?;
        let classes = Classes::new(&list.value, &list.source).ok()?;
        Some(Stated::new(classes, &list.source))
    }

    /// What the user should know of statements that are not heeded, for a model that has `count` classes.
    pub fn remarks(&self, count: usize) -> Vec<String> {
        let mut remarks = self.unmet.clone();
        if let (Some(list), None) = (self.names.first(), self.classes(count)) {
            let Stated { value, source } = list;
            let names = value.len();
            remarks.push(format!(
                "{source} has {names} class names, but the model has {count} classes: they are not heeded"
            ));
        }
        remarks
    }

    /// How pictures are prepared, and who says so: the card, the file's own input, the network (which scales pixels itself,
    /// or, if `is_raw`, takes bytes, which can be nothing but pixels), an exporter, or nobody.
    pub fn prepare(
        &self,
        card: Option<Preprocessing>,
        network: Option<Preprocessing>,
        is_raw: bool,
    ) -> (Preprocessing, Origin) {
        if let Some(card) = card {
            return (card, Origin::Card);
        }
        let exporter =
            |hint: &Option<Stated<Preprocessing>>| Some((hint.as_ref()?.value, Origin::Exporter));
        let network = network.map(|known| (known, Origin::Network));
        let found = network
            .filter(|_| is_raw)
            .or_else(|| exporter(&self.range))
            .or(network)
            .or_else(|| exporter(&self.preprocessing))
            .unwrap_or((Preprocessing::IMAGENET, Origin::Assumed));
        let (known, origin) = found;
        match &self.order {
            Some(order) => (known.with_channel_order(order.value), origin),
            None => (known, origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(lists: &[(&str, &[&str])]) -> ExporterMetadata {
        let list = |(source, names): &(&str, &[&str])| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Stated::new(names, *source)
        };
        ExporterMetadata {
            names: lists.iter().map(list).collect(),
            ..ExporterMetadata::default()
        }
    }

    #[test]
    fn the_first_list_of_the_right_length_counts() {
        let hints = names(&[
            ("names", &["a"]),
            ("labels.txt", &["0 b", "1 c"]),
            ("classes.txt", &["d", "e"]),
        ]);
        let classes = hints.classes(2).unwrap();
        assert_eq!(
            (classes.source.as_str(), classes.value.name(1)),
            ("labels.txt", Some("c"))
        );
        assert!(hints.remarks(2).is_empty());
        assert!(hints.classes(3).is_none());
        assert_eq!(
            hints.remarks(3),
            ["names has 1 class names, but the model has 3 classes: they are not heeded"]
        );
        assert!(names(&[]).remarks(3).is_empty());
    }

    #[test]
    fn the_card_comes_first_and_nobody_last() {
        let units = || Some(Stated::new(Preprocessing::UNITS, "config.json"));
        let pixels = || {
            Some(Stated::new(
                Preprocessing::PIXELS,
                "Image.NominalPixelRange",
            ))
        };
        let bgr = || Some(Stated::new(ChannelOrder::Bgr, "Image.BitmapPixelFormat"));
        let prepared = |range, preprocessing, order, card, network, raw| {
            let hints = ExporterMetadata {
                range,
                preprocessing,
                order,
                ..ExporterMetadata::default()
            };
            let (found, origin) = hints.prepare(card, network, raw);
            (
                found.with_channel_order(ChannelOrder::Rgb),
                found.channel_order(),
                origin,
            )
        };
        let (rgb, reversed) = (ChannelOrder::Rgb, ChannelOrder::Bgr);
        let (imagenet, half) = (Preprocessing::IMAGENET, Some(Preprocessing::UNITS));
        assert_eq!(
            prepared(None, None, None, None, None, false),
            (imagenet, rgb, Origin::Assumed)
        );
        assert_eq!(
            prepared(None, None, bgr(), None, None, false),
            (imagenet, reversed, Origin::Assumed)
        );
        assert_eq!(
            prepared(None, units(), None, None, None, false),
            (Preprocessing::UNITS, rgb, Origin::Exporter)
        );
        assert_eq!(
            prepared(pixels(), units(), bgr(), None, half, false),
            (Preprocessing::PIXELS, reversed, Origin::Exporter)
        );
        assert_eq!(
            prepared(
                None,
                units(),
                bgr(),
                None,
                Some(Preprocessing::PIXELS),
                false
            ),
            (Preprocessing::PIXELS, reversed, Origin::Network)
        );
        assert_eq!(
            prepared(units(), None, None, None, Some(Preprocessing::PIXELS), true),
            (Preprocessing::PIXELS, rgb, Origin::Network)
        );
        assert_eq!(
            prepared(pixels(), units(), bgr(), Some(imagenet), None, false),
            (imagenet, rgb, Origin::Card)
        );
    }
}
