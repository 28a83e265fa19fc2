//! Central differences through ONNX Runtime, against the gradient graph that the sweep appends.

use ndarray::{ArrayD, IxDyn};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ziggurat::autodiff::{self, Device, Options};
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::shapes::{fixed, untyped};
use ziggurat::onnx::{Builder, Elem, Graph, Shapes, file, upgrade::upgrade};
use ziggurat::runtime::{self, Provider, Session, Tensor, inference};

/// Both lowerings; either must be right on any provider.
pub const DEVICES: [Device; 2] = [Device::Cpu, Device::Cuda];

/// Elements of all inputs that are perturbed one by one; beyond as many, a random choice of them.
const ELEMENTS: usize = 128;
/// Random directions in which all elements move together.
const DIRECTIONS: usize = 4;

/// A function of the graph's inputs, all of them of the type `elem`, and a point to differentiate it at.
pub struct Problem {
    pub graph: Graph,
    pub elem: Elem,
    pub inputs: Vec<(String, ArrayD<f64>)>,
    pub outputs: Vec<String>,
    /// Where the function has kinks: a difference that crosses one is no derivative and is left out.
    pub kinks: Vec<Kink>,
}

/// A value of the graph and the numbers at which some function of it has a kink; if there are none, the value itself is
/// a choice (the indices of a pool) that must not change.
pub struct Kink {
    pub value: String,
    pub at: Vec<f64>,
}

/// How exact central differences are in a type, and how far they step.
struct Precision {
    step: f64,
    tolerance: f64,
}

fn precision(elem: Elem) -> Precision {
    match elem {
        Elem::F64 => Precision {
            step: 1.0 / 512.0,
            tolerance: 1e-6,
        },
        _ => Precision {
            step: 1.0 / 64.0,
            tolerance: 1e-3,
        },
    }
}

/// How fast a random linear functional of the outputs changes, measured along elements and directions.
pub struct Numeric {
    /// The functional: one cotangent an output.
    pub cotangents: Vec<ArrayD<f64>>,
    /// For each measurement, how far each element of all inputs moves, and the slope.
    slopes: Vec<(Direction, f64)>,
    tolerance: f64,
    /// How many measurements were left out because they crossed a kink.
    pub crossed: usize,
}

/// A direction in the space of all inputs' elements, one after the other.
enum Direction {
    Element(usize),
    All(Vec<f64>),
}

impl Direction {
    fn component(&self, index: usize) -> f64 {
        match self {
            Self::Element(element) => f64::from(u8::from(*element == index)),
            Self::All(components) => components[index],
        }
    }
}

impl Numeric {
    /// Measures with the usual step of the problem's type.
    pub fn of(problem: &Problem, seed: u64) -> Result<Self, String> {
        Self::with_step(problem, seed, precision(problem.elem).step)
    }

    /// Measures with a five-point stencil whose points are `step` apart.
    pub fn with_step(problem: &Problem, seed: u64, step: f64) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut function = Function::open(problem)?;
        let (here, pattern) = function.at(problem, &Direction::Element(0), 0.0)?;
        let draw = |like: &ArrayD<f64>, rng: &mut ChaCha8Rng| {
            ArrayD::from_shape_simple_fn(like.raw_dim(), || {
                f64::from(uniform(rng, -1.0, 1.0) as f32)
            })
        };
        let cotangents: Vec<ArrayD<f64>> =
            here.iter().map(|output| draw(output, &mut rng)).collect();
        let count: usize = problem.inputs.iter().map(|(_, value)| value.len()).sum();
        let mut directions: Vec<Direction> = match count <= ELEMENTS {
            true => (0..count).map(Direction::Element).collect(),
            false => (0..ELEMENTS)
                .map(|_| Direction::Element(rng.next_u32() as usize % count))
                .collect(),
        };
        for _ in 0..DIRECTIONS {
            let signs = (0..count).map(|_| if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 });
            directions.push(Direction::All(signs.collect()));
        }
        let (mut slopes, mut crossed) = (Vec::new(), 0);
        for direction in directions {
            let mut slope = 0.0;
            let mut same = true;
            for (offset, weight) in [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)] {
                let (there, found) = function.at(problem, &direction, offset * step)?;
                same &= found == pattern;
                // Differences from here rather than the values: what does not change cancels without rounding.
                for ((there, here), cotangent) in there.iter().zip(&here).zip(&cotangents) {
                    slope += weight * ((there - here) * cotangent).sum();
                }
            }
            match same {
                true => slopes.push((direction, slope / (12.0 * step))),
                false => crossed += 1,
            }
        }
        let tolerance = precision(problem.elem).tolerance;
        Ok(Self {
            cotangents,
            slopes,
            tolerance,
            crossed,
        })
    }

    /// How many measurements there are.
    pub fn count(&self) -> usize {
        self.slopes.len()
    }

    /// Compares with the gradient graph: for single elements relative to the largest element of the same input's
    /// gradient, for directions relative to the norm of the whole gradient.
    pub fn compare(&self, problem: &Problem, options: &Options) -> Result<(), String> {
        self.agree(problem, &gradients(problem, &self.cotangents, options)?)
    }

    /// As [`Numeric::compare`], for gradients found in another way.
    pub fn agree(&self, problem: &Problem, gradients: &[ArrayD<f64>]) -> Result<(), String> {
        let largest =
            |values: &ArrayD<f64>| values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let mut flat = Vec::new();
        let mut scales = Vec::new();
        for (gradient, (name, value)) in gradients.iter().zip(&problem.inputs) {
            if gradient.shape() != value.shape() {
                let (found, wanted) = (gradient.shape(), value.shape());
                return Err(format!(
                    "the gradient of {name} is {found:?}, not {wanted:?}"
                ));
            }
            flat.extend(gradient.iter().copied());
            scales.extend(std::iter::repeat_n(largest(gradient), gradient.len()));
        }
        let norm = flat.iter().map(|g| g * g).sum::<f64>().sqrt();
        for (direction, slope) in &self.slopes {
            let (analytic, scale) = match direction {
                Direction::Element(index) => (flat[*index], scales[*index]),
                Direction::All(components) => {
                    let dot = flat.iter().zip(components).map(|(g, d)| g * d).sum();
                    (dot, norm)
                }
            };
            let error = (analytic - slope).abs() / scale.max(1e-2);
            if error.is_nan() || error > self.tolerance {
                let which = match direction {
                    Direction::Element(index) => format!("element {index} of {}", flat.len()),
                    Direction::All(_) => "a direction".into(),
                };
                return Err(format!(
                    "{which}: gradient {analytic}, difference {slope}, relative error {error:.1e}"
                ));
            }
        }
        Ok(())
    }
}

