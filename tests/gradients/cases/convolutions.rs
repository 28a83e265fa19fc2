//! Convolutions, depthwise ones, and transposed ones.

use super::*;

fn conv(input: &[usize], weight: &[usize], attributes: &[(&'static str, &[i64])]) -> Case {
    let channels = [weight[0]];
    let mut conv = case("Conv", &[x(input), constant(weight), constant(&channels)]);
    for (name, values) in attributes {
        conv = conv.with(name, *values);
    }
    let group = (input[1] / weight[1]) as i64;
    conv.with("group", group)
}

pub fn convolutions() -> Vec<Case> {
    let mut cases = vec![
        conv(&[2, 3, 7, 6], &[4, 3, 3, 3], &[]),
        conv(
            &[2, 3, 7, 6],
            &[4, 3, 3, 2],
            &[("strides", &[2, 1]), ("pads", &[1, 0, 2, 1])],
        ),
        conv(&[1, 3, 8, 7], &[4, 3, 1, 1], &[("strides", &[2, 3])]),
        conv(
            &[1, 3, 9, 7],
            &[4, 3, 2, 3],
            &[
                ("strides", &[4, 3]),
                ("dilations", &[2, 1]),
                ("pads", &[2, 1, 0, 1]),
            ],
        ),
        conv(
            &[1, 3, 11, 11],
            &[2, 3, 7, 7],
            &[("strides", &[2, 2]), ("pads", &[3, 3, 3, 3])],
        ),
        // Channels in blocks, stride 1: the kernel flipped.
        conv(
            &[2, 8, 5, 4],
            &[5, 8, 3, 3],
            &[("pads", &[1, 1, 1, 1]), ("kernel_shape", &[3, 3])],
        ),
        conv(
            &[1, 8, 6, 7],
            &[3, 8, 3, 2],
            &[("dilations", &[2, 3]), ("pads", &[2, 0, 1, 3])],
        ),
        conv(&[1, 8, 4, 3], &[3, 8, 1, 1], &[]),
        // More padding than the kernel reaches.
        conv(&[1, 8, 4, 3], &[3, 8, 1, 1], &[("pads", &[1, 0, 0, 0])]),
        conv(&[1, 8, 4, 3], &[3, 8, 1, 1], &[("pads", &[0, 0, 0, 2])]),
        conv(&[1, 8, 4, 3], &[3, 8, 2, 2], &[("pads", &[0, 3, 3, 0])]),
        // Groups.
        conv(&[1, 6, 5, 4], &[4, 3, 3, 3], &[("pads", &[1, 0, 1, 0])]),
        conv(&[1, 6, 5, 4], &[9, 2, 3, 3], &[("strides", &[2, 2])]),
        conv(&[1, 16, 5, 4], &[8, 4, 3, 3], &[("pads", &[1, 1, 1, 1])]),
        conv(&[1, 4, 5, 6], &[8, 1, 3, 3], &[("pads", &[1, 1, 1, 1])]),
        conv(
            &[1, 4, 6, 6],
            &[8, 1, 3, 3],
            &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])],
        ),
        // One axis and three.
        conv(
            &[2, 3, 9],
            &[4, 3, 3],
            &[("strides", &[2]), ("pads", &[2, 1])],
        ),
        conv(
            &[2, 8, 9],
            &[4, 8, 4],
            &[("dilations", &[2]), ("pads", &[2, 1])],
        ),
        conv(&[2, 3, 9], &[3, 1, 3], &[]),
        conv(
            &[2, 3, 8],
            &[3, 1, 3],
            &[("strides", &[2]), ("pads", &[1, 1])],
        ),
        conv(
            &[1, 8, 3, 4, 5],
            &[2, 8, 2, 3, 2],
            &[("pads", &[0, 1, 1, 1, 0, 0])],
        ),
        conv(
            &[1, 2, 5, 4, 5],
            &[2, 2, 2, 3, 2],
            &[("strides", &[2, 1, 2]), ("pads", &[1, 1, 0, 0, 1, 0])],
        ),
        conv(
            &[1, 3, 4, 4, 4],
            &[3, 1, 3, 3, 3],
            &[("strides", &[2, 2, 2]), ("pads", &[1, 1, 1, 1, 1, 1])],
        ),
    ];
    // The padding that ONNX Runtime works out.
    for auto_pad in ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"] {
        for conv in [
            conv(&[1, 3, 7, 6], &[2, 3, 3, 2], &[]),
            conv(&[1, 8, 7, 6], &[2, 8, 4, 3], &[]),
            conv(&[1, 3, 7, 8], &[2, 3, 4, 3], &[("strides", &[2, 3])]),
            conv(&[1, 3, 7, 8], &[2, 3, 1, 2], &[("strides", &[3, 3])]),
            conv(&[1, 3, 8, 8], &[3, 1, 3, 3], &[("strides", &[2, 2])]),
            conv(&[1, 3, 8, 8], &[3, 1, 4, 5], &[]),
            conv(&[1, 3, 8], &[2, 3, 4], &[]),
        ] {
            cases.push(conv.with("auto_pad", auto_pad));
        }
    }
    cases
}

