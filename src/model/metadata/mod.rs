//! Metadata that exporters write into a model file or files beside it: class names, preprocessing, image size,
//! activation. Metadata that cannot be parsed is reported and ignored.
//!
//! - [`onnx_props`]: the metadata of the model file
//! - [`choices`]: inputs and outputs that a card chose
//! - [`timm`] and [`huggingface`]: `config.json` and `preprocessor_config.json`
//! - [`lists`]: `labels.txt` and similar files

mod choices;
mod huggingface;
mod labels;
mod lists;
mod onnx_props;
mod py_literal;
mod sidecar;
mod timm;

pub use choices::Choices;
pub use onnx_props::{Record, record};

use super::{Activation, ChannelOrder, Classes, ImageSize, Origin, Preprocessing};
use crate::onnx::proto::ModelProto;
use std::path::{Path, PathBuf};

/// A stated value and its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated<T> {
    pub value: T,
    /// A metadata key, or a file name.
    pub source: String,
}

impl<T> Stated<T> {
    fn new(value: T, source: impl Into<String>) -> Self {
        let source = source.into();
        Self { value, source }
    }
}

/// The files beside the model at `path` from which [`ExporterMetadata::from_model`] may read.
pub fn files_beside(path: &Path) -> Vec<PathBuf> {
    let names = |folder: &Path| {
        let configurations = huggingface::FILES.map(String::from);
        let lists = lists::names_of_lists(path, folder);
        configurations.into_iter().chain(lists)
    };
    let folders = sidecar::folders(path);
    folders
        .flat_map(|folder| sidecar::existing(&folder, names(&folder)))
        .collect()
}

/// The metadata of a model.
#[derive(Debug, Default)]
pub struct ExporterMetadata {
    /// Lists of class names, the most reliable first.
    pub names: Vec<Stated<Vec<String>>>,
    /// Height and width of the image input, for a model that leaves them open.
    pub size: Option<Stated<ImageSize>>,
    /// The pixel range of the image input.
    pub range: Option<Stated<Preprocessing>>,
    /// The channel order of the image input.
    pub order: Option<Stated<ChannelOrder>>,
    /// The preprocessing that Ziggurat wrote into a model, which it knew from elsewhere.
    pub recorded: Option<Stated<Preprocessing>>,
    /// The preprocessing.
    pub preprocessing: Option<Stated<Preprocessing>>,
    /// The activation of the class scores: as Ziggurat wrote it into a model, else from Hugging Face's `problem_type`
    /// (softmax for a single label, sigmoid for multiple labels). Whether the network already applies it is not stated.
    pub activation: Option<Stated<Activation>>,
    /// The choices of the card of the model that it was made from.
    pub choices: Choices,
    /// Metadata that is not supported; one line each, for the user.
    pub unmet: Vec<String>,
}

impl ExporterMetadata {
    /// The metadata of the model at `path`, completed by the files beside it.
    pub fn from_model(model: &ModelProto, path: &Path) -> Self {
        let beside = [timm::read(path), huggingface::read(path), lists::read(path)];
        beside.into_iter().fold(onnx_props::read(model), Self::or)
    }

    fn or(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.unmet.extend(other.unmet);
        Self {
            size: self.size.or(other.size),
            range: self.range.or(other.range),
            recorded: self.recorded.or(other.recorded),
            order: self.order.or(other.order),
            preprocessing: self.preprocessing.or(other.preprocessing),
            activation: self.activation.or(other.activation),
            ..self
        }
    }

    /// The classes of a model with `count` classes, from the first list of that length.
    pub fn classes(&self, count: usize) -> Option<Stated<Classes>> {
        let list = self.names.iter().find(|list| list.value.len() == count)?;
        let classes = Classes::new(&list.value, &list.source).ok()?;
        Some(Stated::new(classes, &list.source))
    }

    /// Ignored metadata, for a model with `count` classes; one line each.
    pub fn remarks(&self, count: usize) -> Vec<String> {
        let mut remarks = self.unmet.clone();
        if let (Some(list), None) = (self.names.first(), self.classes(count)) {
            let Stated { value, source } = list;
            let names = value.len();
            remarks.push(format!(
                "{source} has {names} class names, but the model has {count} classes: they are ignored"
            ));
        }
        remarks
    }

    /// The preprocessing and its origin, in order of precedence: the card, Ziggurat's own record,
    /// the metadata on the image input, the network (which scales pixels itself or, if `is_raw`,
    /// takes bytes), other metadata, or the default.
    pub fn prepare(
        &self,
        card: Option<Preprocessing>,
        network: Option<Preprocessing>,
        is_raw: bool,
    ) -> (Preprocessing, Origin) {
        if let Some(card) = card {
            return (card, Origin::Card);
        }
        if let Some(recorded) = &self.recorded {
            return (recorded.value, Origin::Exporter);
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
    fn the_first_list_of_the_right_length_is_used() {
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
            ["names has 1 class names, but the model has 3 classes: they are ignored"]
        );
        assert!(names(&[]).remarks(3).is_empty());
    }

    #[test]
    fn the_card_takes_precedence_and_the_default_is_last() {
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
