//! Who may attend to whom. Truth values of (queries, keys), broadcast like scores.

use crate::onnx::Elem;
use crate::onnx::passes::decompose::attention::{Emitter, Skipped};
use crate::onnx::proto::TensorProto;

/// The score of a key that a query does not attend to at all.
pub fn lowest(elem: Elem) -> f64 {
    match elem {
        Elem::F16 => -65504.0,
        _ => f32::MIN.into(),
    }
}

/// The numbers from `first` on, as many as `count`.
pub fn positions(e: &mut Emitter, first: usize, count: usize) -> String {
    let [start, end, one] = [first, first.saturating_add(count), 1]
        .map(|number| e.constant(TensorProto::from_i64("", &[], &[number as i64])));
    e.emit("Range", &[&start, &end, &one], &[])
}

/// The value with further axes of one position.
pub fn unsqueezed(e: &mut Emitter, value: &str, axes: &[i64]) -> String {
    let axes = e.ints(axes);
    e.emit("Unsqueeze", &[value, &axes], &[])
}

/// Both conditions, where there are two.
pub fn both(e: &mut Emitter, one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(e.emit("And", &[&one, &other], &[])),
        (one, other) => one.or(other),
    }
}

/// How far before the position of a query a key may lie, and how far behind it.
#[derive(Clone, Copy, Default)]
pub struct Window {
    pub before: Option<i64>,
    pub behind: Option<i64>,
}

impl Window {
    /// Nothing that comes later.
    pub const CAUSAL: Self = Self {
        before: None,
        behind: Some(0),
    };

    /// Whether it has no end.
    pub fn is_open(self) -> bool {
        self.before.is_none() && self.behind.is_none()
    }

    /// The keys within it, if it has an end. `queries` are the positions of the queries among `count` keys, with a last axis of one position.
    pub fn allowed(self, e: &mut Emitter, queries: &str, count: usize) -> Option<String> {
        let keys = positions(e, 0, count);
        let mut bound = |distance: Option<i64>, op: &str| {
            let distance = e.ints(&[distance?]);
            let end = e.emit("Add", &[queries, &distance], &[]);
            Some(e.emit(op, &[&keys, &end], &[]))
        };
        let behind = bound(self.behind, "LessOrEqual");
        let before = bound(self.before.map(|most| -most), "GreaterOrEqual");
        both(e, behind, before)
    }
}

/// The keys before `end`, a value that has as many axes as scores, of `count`.
pub fn until(e: &mut Emitter, end: &str, count: usize) -> String {
    let keys = positions(e, 0, count);
    e.emit("Less", &[&keys, end], &[])
}

/// As whole numbers that can be compared.
pub fn whole(e: &mut Emitter, value: &str) -> String {
    let to = i64::from(Elem::I64.code());
    e.emit("Cast", &[value], &[("to", to.into())])
}

/// The dimensions of a mask as a message tells them.
pub fn unreadable(input: &str, dims: &[usize]) -> Skipped {
    Skipped(format!("its {input} has dimensions {dims:?}"))
}
