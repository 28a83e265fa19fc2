//! Tests of targets: every form of text, and the errors.

use super::*;
use crate::model::Layout;

fn layer(name: &str, dims: &[usize]) -> Layer {
    Layer {
        name: name.into(),
        op: "Conv".into(),
        dims: dims.into(),
        layout: Layout::channels_first(dims).unwrap(),
        parameters: 0,
        is_activation: true,
        differentiability: Differentiability::Differentiable,
    }
}

fn read(text: &str) -> Result<Target, TargetError> {
    let classes = Classes::new(["tench", "flamingo", "a/b"], "test").unwrap();
    let mut blocked = layer("blocked", &[1, 4]);
    blocked.differentiability = Differentiability::Blocked {
        node: "n".into(),
        op: "Foo".into(),
        why: None,
    };
    let layers = [
        layer("stem", &[1, 8, 4, 6]),
        layer("odd:name", &[1, 8, 4, 6]),
        layer("pool", &[1, 16]),
        blocked,
    ];
    let parts = TargetScope {
        logits: Some("logits"),
        classes: &classes,
        layers: &layers,
    };
    parts.read(text)
}

fn meant(text: &str) -> (Kind, String, usize, (usize, usize)) {
    let target = read(text).unwrap();
    let Objective { kind, value } = target.objective;
    (kind, value, target.unit.index, target.unit.position)
}

#[test]
fn every_form_of_target_is_read() {
    let class = |index| (Kind::Class, "logits".to_string(), index, (0, 0));
    assert_eq!(meant("flamingo"), class(1));
    assert_eq!(meant("class:0"), class(0));
    assert_eq!(meant("2"), class(2));
    assert_eq!(meant("a/b"), class(2));
    let of = |kind, layer: &str, index, at| (kind, layer.to_string(), index, at);
    assert_eq!(meant("stem"), of(Kind::Layer, "stem", 0, (0, 0)));
    assert_eq!(meant("stem:3"), of(Kind::Channel, "stem", 3, (0, 0)));
    assert_eq!(meant("stem:3:2,5"), of(Kind::Neuron, "stem", 3, (2, 5)));
    assert_eq!(
        meant("odd:name:7"),
        of(Kind::Channel, "odd:name", 7, (0, 0))
    );
    assert_eq!(meant("pool:15"), of(Kind::Channel, "pool", 15, (0, 0)));
}

#[test]
fn an_exact_name_takes_precedence_over_an_index() {
    let classes = Classes::new(["tench", "#0", "not:tench"], "test").unwrap();
    let scope = TargetScope {
        logits: Some("logits"),
        classes: &classes,
        layers: &[],
    };
    for text in ["#0", "class:#0"] {
        let target = scope.read(text).unwrap();
        assert_eq!(target.unit.index, 1, "{text}");
        assert_eq!(
            target.remark.unwrap(),
            "`#0` is read as the name of class 1; class:#00 is the class of index 0"
        );
    }
    for (text, kind, index) in [
        ("class:#00", Kind::Class, 0),
        ("class:#2", Kind::Class, 2),
        ("not:tench", Kind::NotClass, 0),
        ("class:not:tench", Kind::Class, 2),
    ] {
        let target = scope.read(text).unwrap();
        assert_eq!((target.objective.kind, target.unit.index), (kind, index));
    }
}

#[test]
fn an_invalid_target_is_an_error_with_suggestions() {
    let cases = [
        ("flamigo", "flamingo"),
        ("class:9", "0 to 2"),
        ("stemm:1", "`stem`"),
        ("stem:x", "CHANNEL:Y,X"),
        ("stem:8", "8 channels, 0 to 7"),
        ("stem:0:4,0", "4 rows and 6 columns"),
        ("pool:0:0,0", "0 rows"),
        ("blocked:1", "no gradient rule"),
    ];
    for (text, word) in cases {
        let problem = read(text).unwrap_err().to_string();
        assert!(problem.contains(word), "{text}: {problem}");
    }
}

#[test]
fn a_title_cannot_control_the_terminal_and_the_objective_keeps_the_name() {
    let name = format!("\u{1b}[2J{}", "x".repeat(10_000));
    let target = Target::of_layer(&layer(&name, &[1, 8]), LayerPart::Whole).unwrap();
    assert!(!target.title.contains('\u{1b}') && target.title.len() <= MAX_TITLE);
    assert_eq!(target.objective.value, name);
}