/// The forward graph, ready to run.
struct Function {
    session: Session,
    kinks: usize,
}

impl Function {
    fn open(problem: &Problem) -> Result<Self, String> {
        let kinks = problem.kinks.iter().map(|kink| &kink.value);
        let outputs: Vec<_> = problem
            .outputs
            .iter()
            .chain(kinks)
            .map(|name| untyped(name))
            .collect();
        let model = problem.graph.to_model(&outputs).expect("the outputs exist");
        let session = open(&file::encode(&model).unwrap())?;
        Ok(Self {
            session,
            kinks: problem.kinks.len(),
        })
    }

    /// The outputs at the problem's point, moved by `step` along `direction`, and on which side of each kink it lies.
    fn at(
        &mut self,
        problem: &Problem,
        direction: &Direction,
        step: f64,
    ) -> Result<(Vec<ArrayD<f64>>, Vec<i64>), String> {
        let mut index = 0;
        let mut inputs = Vec::new();
        for (name, value) in &problem.inputs {
            let moved = value.mapv(|element| {
                index += 1;
                element + step * direction.component(index - 1)
            });
            inputs.push((name.as_str(), tensor(problem.elem, &moved)));
        }
        let inputs: Vec<_> = inputs
            .iter()
            .map(|(name, tensor)| (*name, tensor))
            .collect();
        let kinks = problem.kinks.iter().map(|kink| &kink.value);
        let names: Vec<&str> = problem
            .outputs
            .iter()
            .chain(kinks)
            .map(String::as_str)
            .collect();
        let outputs = self
            .session
            .run(&inputs, &names)
            .map_err(|error| error.to_string())?;
        let mut outputs: Vec<_> = outputs.iter().map(numbers).collect();
        let probed = outputs.split_off(outputs.len() - self.kinks);
        let mut pattern = Vec::new();
        for (values, kink) in probed.iter().zip(&problem.kinks) {
            for value in values {
                let below = kink.at.iter().filter(|&&bound| *value > bound).count();
                pattern.push(if kink.at.is_empty() {
                    *value as i64
                } else {
                    below as i64
                });
            }
        }
        Ok((outputs, pattern))
    }
}

/// What the sweep says the gradient of `Σ cotangent · output` is, input by input.
pub fn gradients(
    problem: &Problem,
    cotangents: &[ArrayD<f64>],
    options: &Options,
) -> Result<Vec<ArrayD<f64>>, String> {
    let (mut builder, shapes) = differentiable(problem)?;
    let mut seeds = Vec::new();
    for (name, cotangent) in problem.outputs.iter().zip(cotangents) {
        let elem = shapes.get(name).map_err(|error| error.to_string())?.elem;
        let dims: Vec<i64> = cotangent.shape().iter().map(|&dim| dim as i64).collect();
        let values: Vec<f64> = cotangent.iter().copied().collect();
        let cotangent = TensorProto::from_floats("", &dims, elem, &values).unwrap();
        seeds.push((name.clone(), builder.constant(cotangent)));
    }
    let sources: Vec<String> = problem
        .inputs
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let found = autodiff::gradient(&mut builder, &shapes, &seeds, &sources, options)
        .map_err(|error| error.to_string())?;
    run(problem, builder.graph(), &found)
}

