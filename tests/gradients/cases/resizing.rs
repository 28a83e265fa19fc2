//! Resized pictures.

use super::*;

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
