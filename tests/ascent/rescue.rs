//! Runs whose gradient is zero from the start, because rectifiers block it.

use super::*;

/// A network whose only rectifier blocks every picture near the start.
fn dead(b: &mut Builder) -> String {
    let dims = [
        Dim::DimParam("n".into()),
        Dim::DimValue(3),
        Dim::DimValue(32),
        Dim::DimValue(32),
    ];
    let x = b.input("x", ElementType::F32, &dims).unwrap();
    let weight = b.floats(&[2, 3, 1, 1], &[0.2, 0.3, 0.4, 0.5, 0.1, 0.2]);
    let bias = b.constant(TensorProto::from_f32("", &[2], &[-0.4, -0.3]));
    let conv = b.emit("Conv", &[&x, &weight, &bias], &[]);
    let relu = b.emit("Relu", &[&conv], &[]);
    let pool = b.emit("GlobalAveragePool", &[&relu], &[]);
    b.emit_named("scores", "Flatten", &[&pool], &[]).unwrap()
}

/// How a run ends that takes all its steps on the CPU.
fn outcome_of(network: &Network, objective: &Objective, run: Run) -> Outcome {
    let stop = CancelHandle::default();
    let mut ascent = Ascent::new(network, objective, &[run], Device::Cpu, &stop).unwrap();
    while ascent.step().unwrap().is_some() {}
    ascent.outcomes().unwrap().remove(0)
}

/// Without the rescue nothing moves.
#[test]
fn a_dead_start_is_rescued_and_without_the_rescue_reported() {
    let network = built(dead);
    let objective = Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    };
    let outcome = |rescue, step_size| {
        // In ImageNet's units the middle of the range is about 0, where both rectifiers are blocked.
        let mut one = run(0, 0, 24);
        one.settings.rescue = rescue;
        one.settings.step_size = step_size;
        one.settings.objective = ClassScore::Logit;
        one.settings.noise = 0.01;
        outcome_of(&network, &objective, one)
    };
    assert!(outcome(0, 0.2).dead);
    // One that ends before the rescue does, and did not help.
    assert!(outcome(1000, 1e-6).dead);
    let rescued = outcome(16, 0.2);
    assert!(!rescued.dead && rescued.score > 0.0, "{rescued:?}");
}

/// Operators that a test emits after a rectifier.
type Behind = fn(&mut Builder, &str) -> String;

/// A pooling to half the size.
fn pool(b: &mut Builder, op: &str, value: &str) -> String {
    let pair = || Attribute::from(vec![2i64, 2]);
    b.emit(
        op,
        &[value],
        &[("kernel_shape", pair()), ("strides", pair())],
    )
}

/// An inactive channel rises although operators are between its rectifier and the layer.
#[test]
fn a_channel_behind_a_blocked_rectifier_rises_without_a_rescue() {
    let variants: [(&str, Behind); 5] = [
        ("rectifier", |_, relu| relu.into()),
        ("largest", |b, relu| pool(b, "MaxPool", relu)),
        ("average", |b, relu| pool(b, "AveragePool", relu)),
        ("scaled", |b, relu| {
            let scale = b.floats(&[1, 2, 1, 1], &[2.0, 0.5]);
            let scaled = b.emit("Mul", &[&scale, relu], &[]);
            b.emit("Dropout", &[&scaled], &[])
        }),
        ("twice", |b, relu| {
            let once = pool(b, "MaxPool", relu);
            pool(b, "AveragePool", &once)
        }),
    ];
    for (name, behind) in variants {
        let mut layer = String::new();
        let network = built(|b| {
            let x = b
                .input("x", ElementType::F32, &[1, 3, 32, 32].map(Dim::DimValue))
                .unwrap();
            let weight = b.floats(&[2, 3, 1, 1], &[0.2, 0.3, 0.4, 0.5, 0.1, 0.2]);
            let bias = b.constant(TensorProto::from_f32("", &[2], &[-0.4, -0.3]));
            let conv = b.emit("Conv", &[&x, &weight, &bias], &[]);
            let relu = b.emit("Relu", &[&conv], &[]);
            layer = behind(b, &relu);
            let pool = b.emit("GlobalAveragePool", &[&layer], &[]);
            b.emit_named("scores", "Flatten", &[&pool], &[]).unwrap()
        });
        let objective = Objective {
            kind: Kind::Channel,
            value: layer.clone(),
        };
        let mut one = run(0, 0, 24);
        one.settings.rescue = 0;
        one.settings.noise = 0.01;
        let outcome = outcome_of(&network, &objective, one);
        assert!(!outcome.dead && outcome.score > 0.0, "{name}: {outcome:?}");
    }
}

/// A network whose scores have a gradient of 0, without a rectifier that could be opened.
#[test]
fn a_dead_start_without_rectifiers_is_reported() {
    let network = built(|b| {
        let x = b
            .input("x", ElementType::F32, &[1, 3, 32, 32].map(Dim::DimValue))
            .unwrap();
        let weight = b.floats(&[2, 3, 1, 1], &[0.0; 6]);
        let conv = b.emit("Conv", &[&x, &weight], &[]);
        let gate = b.emit("Sigmoid", &[&conv], &[]);
        let pool = b.emit("GlobalAveragePool", &[&gate], &[]);
        b.emit_named("scores", "Flatten", &[&pool], &[]).unwrap()
    });
    let objective = Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    };
    let runs = [run(0, 0, 6)];
    let mut ascent = Ascent::new(
        &network,
        &objective,
        &runs,
        Device::Cpu,
        &CancelHandle::default(),
    )
    .unwrap();
    while ascent.step().unwrap().is_some() {}
    assert!(ascent.outcomes().unwrap()[0].dead);
}
