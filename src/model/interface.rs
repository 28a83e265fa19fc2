//! What a model file takes and returns, where the graph of its [`Network`](super::Network) differs: the graph has one
//! input, float32 (N, channels, height, width), and may lack outputs, because class scores are read before labels, top
//! scores and dictionaries.

use super::axis_order::AxisOrder;
use super::image_input::ImageInput;
use crate::onnx::declared_interface::{DeclaredInterface, InterfaceChange};
use crate::onnx::graph::{declared_dims, declared_dims_mut};
use crate::onnx::names::{self, Renames};
use crate::onnx::proto::{Dim, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::onnx::{Attribute, ElementType, Error, Graph, NameScope};
use crate::text::quoted;
use std::mem;

/// The inputs and outputs of a model file.
#[derive(Debug, Clone)]
pub struct Interface {
    /// The inputs, without those that have a fixed value. Numbers of half and double precision are float32.
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    /// Name, element type and axis order of the image input.
    picture: (String, ElementType, AxisOrder),
    /// Nodes and constants that compute the outputs which the network's graph lacks.
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Inputs with a fixed value.
    fixed: Vec<String>,
    /// How inputs and opset differ from what the file declares.
    changes: Vec<InterfaceChange>,
}

/// Inputs and outputs that an extension of a network's graph has besides those of the file.
#[derive(Debug, Clone, Default)]
pub struct Extension {
    pub inputs: Vec<ValueInfoProto>,
    pub outputs: Vec<ValueInfoProto>,
}

impl Interface {
    /// The interface of a file, which `declared` its inputs. `file` is its graph at opset 18 or
    /// newer, `graph` that of the network.
    pub(super) fn new(
        declared: &DeclaredInterface,
        file: &Graph,
        graph: &Graph,
        picture: &ImageInput,
    ) -> Self {
        let given = picture.extra_inputs();
        let fixed: Vec<String> = given.iter().map(|given| given.name.clone()).collect();
        let mut changes = declared.changes(file);
        let is_fixed = |input: &str| fixed.iter().any(|name| name == input);
        changes.retain(|change| !change.input().is_some_and(is_fixed));
        let (nodes, constants) = missing(file, graph, given);
        let inputs = file.inputs().iter();
        Self {
            inputs: inputs
                .filter(|input| !fixed.contains(&input.name))
                .cloned()
                .collect(),
            outputs: file.outputs().to_vec(),
            picture: (picture.name.clone(), picture.elem, picture.axes()),
            nodes,
            constants,
            changes,
            fixed,
        }
    }

    /// The names of the inputs, the outputs, and the values from which the outputs are computed
    /// that the network's graph lacks. The other values are those of the network's graph.
    pub fn names(&self) -> NameScope {
        let mut names = NameScope::default();
        let values = self
            .inputs
            .iter()
            .chain(&self.outputs)
            .map(|value| &value.name);
        let constants = self.constants.iter().map(|constant| &constant.name);
        for name in values.chain(constants).chain(&self.fixed) {
            names.insert(name);
        }
        names.insert_outputs(&self.nodes);
        names
    }

    /// Axis 0 of the image input as declared; `None` if it is open without a name.
    pub fn batch(&self) -> Option<Dim> {
        self.picture_dims().first().cloned().flatten()
    }

    /// Whether height or width of the image input are open.
    pub fn has_open_sides(&self) -> bool {
        let dims = self.picture_dims();
        let [_, row, column] = self.picture.2.positions();
        let is_open = |axis: usize| !matches!(dims.get(axis), Some(Some(Dim::DimValue(_))));
        is_open(row) || is_open(column)
    }

    /// In what a model of [`Interface::restore`] differs from the file; one line each.
    pub fn differences(&self) -> Vec<String> {
        let changes = self.changes.iter().map(InterfaceChange::to_string);
        let fixed = self.fixed.iter().map(|name| {
            let name = quoted(name);
            format!("its further input {name} has the given value and is no input any more")
        });
        changes.chain(fixed).collect()
    }

    /// The model of `graph`, an extension of the network's graph, with the inputs and outputs of the file, followed by
    /// those of the extension. `picture` are the dimensions of the image input (N, channels, height, width), of which N
    /// may be open; `declared` is the declaration of an output, if it is known better than by the file.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if an output cannot be computed.
    pub fn restore(
        &self,
        graph: &Graph,
        picture: [Option<Dim>; 4],
        extension: Extension,
        declared: impl Fn(&str) -> Option<ValueInfoProto>,
    ) -> Result<ModelProto, Error> {
        let mut inputs = self.inputs.clone();
        for input in inputs
            .iter_mut()
            .filter(|input| input.name == self.picture.0)
        {
            self.set_picture_dims(input, &picture);
        }
        inputs.extend(extension.inputs);
        let outputs = self.outputs.iter().map(|output| {
            let mut output = output.clone();
            match declared(&output.name) {
                Some(known) => output.r#type = known.r#type,
                None => self.set_batch(&mut output, picture[0].as_ref()),
            }
            output
        });
        let outputs: Vec<_> = outputs.chain(extension.outputs).collect();

        let mut result = graph.empty_like();
        for input in &inputs {
            result.insert_input(input.clone())?;
        }
        for constant in graph.constants() {
            result.insert_constant(constant.clone())?;
        }
        let mut names = Renames::new();
        self.insert_conversion(&mut result, graph, &mut names)?;
        for node in graph.nodes() {
            let mut node = node.clone();
            names::rename(&mut node, &names);
            result.insert_node(node)?;
        }
        for constant in &self.constants {
            result.insert_constant(constant.clone())?;
        }
        for node in &self.nodes {
            result.insert_node(node.clone())?;
        }
        let mut model = result.to_model(&outputs)?;
        // All inputs stay, also those that nothing reads.
        model.graph.get_or_insert_default().input = inputs;
        Ok(model)
    }

    /// Inserts the nodes from the image input of the file to that of the network's graph, whose new name is added to
    /// `names`.
    fn insert_conversion(
        &self,
        result: &mut Graph,
        graph: &Graph,
        names: &mut Renames,
    ) -> Result<(), Error> {
        let (name, elem, axes) = &self.picture;
        let mut steps = Vec::new();
        if *elem == ElementType::U8 {
            let to = i64::from(ElementType::F32.code());
            steps.push(("Cast", "float32", Attribute::Int(to).named("to")));
        }
        if *axes == AxisOrder::Nhwc {
            let order = Attribute::from(vec![0i64, 3, 1, 2]);
            steps.push(("Transpose", "channels_first", order.named("perm")));
        }
        if steps.is_empty() {
            return Ok(());
        }
        let mut value = name.clone();
        let mut scope = NameScope::from_graph(graph);
        scope.extend(self.names());
        for (op, what, attribute) in steps {
            let output = scope.fresh(name, what);
            result.insert_node(NodeProto {
                name: output.clone(),
                op_type: op.into(),
                input: vec![mem::replace(&mut value, output.clone())],
                output: vec![output],
                attribute: vec![attribute],
                ..Default::default()
            })?;
        }
        names.insert(name.clone(), value);
        Ok(())
    }

    /// The declared dimensions of the image input.
    fn picture_dims(&self) -> Vec<Option<Dim>> {
        let picture = self
            .inputs
            .iter()
            .find(|input| input.name == self.picture.0);
        let dims = picture.and_then(declared_dims);
        dims.map_or(Vec::new(), |(_, dims)| dims)
    }

    /// Sets the dimensions of the image input; `dims` are (N, channels, height, width).
    fn set_picture_dims(&self, input: &mut ValueInfoProto, dims: &[Option<Dim>; 4]) {
        let [channel, row, column] = self.picture.2.positions();
        let axes = declared_dims_mut(input);
        for (axis, dim) in [0, channel, row, column].into_iter().zip(dims) {
            if let Some(declared) = axes.get_mut(axis) {
                declared.value.clone_from(dim);
            }
        }
    }

    /// Sets the dimensions of an output that have the name of the batch.
    fn set_batch(&self, output: &mut ValueInfoProto, size: Option<&Dim>) {
        let Some(batch @ Dim::DimParam(_)) = self.batch() else {
            return;
        };
        let axes = declared_dims_mut(output).iter_mut();
        for axis in axes.filter(|axis| axis.value.as_ref() == Some(&batch)) {
            axis.value = size.cloned();
        }
    }
}

/// The nodes and constants of `file` that compute those of its outputs which `graph` lacks, from values that it has,
/// from inputs, and from the `given` values of inputs.
fn missing(
    file: &Graph,
    graph: &Graph,
    given: &[TensorProto],
) -> (Vec<NodeProto>, Vec<TensorProto>) {
    let mut needed = vec![false; file.nodes().len()];
    let mut constants: Vec<TensorProto> = Vec::new();
    let outputs = file.outputs().iter().map(|output| output.name.as_str());
    let mut worklist: Vec<&str> = outputs.collect();
    while let Some(value) = worklist.pop() {
        let is_known = constants.iter().any(|constant| constant.name == value);
        if is_known || graph.contains(value) {
            continue;
        }
        let given = given.iter().find(|given| given.name == value);
        if let Some(constant) = file.constant(value).or(given) {
            constants.push(constant.clone());
        } else if let Some(index) = file.producer(value)
            && !mem::replace(&mut needed[index], true)
        {
            worklist.extend(file.nodes()[index].reads());
        }
    }
    let nodes = file.nodes().iter().zip(needed);
    let nodes = nodes.filter(|(_, needed)| *needed);
    (nodes.map(|(node, _)| node.clone()).collect(), constants)
}
