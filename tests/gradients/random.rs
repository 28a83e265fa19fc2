//! Random small graphs: whatever is composed of ops with rules must agree with central differences.

mod convolutional;

use crate::central_differences::{DEVICES, Fill, Kink, Numeric, Problem, random};
use convolutional::grow_convolutional;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use ziggurat::autodiff::GradientOptions;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::types::fixed_dims;
use ziggurat::onnx::{Builder, ElementType};

/// Graphs of either kind.
const GRAPHS: u32 = 96;

/// One step: which operator, which of the values so far, and two choices that the operator interprets.
type Step = (u8, u8, u8, u8);

/// A graph that grows: values with their dimensions.
struct Growing {
    builder: Builder,
    elem: ElementType,
    values: Vec<(String, Vec<usize>)>,
    kinks: Vec<Kink>,
    rng: ChaCha8Rng,
}

impl Growing {
    fn problem(
        elem: ElementType,
        dims: &[usize],
        steps: &[Step],
        grow: fn(&mut Self, Step),
    ) -> Problem {
        let mut rng = ChaCha8Rng::seed_from_u64(steps.len() as u64 + 17);
        let mut builder = Builder::empty(18, "random/");
        builder.input("x", elem, &fixed_dims(dims)).unwrap();
        let x = random(dims, Fill::Uniform, &mut rng);
        let values = vec![("x".to_owned(), dims.to_vec())];
        let mut growing = Self {
            builder,
            elem,
            values,
            kinks: Vec::new(),
            rng,
        };
        for &step in steps {
            grow(&mut growing, step);
        }
        // Every value that nothing reads is an output: all of the graph is differentiated.
        let consumers = growing.builder.graph().consumers();
        let ends = growing
            .values
            .iter()
            .filter(|(name, _)| !consumers.contains_key(name.as_str()));
        let outputs = ends.map(|(name, _)| name.clone()).collect();
        drop(consumers);
        let Self { builder, kinks, .. } = growing;
        Problem {
            graph: builder.into_graph(),
            elem,
            inputs: vec![("x".into(), x)],
            outputs,
            kinks,
        }
    }

    fn constant(&mut self, dims: &[usize], scale: f64) -> String {
        let values: Vec<f64> = random(dims, Fill::Uniform, &mut self.rng)
            .iter()
            .map(|v| v * scale)
            .collect();
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        self.builder
            .constant(TensorProto::from_floats("", &dims, self.elem, &values).unwrap())
    }

    fn plain(&mut self, op: &str, inputs: &[&str]) -> String {
        self.builder.emit(op, inputs, &[])
    }

    fn add(&mut self, name: String, dims: &[usize]) {
        self.values.push((name, dims.to_vec()));
    }

    fn kink(&mut self, value: &str, at: &[f64]) {
        self.kinks.push(Kink {
            value: value.into(),
            at: at.to_vec(),
        });
    }

    /// A value of the same dimensions as `value`, other than it if there is one.
    fn partner(&self, value: &str, dims: &[usize], choice: u8) -> String {
        let fits: Vec<&String> = self
            .values
            .iter()
            .filter(|(name, other)| name != value && other == dims)
            .map(|(name, _)| name)
            .collect();
        match fits.as_slice() {
            [] => value.into(),
            fits => fits[choice as usize % fits.len()].clone(),
        }
    }
}

