//! Finished runs as the history records them.

// Each test binary uses a part of this.
#![allow(dead_code)]

use ziggurat::ascent::{Kind, Objective, Settings, Unit};
use ziggurat::runs::{EndReason, Record, Spec};

/// A run of a class of the default model.
pub fn class_spec(target: &str, class: usize, seed: u64) -> Spec {
    let objective = Objective {
        kind: Kind::Class,
        value: "logits".into(),
    };
    Spec::new(
        ("efficientnet-lite0", "b4d978b015c2"),
        (target, objective, Unit::new(class)),
        seed,
        Settings::default(),
    )
}

/// The record of a finished run that reached its class.
pub fn record(spec: Spec, score: f32) -> Record {
    Record {
        id: spec.id(),
        time: spec.seed,
        spec,
        provider: "cpu".into(),
        versions: ["0.1.0".into(), "1.32.0".into()],
        score,
        probability: Some(0.5),
        reached: Some(true),
        top: Vec::new(),
        verdicts: Vec::new(),
        octaves: Vec::new(),
        scores: vec![0.0, score],
        seconds: 2.0,
        batch: 1,
        together: None,
        companions: Vec::new(),
        ended: EndReason::Finished,
    }
}
