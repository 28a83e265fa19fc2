//! Arithmetic and activations.

use super::*;

pub fn arithmetic() -> Vec<Case> {
    let mut cases = vec![
        case("Abs", &[spaced(&[3, 5])]),
        case("Erf", &[x(&[3, 5])]),
        case("Exp", &[x(&[2, 3, 5])]),
        case("Log", &[positive(&[7])]),
        case("Neg", &[x(&[])]),
        case("Sqrt", &[positive(&[2, 3])]),
        case("Pow", &[positive(&[3, 4]), x(&[3, 4])]),
        case("Pow", &[positive(&[3, 4]), x(&[])]),
        case("Pow", &[positive(&[4]), x(&[3, 1])]),
        case("Pow", &[x(&[3, 4]), ints(&[3])]),
        case("Pow", &[x(&[3, 4]), Number(2.0)]),
        case("Sum", &[x(&[3, 4])]),
        case("Sum", &[x(&[3, 4]), x(&[4]), constant(&[2, 1, 1]), x(&[])]),
        case("Add", &[x(&[2, 3]), Again(0)]),
        case("Mul", &[x(&[2, 3]), Again(0)]),
        // Feature maps and a factor for each.
        case("Mul", &[x(&[2, 4, 3, 5]), x(&[2, 4, 1, 1])]),
        case("Mul", &[x(&[2, 4, 1, 1]), x(&[4, 3, 5])]),
        case("Mul", &[x(&[1, 8, 1, 1]), x(&[1, 8, 1, 7])]),
        case("Mul", &[x(&[2, 4, 3, 5]), constant(&[2, 4, 1, 1])]),
        case("Mul", &[constant(&[2, 4, 3, 5]), x(&[2, 4, 1, 1])]),
        case("Sub", &[x(&[2, 3]), Again(0)]),
        case("Div", &[positive(&[2, 3]), Again(0)]),
        case("Sin", &[x(&[2, 5])]),
        case("Cos", &[x(&[2, 5])]),
        case("Acos", &[inner(&[2, 5])]),
        case("Acosh", &[outer(&[2, 5])]),
        case("Asin", &[inner(&[2, 5])]),
        case("Asinh", &[x(&[2, 5])]),
        case("Atan", &[x(&[2, 5])]),
        case("Atanh", &[inner(&[2, 5])]),
        case("Cosh", &[x(&[2, 5])]),
        case("Sinh", &[x(&[2, 5])]),
        case("Tan", &[x(&[2, 5])]),
        case("Reciprocal", &[positive(&[2, 5])]),
        case("Mean", &[x(&[3, 4])]),
        case("Mean", &[x(&[3, 4]), x(&[4]), constant(&[2, 1, 1]), x(&[])]),
        case("Mod", &[spaced(&[3, 4]), Number(0.75)]).with("fmod", 1i64),
        case("Mod", &[spaced(&[4]), positive_constant(&[3, 1])]).with("fmod", 1i64),
        case("Where", &[flags(&[3, 4]), x(&[3, 4]), x(&[3, 4])]),
        case("Where", &[flags(&[4]), x(&[3, 1]), x(&[2, 1, 4])]),
        case("Where", &[flags(&[2, 3, 1]), x(&[]), constant(&[3, 4])]),
        case("Where", &[flags(&[]), constant(&[3]), x(&[2, 3])]),
    ];
    for op in ["Max", "Min"] {
        cases.push(case(op, &[spaced(&[3, 5])]));
        cases.push(case(op, &[spaced(&[3, 5]), Number(0.25)]));
        cases.push(case(op, &[spaced(&[3, 5]), spaced_half(&[3, 5])]));
        cases.push(case(
            op,
            &[
                spaced(&[3, 5]),
                spaced_half(&[5]),
                constant_levels(&[2, 1, 1]),
            ],
        ));
    }
    // Broadcasting: neither, either and both sides, axes of size 1 in front, between and behind.
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[2, 3, 5], &[2, 3, 5]),
        (&[2, 3, 5], &[]),
        (&[], &[2, 3]),
        (&[2, 3, 5], &[3, 1]),
        (&[5], &[2, 3, 5]),
        (&[2, 1, 5], &[3, 1]),
        (&[1, 1], &[1]),
    ];
    for op in ["Add", "Sub", "Mul", "Div"] {
        for (a, b) in shapes {
            cases.push(case(op, &[x(a), positive(b)]));
        }
        cases.push(case(op, &[x(&[2, 3]), positive_constant(&[3])]));
        cases.push(case(op, &[constant(&[4, 1]), positive(&[3])]));
    }
    cases
}