/// A step in float64, over tensors of any rank from 1 on. Values stay moderate: what grows is squashed before.
fn grow_smooth(g: &mut Growing, (op, of, a, b): Step) {
    let (x, dims) = g.values[of as usize % g.values.len()].clone();
    let rank = dims.len();
    let axis = a as usize % rank;
    let negative_or_not = if b % 2 == 0 {
        axis as i64
    } else {
        axis as i64 - rank as i64
    };
    let along = g.builder.ints(&[negative_or_not]);
    let name = ("axis", negative_or_not.into());
    match op % 20 {
        0 => {
            let op = ["Tanh", "Sigmoid", "Neg", "Identity"][a as usize % 4];
            let y = g.plain(op, &[&x]);
            g.add(y, &dims);
        }
        1 => {
            let squashed = g.plain("Tanh", &[&x]);
            let y = g.plain("Exp", &[&squashed]);
            g.add(y, &dims);
        }
        2 => {
            let square = g.plain("Mul", &[&x, &x]);
            let one = g.builder.scalar(g.elem, 1.0).unwrap();
            let above = g.plain("Add", &[&square, &one]);
            let y = g.plain(["Sqrt", "Log"][a as usize % 2], &[&above]);
            g.add(y, &dims);
        }
        // Broadcasting constants of fewer axes or of size 1 along one, on either side.
        3 => {
            let mut other = dims[b as usize % (rank + 1)..].to_vec();
            if let Some(last) = other.last_mut().filter(|_| a % 3 == 0) {
                *last = 1;
            }
            let c = g.constant(&other, 1.0);
            let op = ["Add", "Sub", "Mul"][a as usize % 3];
            let y = if b % 2 == 0 {
                g.plain(op, &[&x, &c])
            } else {
                g.plain(op, &[&c, &x])
            };
            g.add(y, &dims);
        }
        4 => {
            let other = g.partner(&x, &dims, b);
            let y = g.plain(["Add", "Sub", "Mul"][a as usize % 3], &[&x, &other]);
            g.add(y, &dims);
        }
        5 => {
            let other = g.partner(&x, &dims, b);
            let divisor = g.plain("Sigmoid", &[&other]);
            let y = g.plain("Div", &[&x, &divisor]);
            g.add(y, &dims);
        }
        6 => {
            let y = g.builder.emit(
                ["Softmax", "LogSoftmax"][usize::from(b) / 2 % 2],
                &[&x],
                &[name],
            );
            g.add(y, &dims);
        }
        7 => {
            let keep = i64::from(b / 2 % 2);
            let y = g.builder.emit(
                ["ReduceMean", "ReduceSum"][usize::from(b) / 4 % 2],
                &[&x, &along],
                &[("keepdims", keep.into())],
            );
            let mut dims = dims;
            match keep {
                0 if rank > 1 => drop(dims.remove(axis)),
                0 => return,
                _ => dims[axis] = 1,
            }
            g.add(y, &dims);
        }
        8 => {
            let mut order: Vec<i64> = (0..rank as i64).collect();
            order.rotate_left(axis);
            let turned: Vec<usize> = order.iter().map(|&axis| dims[axis as usize]).collect();
            let y = g
                .builder
                .emit("Transpose", &[&x], &[("perm", order.into())]);
            g.add(y, &turned);
        }
        9 => {
            let flat = g.builder.ints(&[-1]);
            let y = g.plain("Reshape", &[&x, &flat]);
            g.add(y, &[dims.iter().product()]);
        }
        10 => {
            let y = g.builder.emit("Concat", &[&x, &x], &[name]);
            let mut dims = dims;
            dims[axis] *= 2;
            if dims.iter().product::<usize>() <= 400 {
                g.add(y, &dims);
            }
        }
        11 => {
            let sizes = [dims[axis].div_ceil(2), dims[axis] / 2];
            if sizes[1] == 0 {
                return;
            }
            let parts =
                g.builder
                    .emit_many("Split", &[&x], &[name, ("num_outputs", 2i64.into())], 2);
            for (part, size) in parts.into_iter().zip(sizes) {
                let mut dims = dims.clone();
                dims[axis] = size;
                g.add(part, &dims);
            }
        }
        12 => {
            let (start, end, step) = match b % 3 {
                0 => (1, i64::MAX, 1),
                1 => (0, i64::MAX, 2),
                _ => (-1, i64::MIN + 1, -2),
            };
            let mut dims = dims;
            dims[axis] = if b % 3 == 0 {
                dims[axis] - 1
            } else {
                dims[axis].div_ceil(2)
            };
            if dims[axis] == 0 {
                return;
            }
            let [start, end, step] = [start, end, step].map(|number| g.builder.ints(&[number]));
            let y = g.plain("Slice", &[&x, &start, &end, &along, &step]);
            g.add(y, &dims);
        }
        13 => {
            let (before, after) = (i64::from(b / 2 % 2), i64::from(b / 4 % 2));
            let pads = g.builder.ints(&[before, after]);
            let mode = ["constant", "edge", "reflect"][a as usize / 4 % 3];
            if mode == "reflect" && dims[axis] < 2 {
                return;
            }
            let y = g
                .builder
                .emit("Pad", &[&x, &pads, "", &along], &[("mode", mode.into())]);
            let mut dims = dims;
            dims[axis] += (before + after) as usize;
            g.add(y, &dims);
        }
        14 => {
            let (inner, columns) = (dims[rank - 1], 1 + b as usize % 4);
            let weight = g.constant(&[inner, columns], 1.0 / (inner as f64).sqrt());
            let y = g.plain("MatMul", &[&x, &weight]);
            let mut dims = dims;
            dims[rank - 1] = columns;
            g.add(y, &dims);
        }
        15 if rank >= 2 => {
            // A product of two values that both depend on the input.
            let mut order: Vec<i64> = (0..rank as i64).collect();
            order.swap(rank - 1, rank - 2);
            let squashed = g.plain("Tanh", &[&x]);
            let turned = g
                .builder
                .emit("Transpose", &[&squashed], &[("perm", order.into())]);
            let y = g.plain("MatMul", &[&squashed, &turned]);
            let mut dims = dims;
            dims[rank - 1] = dims[rank - 2];
            g.add(y, &dims);
        }
        16 => {
            g.kink(&x, &[0.0]);
            let y = g.plain(["Relu", "Abs"][a as usize % 2], &[&x]);
            g.add(y, &dims);
        }
        17 => {
            let [low, high] = [-0.25, 0.5].map(|bound| g.builder.scalar(g.elem, bound).unwrap());
            g.kink(&x, &[-0.25, 0.5]);
            let y = match a % 3 {
                0 => g.plain("Clip", &[&x, &low, &high]),
                1 => g.plain("Clip", &[&x, &low]),
                _ => g.plain("Clip", &[&x, "", &high]),
            };
            g.add(y, &dims);
        }
        18 if rank == 2 => {
            let (inner, columns) = (dims[1], 1 + b as usize % 3);
            let weight = g.constant(&[columns, inner], 0.5);
            let bias = g.constant(&[columns], 1.0);
            let y = g.builder.emit(
                "Gemm",
                &[&x, &weight, &bias],
                &[("transB", 1i64.into()), ("alpha", 1.5f32.into())],
            );
            g.add(y, &[dims[0], columns]);
        }
        _ => {
            let y = g.plain("Unsqueeze", &[&x, &along]);
            let mut dims = dims;
            let at = if negative_or_not < 0 { axis + 1 } else { axis };
            dims.insert(at, 1);
            if dims.len() <= 5 {
                g.add(y, &dims);
            }
        }
    }
}

