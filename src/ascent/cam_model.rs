//! A classifier with its class activation map as a further output: a model for any ONNX runtime, in standard operators.

use super::evaluate::no_map;
use super::resampling::resize;
use super::{CamOptions, Error, Kind, Objective, cam::Map, cam_layer, scored};
use crate::autodiff::{BATCHES, Device, batch};
use crate::model::{Extension, InputSize, Network};
use crate::onnx::graph::declared_dims_mut;
use crate::onnx::passes::constant_folding;
use crate::onnx::proto::{Dim, ModelProto, TensorProto, ValueInfoProto};
use crate::onnx::types::value_info;
use crate::onnx::{Builder, ElementType, Graph, NameScope, Types};
use crate::runtime::OnnxRuntime;
use crate::text::quoted;
use ndarray::Array2;
use std::num::NonZeroUsize;

/// Prefix of the names of new nodes and values: one of those that are no layers when the model is opened.
const PREFIX: &str = "ziggurat/cam/";

/// The class that stands for the one with the highest score.
const TOP_CLASS: i64 = -1;

/// Which class activation map [`cam_model`] adds to a classifier.
#[derive(Debug, Clone, Copy, Default)]
pub struct CamRequest<'a> {
    /// Method and layer.
    pub map: CamOptions<'a>,
    /// A fixed batch size, for models that leave it open. `None`: it stays open if that is possible.
    pub batch: Option<NonZeroUsize>,
    /// Whether the input of the class must be given. Otherwise it may be omitted, which stands for the class with the
    /// highest score; but some runtimes, such as onnxruntime-web, then always omit it.
    pub class_required: bool,
}

/// A classifier with its class activation map.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CamModel {
    /// The model. It has the inputs and outputs of the file, the class and the map.
    pub model: ModelProto,
    /// The input of the class, `class`, or `class2` and so on if the model has a value of that name: int64 (N), the
    /// class of each picture, counted from 0. A negative one stands for the class with the highest score. A single
    /// class holds for all pictures.
    pub class: String,
    /// The output of the map, `heatmap`, or `heatmap2` and so on: float32 (N, height, width), of the picture's height
    /// and width, 0 to 1. The maximum of each picture is 1, unless no region supports the class: then all values are 0.
    pub heatmap: String,
    /// The height and width in pixels that are fixed now, if the file leaves them open.
    pub fixed_size: Option<InputSize>,
    /// In what else the interface of the file was not kept, one line each.
    pub notes: Vec<String>,
}

