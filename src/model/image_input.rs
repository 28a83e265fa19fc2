//! The image input of a model: which input it is, and its type and axis order. Afterwards it always is float32
//! (N, channels, height, width).

use super::axis_order::AxisOrder;
use super::{Card, Error, ImageSize, InputSize, ModelFile, Origin, extra_inputs};
use crate::onnx::graph::declared_dims;
use crate::onnx::names::{self, Renames};
use crate::onnx::proto::{Dim, NodeProto, TensorProto, ValueInfoProto};
use crate::onnx::types::value_info;
use crate::onnx::{ElementType, Graph};
use crate::text::quoted;
use std::collections::HashSet;

/// Maximum number of channels of an image input.
const MAX_CHANNELS: i64 = 64;

type Dims = Vec<Option<Dim>>;

/// A model's image input.
#[derive(Debug)]
pub struct ImageInput {
    pub name: String,
    /// The declared type: float32, or uint8 for unscaled pixels.
    pub elem: ElementType,
    axes: AxisOrder,
    pub size: InputSize,
    /// The origin of height and width.
    pub size_origin: Origin,
    /// Whether the batch size is dynamic; otherwise it is 1.
    pub batchable: bool,
    /// The model's other inputs, as constants.
    extra_inputs: Vec<TensorProto>,
}

impl ImageInput {
    /// The input that the card names, or the only one that can be an image. `hint` is its size if neither file nor card
    /// have one.
    ///
    /// # Errors
    /// [`Error::NoImageInput`] if there is none or several, or its size contradicts the card; [`Error::FurtherInput`]
    /// if another input has no value.
    pub fn find(graph: &Graph, file: &ModelFile, hint: Option<ImageSize>) -> Result<Self, Error> {
        let no_input = |why: String| Error::NoImageInput {
            path: file.path.clone(),
            why,
        };
        let wanted = file.card.input.as_deref();
        let inputs = graph.inputs();
        let is_meant = |input: &&ValueInfoProto| match wanted {
            Some(wanted) => wanted == input.name,
            None => !file.card.feed.contains_key(&input.name),
        };
        let meant = inputs.iter().filter(is_meant);
        let mut candidates: Vec<_> = meant
            .filter_map(|input| Some((input, kind(input).or_else(|| open_kind(graph, input))?)))
            .collect();
        let is_usual = |(_, axes, dims): &(ElementType, AxisOrder, Dims)| {
            let channels = &dims[axes.positions()[0]];
            matches!(channels, Some(Dim::DimValue(1 | 3)))
        };
        if candidates.iter().any(|(_, kind)| is_usual(kind)) {
            candidates.retain(|(_, kind)| is_usual(kind));
        }
        // Exporters leave inputs whose consumers they have folded.
        let read = graph.read_values();
        let is_read = |(input, _): &(&ValueInfoProto, _)| read.contains(input.name.as_str());
        if candidates.iter().any(is_read) {
            candidates.retain(is_read);
        }
        let (input, (elem, axes, dims)) = match <[_; 1]>::try_from(candidates) {
            Ok([only]) => only,
            Err(none) if none.is_empty() => {
                return Err(no_input(format!(
                    "none of its inputs ({}) takes pictures, float or uint8, of (N, channels, height, width) or (N, height, width, channels)",
                    describe(inputs)
                )));
            }
            Err(_) => {
                return Err(no_input(format!(
                    "several of its inputs ({}) could be the image: choose one with --image-input NAME, or in a card under [input]",
                    describe(inputs)
                )));
            }
        };
        let extra_inputs = extra_inputs::constants(graph, &input.name, file)?;
        let number = |place: usize| match &dims[place] {
            Some(Dim::DimValue(size)) => u32::try_from(*size).ok().filter(|size| *size > 0),
            _ => None,
        };
        let [channel, row, column] = axes.positions();
        let declared = [number(row), number(column)];
        let (sides, size_origin) = sides(declared, &file.card, hint).map_err(no_input)?;
        Ok(Self {
            name: input.name.clone(),
            elem,
            axes,
            size: InputSize::new(
                number(channel).unwrap_or(0) as usize,
                sides.height(),
                sides.width(),
            )?,
            size_origin,
            batchable: !matches!(dims[0], Some(Dim::DimValue(_))),
            extra_inputs,
        })
    }

    /// The order of its axes in the file.
    pub(super) fn axes(&self) -> AxisOrder {
        self.axes
    }

    /// The model's other inputs, as constants.
    pub(super) fn extra_inputs(&self) -> &[TensorProto] {
        &self.extra_inputs
    }

    /// The graph with this input as float32 (N, channels, height, width) under the same name, as its only input.
    /// Integer pixels become floating-point numbers, so that they are differentiable.
    ///
    /// # Errors
    /// [`Error::Onnx`] if the graph is damaged.
    pub fn to_input(&self, graph: &Graph) -> Result<Graph, Error> {
        let size = self.size;
        let [channels, height, width] = [
            size.channels().count() as i64,
            size.height.into(),
            size.width.into(),
        ];
        let runs = if self.batchable {
            Dim::DimParam("N".into())
        } else {
            Dim::DimValue(1)
        };
        let dims = [
            runs,
            Dim::DimValue(channels),
            Dim::DimValue(height),
            Dim::DimValue(width),
        ];
        let mut result = graph.empty_like();
        result.insert_input(value_info(&self.name, ElementType::F32, &dims))?;
        for constant in graph.constants().chain(&self.extra_inputs) {
            result.insert_constant(constant.clone())?;
        }
        let mut names = Renames::new();
        if self.axes == AxisOrder::Nhwc {
            let channels_last = graph.free_name(&format!("{}/channels_last", self.name));
            let transpose = NodeProto::new("Transpose", &[&self.name], &[&channels_last]);
            result.insert_node(transpose.attr("perm", vec![0i64, 2, 3, 1]))?;
            names.insert(self.name.clone(), channels_last);
        }
        for node in graph.nodes() {
            let mut node = node.clone();
            names::rename(&mut node, &names);
            result.insert_node(node)?;
        }
        result.set_outputs(graph.outputs().to_vec());
        Ok(result)
    }
}

