//! Convolutions and pools.

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

pub fn transposed_convolutions() -> Vec<Case> {
    type Attributes = &'static [(&'static str, &'static [i64])];
    let shapes: [(&[usize], &[usize], i64, Attributes); 10] = [
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
        cases.push(case("GlobalLpPool", &[spaced(&[2, 2, 3, 2])]).with("p", p));
    }
    cases.push(case("LpPool", &[spaced(&[1, 1, 4, 4])]).with("kernel_shape", vec![2i64, 2]));
    cases.push(case("GlobalLpPool", &[spaced(&[1, 2, 5])]));
    cases
}

/// Every way to say where the pixels of a resized picture come from, up and down, by scales and by sizes.
pub fn resizing() -> Vec<Case> {
    let mut cases = Vec::new();
    let by_scales = |scales: &[f64]| case("Resize", &[x(&[1, 2, 4, 5]), Missing, floats(scales)]);
    let by_sizes =
        |sizes: &[i64]| case("Resize", &[x(&[1, 2, 4, 5]), Missing, Missing, ints(sizes)]);
    for transformation in [
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
    ] {
        let since = if transformation == "half_pixel_symmetric" {
            19
        } else {
            0
        };
        for mode in ["nearest", "linear", "cubic"] {
            for resize in [
                by_scales(&[1.0, 1.0, 2.0, 0.6]),
                by_scales(&[1.0, 1.0, 1.0, 1.7]),
                by_sizes(&[1, 2, 1, 8]),
                by_sizes(&[1, 2, 7, 3]),
            ] {
                cases.push(
                    resize
                        .with("mode", mode)
                        .with("coordinate_transformation_mode", transformation)
                        .since(since),
                );
            }
        }
    }
    for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] {
        cases.push(by_scales(&[1.0, 1.0, 2.0, 0.6]).with("nearest_mode", nearest));
        cases.push(
            by_scales(&[1.0, 1.0, 0.5, 1.5])
                .with("nearest_mode", nearest)
                .with("coordinate_transformation_mode", "asymmetric"),
        );
    }
    for mode in ["linear", "cubic"] {
        for sizes in [[1i64, 2, 2, 3], [1, 2, 6, 2], [1, 2, 3, 9]] {
            cases.push(by_sizes(&sizes).with("mode", mode).with("antialias", 1i64));
        }
    }
    cases.push(
        by_sizes(&[1, 2, 7, 3])
            .with("mode", "cubic")
            .with("cubic_coeff_a", -0.5f32)
            .with("exclude_outside", 1i64),
    );
    for mode in ["nearest", "linear"] {
        let region = floats(&[0.0, 0.0, 0.2, -0.3, 1.0, 1.0, 0.7, 1.2]);
        let crop = case(
            "Resize",
            &[x(&[1, 2, 4, 5]), region, Missing, ints(&[1, 2, 3, 5])],
        );
        cases.push(
            crop.with("mode", mode)
                .with("coordinate_transformation_mode", "tf_crop_and_resize")
                .with("extrapolation_value", 2f32),
        );
    }
    for policy in ["not_larger", "not_smaller"] {
        let bounded = case(
            "Resize",
            &[x(&[1, 2, 4, 5]), Missing, Missing, ints(&[8, 10])],
        );
        cases.push(
            bounded
                .with("mode", "linear")
                .with("axes", vec![2i64, 3])
                .with("keep_aspect_ratio_policy", policy),
        );
    }
    // Other ranks, and channels last.
    cases.push(case("Resize", &[x(&[3, 4]), Missing, floats(&[2.0, 0.5])]));
    cases.push(case(
        "Resize",
        &[x(&[1, 4, 5, 2]), Missing, floats(&[1.0, 2.0, 0.7, 1.0])],
    ));
    cases.push(
        case(
            "Resize",
            &[
                x(&[1, 2, 2, 3, 2]),
                Missing,
                floats(&[1.0, 1.0, 2.0, 2.0, 1.5]),
            ],
        )
        .with("mode", "linear"),
    );
    cases
}

/// Depthwise convolutions of stride 1 and 2 with every padding that the kernel can have.
pub fn depthwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for kernel in [3usize, 5, 7] {
        for stride in [1i64, 2] {
            for begin in 0..kernel as i64 {
                for end in 0..kernel as i64 {
                    let pads = [begin, end, end, begin];
                    let weight = [2, 1, kernel, kernel];
                    cases.push(conv(
                        &[1, 2, 8, 8],
                        &weight,
                        &[("strides", &[stride; 2]), ("pads", &pads)],
                    ));
                }
            }
            // Odd sizes, two different sizes, kernels that are not square.
            let same = [kernel as i64 / 2; 4];
            let strides: (&'static str, &[i64]) = ("strides", &[stride; 2]);
            cases.push(conv(
                &[2, 3, 9, 7],
                &[3, 1, kernel, kernel],
                &[strides, ("pads", &same)],
            ));
            cases.push(conv(
                &[1, 3, 6, 10],
                &[3, 1, kernel, kernel],
                &[strides, ("pads", &same)],
            ));
            let flat = [same[0], 1, same[0], 1];
            cases.push(conv(
                &[1, 3, 6, 8],
                &[3, 1, kernel, 3],
                &[strides, ("pads", &flat)],
            ));
        }
    }
    // More padding than the kernel reaches, and an even kernel.
    cases.push(conv(&[1, 2, 6, 6], &[2, 1, 2, 2], &[("strides", &[2, 2])]));
    cases.push(conv(
        &[1, 2, 6, 6],
        &[2, 1, 2, 2],
        &[("strides", &[2, 2]), ("pads", &[2, 0, 0, 2])],
    ));
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
    for dims in [&[2, 3, 5][..], &[2, 3, 4, 5], &[1, 2, 3, 2, 2]] {
        cases.push(case("GlobalAveragePool", &[x(dims)]));
        cases.push(case("GlobalMaxPool", &[spaced(dims)]));
    }
    cases
}