/// Adds a class activation map to a classifier, as an output: the same as [`Mapper`](super::evaluate::Mapper) computes,
/// at the size of the picture and scaled to its maximum.
///
/// The model has opset 18 or newer and computes in float32; names, other opset imports and metadata
/// are those of the file, with the class names, the preprocessing and the activation of the card. Operators are
/// standard ones, except where the file itself has others that cannot be replaced. The batch size
/// stays open if the graph is the same for every batch size; otherwise it is 1, or as requested,
/// and [`CamModel::notes`] says so. A class that does not exist is an error of the runtime (on the
/// CPU).
///
/// ```
/// use ziggurat::ascent::cam::Method;
/// use ziggurat::ascent::{CamOptions, CamRequest, cam_model};
/// use ziggurat::model::{ModelSource, Network};
/// use ziggurat::onnx::types::untyped_value;
/// use ziggurat::onnx::{Builder, ElementType, file, proto::Dim};
/// use ziggurat::runtime::{SessionOptions, Provider, Session, Tensor};
/// # ziggurat::runtime::testing::library();
/// # let home = ziggurat::runtime::testing::home();
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("classifier.onnx");
/// # let mut builder = Builder::empty(18, "");
/// # let dims = [Dim::DimParam("N".into()), Dim::DimValue(3), Dim::DimValue(8), Dim::DimValue(8)];
/// # builder.input("image", ElementType::F32, &dims)?;
/// # let filters = builder.floats(&[2, 3, 2, 2], &[1.0, -1.0, 0.5, 0.0, 0.25, 0.0].repeat(4));
/// # let strides = [("strides", vec![2i64, 2].into())];
/// # let features = builder.emit("Conv", &["image", &filters], &strides);
/// # let features = builder.emit("Relu", &[&features], &[]);
/// # let pooled = builder.emit("GlobalAveragePool", &[&features], &[]);
/// # let pooled = builder.emit("Flatten", &[&pooled], &[]);
/// # let weights = builder.floats(&[4, 2], &[1.0, 0.0, 0.0, 1.0, -1.0, 0.5, 0.5, 0.5]);
/// # builder.emit_named("logits", "Gemm", &[&pooled, &weights], &[("transB", 1i64.into())])?;
/// # file::write(builder.graph().to_model(&[untyped_value("logits")])?, &path, None)?;
/// # let path = path.to_str().unwrap();
/// #
/// let source = ModelSource::resolve(&home, Some(path))?;
/// let network = Network::open(&source.open(&home, &|_| {})?)?;
/// let request = CamRequest {
///     map: CamOptions { method: Method::LayerCam, layer: None },
///     class_required: true,
///     ..CamRequest::default()
/// };
/// let result = cam_model(&network, &request)?;
/// assert_eq!((result.class.as_str(), result.heatmap.as_str()), ("class", "heatmap"));
///
/// let bytes = file::encode(&result.model)?;
/// let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default())?;
/// let pictures = Tensor::from(ndarray::Array4::from_shape_fn((2, 3, 8, 8), |(n, _, y, x)| {
///     if n == 0 { y as f32 } else { x as f32 }
/// }));
/// // The class of the first picture, and the highest score of the second.
/// let classes = Tensor::from(ndarray::arr1(&[3i64, -1]));
/// let inputs = [("image", &pictures), ("class", &classes)];
/// let maps = session.run(&inputs, &["heatmap"])?.remove(0);
/// assert_eq!(maps.as_f32().unwrap().shape(), [2, 8, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::NoClassScores`] if the network has none; [`Error::NoMap`] as for
/// [`Mapper::open`](super::evaluate::Mapper::open); [`Error::NotDifferentiable`] with the node without a gradient rule;
/// [`Error::FixedBatch`] if another batch size than that of the model is requested.
pub fn cam_model(network: &Network, request: &CamRequest) -> Result<CamModel, Error> {
    let logits = match &network.scores {
        Ok(scores) => scores.value.clone(),
        Err(why) => return Err(Error::NoClassScores(why.clone())),
    };
    if request.batch.is_some() && !network.batchable {
        return Err(Error::FixedBatch);
    }
    let target = Objective {
        kind: Kind::Class,
        value: logits,
    };
    let map = cam_layer::resolve(network, &target, request.map)?.ok_or_else(|| no_map(&target))?;
    let mut taken = NameScope::from_graph(&network.graph);
    taken.extend(network.interface.names());
    let fresh = |name: &str| {
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let mut names = std::iter::once(name.to_string()).chain(numbered);
        names.find(|name| !taken.contains(name)).unwrap_or_default()
    };
    let source = Source {
        network,
        target,
        map,
        class: fresh("class"),
        heatmap: fresh("heatmap"),
        class_required: request.class_required,
    };
    let mut notes = network.interface.differences();
    notes.extend(
        network
            .scores
            .iter()
            .flat_map(|scores| scores.remarks.clone()),
    );
    let model = match (network.batchable, request.batch) {
        (true, None) => match source.with_open_batch()? {
            Ok(model) => model,
            Err(why) => {
                notes.push(format!("the batch size is fixed at 1: {why}"));
                source.with_fixed_batch(1)?
            }
        },
        (true, Some(batch)) => source.with_fixed_batch(batch.get())?,
        (false, _) => source.with_fixed_batch(1)?,
    };
    Ok(CamModel {
        model,
        class: source.class,
        heatmap: source.heatmap,
        fixed_size: network.interface.has_open_sides().then_some(network.size),
        notes,
    })
}

