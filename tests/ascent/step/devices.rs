//! The step graphs of different devices.

use super::*;
use ziggurat::onnx::Graph;
use ziggurat::onnx::graph::declared_dims;
use ziggurat::onnx::proto::Dim;
use ziggurat::runtime::shape_inference::infer_types;

#[test]
fn the_graph_for_every_kind_of_device_takes_the_same_step() {
    let mut step = noisy(3, 20, 30);
    step.mask = Some(Array4::from_elem((step.views.len(), 1, 20, 30), 0.5));
    let cpu = step.run();
    let own_operators = Device {
        own_operators: true,
        ..Device::CPU
    };
    for device in [Device::FULL, Device::BASIC, own_operators] {
        let other = step.run_for(device);
        let near = |a: &Array4<f32>, b: &Array4<f32>| {
            let largest = a.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let mut pairs = a.iter().zip(b);
            pairs.all(|(a, b)| (a - b).abs() <= 1e-5 * largest)
        };
        assert!(near(&cpu.gradient, &other.gradient), "{device:?}");
        assert!(
            near(cpu.mask.as_ref().unwrap(), other.mask.as_ref().unwrap()),
            "{device:?}"
        );
        for (a, b) in cpu.score.iter().zip(&other.score) {
            assert!(
                (a - b).abs() <= 1e-5 * a.abs().max(1.0),
                "{device:?}: {a} {b}"
            );
        }
    }
}

/// CUDA uploads an array of pointers for each product whose batch dimensions broadcast, unless its right side is one
/// matrix.
#[test]
fn no_product_of_the_ascent_broadcasts_where_that_costs_uploads() {
    ziggurat::runtime::testing::library();
    for runs in [1, 3] {
        let mut step = noisy(3, 20, 30);
        step.views.truncate(runs);
        step.canvas = canvas(runs, 3, 20, 30);
        step.noise = Some(Array4::zeros((runs, 3, 8, 12)));
        step.mask = Some(Array4::zeros((runs, 1, 20, 30)));
        let graph = Graph::new(step.graph(Device::FULL, 4)).unwrap();
        let size = |dim: Dim| match dim {
            Dim::DimValue(size) => size as usize,
            Dim::DimParam(name) => {
                let level = name.rsplit('_').next().and_then(|level| level.parse().ok());
                let side: usize = if name.contains("width") { 30 } else { 20 };
                side.div_ceil(1 << level.unwrap_or(0u32))
            }
        };
        let inputs: Vec<(String, Vec<usize>)> = graph
            .inputs()
            .iter()
            .map(|input| {
                let (_, dims) = declared_dims(input).unwrap();
                let dims = dims.into_iter().map(|dim| size(dim.unwrap()));
                (input.name.clone(), dims.collect())
            })
            .collect();
        let known: Vec<(&str, &[usize])> = inputs
            .iter()
            .map(|(name, dims)| (name.as_str(), dims.as_slice()))
            .collect();
        let types = infer_types(&graph, &known).unwrap();
        let mut products = 0;
        for node in graph.nodes().iter().filter(|node| node.is_op("MatMul")) {
            let [left, right] = [0, 1].map(|side: usize| types.get(&node.input[side]).unwrap());
            let batch = |dims: &[usize]| dims[..dims.len() - 2].iter().product::<usize>();
            let (left, right) = (&left.dims, &right.dims);
            assert!(
                right.len() == 2 || batch(left) == batch(right),
                "{}: {left:?} x {right:?}",
                node.name
            );
            products += 1;
        }
        assert!(products > 14, "{products}");
    }
}
