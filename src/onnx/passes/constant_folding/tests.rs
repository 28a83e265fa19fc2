use super::*;
use crate::onnx::proto::Dim;
use crate::onnx::types::untyped_value;
use crate::onnx::{Builder, ElementType};
use crate::runtime::{OnnxRuntime, Provider, Session, SessionOptions, Tensor, testing};

/// x (N, 2, 3, 4) is flattened to the dimensions that are computed from its shape, and a table is
/// added that a chain of ranges, comparisons and selections makes.
fn chain(batch: Dim) -> Graph {
    let mut b = Builder::empty(18, "g/");
    let dims = [batch, Dim::DimValue(2), Dim::DimValue(3), Dim::DimValue(4)];
    b.input("x", ElementType::F32, &dims).unwrap();
    let shape = b.emit("Shape", &["x"], &[]);
    let [zero, one] = [0, 1].map(|place| b.ints(&[place]));
    let runs = b.emit("Gather", &[&shape, &zero], &[]);
    let channels = b.emit("Gather", &[&shape, &one], &[]);
    let rest = b.ints(&[-1]);
    let target = b.emit(
        "Concat",
        &[&runs, &channels, &rest],
        &[("axis", 0i64.into())],
    );
    let flat = b
        .emit_named("flat", "Reshape", &["x", &target], &[])
        .unwrap();
    let area = b.emit("Shape", &[&flat], &[("start", (-1i64).into())]);
    let empty = b.ints(&[]);
    let area = b.emit("Reshape", &[&area, &empty], &[]);
    let [first, step] = [0, 1].map(|number| b.int(number));
    let range = b.emit("Range", &[&first, &area, &step], &[]);
    let two = b.int(2);
    let odd = b.emit("Mod", &[&range, &two], &[]);
    let table = b.emit("Cast", &[&odd], &[("to", 1i64.into())]);
    b.emit_named("y", "Add", &["flat", &table], &[]).unwrap();
    let mut graph = b.into_graph();
    graph.set_outputs(vec![untyped_value("y")]);
    graph
}

fn ops(graph: &Graph) -> Vec<&str> {
    graph
        .nodes()
        .iter()
        .map(|node| node.op_type.as_str())
        .collect()
}

fn run_with(graph: &Graph, runs: usize) -> Tensor {
    let model = graph.to_model(&[untyped_value("y")]).unwrap();
    let options = SessionOptions::default();
    let mut session = Session::open_model(&model, Provider::Cpu, &options).unwrap();
    let x = ndarray::Array4::from_shape_fn((runs, 2, 3, 4), |(n, c, h, w)| {
        (n + 2 * c + 5 * h + 7 * w) as f32
    });
    session
        .run(&[("x", &Tensor::from(x))], &["y"])
        .unwrap()
        .remove(0)
}

#[test]
fn for_one_choice_all_shape_arithmetic_goes_and_the_result_stays() {
    testing::library();
    let graph = chain(Dim::DimValue(1));
    let dims: &[usize] = &[1, 2, 3, 4];
    let folded = fold(&OnnxRuntime, &graph, &[&[("x", dims)]]).unwrap();
    let shapes = shapes(&OnnxRuntime, &graph, &[("x", dims)]).unwrap();
    assert_eq!(ops(&folded), ["Reshape", "Add"]);
    assert_eq!(shapes.get("flat").unwrap().dims, [1, 2, 12]);
    assert_eq!(run_with(&folded, 1), run_with(&graph, 1));
}

#[test]
fn what_differs_by_the_number_of_pictures_stays_computed() {
    testing::library();
    let graph = chain(Dim::DimParam("N".into()));
    let one: &[usize] = &[1, 2, 3, 4];
    let two: &[usize] = &[2, 2, 3, 4];
    let folded = fold(&OnnxRuntime, &graph, &[&[("x", one)], &[("x", two)]]).unwrap();
    // The number of channels is folded, the number of pictures is asked for; the table is the same for all.
    assert_eq!(
        ops(&folded),
        ["Shape", "Gather", "Concat", "Reshape", "Add"]
    );
    for runs in [1, 2, 5] {
        assert_eq!(run_with(&folded, runs), run_with(&graph, runs), "{runs}");
        let dims: &[usize] = &[runs, 2, 3, 4];
        let found = shapes(&OnnxRuntime, &folded, &[("x", dims)]).unwrap();
        assert_eq!(found.get("flat").unwrap().dims, [runs, 2, 12]);
    }
}