/// A network, and what is added to it.
struct Source<'a> {
    network: &'a Network,
    /// A class.
    target: Objective,
    map: Map,
    /// The names of the new input and output.
    class: String,
    heatmap: String,
    class_required: bool,
}

/// The network's graph with the map, for some batch size.
struct Built {
    graph: Graph,
    /// The types of the network's values.
    shapes: Types,
}

impl Source<'_> {
    /// The model for any batch size; the inner error is the reason why there is none.
    fn with_open_batch(&self) -> Result<Result<ModelProto, String>, Error> {
        let network = self.network;
        let mut builds = Vec::new();
        for batch in BATCHES {
            builds.push(match self.built(batch) {
                Ok(built) => built,
                // Nor is there one for another batch size.
                Err(problem @ Error::NotDifferentiable { .. }) => return Err(problem),
                Err(problem) => return Ok(Err(problem.to_string())),
            });
        }
        let graphs = [0, 1, 2].map(|index| &builds[index].graph);
        let reserved = network.interface.names();
        let graph =
            match batch::generalize(&network.graph, BATCHES, graphs, &network.input, reserved) {
                Ok(graph) => graph,
                Err(why) => return Ok(Err(why)),
            };
        // A batch of 1 is the one that differs most from those that were compared.
        let dims = network.input_dims(1);
        let single = [(network.input.as_str(), &dims[..]), (&self.class, &[1])];
        let types = constant_folding::shapes(&OnnxRuntime, &graph, &single);
        let found = types.map(|types| types.find(&self.heatmap).map(|found| found.dims.clone()));
        match found {
            Ok(Some(found)) if found == [1, dims[2], dims[3]] => {}
            Ok(_) => return Ok(Err(format!("{} would have other dimensions", self.heatmap))),
            Err(problem) => return Ok(Err(problem.to_string())),
        }
        let shapes = [&builds[0].shapes, &builds[1].shapes];
        self.model(&graph, network.interface.batch(), 1, shapes)
            .map(Ok)
    }

    /// The model for `batch` pictures.
    fn with_fixed_batch(&self, batch: usize) -> Result<ModelProto, Error> {
        let built = self.built(batch)?;
        let size = Some(Dim::DimValue(batch as i64));
        self.model(&built.graph, size, batch, [&built.shapes; 2])
    }

    /// The model of `graph`, for pictures of a batch size that is `size`; if that is open, the class has one element by
    /// default, otherwise `count`.
    fn model(
        &self,
        graph: &Graph,
        size: Option<Dim>,
        count: usize,
        shapes: [&Types; 2],
    ) -> Result<ModelProto, Error> {
        let network = self.network;
        let [_, channels, height, width] = network
            .input_dims(1)
            .map(|size| Some(Dim::DimValue(size as i64)));
        let picture = [size.clone(), channels, height.clone(), width.clone()];
        let described = |name: &str, elem: ElementType, dims: Vec<Option<Dim>>, what: &str| {
            let mut value = value_info(name, elem, &vec![Dim::DimValue(0); dims.len()]);
            value.doc_string = what.into();
            for (declared, dim) in declared_dims_mut(&mut value).iter_mut().zip(dims) {
                declared.value = dim;
            }
            value
        };
        let method = self.map.method.name();
        let layer = quoted(&self.map.layer);
        let class = described(
            &self.class,
            ElementType::I64,
            vec![size.clone()],
            "Class of each picture, from 0; negative: the class with the highest score",
        );
        let heatmap = described(
            &self.heatmap,
            ElementType::F32,
            vec![size.clone(), height, width],
            &format!("Class activation map ({method}, layer {layer}), 0 to 1"),
        );
        let extension = Extension {
            inputs: vec![class],
            outputs: vec![heatmap],
        };
        let declared =
            |name: &str| -> Option<ValueInfoProto> { batch::declared(name, shapes, size.as_ref()) };
        let mut model = network
            .interface
            .restore(graph, picture, extension, declared)?;
        network.record_metadata(&mut model);
        if !self.class_required {
            let default = vec![TOP_CLASS; count];
            let default = TensorProto::from_i64(&self.class, &[count as i64], &default);
            model
                .graph
                .get_or_insert_default()
                .initializer
                .push(default);
        }
        Ok(model)
    }

    /// The network's graph with the map for `runs` pictures.
    fn built(&self, runs: usize) -> Result<Built, Error> {
        let network = self.network;
        let shapes = network.shapes_for(runs)?;
        let mut all = shapes.clone();
        let mut builder = Builder::extend(network.graph.clone(), PREFIX);
        builder.reserve(network.interface.names());
        let one = [Dim::DimValue(runs as i64)];
        builder.input(&self.class, ElementType::I64, &one)?;
        let units = self.units(&mut builder);
        let layer = &self.map.layer;
        let scored = scored::append(
            &mut builder,
            &mut all,
            network,
            &self.target,
            &units,
            layer,
            Device::default(),
        )?;
        let map = self.map.emit(&mut builder, &mut all, &scored.gradient)?;
        self.scaled(&mut builder, &map)?;
        Ok(Built {
            graph: builder.into_graph(),
            shapes,
        })
    }

    /// Emits the class of each picture, (N, 1), from the input.
    fn units(&self, builder: &mut Builder) -> String {
        let network = self.network;
        let ends = [("start", 0i64.into()), ("end", 1i64.into())];
        let batch = builder.emit("Shape", &[&network.input], &ends);
        let given = builder.emit("Expand", &[&self.class, &batch], &[]);
        let along = [("axis", 1i64.into()), ("keepdims", 0i64.into())];
        let top = builder.emit("ArgMax", &[&self.target.value], &along);
        let zero = builder.int(0);
        let is_open = builder.emit("Less", &[&given, &zero], &[]);
        let chosen = builder.emit("Where", &[&is_open, &top, &given], &[]);
        // A class that does not exist is an index beyond the end of this list.
        let classes: Vec<i64> = (0..network.classes.len() as i64).collect();
        let classes = builder.ints(&classes);
        let existing = builder.emit("Gather", &[&classes, &chosen], &[("axis", 0i64.into())]);
        let axes = builder.ints(&[1]);
        builder.emit("Unsqueeze", &[&existing, &axes], &[])
    }

    /// Emits the output from a map (N, 1, rows, columns): resized to the picture and divided by its maximum.
    fn scaled(&self, builder: &mut Builder, map: &str) -> Result<(), Error> {
        let [.., height, width] = self.network.input_dims(1);
        let (rows, columns) = (self.map.layout.rows, self.map.layout.columns);
        let channel = builder.ints(&[1]);
        let mut plane = builder.emit("Squeeze", &[map, &channel], &[]);
        if columns != width {
            let matrix = resize(columns, width).reversed_axes();
            let matrix = constant(builder, matrix);
            plane = builder.emit("MatMul", &[&plane, &matrix], &[]);
        }
        if rows != height {
            let matrix = constant(builder, resize(rows, height));
            plane = builder.emit("MatMul", &[&matrix, &plane], &[]);
        }
        let places = builder.ints(&[1, 2]);
        let largest = builder.emit("ReduceMax", &[&plane, &places], &[]);
        let (zero, one) = (
            builder.scalar(ElementType::F32, 0.0)?,
            builder.scalar(ElementType::F32, 1.0)?,
        );
        let is_empty = builder.emit("Equal", &[&largest, &zero], &[]);
        let divisor = builder.emit("Where", &[&is_empty, &one, &largest], &[]);
        builder.emit_named(&self.heatmap, "Div", &[&plane, &divisor], &[])?;
        Ok(())
    }
}

/// Adds a matrix as a constant.
fn constant(builder: &mut Builder, matrix: Array2<f32>) -> String {
    let (rows, columns) = matrix.dim();
    let elements: Vec<f32> = matrix.iter().copied().collect();
    builder.floats(&[rows as i64, columns as i64], &elements)
}
