//! Central differences through ONNX Runtime, against the gradient graph that the sweep appends.

mod problem;
mod running;

pub use problem::{Fill, Kink, Problem, random};
pub use running::{differentiable, gradients, run};

use ndarray::ArrayD;
use problem::cotangent;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use running::{numbers, open, tensor};
use ziggurat::autodiff::{Device, GradientOptions};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{ElementType, file};
use ziggurat::runtime::Session;

/// All lowerings; each must be right on any provider.
pub const DEVICES: [Device; 3] = [Device::CPU, Device::FULL, Device::BASIC];

/// Elements of all inputs that are perturbed one by one; beyond as many, a random choice of them.
const ELEMENTS: usize = 128;
/// As many elements are perturbed where it is not known where the function has kinks.
const SMOOTH_ELEMENTS: usize = 24;
/// Random directions in which all elements move together.
const DIRECTIONS: usize = 4;

/// How exact central differences are in a type, and how far they step.
struct Precision {
    step: f64,
    tolerance: f64,
}

fn precision(elem: ElementType) -> Precision {
    match elem {
        ElementType::F64 => Precision {
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
    /// How far a slope may be wrong because results are rounded.
    noise: f64,
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
    pub fn new(problem: &Problem, seed: u64) -> Result<Self, String> {
        Self::with_step(problem, seed, precision(problem.elem).step)
    }

    /// The cotangents alone, without any measurement.
    pub fn cotangents_of(problem: &Problem, seed: u64) -> Result<Vec<ArrayD<f64>>, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut function = Function::open(problem)?;
        let (here, _) = function.at(problem, &Direction::Element(0), 0.0)?;
        Ok(here
            .iter()
            .map(|output| cotangent(output, &mut rng))
            .collect())
    }

    /// Measures with a five-point stencil whose points are `step` apart.
    pub fn with_step(problem: &Problem, seed: u64, step: f64) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut function = Function::open(problem)?;
        let (here, pattern) = function.at(problem, &Direction::Element(0), 0.0)?;
        let cotangents: Vec<ArrayD<f64>> = here
            .iter()
            .map(|output| cotangent(output, &mut rng))
            .collect();
        let count: usize = problem.inputs.iter().map(|(_, value)| value.len()).sum();
        let mut directions: Vec<Direction> = if count <= ELEMENTS {
            (0..count).map(Direction::Element).collect()
        } else {
            (0..ELEMENTS)
                .map(|_| Direction::Element(rng.next_u32() as usize % count))
                .collect()
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
            if same {
                slopes.push((direction, slope / (12.0 * step)));
            } else {
                crossed += 1;
            }
        }
        let tolerance = precision(problem.elem).tolerance;
        Ok(Self {
            cotangents,
            slopes,
            tolerance,
            noise: 0.0,
            crossed,
        })
    }

    /// Measures single elements where the function is smooth: where the slopes on either side are the same.
    ///
    /// # Errors
    /// If that is nowhere, or a result is not finite.
    pub fn where_smooth(problem: &Problem, seed: u64) -> Result<Self, String> {
        let Precision { step, tolerance } = precision(problem.elem);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut function = Function::open(problem)?;
        let (here, _) = function.at(problem, &Direction::Element(0), 0.0)?;
        let cotangents: Vec<ArrayD<f64>> = here
            .iter()
            .map(|output| cotangent(output, &mut rng))
            .collect();
        let count: usize = problem.inputs.iter().map(|(_, value)| value.len()).sum();
        let elements: Vec<usize> = if count <= SMOOTH_ELEMENTS {
            (0..count).collect()
        } else {
            (0..SMOOTH_ELEMENTS)
                .map(|_| rng.next_u32() as usize % count)
                .collect()
        };
        let (mut slopes, mut crossed) = (Vec::new(), 0);
        for element in elements {
            let direction = Direction::Element(element);
            let mut change = |offset: f64| -> Result<f64, String> {
                let (there, _) = function.at(problem, &direction, offset * step)?;
                if there.iter().zip(&here).any(|(a, b)| a.shape() != b.shape()) {
                    return Err("how many results it has depends on the input".into());
                }
                let outputs = there.iter().zip(&here).zip(&cotangents);
                Ok(outputs
                    .map(|((there, here), cotangent)| ((there - here) * cotangent).sum())
                    .sum())
            };
            let [far_left, left, right, far_right] =
                [change(-2.0)?, change(-1.0)?, change(1.0)?, change(2.0)?];
            // Extrapolated from two distances, each side's slope misses by the square of the step.
            let before = (far_left - 4.0 * left) / (2.0 * step);
            let after = (4.0 * right - far_right) / (2.0 * step);
            let (near, far) = (
                (right - left) / (2.0 * step),
                (far_right - far_left) / (4.0 * step),
            );
            let scale = before.abs().max(after.abs()).max(0.1);
            let same = |a: f64, b: f64| (a - b).abs() <= 4.0 * tolerance * scale;
            if same(before, after) && same(near, far) {
                slopes.push((direction, (4.0 * near - far) / 3.0));
            } else {
                crossed += 1;
            }
        }
        let weighted = here
            .iter()
            .zip(&cotangents)
            .map(|(here, cotangent)| here * cotangent);
        let square: f64 = weighted.map(|product| product.mapv(|p| p * p).sum()).sum();
        let rounding = if problem.elem == ElementType::F64 {
            f64::EPSILON
        } else {
            f32::EPSILON.into()
        };
        if slopes.is_empty() {
            Err("it is smooth nowhere".into())
        } else {
            Ok(Self {
                cotangents,
                slopes,
                tolerance,
                noise: rounding * square.sqrt() / step,
                crossed,
            })
        }
    }

    /// How many measurements there are.
    pub fn count(&self) -> usize {
        self.slopes.len()
    }

    /// Compares with the gradient graph: for single elements relative to the largest element of the same input's
    /// gradient, for directions relative to the norm of the whole gradient.
    pub fn compare(&self, problem: &Problem, options: &GradientOptions) -> Result<(), String> {
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
            let missed = (analytic - slope).abs();
            if missed <= self.noise {
                continue;
            }
            let error = missed / scale.max(1e-2);
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
            .map(|name| untyped_value(name))
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

impl Problem {
    /// Whether both lowerings agree with central differences.
    pub fn check(&self) -> Result<(), String> {
        let numeric = Numeric::new(self, 3)?;
        DEVICES.iter().try_for_each(|&device| {
            let options = GradientOptions {
                device,
                ..Default::default()
            };
            numeric.compare(self, &options)
        })
    }
}
