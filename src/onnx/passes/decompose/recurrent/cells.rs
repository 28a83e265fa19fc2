//! One step of each kind of cell: what becomes of the state, given what the step reads.

use crate::onnx::passes::decompose::recurrent::{Emitter, Form, Skipped, matrices, run};

/// `h' = f(X Wᵀ + h Rᵀ + B)`.
pub fn rnn(e: &mut Emitter) -> Result<(), Skipped> {
    let form = Form::of(e, 1, &["Tanh"])?;
    let inputs = form.inputs(e)?;
    let recurrence = matrices(e, 2)?;
    run(e, &form, &inputs, 1, |e, mut gates, state| {
        if let Some(h) = &state[0] {
            let carried = e.emit("MatMul", &[h, &recurrence], &[]);
            gates = e.emit("Add", &[&gates, &carried], &[]);
        }
        Ok(vec![form.function(e, 0, &gates)?])
    })
}

/// With gates `i o f g` = `X Wᵀ + h Rᵀ + B`, four equal parts: `c' = f(f) c + f(i) g(g)`, `h' = f(o) h(c')`. Peepholes `P`,
/// three equal parts, add `P c` to `i` and `f`, and `P c'` to `o`. Where `input_forget` is set, what does not enter stays:
/// `1 - f(i)` takes the place of `f(f)`.
pub fn lstm(e: &mut Emitter) -> Result<(), Skipped> {
    let is_coupled = e.node.int("input_forget").unwrap_or(0) != 0;
    let form = Form::of(e, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    let inputs = form.inputs(e)?;
    let recurrence = matrices(e, 2)?;
    let hidden = form.hidden as i64;
    let last = [("axis", (-1i64).into())];
    let quarters = e.ints(&[hidden; 4]);
    let peepholes = e.optional(7).map(|peepholes| {
        let (one, thirds) = (e.ints(&[1]), e.ints(&[hidden; 3]));
        let row = e.emit("Unsqueeze", &[peepholes, &one], &[]);
        e.emit_many("Split", &[&row, &thirds], &last, 3)
    });
    // How far gate `index` is open, which may see what the cell holds.
    let opened = |e: &mut Emitter, gates: &[String], index: usize, cell: Option<&String>| {
        let mut gate = gates[index].clone();
        if let (Some(peepholes), Some(cell)) = (&peepholes, cell) {
            let seen = e.emit("Mul", &[&peepholes[index], cell], &[]);
            gate = e.emit("Add", &[&gate, &seen], &[]);
        }
        form.function(e, 0, &gate)
    };
    run(e, &form, &inputs, 2, |e, mut gates, state| {
        if let Some(h) = &state[0] {
            let carried = e.emit("MatMul", &[h, &recurrence], &[]);
            gates = e.emit("Add", &[&gates, &carried], &[]);
        }
        let gates = e.emit_many("Split", &[&gates, &quarters], &last, 4);
        let before = state[1].as_ref();
        let entering = opened(e, &gates, 0, before)?;
        let new = form.function(e, 1, &gates[3])?;
        let mut cell = e.emit("Mul", &[&entering, &new], &[]);
        if let Some(before) = before {
            let staying = if is_coupled {
                let one = e.scalar(form.elem, 1.0)?;
                e.emit("Sub", &[&one, &entering], &[])
            } else {
                opened(e, &gates, 2, Some(before))?
            };
            let kept = e.emit("Mul", &[&staying, before], &[]);
            cell = e.emit("Add", &[&kept, &cell], &[]);
        }
        let leaving = opened(e, &gates, 1, Some(&cell))?;
        // What the cell holds is not clipped.
        let shown = form.functions[2].of(e, &cell, form.elem)?;
        let shown = e.emit("Mul", &[&leaving, &shown], &[]);
        Ok(vec![shown, cell])
    })
}

/// With gates `z r` = `f(X Wᵀ + h Rᵀ + B)`, two equal parts, and `n = g(X Wᵀ + (r h) Rᵀ + B)`, or with
/// `linear_before_reset` `n = g(X Wᵀ + B + r (h Rᵀ + B'))`: `h' = (1 - z) n + z h`.
pub fn gru(e: &mut Emitter) -> Result<(), Skipped> {
    let form = Form::of(e, 3, &["Sigmoid", "Tanh"])?;
    let late = e.node.int("linear_before_reset").unwrap_or(0) != 0;
    let hidden = form.hidden as i64;
    let last = [("axis", (-1i64).into())];
    let two_and_one = e.ints(&[2 * hidden, hidden]);
    let halves = e.ints(&[hidden; 2]);
    let mut within = None;
    let inputs = match form.biases(e)? {
        Some([outer, inner]) if late => {
            // That of n is added behind the gate r.
            let parts = e.emit_many("Split", &[&inner, &two_and_one], &last, 2);
            let zero = e.scalar(form.elem, 0.0)?;
            let none = e.emit("Mul", &[&parts[1], &zero], &[]);
            let inner = e.emit("Concat", &[&parts[0], &none], &last);
            within = Some(parts[1].clone());
            let bias = e.emit("Add", &[&outer, &inner], &[]);
            form.inputs_with(e, Some(&bias))?
        }
        _ => form.inputs(e)?,
    };
    let recurrence = matrices(e, 2)?;
    let recurrence = e.emit_many("Split", &[&recurrence, &two_and_one], &last, 2);
    run(e, &form, &inputs, 1, |e, gates, state| {
        let parts = e.emit_many("Split", &[&gates, &two_and_one], &last, 2);
        let mut open = parts[0].clone();
        if let Some(h) = &state[0] {
            let carried = e.emit("MatMul", &[h, &recurrence[0]], &[]);
            open = e.emit("Add", &[&open, &carried], &[]);
        }
        let open = form.function(e, 0, &open)?;
        let open = e.emit_many("Split", &[&open, &halves], &last, 2);
        let carried = match (&state[0], &within) {
            (Some(h), _) if !late => {
                let kept = e.emit("Mul", &[&open[1], h], &[]);
                Some(e.emit("MatMul", &[&kept, &recurrence[1]], &[]))
            }
            (None, within) => within.clone(),
            (Some(h), within) => {
                let product = e.emit("MatMul", &[h, &recurrence[1]], &[]);
                Some(match within {
                    Some(bias) => e.emit("Add", &[&product, bias], &[]),
                    None => product,
                })
            }
        };
        let mut new = parts[1].clone();
        if let Some(mut carried) = carried {
            if late {
                carried = e.emit("Mul", &[&open[1], &carried], &[]);
            }
            new = e.emit("Add", &[&new, &carried], &[]);
        }
        let new = form.function(e, 1, &new)?;
        // n + z (h - n)
        let step = match &state[0] {
            Some(h) => e.emit("Sub", &[h, &new], &[]),
            None => e.emit("Neg", &[&new], &[]),
        };
        let step = e.emit("Mul", &[&open[0], &step], &[]);
        Ok(vec![e.emit("Add", &[&new, &step], &[])])
    })
}