/// Convolutions whose weights and biases are to be differentiated.
pub fn filters() -> Vec<Case> {
    let of = |op: &'static str, input: &[usize], weight: &[usize], bias: usize, group: i64| {
        case(op, &[x(input), x(weight), x(&[bias])]).with("group", group)
    };
    let conv =
        |input: &[usize], weight: &[usize], group: i64| of("Conv", input, weight, weight[0], group);
    let transposed = |input: &[usize], weight: &[usize], group: i64| {
        of(
            "ConvTranspose",
            input,
            weight,
            weight[1] * group as usize,
            group,
        )
    };
    let strides = |case: Case| case.with("strides", vec![2i64, 3]);
    vec![
        conv(&[2, 3, 5, 4], &[4, 3, 3, 2], 1),
        strides(conv(&[2, 3, 8, 9], &[4, 3, 3, 2], 1)).with("pads", vec![1i64, 0, 2, 1]),
        strides(conv(&[1, 4, 8, 9], &[6, 2, 2, 2], 2)).with("dilations", vec![3i64, 2]),
        conv(&[2, 3, 5, 5], &[3, 1, 3, 3], 3).with("pads", vec![1i64, 1, 1, 1]),
        strides(conv(&[1, 2, 7, 8], &[2, 2, 4, 3], 1)).with("auto_pad", "SAME_UPPER"),
        conv(&[2, 3, 7], &[2, 3, 3], 1).with("strides", vec![2i64]),
        conv(&[1, 2, 3, 4, 3], &[2, 2, 2, 2, 2], 1),
        case("Conv", &[constant(&[2, 3, 5, 4]), x(&[2, 3, 2, 2])]),
        transposed(&[2, 3, 4, 3], &[3, 2, 3, 2], 1),
        strides(transposed(&[1, 4, 3, 3], &[4, 3, 2, 2], 2)).with("pads", vec![1i64, 0, 0, 1]),
        strides(transposed(&[1, 2, 4, 3], &[2, 2, 3, 3], 1)).with("output_padding", vec![1i64, 2]),
        transposed(&[1, 2, 4, 3], &[2, 2, 2, 3], 1).with("dilations", vec![2i64, 3]),
        transposed(&[1, 2, 4], &[2, 3, 3], 1).with("strides", vec![3i64]),
    ]
}