#[test]
fn random_numbers_and_large_values_stay() {
    testing::library();
    let mut b = Builder::empty(18, "g/");
    b.input("x", ElementType::F32, &[Dim::DimValue(1)]).unwrap();
    let noise = b.emit("RandomNormal", &[], &[("shape", vec![1i64].into())]);
    let dims = b.ints(&[MAX_ELEMENTS as i64 + 1]);
    let large = b.emit("ConstantOfShape", &[&dims], &[]);
    let (axis, part) = (b.ints(&[0]), b.ints(&[1]));
    let small = b.emit("Slice", &[&large, &axis, &part, &axis], &[]);
    let total = b.emit("ReduceSum", &[&large, &axis], &[]);
    b.emit_named("y", "Sum", &["x", &noise, &small, &total, &large], &[])
        .unwrap();
    let mut graph = b.into_graph();
    graph.set_outputs(vec![untyped_value("y")]);
    let dims: &[usize] = &[1];
    let folded = fold(&OnnxRuntime, &graph, &[&[("x", dims)]]).unwrap();
    assert_eq!(ops(&folded), ["RandomNormal", "ConstantOfShape", "Sum"]);
}

/// Blocks that each pad to a multiple of three, by an amount that is computed of the dimensions they are given, as
/// transformers with windows do.
#[test]
fn chains_of_computed_dimensions_are_inferred_at_any_length() {
    const BLOCKS: usize = 40;
    testing::library();
    let mut b = Builder::empty(18, "g/");
    b.input("x", ElementType::F32, &[Dim::DimValue(4)]).unwrap();
    let (three, zero, flat) = (b.ints(&[3]), b.ints(&[0]), b.ints(&[-1]));
    let mut value = "x".to_string();
    for _ in 0..BLOCKS {
        let size = b.emit("Shape", &[&value], &[]);
        let over = b.emit("Mod", &[&size, &three], &[]);
        let missing = b.emit("Sub", &[&three, &over], &[]);
        let amount = b.emit("Mod", &[&missing, &three], &[]);
        // As exporters write it: laid out in rows, turned round, and flattened again.
        let pairs = b.emit("Concat", &[&amount, &zero], &[("axis", 0i64.into())]);
        let (rows, last, end) = (b.ints(&[-1, 1]), b.ints(&[-1]), b.ints(&[i64::MIN]));
        let rows = b.emit("Reshape", &[&pairs, &rows], &[]);
        let turned = b.emit("Slice", &[&rows, &last, &end, &zero, &last], &[]);
        let amounts = b.emit("Reshape", &[&turned, &flat], &[]);
        let padded = b.emit("Pad", &[&value, &amounts], &[]);
        let one = b.ints(&[1]);
        value = b.emit("Concat", &[&padded, &padded], &[("axis", 0i64.into())]);
        let whole = b.emit("Shape", &[&value], &[]);
        let less = b.emit("Div", &[&whole, &three], &[]);
        let less = b.emit("Add", &[&less, &one], &[]);
        value = b.emit("Slice", &[&value, &zero, &less], &[]);
    }
    let mut graph = b.into_graph();
    graph.set_outputs(vec![untyped_value(&value)]);
    let dims: &[usize] = &[4];
    let folded = fold(&OnnxRuntime, &graph, &[&[("x", dims)]]).unwrap();
    let block = ["Pad", "Concat", "Slice"];
    assert_eq!(ops(&folded), block.repeat(BLOCKS));
    assert!(folded.nodes().iter().all(|node| {
        let amounts = node.input.iter().skip(1);
        node.is_op("Concat")
            || amounts
                .into_iter()
                .all(|name| folded.constant(name).is_some())
    }));
}