/// Height and width of the image, and their origin: the model, the card, the exporter, or the default. The error
/// completes a sentence.
fn sides(
    declared: [Option<u32>; 2],
    card: &Card,
    hint: Option<ImageSize>,
) -> Result<(ImageSize, Origin), String> {
    let from_card = card.input_size.or(card.offered_size);
    let usual = from_card.or(hint).unwrap_or(match declared {
        [Some(side), None] | [None, Some(side)] => ImageSize::try_from([side, side])?,
        _ => ImageSize::DEFAULT,
    });
    let [height, width] = declared;
    let sides = [
        height.unwrap_or(usual.height()),
        width.unwrap_or(usual.width()),
    ];
    let sides = ImageSize::try_from(sides)?;
    if let Some(stated) = card.input_size.filter(|&stated| stated != sides) {
        return Err(format!("it takes {sides} pixels, not {stated}"));
    }
    let origin = match declared {
        [Some(_), Some(_)] => Origin::Network,
        _ if from_card.is_some() => Origin::Card,
        _ if hint.is_some() => Origin::Exporter,
        _ => Origin::Assumed,
    };
    Ok((sides, origin))
}

/// The type, axis order and dimensions of an input that can be an image.
fn kind(input: &ValueInfoProto) -> Option<(ElementType, AxisOrder, Dims)> {
    let (elem, dims) = four_axes(input)?;
    let extent = |place: usize| match dims[place] {
        Some(Dim::DimValue(extent)) => Some(extent),
        _ => None,
    };
    // At most one element per colour is not an image, for example a mean.
    let numbers = (1..4).try_fold(1i64, |product, place| product.checked_mul(extent(place)?));
    if numbers.is_some_and(|numbers| numbers <= 3) {
        return None;
    }
    let usual = |axes: &AxisOrder| matches!(extent(axes.positions()[0]), Some(1 | 3));
    // An image has fewer channels than rows and columns.
    let many = |axes: &AxisOrder| {
        let [channels, row, column] = axes.positions().map(extent);
        let sides = [row, column].into_iter().flatten();
        channels.is_some_and(|count| (2..=MAX_CHANNELS).contains(&count))
            && sides.into_iter().all(|side| channels < Some(side))
    };
    let orders = [AxisOrder::Nchw, AxisOrder::Nhwc];
    let axes = orders.iter().find(|axes| usual(axes));
    let axes = *axes.or_else(|| orders.iter().find(|axes| many(axes)))?;
    Some((elem, axes, dims))
}

/// The type and dimensions of an input with four axes and a suitable element type.
fn four_axes(input: &ValueInfoProto) -> Option<(ElementType, Dims)> {
    let (elem, dims) = declared_dims(input)?;
    let elem =
        ElementType::from_code(elem).filter(|&elem| elem.is_float() || elem == ElementType::U8)?;
    (dims.len() == 4).then_some((elem, dims))
}

/// As [`kind`], for an input with a dynamic number of channels, as in files of Hugging Face. The weights of the
/// convolution that reads it determine the number.
fn open_kind(graph: &Graph, input: &ValueInfoProto) -> Option<(ElementType, AxisOrder, Dims)> {
    let (elem, mut dims) = four_axes(input)?;
    let (mut read, mut axes) = (HashSet::from([input.name.as_str()]), AxisOrder::Nchw);
    let filters = graph.nodes().iter().find_map(|node| {
        if !read.contains(node.input_at(0)?) {
            return None;
        }
        match node.op_type.as_str() {
            "Conv" => {
                return graph
                    .constant(node.input_at(1)?)
                    .map(|filters| (filters, node));
            }
            "Transpose" if node.ints("perm") == Some(&[0, 3, 1, 2]) => axes = AxisOrder::Nhwc,
            "Add" | "Cast" | "Div" | "Identity" | "Mul" | "Pad" | "Sub" => {}
            _ => return None,
        }
        read.insert(node.output.first()?);
        None
    });
    let (filters, node) = filters?;
    let [channel, ..] = axes.positions();
    if matches!(dims[channel], Some(Dim::DimValue(_))) {
        return None;
    }
    let channels = filters
        .dims
        .get(1)?
        .checked_mul(node.int("group").unwrap_or(1))?;
    let channels = Some(channels).filter(|channels| (1..=MAX_CHANNELS).contains(channels))?;
    dims[channel] = Some(Dim::DimValue(channels));
    Some((elem, axes, dims))
}

/// The axis order of an input that can be an image.
pub(super) fn axis_order(input: &ValueInfoProto) -> Option<AxisOrder> {
    kind(input).map(|(_, axes, _)| axes)
}

/// The names of the first inputs.
fn describe(inputs: &[ValueInfoProto]) -> String {
    let names = inputs.iter().take(8).map(|input| quoted(&input.name));
    match inputs {
        [] => "none".into(),
        _ => names.collect::<Vec<_>>().join(", "),
    }
}
