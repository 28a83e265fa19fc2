//! Boolean attention masks (queries, keys), which broadcast to the scores.

use crate::onnx::ElementType;
use crate::onnx::passes::decompose::attention::{Context, Skipped};
use crate::onnx::proto::TensorProto;

/// The score of a masked key.
pub fn lowest(elem: ElementType) -> f64 {
    match elem {
        ElementType::F16 => -65504.0,
        _ => f32::MIN.into(),
    }
}

/// The positions from `first` to `first + count - 1`, (count).
pub fn positions(cx: &mut Context, first: usize, count: usize) -> String {
    let [start, end, one] = [first, first.saturating_add(count), 1]
        .map(|number| cx.constant(TensorProto::from_i64("", &[], &[number as i64])));
    cx.emit("Range", &[&start, &end, &one], &[])
}

/// The value with axes of size 1 inserted.
pub fn unsqueeze(cx: &mut Context, value: &str, axes: &[i64]) -> String {
    let axes = cx.ints(axes);
    cx.emit("Unsqueeze", &[value, &axes], &[])
}

/// The conjunction of the masks that are present.
pub fn and(cx: &mut Context, a: Option<String>, b: Option<String>) -> Option<String> {
    match (a, b) {
        (Some(a), Some(b)) => Some(cx.emit("And", &[&a, &b], &[])),
        (a, b) => a.or(b),
    }
}

/// How many positions before and after its own a query attends to; `None` is unlimited.
#[derive(Clone, Copy, Default)]
pub struct Window {
    pub before: Option<i64>,
    pub after: Option<i64>,
}

impl Window {
    /// No later positions.
    pub const CAUSAL: Self = Self {
        before: None,
        after: Some(0),
    };

    /// Whether it allows everything.
    pub fn is_unlimited(self) -> bool {
        self.before.is_none() && self.after.is_none()
    }

    /// The mask of `count` keys; `None` if it allows everything. `queries` are the positions of the queries, (…,
    /// queries, 1).
    pub fn allowed(self, cx: &mut Context, queries: &str, count: usize) -> Option<String> {
        let keys = positions(cx, 0, count);
        let mut bound = |distance: Option<i64>, op: &str| {
            let distance = cx.ints(&[distance?]);
            let end = cx.emit("Add", &[queries, &distance], &[]);
            Some(cx.emit(op, &[&keys, &end], &[]))
        };
        let after = bound(self.after, "LessOrEqual");
        let before = bound(self.before.map(|distance| -distance), "GreaterOrEqual");
        and(cx, after, before)
    }
}

/// The mask of `count` keys that allows positions before `end`, which broadcasts to the scores.
pub fn before(cx: &mut Context, end: &str, count: usize) -> String {
    let keys = positions(cx, 0, count);
    cx.emit("Less", &[&keys, end], &[])
}

/// Casts to int64.
pub fn to_int64(cx: &mut Context, value: &str) -> String {
    let to = i64::from(ElementType::I64.code());
    cx.emit("Cast", &[value], &[("to", to.into())])
}

/// The skip reason for an input of unsupported dimensions.
pub fn unsupported_dims(input: &str, dims: &[usize]) -> Skipped {
    Skipped(format!("its {input} has dimensions {dims:?}"))
}
