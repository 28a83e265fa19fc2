//! The RNN, LSTM and GRU cells.

use crate::onnx::passes::decompose::recurrent::{
    Emitter, Recurrence, Skipped, biases, matrices, run,
};

/// `h' = f(X Wᵀ + h Rᵀ + B)`.
pub fn rnn(e: &mut Emitter) -> Result<(), Skipped> {
    let layer = Recurrence::of(e, 1, &["Tanh"])?;
    let inputs = layer.inputs(e)?;
    let recurrence = matrices(e, 2)?;
    run(e, &layer, &inputs, 1, |e, mut gates, state| {
        if let Some(h) = &state[0] {
            let recurrent = e.emit("MatMul", &[h, &recurrence], &[]);
            gates = e.emit("Add", &[&gates, &recurrent], &[]);
        }
        Ok(vec![layer.activation(e, 0, &gates)?])
    })
}

/// With gates `i o f g` = `X Wᵀ + h Rᵀ + B`, four equal parts: `c' = f(f) c + f(i) g(g)`, `h' = f(o) h(c')`. Peepholes
/// `P`, three equal parts, add `P c` to `i` and `f`, and `P c'` to `o`. If `input_forget` is set, `1 - f(i)` replaces
/// `f(f)`.
pub fn lstm(e: &mut Emitter) -> Result<(), Skipped> {
    let is_coupled = e.node.int("input_forget").unwrap_or(0) != 0;
    let layer = Recurrence::of(e, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    let inputs = layer.inputs(e)?;
    let recurrence = matrices(e, 2)?;
    let hidden = layer.hidden as i64;
    let last = [("axis", (-1i64).into())];
    let quarters = e.ints(&[hidden; 4]);
    let peepholes = e.optional_input(7).map(|peepholes| {
        let (one, thirds) = (e.ints(&[1]), e.ints(&[hidden; 3]));
        let row = e.emit("Unsqueeze", &[peepholes, &one], &[]);
        e.emit_many("Split", &[&row, &thirds], &last, 3)
    });
    // The activation of gate `index`, with the peephole connection to the cell state.
    let activate = |e: &mut Emitter, gates: &[String], index: usize, cell: Option<&String>| {
        let mut gate = gates[index].clone();
        if let (Some(peepholes), Some(cell)) = (&peepholes, cell) {
            let peephole = e.emit("Mul", &[&peepholes[index], cell], &[]);
            gate = e.emit("Add", &[&gate, &peephole], &[]);
        }
        layer.activation(e, 0, &gate)
    };
    run(e, &layer, &inputs, 2, |e, mut gates, state| {
        if let Some(h) = &state[0] {
            let recurrent = e.emit("MatMul", &[h, &recurrence], &[]);
            gates = e.emit("Add", &[&gates, &recurrent], &[]);
        }
        let gates = e.emit_many("Split", &[&gates, &quarters], &last, 4);
        let previous = state[1].as_ref();
        let input = activate(e, &gates, 0, previous)?;
        let candidate = layer.activation(e, 1, &gates[3])?;
        let mut cell = e.emit("Mul", &[&input, &candidate], &[]);
        if let Some(previous) = previous {
            let forget = if is_coupled {
                let one = e.scalar(layer.elem, 1.0)?;
                e.emit("Sub", &[&one, &input], &[])
            } else {
                activate(e, &gates, 2, Some(previous))?
            };
            let kept = e.emit("Mul", &[&forget, previous], &[]);
            cell = e.emit("Add", &[&kept, &cell], &[]);
        }
        let output = activate(e, &gates, 1, Some(&cell))?;
        // The cell state is not clipped.
        let hidden = layer.activations[2].emit(e, &cell, layer.elem)?;
        let hidden = e.emit("Mul", &[&output, &hidden], &[]);
        Ok(vec![hidden, cell])
    })
}

/// With gates `z r` = `f(X Wᵀ + h Rᵀ + B)`, two equal parts, and `n = g(X Wᵀ + (r h) Rᵀ + B)`, or with
/// `linear_before_reset` `n = g(X Wᵀ + B + r (h Rᵀ + B'))`: `h' = (1 - z) n + z h`.
pub fn gru(e: &mut Emitter) -> Result<(), Skipped> {
    let layer = Recurrence::of(e, 3, &["Sigmoid", "Tanh"])?;
    let linear_before_reset = e.node.int("linear_before_reset").unwrap_or(0) != 0;
    let hidden = layer.hidden as i64;
    let last = [("axis", (-1i64).into())];
    let two_and_one = e.ints(&[2 * hidden, hidden]);
    let halves = e.ints(&[hidden; 2]);
    let mut reset_bias = None;
    let inputs = match biases(e)? {
        Some([input_bias, recurrent_bias]) if linear_before_reset => {
            // The recurrent bias of n is scaled by r, and therefore added later.
            let parts = e.emit_many("Split", &[&recurrent_bias, &two_and_one], &last, 2);
            let zero = e.scalar(layer.elem, 0.0)?;
            let zeros = e.emit("Mul", &[&parts[1], &zero], &[]);
            let recurrent_bias = e.emit("Concat", &[&parts[0], &zeros], &last);
            reset_bias = Some(parts[1].clone());
            let bias = e.emit("Add", &[&input_bias, &recurrent_bias], &[]);
            layer.inputs_with(e, Some(&bias))?
        }
        _ => layer.inputs(e)?,
    };
    let recurrence = matrices(e, 2)?;
    let recurrence = e.emit_many("Split", &[&recurrence, &two_and_one], &last, 2);
    run(e, &layer, &inputs, 1, |e, gates, state| {
        let parts = e.emit_many("Split", &[&gates, &two_and_one], &last, 2);
        let mut zr = parts[0].clone();
        if let Some(h) = &state[0] {
            let recurrent = e.emit("MatMul", &[h, &recurrence[0]], &[]);
            zr = e.emit("Add", &[&zr, &recurrent], &[]);
        }
        let zr = layer.activation(e, 0, &zr)?;
        let zr = e.emit_many("Split", &[&zr, &halves], &last, 2);
        let recurrent = match (&state[0], &reset_bias) {
            (Some(h), _) if !linear_before_reset => {
                let kept = e.emit("Mul", &[&zr[1], h], &[]);
                Some(e.emit("MatMul", &[&kept, &recurrence[1]], &[]))
            }
            (None, reset_bias) => reset_bias.clone(),
            (Some(h), reset_bias) => {
                let product = e.emit("MatMul", &[h, &recurrence[1]], &[]);
                Some(match reset_bias {
                    Some(bias) => e.emit("Add", &[&product, bias], &[]),
                    None => product,
                })
            }
        };
        let mut candidate = parts[1].clone();
        if let Some(mut recurrent) = recurrent {
            if linear_before_reset {
                recurrent = e.emit("Mul", &[&zr[1], &recurrent], &[]);
            }
            candidate = e.emit("Add", &[&candidate, &recurrent], &[]);
        }
        let candidate = layer.activation(e, 1, &candidate)?;
        // n + z (h - n)
        let update = match &state[0] {
            Some(h) => e.emit("Sub", &[h, &candidate], &[]),
            None => e.emit("Neg", &[&candidate], &[]),
        };
        let update = e.emit("Mul", &[&zr[0], &update], &[]);
        Ok(vec![e.emit("Add", &[&candidate, &update], &[])])
    })
}
