//! Pictures read between their elements.

use super::*;

/// Spaced coordinates are eighths of elements for axes of 4 elements, or of 5 with aligned corners: never on an
/// element.
pub fn grids() -> Vec<Case> {
    let mut cases = Vec::new();
    // The nearest element does not change with the coordinates.
    let places = |mode: &str, dims: &[usize]| match mode {
        "nearest" => Operand::Constant(dims.to_vec(), Fill::Spaced),
        _ => spaced(dims),
    };
    for padding in ["zeros", "border", "reflection"] {
        for (size, corners) in [(4, 0i64), (5, 1)] {
            for (old, new) in [
                ("bilinear", "linear"),
                ("bicubic", "cubic"),
                ("nearest", "nearest"),
            ] {
                let flat = [x(&[2, 3, size, size]), places(new, &[2, 3, 2, 2])];
                let sample = |operands: &[Operand], mode: &str| {
                    case("GridSample", operands)
                        .with("mode", mode)
                        .with("padding_mode", padding)
                        .with("align_corners", corners)
                };
                cases.push(sample(&flat, old).until(19));
                cases.push(sample(&flat, new).since(20));
                if new != "cubic" {
                    let deep = [x(&[1, 2, size, size, size]), places(new, &[1, 2, 2, 1, 3])];
                    cases.push(sample(&deep, new).since(20));
                }
            }
        }
    }
    let still = [x(&[1, 2, 3, 5]), constant(&[1, 4, 3, 2])];
    cases.push(case("GridSample", &still).until(19));
    cases.push(
        case(
            "GridSample",
            &[constant(&[1, 2, 4, 4]), spaced(&[1, 2, 3, 2])],
        )
        .until(19),
    );
    cases
}

pub fn regions() -> Vec<Case> {
    // One within the picture, one that reaches out of it, one smaller than an element.
    let regions = floats_of(
        &[3, 4],
        &[
            1.0, 0.5, 7.0, 9.0, -3.0, 4.0, 5.0, 16.0, 3.0, 3.0, 3.25, 3.5,
        ],
    );
    let mut cases = Vec::new();
    for mode in ["half_pixel", "output_half_pixel"] {
        for (ratio, scale) in [(1i64, 1f32), (2, 0.5), (3, 0.75), (0, 0.75)] {
            for (of_bin, picture) in [("avg", x(&[2, 3, 6, 5])), ("max", spaced(&[2, 3, 6, 5]))] {
                cases.push(
                    case("RoiAlign", &[picture, regions.clone(), ints(&[1, 0, 1])])
                        .with("mode", of_bin)
                        .with("coordinate_transformation_mode", mode)
                        .with("sampling_ratio", ratio)
                        .with("spatial_scale", scale)
                        .with("output_height", 3i64)
                        .with("output_width", 2i64)
                        .until(21),
                );
            }
        }
    }
    cases
}

pub fn geometry() -> Vec<Case> {
    let grid =
        |theta: &[usize], sizes: &[i64]| case("AffineGrid", &[x(theta), ints(sizes)]).since(20);
    let (picture, mask) = (x(&[2, 4, 5, 4]), x(&[2, 12, 3, 4]));
    let conv = |operands: &[Operand]| case("DeformConv", operands).since(19);
    vec![
        grid(&[2, 2, 3], &[2, 3, 4, 5]),
        grid(&[2, 2, 3], &[2, 3, 4, 5]).with("align_corners", 1i64),
        grid(&[1, 3, 4], &[1, 2, 2, 3, 4]),
        grid(&[1, 3, 4], &[1, 2, 2, 3, 4]).with("align_corners", 1i64),
        conv(&[
            picture.clone(),
            x(&[3, 4, 2, 2]),
            Operand::Constant(vec![2, 8, 4, 3], Fill::Uniform),
        ]),
        conv(&[
            x(&[1, 2, 4, 4]),
            x(&[1, 2, 1, 1]),
            floats_of(&[1, 2, 4, 4], &[0.25; 32]),
            x(&[1]),
        ]),
        conv(&[
            Operand::Constant(vec![1, 1, 4, 4], Fill::Uniform),
            constant(&[1, 1, 1, 1]),
            spaced(&[1, 2, 4, 4]),
        ]),
        conv(&[
            picture,
            x(&[6, 2, 3, 2]),
            Operand::Constant(vec![2, 24, 3, 4], Fill::Uniform),
            x(&[6]),
            mask,
        ])
        .with("group", 2i64)
        .with("offset_group", 2i64)
        .with("strides", vec![2i64, 1])
        .with("dilations", vec![1i64, 2])
        .with("pads", vec![1i64, 1, 1, 1]),
    ]
}
