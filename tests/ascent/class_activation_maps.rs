//! Class activation maps: each method as its paper has it.

use ndarray::{Array2, Array4, Axis, Ix4, arr2};
use ziggurat::ascent::cam::{self, Method};
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runtime::{Provider, Session, SessionOptions, Tensor, testing};

/// Two channels of two rows and three columns.
fn activations() -> Array4<f32> {
    stacked([
        arr2(&[[1.0, 0.0, 2.0], [0.5, 3.0, 0.0]]),
        arr2(&[[0.0, 1.5, 0.0], [2.0, 0.0, 1.0]]),
    ])
}

fn gradient() -> Array4<f32> {
    stacked([
        arr2(&[[0.5, -0.25, 1.0], [0.0, 0.5, -0.5]]),
        arr2(&[[-1.0, 0.5, 0.25], [-0.5, 0.0, 0.25]]),
    ])
}

fn stacked(channels: [Array2<f32>; 2]) -> Array4<f32> {
    let views = channels.each_ref().map(|channel| channel.view());
    let stacked = ndarray::stack(Axis(0), &views).unwrap();
    stacked.insert_axis(Axis(0))
}

fn map(method: Method, activations: Array4<f32>, gradient: Array4<f32>) -> Array2<f32> {
    testing::library();
    let mut builder = Builder::empty(18, "");
    let dims = fixed_dims(activations.shape());
    let a = builder.input("a", ElementType::F32, &dims).unwrap();
    let g = builder.input("g", ElementType::F32, &dims).unwrap();
    let map = cam::emit(&mut builder, method, &a, &g).unwrap();
    let model = builder.graph().to_model(&[untyped_value(&map)]).unwrap();
    let bytes = file::encode(&model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let (a, g) = (Tensor::from(activations), Tensor::from(gradient));
    let found = session.run(&[("a", &a), ("g", &g)], &[&map]).unwrap();
    let found = found[0].as_f32().unwrap().clone();
    let found = found.into_dimensionality::<Ix4>().unwrap();
    found
        .index_axis_move(Axis(0), 0)
        .index_axis_move(Axis(0), 0)
}

/// The sum over channels of what `weight` makes of a channel's activations and gradient at one place.
fn expected(weight: impl Fn(&Array2<f32>, &Array2<f32>, (usize, usize)) -> f32) -> Array2<f32> {
    let (a, g) = (activations(), gradient());
    let channel = |all: &Array4<f32>, k: usize| {
        let one = all.index_axis(Axis(0), 0);
        one.index_axis(Axis(0), k).to_owned()
    };
    Array2::from_shape_fn((2, 3), |place| {
        let of = |k| {
            let (a, g) = (channel(&a, k), channel(&g, k));
            weight(&a, &g, place) * a[place]
        };
        (of(0) + of(1)).max(0.0)
    })
}

#[test]
fn every_method_weighs_as_its_paper_says() {
    let plus_plus = |a: &Array2<f32>, g: &Array2<f32>, _| {
        let alpha = |g: f32| {
            if g == 0.0 {
                0.0
            } else {
                g.powi(2) / (2.0 * g.powi(2) + a.sum() * g.powi(3))
            }
        };
        g.iter().map(|&g| alpha(g) * g.max(0.0)).sum()
    };
    for (method, expected) in [
        (Method::Cam, expected(|_, g, _| g.sum())),
        (Method::GradCam, expected(|_, g, _| g.mean().unwrap())),
        (Method::GradCamPlusPlus, expected(plus_plus)),
        (Method::LayerCam, expected(|_, g, at| g[at].max(0.0))),
        (Method::HiResCam, expected(|_, g, at| g[at])),
    ] {
        let found = map(method, activations(), gradient());
        let worst = (&found - &expected)
            .mapv(f32::abs)
            .fold(0.0, |a: f32, &b| a.max(b));
        assert!(
            expected.sum() > 0.0 && worst < 1e-5,
            "{method:?}: {found} {expected}"
        );
    }
}

#[test]
fn where_nothing_speaks_for_the_score_every_map_is_zero() {
    for (name, method) in cam::METHODS {
        let none = Array4::zeros((1, 2, 2, 3));
        let found = map(*method, activations(), none);
        assert!(found.iter().all(|&value| value == 0.0), "{name}: {found}");
    }
}
