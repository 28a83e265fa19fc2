//! Where views lie.

use super::*;

/// A neuron stays where it is on the canvas whatever the size of the view, give or take half of it.
#[test]
fn views_keep_an_anchor_in_place() {
    let anchor = Anchor {
        at: (0.25, 0.9),
        slack: (0.05, 0.05),
    };
    let frame = Frame {
        canvas: (256, 128),
        input: (224, 112),
        share: 0.875,
        anchor: Some(anchor),
    };
    let mut random = Random::new(1);
    for _ in 0..200 {
        let view = frame.draw(&Settings::default(), &mut random);
        for (line, middle, at, side) in [
            (view.rows, frame.middle().rows, 0.25, 224.0),
            (view.columns, frame.middle().columns, 0.9, 112.0),
        ] {
            let on_canvas = |line: AxisView| line.start + at * side * line.scale;
            let slack = 0.05 * side * line.scale + 1e-3;
            assert!((on_canvas(line) - on_canvas(middle)).abs() <= slack);
        }
    }
}
