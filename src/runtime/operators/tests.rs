//! Each operator beside its standard form.

mod blocked_nodes;
mod depthwise;
mod domain;
mod elementwise;
mod layout;
mod matrices;
mod max_pool;
mod max_pool_rewrite;
mod phases;
mod rows;
mod stem;

use crate::onnx::own_operators::{RESAMPLE, import};
use crate::onnx::proto::ModelProto;
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Builder, ElementType};
use crate::runtime::{Optimisation, Provider, Session, SessionOptions, Tensor, testing};
use ndarray::{Array2, Array4, ArrayD, Axis, Ix4};

type Input<'a> = (&'a str, &'a Tensor);

fn options() -> SessionOptions {
    SessionOptions {
        operators: true,
        ..SessionOptions::default()
    }
}

/// A model of these inputs; `build` emits its nodes and returns its output.
fn model(inputs: &[Input], build: impl FnOnce(&mut Builder) -> String) -> ModelProto {
    testing::library();
    let mut graph = Builder::empty(18, "").into_graph();
    graph.import_opset(import());
    let mut builder = Builder::extend(graph, "");
    for (name, tensor) in inputs {
        let dims = fixed_dims(tensor.shape());
        builder.input(name, ElementType::F32, &dims).unwrap();
    }
    let value = build(&mut builder);
    let output = builder.emit_named("y", "Identity", &[&value], &[]).unwrap();
    builder.graph().to_model(&[untyped_value(&output)]).unwrap()
}

fn run(session: &mut Session, inputs: &[Input]) -> Result<ArrayD<f32>, String> {
    match session
        .run(inputs, &["y"])
        .map_err(|error| error.to_string())?
        .remove(0)
    {
        Tensor::F32(array) => Ok(array),
        other => panic!("{other:?}"),
    }
}

fn computed(
    inputs: &[Input],
    build: impl FnOnce(&mut Builder) -> String,
) -> Result<ArrayD<f32>, String> {
    let model = model(inputs, build);
    let session = Session::open_model(&model, Provider::Cpu, &options());
    run(&mut session.map_err(|error| error.to_string())?, inputs)
}

/// What a fused model computes.
fn result_of(model: &ModelProto, inputs: &[Input]) -> ArrayD<f32> {
    let unoptimized = SessionOptions {
        optimisation: Optimisation::None,
        ..options()
    };
    let mut session = Session::open_model(model, Provider::Cpu, &unoptimized).unwrap();
    run(&mut session, inputs).unwrap()
}

/// Asserts that results, of numbers up to about 1, differ by rounding at most.
fn assert_close(result: &ArrayD<f32>, expected: &ArrayD<f32>, case: &str) {
    assert_eq!(result.shape(), expected.shape(), "{case}");
    for (a, b) in result.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-5, "{case}: {a} instead of {b}");
    }
}

/// How many nodes of `op` a model has.
fn count(model: &ModelProto, op: &str) -> usize {
    let nodes = &model.graph.as_ref().unwrap().node;
    nodes.iter().filter(|node| node.op_type == op).count()
}

/// A reproducible number between -1 and 1.
fn noise(index: usize) -> f32 {
    let bytes = blake3::hash(&index.to_le_bytes());
    f32::from(i16::from_le_bytes([
        bytes.as_bytes()[0],
        bytes.as_bytes()[1],
    ])) / 32_768.0
}

fn array<const N: usize>(dims: [usize; N], seed: usize) -> Tensor {
    ArrayD::from_shape_vec(
        &dims[..],
        (0..dims.iter().product())
            .map(|index| noise(index + seed))
            .collect(),
    )
    .unwrap()
    .into()
}

/// A matrix with up to `band` weights per row, zeros among them, at a place that moves from row to row.
fn banded(rows: usize, columns: usize, band: usize, seed: usize) -> Array2<f32> {
    let start = |row: usize| row * columns / rows.max(1);
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let is_inside = (start(row)..start(row) + band).contains(&column);
        let value = noise(row * columns + column + seed);
        if is_inside && value > -0.6 {
            value
        } else {
            0.0
        }
    })
}

fn product(value: &Tensor, rows: &[Array2<f32>], columns: &[Array2<f32>]) -> Array4<f32> {
    let Tensor::F32(value) = value else {
        panic!("float32")
    };
    let value = value.clone().into_dimensionality::<Ix4>().unwrap();
    let (samples, channels, ..) = value.dim();
    let size = (samples, channels, rows[0].nrows(), columns[0].ncols());
    let mut result = Array4::zeros(size);
    for sample in 0..samples {
        for channel in 0..channels {
            let plane = value
                .index_axis(Axis(0), sample)
                .index_axis_move(Axis(0), channel);
            let (rows, columns) = (&rows[sample % rows.len()], &columns[sample % columns.len()]);
            let product = rows.dot(&plane).dot(columns);
            result
                .index_axis_mut(Axis(0), sample)
                .index_axis_mut(Axis(0), channel)
                .assign(&product);
        }
    }
    result
}