/// The problem's graph, upgraded, to be differentiated.
pub fn differentiable(problem: &Problem) -> Result<(Builder, Shapes), String> {
    runtime::testing::library();
    let outputs: Vec<_> = problem.outputs.iter().map(|name| untyped(name)).collect();
    let model = problem.graph.to_model(&outputs).expect("the outputs exist");
    let graph = Graph::new(upgrade(model).unwrap()).unwrap();
    let inputs: Vec<_> = problem
        .inputs
        .iter()
        .map(|(name, value)| (name.as_str(), value.shape()))
        .collect();
    let shapes = inference::infer(&graph, &inputs).map_err(|error| error.to_string())?;
    Ok((Builder::over(graph, "gradient/"), shapes))
}

/// The values called `names` in `graph`, at the problem's point.
pub fn run(problem: &Problem, graph: &Graph, names: &[String]) -> Result<Vec<ArrayD<f64>>, String> {
    let outputs: Vec<_> = names.iter().map(|name| untyped(name)).collect();
    let model = graph
        .to_model(&outputs)
        .map_err(|error| error.to_string())?;
    let used: Vec<_> = model
        .graph
        .iter()
        .flat_map(|graph| &graph.input)
        .map(|input| input.name.clone())
        .collect();
    let given = problem
        .inputs
        .iter()
        .filter(|(name, _)| used.contains(name));
    let inputs: Vec<_> = given
        .map(|(name, value)| (name.as_str(), tensor(problem.elem, value)))
        .collect();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut session = open(&file::encode(&model).unwrap())?;
    let values = session
        .run(&inputs, &names)
        .map_err(|error| error.to_string())?;
    Ok(values.iter().map(numbers).collect())
}

fn open(model: &[u8]) -> Result<Session, String> {
    runtime::testing::library();
    let options = runtime::Options {
        threads: Some(1),
        ..Default::default()
    };
    Session::open(model, Provider::Cpu, &options).map_err(|error| error.to_string())
}

fn tensor(elem: Elem, values: &ArrayD<f64>) -> Tensor {
    match elem {
        Elem::F64 => Tensor::from(values.clone()),
        _ => Tensor::from(values.mapv(|value| value as f32)),
    }
}

fn numbers(tensor: &Tensor) -> ArrayD<f64> {
    match tensor {
        Tensor::F32(values) => values.mapv(f64::from),
        Tensor::F64(values) => values.clone(),
        Tensor::I64(values) => values.mapv(|value| value as f64),
        other => panic!("{} is no value to differentiate", other.describe()),
    }
}

impl Problem {
    /// A graph of float32 or float64 inputs (name, dimensions, how they are drawn), made by `build`, which is given the
    /// inputs' names and returns the outputs'.
    pub fn of(
        elem: Elem,
        opset: i64,
        inputs: &[(&str, &[usize], Fill)],
        build: impl FnOnce(&mut Builder) -> Vec<String>,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut builder = Builder::empty(opset, "graph/");
        let draw = |&(name, dims, fill): &(&str, &[usize], Fill)| {
            builder
                .input(name, elem, &fixed(dims))
                .expect("names differ");
            (name.to_owned(), random(dims, fill, &mut rng))
        };
        let inputs = inputs.iter().map(draw).collect();
        let outputs = build(&mut builder);
        Self {
            graph: builder.into_graph(),
            elem,
            inputs,
            outputs,
            kinks: Vec::new(),
        }
    }

    /// Whether both lowerings agree with central differences.
    pub fn check(&self) -> Result<(), String> {
        let numeric = Numeric::of(self, 3)?;
        DEVICES.iter().try_for_each(|&device| {
            let options = Options {
                device,
                ..Default::default()
            };
            numeric.compare(self, &options)
        })
    }
}

/// How the elements of a tensor are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Between -1 and 1.
    Uniform,
    /// Between 0.5 and 1.5.
    Positive,
    /// Odd multiples of 1/16, all different, in random order: far from each other and from multiples of 1/8, so that no
    /// difference crosses a kink.
    Spaced,
    /// As `Spaced`, but even multiples of 1/16.
    SpacedBetween,
}

/// A tensor of random numbers that float32 holds exactly.
pub fn random(dims: &[usize], fill: Fill, rng: &mut ChaCha8Rng) -> ArrayD<f64> {
    let count: usize = dims.iter().product();
    let values: Vec<f64> = match fill {
        Fill::Uniform => (0..count).map(|_| uniform(rng, -1.0, 1.0)).collect(),
        Fill::Positive => (0..count).map(|_| uniform(rng, 0.5, 1.5)).collect(),
        Fill::Spaced | Fill::SpacedBetween => {
            let mut order: Vec<usize> = (0..count).collect();
            for last in (1..count).rev() {
                order.swap(last, rng.next_u32() as usize % (last + 1));
            }
            let offset = if fill == Fill::Spaced { 0.5 } else { 0.0 };
            let middle = (count / 2) as f64 - offset;
            order
                .iter()
                .map(|&rank| (rank as f64 - middle) / 8.0)
                .collect()
        }
    };
    let values = values
        .iter()
        .map(|&value| f64::from(value as f32))
        .collect();
    ArrayD::from_shape_vec(IxDyn(dims), values).expect("one value an element")
}

fn uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * f64::from(rng.next_u32()) / 2f64.powi(32)
}