/// Depthwise convolutions of stride 1 and 2 with every padding that the kernel can have.
pub fn depthwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for kernel in [3usize, 5, 7] {
        for stride in [1i64, 2] {
            for begin in 0..kernel as i64 {
                for end in 0..kernel as i64 {
                    let pads = [begin, end, end, begin];
                    for channels in [2, 4] {
                        cases.push(conv(
                            &[1, channels, 8, 8],
                            &[channels, 1, kernel, kernel],
                            &[("strides", &[stride; 2]), ("pads", &pads)],
                        ));
                    }
                }
            }
            // Odd sizes, two different sizes, kernels that are not square.
            let same = [kernel as i64 / 2; 4];
            let strides: (&'static str, &[i64]) = ("strides", &[stride; 2]);
            let flat = [same[0], 1, same[0], 1];
            for channels in [3, 8] {
                for dims in [[2, channels, 9, 7], [2, channels, 6, 10]] {
                    let weight = [channels, 1, kernel, kernel];
                    cases.push(conv(&dims, &weight, &[strides, ("pads", &same)]));
                }
                let weight = [channels, 1, kernel, 3];
                cases.push(conv(
                    &[1, channels, 6, 8],
                    &weight,
                    &[strides, ("pads", &flat)],
                ));
            }
        }
    }
    // More padding than the kernel reaches, and an even kernel.
    for channels in [2, 4] {
        let (dims, weight) = ([1, channels, 6, 6], [channels, 1, 2, 2]);
        cases.push(conv(&dims, &weight, &[("strides", &[2, 2])]));
        cases.push(conv(
            &dims,
            &weight,
            &[("strides", &[2, 2]), ("pads", &[2, 0, 0, 2])],
        ));
    }
    cases.push(conv(
        &[1, 2, 6, 6],
        &[2, 1, 3, 3],
        &[("strides", &[1, 1]), ("pads", &[3, 0, 0, 4])],
    ));
    cases.push(conv(
        &[1, 2, 8, 8],
        &[2, 1, 3, 3],
        &[
            ("strides", &[2, 2]),
            ("pads", &[4, 0, 0, 4]),
            ("dilations", &[2, 2]),
        ],
    ));
    cases
}

pub fn transposed_convolutions() -> Vec<Case> {
    type Attributes = &'static [(&'static str, &'static [i64])];
    let shapes: [(&[usize], &[usize], i64, Attributes); 11] = [
        (&[2, 3, 4, 3], &[3, 2, 3, 2], 1, &[]),
        (
            &[1, 3, 4, 3],
            &[3, 2, 3, 3],
            1,
            &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])],
        ),
        (
            &[1, 3, 4, 3],
            &[3, 2, 3, 3],
            1,
            &[
                ("strides", &[2, 3]),
                ("pads", &[1, 0, 0, 2]),
                ("output_padding", &[1, 2]),
            ],
        ),
        (&[1, 4, 3, 3], &[4, 3, 2, 2], 2, &[("strides", &[2, 2])]),
        (
            &[1, 4, 3, 3],
            &[4, 1, 3, 3],
            4,
            &[("strides", &[2, 2]), ("output_padding", &[1, 1])],
        ),
        (&[1, 2, 4, 3], &[2, 2, 2, 3], 1, &[("dilations", &[2, 3])]),
        (
            &[1, 2, 4],
            &[2, 3, 3],
            1,
            &[("strides", &[3]), ("pads", &[1, 1])],
        ),
        (
            &[1, 2, 2, 3, 2],
            &[2, 2, 2, 2, 3],
            1,
            &[("strides", &[2, 1, 1])],
        ),
        (
            &[1, 2, 3, 3],
            &[2, 2, 3, 3],
            1,
            &[("strides", &[2, 2]), ("output_shape", &[6, 7])],
        ),
        (
            &[1, 2, 3, 3],
            &[2, 2, 3, 3],
            1,
            &[("strides", &[3, 2]), ("output_shape", &[8, 5])],
        ),
        (
            &[1, 2, 3, 3],
            &[2, 2, 3, 3],
            1,
            &[("strides", &[3, 2]), ("output_shape", &[10, 8])],
        ),
    ];
    let mut cases = Vec::new();
    for (input, weight, group, attributes) in shapes {
        let bias = [weight[1] * group as usize];
        let node = case(
            "ConvTranspose",
            &[x(input), constant(weight), constant(&bias)],
        );
        let node = attributes
            .iter()
            .fold(node, |node, (name, values)| node.with(name, *values));
        cases.push(node.with("group", group));
    }
    for auto_pad in ["SAME_UPPER", "SAME_LOWER", "VALID"] {
        for strides in [vec![1i64, 2], vec![2, 3]] {
            let node = case(
                "ConvTranspose",
                &[x(&[1, 2, 3, 4]), constant(&[2, 2, 4, 3])],
            );
            cases.push(node.with("strides", strides).with("auto_pad", auto_pad));
        }
    }
    cases
}
