//! Where a model takes its picture: which input it is, and of which kind. Whatever its kind, from here on it is float32
//! (N, channels, height, width).

use super::{Error, InputSize, ModelFile};
use crate::onnx::graph::declared_dims;
use crate::onnx::proto::{Dim, NodeProto, ValueInfoProto};
use crate::onnx::scope::{self, Names};
use crate::onnx::shapes::value_info;
use crate::onnx::{Attribute, Elem, Graph, printable};

/// Largest height or width.
const LARGEST: u32 = 8192;

/// Which axis of the input holds what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axes {
    /// Batch, channel, row, column.
    ChannelsFirst,
    /// Batch, row, column, channel, as TensorFlow has them.
    ChannelsLast,
}

impl Axes {
    /// Positions of channel, row and column.
    fn places(self) -> [usize; 3] {
        match self {
            Self::ChannelsFirst => [1, 2, 3],
            Self::ChannelsLast => [3, 1, 2],
        }
    }
}

type Dims = Vec<Option<Dim>>;

/// A model's image input.
#[derive(Debug)]
pub struct Picture {
    pub name: String,
    /// The type that the file declares: float32, or uint8 for pixels as they are.
    pub elem: Elem,
    axes: Axes,
    pub size: InputSize,
    /// Whether the number of pictures can be chosen; else it is 1.
    pub batchable: bool,
}

impl Picture {
    /// The input that the card names, or the only one that can take a picture.
    ///
    /// # Errors
    /// [`Error::NoImageInput`] if there is none, it is not the only one, or its height and width are open and no card
    /// tells them.
    pub fn find(graph: &Graph, file: &ModelFile) -> Result<Self, Error> {
        let no_input = |why: String| Error::NoImageInput {
            path: file.path.clone(),
            why,
        };
        let wanted = file.card.input.as_deref();
        let inputs = graph.inputs();
        let named = inputs
            .iter()
            .filter(|input| wanted.is_none_or(|wanted| wanted == input.name));
        let candidates: Vec<_> = named
            .filter_map(|input| Some((input, kind(input)?)))
            .collect();
        let Ok([(input, (elem, axes, dims))]) = <[_; 1]>::try_from(candidates) else {
            return Err(no_input(format!(
                "none of its inputs ({}) takes pictures, float or uint8, of (N, 1 or 3, height, width) or (N, height, width, 1 or 3)",
                describe(inputs)
            )));
        };
        if inputs.len() > 1 {
            return Err(no_input(format!(
                "it needs further inputs ({})",
                describe(inputs)
            )));
        }
        let number = |place: usize| match &dims[place] {
            Some(Dim::DimValue(size)) => u32::try_from(*size).ok().filter(|size| *size > 0),
            _ => None,
        };
        let [channel, row, column] = axes.places();
        let [height, width] = match (number(row), number(column), file.card.input_size) {
            (Some(height), Some(width), _) => [height, width],
            (_, _, Some(size)) => size,
            _ => {
                return Err(no_input(
                    "it leaves height and width open: say `input_size = [height, width]` in a card beside it".into(),
                ));
            }
        };
        if height > LARGEST || width > LARGEST {
            return Err(no_input(format!(
                "its input is {height} × {width} pixels, more than {LARGEST}"
            )));
        }
        Ok(Self {
            name: input.name.clone(),
            elem,
            axes,
            size: InputSize::new(number(channel).unwrap_or(0) as usize, height, width)?,
            batchable: !matches!(dims[0], Some(Dim::DimValue(_))),
        })
    }

    /// The graph with this input as float32 (N, channels, height, width) under the same name. Pixels that were whole
    /// numbers become any numbers between, so that they can be differentiated.
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
        let runs = match self.batchable {
            true => Dim::DimParam("N".into()),
            false => Dim::DimValue(1),
        };
        let dims = [
            runs,
            Dim::DimValue(channels),
            Dim::DimValue(height),
            Dim::DimValue(width),
        ];
        let mut result = graph.hollow();
        result.insert_input(value_info(&self.name, Elem::F32, &dims))?;
        for constant in graph.constants() {
            result.insert_constant(constant.clone())?;
        }
        let mut names = Names::new();
        if self.axes == Axes::ChannelsLast {
            let turned = self.turned(graph);
            result.insert_node(NodeProto {
                op_type: "Transpose".into(),
                input: vec![self.name.clone()],
                output: vec![turned.clone()],
                attribute: vec![Attribute::from(vec![0i64, 2, 3, 1]).named("perm")],
                ..Default::default()
            })?;
            names.insert(self.name.clone(), turned);
        }
        for node in graph.nodes() {
            let mut node = node.clone();
            scope::rename(&mut node, &names);
            result.insert_node(node)?;
        }
        result.set_outputs(graph.outputs().to_vec());
        Ok(result)
    }

    /// A free name for the picture with its channels last.
    fn turned(&self, graph: &Graph) -> String {
        let mut name = format!("{}/channels_last", self.name);
        while graph.contains(&name) {
            name.push('_');
        }
        name
    }
}

/// The type, the order of axes and the dimensions of an input that can take a picture.
fn kind(input: &ValueInfoProto) -> Option<(Elem, Axes, Dims)> {
    let (elem, dims) = declared_dims(input)?;
    let elem = Elem::from_code(elem).filter(|elem| matches!(elem, Elem::F32 | Elem::U8))?;
    let is_channel = |axes: &Axes| matches!(dims[axes.places()[0]], Some(Dim::DimValue(1 | 3)));
    let orders = [Axes::ChannelsFirst, Axes::ChannelsLast];
    let axes = orders
        .into_iter()
        .filter(|_| dims.len() == 4)
        .find(is_channel)?;
    Some((elem, axes, dims))
}

/// How the axes of an input that can take a picture are called.
pub(super) fn layout(input: &ValueInfoProto) -> Option<&'static str> {
    kind(input).map(|(_, axes, _)| match axes {
        Axes::ChannelsFirst => "NCHW",
        Axes::ChannelsLast => "NHWC",
    })
}

/// A few names of inputs.
fn describe(inputs: &[ValueInfoProto]) -> String {
    let names = inputs.iter().take(8).map(|input| printable(&input.name));
    match inputs {
        [] => "none".into(),
        _ => names.collect::<Vec<_>>().join(", "),
    }
}