/// Numbers well within -1 and 1.
fn inner(dims: &[usize]) -> Operand {
    Operand::Variable(dims.to_vec(), Fill::Within)
}

/// Numbers well beyond 1.
fn outer(dims: &[usize]) -> Operand {
    Operand::Variable(dims.to_vec(), Fill::Beyond)
}

pub fn activations() -> Vec<Case> {
    let dims = [3, 5, 7];
    vec![
        case("Celu", &[spaced(&[2, 9])]),
        case("Celu", &[spaced(&[2, 9])]).with("alpha", 0.6f32),
        case("Mish", &[spaced(&[2, 9])]),
        case("Selu", &[spaced(&[2, 9])]),
        case("Selu", &[spaced(&[2, 9])])
            .with("alpha", 0.5f32)
            .with("gamma", 2f32),
        case("Shrink", &[spaced(&dims)]),
        case("Shrink", &[spaced(&dims)])
            .with("lambd", 1f32)
            .with("bias", 0.5f32),
        case("Softsign", &[spaced(&[2, 9])]),
        case("Swish", &[spaced(&[2, 9])]).since(24),
        case("Swish", &[spaced(&[2, 9])])
            .with("alpha", 0.5f32)
            .since(24),
        case("ThresholdedRelu", &[spaced(&dims)]),
        case("ThresholdedRelu", &[spaced(&dims)]).with("alpha", -2f32),
        case("Clip", &[spaced(&dims), Number(-1.0), Number(6.0)]),
        case("Clip", &[spaced(&dims), Number(0.0), Number(6.0)]),
        case("Clip", &[spaced(&dims), Number(-2.0)]),
        case("Clip", &[spaced(&dims), Missing, Number(1.0)]),
        case("Clip", &[spaced(&dims)]),
        case(
            "Clip",
            &[spaced(&dims), Number(-1e30), Number(f64::INFINITY)],
        ),
        case(
            "Clip",
            &[spaced(&dims), Number(f64::NEG_INFINITY), Number(1e9)],
        ),
        case("Elu", &[spaced(&[2, 3])]),
        case("Elu", &[spaced(&[2, 3])]).with("alpha", 0.3f32),
        case("Gelu", &[x(&dims)]).since(20),
        case("Gelu", &[spaced(&[2, 9])])
            .with("approximate", "tanh")
            .since(20),
        case("Gelu", &[spaced(&[2, 9])])
            .with("approximate", "none")
            .since(20),
        case("HardSigmoid", &[spaced(&dims)]),
        case("HardSigmoid", &[spaced(&dims)])
            .with("alpha", 0.25f32)
            .with("beta", 0.75f32),
        case("HardSwish", &[spaced(&dims)]),
        case("LeakyRelu", &[spaced(&dims)]),
        case("LeakyRelu", &[spaced(&dims)]).with("alpha", 0.4f32),
        case("LeakyRelu", &[spaced(&dims)]).with("alpha", -0.5f32),
        case("PRelu", &[spaced(&dims), x(&[])]),
        case("PRelu", &[spaced(&dims), x(&[5, 1])]),
        case("PRelu", &[spaced(&dims), constant(&[3, 1, 7])]),
        case(
            "PRelu",
            &[Operand::Constant(dims.to_vec(), Fill::Spaced), x(&dims)],
        ),
        case("Relu", &[spaced(&dims)]),
        case("Relu", &[spaced(&[])]),
        case("Sigmoid", &[x(&dims)]),
        case("Softplus", &[spaced(&[3, 5])]),
        case("Tanh", &[x(&dims)]),
    ]
}
