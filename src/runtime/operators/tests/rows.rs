//! Gradients row by row beside their standard form.

use super::{array, computed};
use crate::onnx::Builder;
use crate::onnx::own_operators::{
    CENTRED, EPSILON, LAYER_NORMALIZATION_GRADIENT, SOFTMAX_GRADIENT,
};
use crate::runtime::Tensor;
use ndarray::ArrayD;

/// Shapes with rows of one element, of less and more than the lanes of a sum, and of pieces for several threads.
const SHAPES: [[usize; 3]; 6] = [
    [1, 1, 1],
    [2, 3, 5],
    [1, 4, 16],
    [3, 2, 97],
    [2, 300, 96],
    [1, 3, 9000],
];

fn mean(builder: &mut Builder, value: &str) -> String {
    let last = builder.ints(&[-1]);
    builder.emit("ReduceMean", &[value, &last], &[])
}

/// `(h - mean h - n · mean(h · n)) / deviation`.
fn standard_normalization(builder: &mut Builder, centred: bool, epsilon: f32) -> String {
    let value = if centred {
        let mean = mean(builder, "x");
        builder.emit("Sub", &["x", &mean], &[])
    } else {
        "x".into()
    };
    let square = builder.emit("Mul", &[&value, &value], &[]);
    let square = mean(builder, &square);
    let epsilon = builder.floats(&[], &[epsilon]);
    let square = builder.emit("Add", &[&square, &epsilon], &[]);
    let deviation = builder.emit("Sqrt", &[&square], &[]);
    let value = builder.emit("Div", &[&value, &deviation], &[]);
    let h = builder.emit("Mul", &["g", "scale"], &[]);
    let product = builder.emit("Mul", &[&h, &value], &[]);
    let product = mean(builder, &product);
    let along = builder.emit("Mul", &[&value, &product], &[]);
    let mut rest = builder.emit("Sub", &[&h, &along], &[]);
    if centred {
        let mean = mean(builder, &h);
        rest = builder.emit("Sub", &[&rest, &mean], &[]);
    }
    builder.emit("Div", &[&rest, &deviation], &[])
}

fn assert_close(result: &ArrayD<f32>, expected: &ArrayD<f32>, what: &str) {
    assert_eq!(result.shape(), expected.shape(), "{what}");
    let largest = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
    for (result, expected) in result.iter().zip(expected) {
        let error = (result - expected).abs();
        assert!(
            error <= 2e-6 * largest.max(1.0),
            "{what}: {result}, {expected}"
        );
    }
}

#[test]
fn gradients_of_normalizations_equal_their_standard_form() {
    for shape in SHAPES {
        let (x, g) = (array(shape, 1), array(shape, 1_000_000));
        let scale = array([shape[2]], 77);
        let inputs = [("x", &x), ("scale", &scale), ("g", &g)];
        for (centred, epsilon) in [(true, 1e-5f32), (false, 1e-2)] {
            let attributes = [
                (EPSILON, epsilon.into()),
                (CENTRED, i64::from(centred).into()),
            ];
            let result = computed(&inputs, |builder| {
                let operator = LAYER_NORMALIZATION_GRADIENT;
                builder.emit_own(operator, &["x", "scale", "g"], &attributes)
            });
            let expected = computed(&inputs, |builder| {
                standard_normalization(builder, centred, epsilon)
            });
            let what = format!("{shape:?}, centred: {centred}");
            assert_close(&result.unwrap(), &expected.unwrap(), &what);
        }
    }
}

#[test]
fn gradients_of_softmax_equal_their_standard_form() {
    for shape in SHAPES {
        let (x, g) = (array(shape, 5), array(shape, 2_000_000));
        let inputs = [("x", &x), ("g", &g)];
        let result = computed(&inputs, |builder| {
            let y = builder.emit("Softmax", &["x"], &[]);
            builder.emit_own(SOFTMAX_GRADIENT, &[&y, "g"], &[])
        });
        let expected = computed(&inputs, |builder| {
            let y = builder.emit("Softmax", &["x"], &[]);
            let product = builder.emit("Mul", &[&y, "g"], &[]);
            let last = builder.ints(&[-1]);
            let total = builder.emit("ReduceSum", &[&product, &last], &[]);
            let rest = builder.emit("Sub", &["g", &total], &[]);
            builder.emit("Mul", &[&y, &rest], &[])
        });
        assert_close(&result.unwrap(), &expected.unwrap(), &format!("{shape:?}"));
    }
}

#[test]
fn a_row_has_the_same_gradient_wherever_it_is() {
    let (row, g) = (array([1, 1, 37], 3), array([1, 1, 37], 9));
    let repeated = |tensor: &Tensor| {
        let Tensor::F32(row) = tensor else {
            panic!("float32")
        };
        let rows = row.broadcast([1, 1000, 37].as_slice()).unwrap().to_owned();
        Tensor::from(rows)
    };
    let gradient = |x: &Tensor, g: &Tensor| {
        let inputs = [("x", x), ("g", g)];
        computed(&inputs, |builder| {
            builder.emit_own(SOFTMAX_GRADIENT, &["x", "g"], &[])
        })
        .unwrap()
    };
    let one = gradient(&row, &g);
    let many = gradient(&repeated(&row), &repeated(&g));
    for result in many.as_slice().unwrap().chunks(37) {
        assert_eq!(result, one.as_slice().unwrap());
    }
}

#[test]
fn operands_that_do_not_fit_are_errors() {
    let (x, g, scale) = (array([2, 6], 1), array([2, 5], 2), array([4], 3));
    let softmax = computed(&[("x", &x), ("g", &g)], |builder| {
        builder.emit_own(SOFTMAX_GRADIENT, &["x", "g"], &[])
    });
    assert!(softmax.unwrap_err().contains("rows of 6"));
    let attributes = [(EPSILON, 0f32.into()), (CENTRED, 1i64.into())];
    let normalization = computed(&[("x", &x), ("scale", &scale)], |builder| {
        let operator = LAYER_NORMALIZATION_GRADIENT;
        builder.emit_own(operator, &["x", "scale", "x"], &attributes)
    });
    assert!(normalization.unwrap_err().contains("rows of 4"));
}