/// Checks many random graphs; at least half of all differences must be usable, that is, cross no kink.
fn check(
    steps: std::ops::RangeInclusive<usize>,
    step: f64,
    problem: impl Fn(&[Step], u8) -> Problem,
) {
    let config = Config {
        cases: GRAPHS,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (used, crossed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let strategy = (prop::collection::vec(any::<Step>(), steps), any::<u8>());
    let outcome = runner.run(&strategy, |(steps, shape)| {
        let problem = problem(&steps, shape);
        let numeric = Numeric::with_step(&problem, 23, step).map_err(TestCaseError::fail)?;
        used.set(used.get() + numeric.count());
        crossed.set(crossed.get() + numeric.crossed);
        for device in DEVICES {
            let options = GradientOptions {
                device,
                ..Default::default()
            };
            numeric
                .compare(&problem, &options)
                .map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (used, crossed) = (used.get(), crossed.get());
    assert!(
        used > crossed,
        "{used} differences are usable, {crossed} cross a kink"
    );
}

#[test]
fn random_graphs_in_float64() {
    let shapes: [&[usize]; 5] = [&[2, 3, 4], &[5], &[3, 4], &[1, 6], &[2, 1, 3, 2]];
    check(3..=8, 1.0 / 2048.0, |steps, shape| {
        Growing::problem(
            ElementType::F64,
            shapes[shape as usize % 5],
            steps,
            grow_smooth,
        )
    });
}

#[test]
fn random_convolutional_networks_in_float32() {
    let shapes: [&[usize]; 4] = [&[1, 3, 6, 6], &[1, 8, 5, 4], &[1, 2, 8, 8], &[1, 1, 7, 6]];
    check(3..=8, 1.0 / 256.0, |steps, shape| {
        Growing::problem(
            ElementType::F32,
            shapes[shape as usize % 4],
            steps,
            grow_convolutional,
        )
    });
}
