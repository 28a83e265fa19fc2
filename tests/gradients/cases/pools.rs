//! Pools by maximum, mean and norm.

use super::*;

pub fn pools() -> Vec<Case> {
    let mut cases = Vec::new();
    type Attributes = &'static [(&'static str, &'static [i64])];
    let windows: &[(&[usize], Attributes, i64)] = &[
        (
            &[2, 3, 6, 4],
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
            0,
        ),
        (
            &[1, 2, 6, 4],
            &[("kernel_shape", &[3, 2]), ("strides", &[3, 2])],
            0,
        ),
        (
            &[1, 2, 7, 6],
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
            0,
        ),
        (
            &[1, 2, 7, 8],
            &[("kernel_shape", &[3, 3]), ("strides", &[2, 2])],
            0,
        ),
        (
            &[1, 2, 8, 8],
            &[
                ("kernel_shape", &[3, 3]),
                ("strides", &[2, 2]),
                ("pads", &[1, 1, 1, 1]),
            ],
            0,
        ),
        (
            &[2, 2, 5, 6],
            &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])],
            0,
        ),
        (&[1, 2, 5, 6], &[("kernel_shape", &[3, 2])], 0),
        (
            &[1, 2, 6, 7],
            &[
                ("kernel_shape", &[3, 4]),
                ("strides", &[1, 2]),
                ("pads", &[2, 0, 1, 3]),
            ],
            0,
        ),
        (
            &[1, 2, 9, 7],
            &[("kernel_shape", &[2, 1]), ("strides", &[4, 3])],
            0,
        ),
        (
            &[1, 2, 9],
            &[("kernel_shape", &[3]), ("strides", &[2]), ("pads", &[1, 0])],
            0,
        ),
        (
            &[1, 2, 4, 5, 6],
            &[
                ("kernel_shape", &[2, 3, 2]),
                ("strides", &[2, 2, 1]),
                ("pads", &[1, 1, 0, 0, 1, 1]),
            ],
            0,
        ),
        (
            &[1, 2, 9, 8],
            &[
                ("kernel_shape", &[3, 2]),
                ("strides", &[2, 1]),
                ("dilations", &[2, 3]),
            ],
            19,
        ),
        (
            &[1, 2, 9, 8],
            &[
                ("kernel_shape", &[2, 3]),
                ("pads", &[1, 2, 0, 1]),
                ("dilations", &[3, 2]),
            ],
            19,
        ),
    ];
    for (dims, attributes, since) in windows {
        for ceil in [0i64, 1] {
            let of = |op: &'static str| {
                let input = if op == "MaxPool" {
                    spaced(dims)
                } else {
                    x(dims)
                };
                let pool = case(op, &[input]).with("ceil_mode", ceil).since(*since);
                attributes
                    .iter()
                    .fold(pool, |pool, (name, values)| pool.with(name, *values))
            };
            cases.push(of("MaxPool"));
            cases.extend(
                [0i64, 1].map(|include| of("AveragePool").with("count_include_pad", include)),
            );
        }
    }
    // Windows that begin behind the input are dropped.
    for (op, input) in [
        ("MaxPool", spaced(&[1, 2, 8, 9])),
        ("AveragePool", x(&[1, 2, 8, 9])),
    ] {
        cases.push(
            case(op, &[input])
                .with("kernel_shape", vec![1i64, 2])
                .with("strides", vec![2i64, 4])
                .with("ceil_mode", 1i64),
        );
    }
    cases.push(
        case("MaxPool", &[spaced(&[1, 2, 7, 6])])
            .with("kernel_shape", vec![3i64, 3])
            .with("storage_order", 1i64)
            .reads(&[0], 2),
    );
    for auto_pad in ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"] {
        for (kernel, stride) in [([2i64, 3], [1i64, 1]), ([3, 2], [2, 2]), ([3, 3], [2, 3])] {
            for (op, input) in [
                ("MaxPool", spaced(&[1, 2, 7, 8])),
                ("AveragePool", x(&[1, 2, 7, 8])),
            ] {
                let pool = case(op, &[input])
                    .with("kernel_shape", &kernel[..])
                    .with("strides", &stride[..]);
                cases.push(pool.with("auto_pad", auto_pad));
            }
        }
    }
    for dims in [
        &[2, 3, 5][..],
        &[2, 3, 4, 5],
        &[2, 8, 4, 5],
        &[1, 2, 3, 2, 2],
    ] {
        cases.push(case("GlobalAveragePool", &[x(dims)]));
        cases.push(case("GlobalMaxPool", &[spaced(dims)]));
    }
    cases
}

/// Pools by norm.
pub fn norm_pools() -> Vec<Case> {
    let mut cases = Vec::new();
    for p in [1i64, 2, 3] {
        let pool = |dims| case("LpPool", &[spaced(dims)]).with("p", p);
        cases.push(pool(&[2, 2, 5, 4]).with("kernel_shape", vec![2i64, 2]));
        cases.push(
            pool(&[1, 2, 5, 6])
                .with("kernel_shape", vec![3i64, 2])
                .with("strides", vec![2i64, 2])
                .with("pads", vec![1i64, 0, 1, 0]),
        );
        cases.push(
            pool(&[1, 2, 7])
                .with("kernel_shape", vec![2i64])
                .with("dilations", vec![2i64]),
        );
        let whole = case("GlobalLpPool", &[spaced(&[2, 2, 3, 2])]);
        cases.push(whole.with("p", p).until(21));
    }
    cases.push(case("LpPool", &[spaced(&[1, 1, 4, 4])]).with("kernel_shape", vec![2i64, 2]));
    cases.push(case("GlobalLpPool", &[spaced(&[1, 2, 5])]).until(21));
    cases
}

/// Windows that are put back.
pub fn windows() -> Vec<Case> {
    let column = |rows: usize, places: usize, image: &[i64], block: &[i64]| {
        case("Col2Im", &[x(&[2, rows, places]), ints(image), ints(block)])
    };
    let unpool = |further: &[Operand]| {
        let places = index(&[1, 2, 2, 2], &[5, 2, 8, 14, 17, 19, 25, 31]);
        case(
            "MaxUnpool",
            &[&[x(&[1, 2, 2, 2]), places], further].concat(),
        )
        .with("kernel_shape", vec![2i64, 2])
        .with("strides", vec![2i64, 2])
    };
    vec![
        column(12, 6, &[3, 4], &[2, 2]),
        column(18, 6, &[5, 5], &[3, 3])
            .with("strides", vec![2i64, 1])
            .with("dilations", vec![1i64, 2])
            .with("pads", vec![0i64, 1, 0, 1]),
        column(4, 3, &[5], &[2])
            .with("strides", vec![2i64])
            .with("pads", vec![0i64, 1]),
        unpool(&[]),
        unpool(&[ints(&[1, 2, 5, 4])]),
    ]
}
