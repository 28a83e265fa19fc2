//! Operators that were experimental once and are gone since: the differences are those of ONNX Runtime's old kernels.

use crate::central_differences::{Fill, Problem, differentiable, run};
use ziggurat::onnx::{Attribute, ElementType};

#[test]
fn experimental_operators_are_read_as_what_they_compute() {
    let two = || {
        let numbers = [("alpha", 0.5f32), ("beta", 0.25)];
        numbers.map(|(name, number)| (name, number.into())).to_vec()
    };
    let bias = [0.5f32, -0.25, 1.0].as_slice();
    let gone: [(&str, Vec<(&str, Attribute)>); 5] = [
        ("Affine", two()),
        (
            "ImageScaler",
            vec![("scale", 0.5f32.into()), ("bias", bias.into())],
        ),
        ("ParametricSoftplus", two()),
        ("Scale", vec![("scale", 0.5f32.into())]),
        ("ScaledTanh", two()),
    ];
    for (op, attributes) in gone {
        let inputs = [("x", &[2, 3, 2, 4][..], Fill::Uniform)];
        let problem = Problem::new(ElementType::F32, 8, &inputs, |b| {
            vec![b.emit(op, &["x"], &attributes)]
        });
        problem
            .check()
            .unwrap_or_else(|error| panic!("{op}: {error}"));
        let (today, _) = differentiable(&problem).unwrap();
        let before = run(&problem, &problem.graph, &problem.outputs).unwrap();
        let after = run(&problem, today.graph(), &problem.outputs).unwrap();
        let mut apart = (&before[0] - &after[0]).into_iter().map(f64::abs);
        assert!(apart.all(|error| error < 1e-6), "{op}");
    }
}