/// (N, 1, rows, columns), or (rows, columns) for one matrix; each transposed if wanted.
fn stacked(matrices: &[Array2<f32>], transposed: bool) -> Tensor {
    let matrices: Vec<_> = matrices
        .iter()
        .map(|matrix| {
            if transposed {
                matrix.t()
            } else {
                matrix.view()
            }
        })
        .collect();
    if let [matrix] = matrices[..] {
        return matrix.to_owned().into();
    }
    ndarray::stack(Axis(0), &matrices)
        .unwrap()
        .insert_axis(Axis(1))
        .into()
}

#[test]
fn resampling_equals_the_products_with_its_matrices() {
    let sizes = [
        (1, 1, 1, 1),
        (2, 3, 5, 7),
        (8, 8, 8, 8),
        (17, 4, 33, 9),
        (65, 130, 31, 18),
        (0, 3, 4, 4),
        (4, 4, 0, 5),
    ];
    for (case, (height, width, new_height, new_width)) in sizes.into_iter().enumerate() {
        for (samples, channels) in [(1, 3), (3, 2)] {
            for flags in 0..8 {
                let [turned_rows, turned_columns, shared] = [1, 2, 4].map(|bit| flags & bit != 0);
                let count = if shared { 1 } else { samples };
                let band = 1 + case % 5;
                let rows: Vec<_> = (0..count)
                    .map(|sample| banded(new_height, height, band, sample * 31))
                    .collect();
                let columns: Vec<_> = (0..count)
                    .map(|sample| {
                        banded(new_width, width, band, sample * 17)
                            .reversed_axes()
                            .as_standard_layout()
                            .into_owned()
                    })
                    .collect();
                let value = array([samples, channels, height, width], case);
                let (row_tensor, column_tensor) = (
                    stacked(&rows, turned_rows),
                    stacked(&columns, turned_columns),
                );
                let inputs = [
                    ("x", &value),
                    ("rows", &row_tensor),
                    ("columns", &column_tensor),
                ];
                let attributes = [
                    ("transpose_rows", i64::from(turned_rows).into()),
                    ("transpose_columns", i64::from(turned_columns).into()),
                ];
                let result = computed(&inputs, |builder| {
                    builder.emit_own(RESAMPLE, &["x", "rows", "columns"], &attributes)
                });
                let expected = product(&value, &rows, &columns).into_dyn();
                let case = format!("case {case}, {flags}");
                assert_close(&result.unwrap(), &expected, &case);
            }
        }
    }
}

#[test]
fn a_picture_is_resampled_alike_alone_and_in_a_batch() {
    let (rows, columns) = (banded(100, 90, 5, 1), banded(80, 77, 4, 2));
    let rows = stacked(&[rows], false);
    let columns = stacked(&[columns], false);
    let batch = array([5, 3, 90, 77], 3);
    let attributes = [("transpose_columns", 1i64.into())];
    let resampled = |value: &Tensor| {
        let inputs = [("x", value), ("rows", &rows), ("columns", &columns)];
        computed(&inputs, |builder| {
            builder.emit_own(RESAMPLE, &["x", "rows", "columns"], &attributes)
        })
        .unwrap()
    };
    let together = resampled(&batch);
    let Tensor::F32(batch) = batch else {
        panic!("float32")
    };
    for (sample, of_batch) in together.outer_iter().enumerate() {
        let alone = batch
            .index_axis(Axis(0), sample)
            .to_owned()
            .insert_axis(Axis(0));
        assert_eq!(resampled(&alone.into()).index_axis(Axis(0), 0), of_batch);
    }
}

#[test]
fn matrices_that_do_not_fit_are_an_error() {
    let value = array([2, 3, 4, 5], 0);
    let fits = (array([6, 4], 0), array([5, 7], 0));
    for (rows, columns) in [
        (array([6, 5], 0), fits.1.clone()),
        (fits.0.clone(), array([4, 7], 0)),
        (array([3, 1, 6, 4], 0), fits.1.clone()),
        (array([2, 3, 6, 4], 0), fits.1.clone()),
        (array([6, 4, 1], 0), fits.1.clone()),
        (array([4], 0), fits.1.clone()),
    ] {
        let inputs = [("x", &value), ("rows", &rows), ("columns", &columns)];
        let result = computed(&inputs, |builder| {
            builder.emit_own(RESAMPLE, &["x", "rows", "columns"], &[])
        });
        assert!(
            result.unwrap_err().contains("Resample"),
            "{:?} {:?}",
            rows.shape(),
            columns.shape()
        );
    }
    let flat = array([3, 4, 5], 0);
    let inputs = [("x", &flat), ("rows", &fits.0), ("columns", &fits.1)];
    let result = computed(&inputs, |builder| {
        builder.emit_own(RESAMPLE, &["x", "rows", "columns"], &[])
    });
    assert!(result.unwrap_err().contains("four axes"));
}
