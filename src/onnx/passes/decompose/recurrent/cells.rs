//! The RNN, LSTM and GRU cells.

use crate::onnx::passes::decompose::recurrent::{
    Context, Recurrence, Skipped, biases, matrices, run,
};

/// `h' = f(X Wᵀ + h Rᵀ + B)`.
pub fn rnn(cx: &mut Context) -> Result<(), Skipped> {
    let layer = Recurrence::new(cx, 1, &["Tanh"])?;
    let inputs = layer.inputs(cx)?;
    let recurrence = matrices(cx, 2)?;
    run(cx, &layer, &inputs, 1, |cx, mut gates, state| {
        if let Some(h) = &state[0] {
            let recurrent = cx.emit("MatMul", &[h, &recurrence], &[]);
            gates = cx.emit("Add", &[&gates, &recurrent], &[]);
        }
        Ok(vec![layer.activation(cx, 0, &gates)?])
    })
}

/// With gates `i o f g` = `X Wᵀ + h Rᵀ + B`, four equal parts: `c' = f(f) c + f(i) g(g)`, `h' = f(o) h(c')`. Peepholes
/// `P`, three equal parts, add `P c` to `i` and `f`, and `P c'` to `o`. If `input_forget` is set, `1 - f(i)` replaces
/// `f(f)`.
pub fn lstm(cx: &mut Context) -> Result<(), Skipped> {
    let is_coupled = cx.node.int("input_forget").unwrap_or(0) != 0;
    let layer = Recurrence::new(cx, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    let inputs = layer.inputs(cx)?;
    let recurrence = matrices(cx, 2)?;
    let hidden = layer.hidden as i64;
    let last = [("axis", (-1i64).into())];
    let quarters = cx.ints(&[hidden; 4]);
    let peepholes = cx.optional_input(7).map(|peepholes| {
        let (one, thirds) = (cx.ints(&[1]), cx.ints(&[hidden; 3]));
        let row = cx.emit("Unsqueeze", &[peepholes, &one], &[]);
        cx.emit_many("Split", &[&row, &thirds], &last, 3)
    });
    // The activation of gate `index`, with the peephole connection to the cell state.
    let activate = |cx: &mut Context, gates: &[String], index: usize, cell: Option<&String>| {
        let mut gate = gates[index].clone();
        if let (Some(peepholes), Some(cell)) = (&peepholes, cell) {
            let peephole = cx.emit("Mul", &[&peepholes[index], cell], &[]);
            gate = cx.emit("Add", &[&gate, &peephole], &[]);
        }
        layer.activation(cx, 0, &gate)
    };
    run(cx, &layer, &inputs, 2, |cx, mut gates, state| {
        if let Some(h) = &state[0] {
            let recurrent = cx.emit("MatMul", &[h, &recurrence], &[]);
            gates = cx.emit("Add", &[&gates, &recurrent], &[]);
        }
        let gates = cx.emit_many("Split", &[&gates, &quarters], &last, 4);
        let previous = state[1].as_ref();
        let input = activate(cx, &gates, 0, previous)?;
        let candidate = layer.activation(cx, 1, &gates[3])?;
        let mut cell = cx.emit("Mul", &[&input, &candidate], &[]);
        if let Some(previous) = previous {
            let forget = if is_coupled {
                let one = cx.scalar(layer.elem, 1.0)?;
                cx.emit("Sub", &[&one, &input], &[])
            } else {
                activate(cx, &gates, 2, Some(previous))?
            };
            let kept = cx.emit("Mul", &[&forget, previous], &[]);
            cell = cx.emit("Add", &[&kept, &cell], &[]);
        }
        let output = activate(cx, &gates, 1, Some(&cell))?;
        // The cell state is not clipped.
        let hidden = layer.activations[2].emit(cx, &cell, layer.elem)?;
        let hidden = cx.emit("Mul", &[&output, &hidden], &[]);
        Ok(vec![hidden, cell])
    })
}

/// With gates `z r` = `f(X Wᵀ + h Rᵀ + B)`, two equal parts, and `n = g(X Wᵀ + (r h) Rᵀ + B)`, or with
/// `linear_before_reset` `n = g(X Wᵀ + B + r (h Rᵀ + B'))`: `h' = (1 - z) n + z h`.
pub fn gru(cx: &mut Context) -> Result<(), Skipped> {
    let layer = Recurrence::new(cx, 3, &["Sigmoid", "Tanh"])?;
    let linear_before_reset = cx.node.int("linear_before_reset").unwrap_or(0) != 0;
    let hidden = layer.hidden as i64;
    let last = [("axis", (-1i64).into())];
    let two_and_one = cx.ints(&[2 * hidden, hidden]);
    let halves = cx.ints(&[hidden; 2]);
    let mut reset_bias = None;
    let inputs = match biases(cx)? {
        Some([input_bias, recurrent_bias]) if linear_before_reset => {
            // The recurrent bias of n is scaled by r, and therefore added later.
            let parts = cx.emit_many("Split", &[&recurrent_bias, &two_and_one], &last, 2);
            let zero = cx.scalar(layer.elem, 0.0)?;
            let zeros = cx.emit("Mul", &[&parts[1], &zero], &[]);
            let recurrent_bias = cx.emit("Concat", &[&parts[0], &zeros], &last);
            reset_bias = Some(parts[1].clone());
            let bias = cx.emit("Add", &[&input_bias, &recurrent_bias], &[]);
            layer.inputs_with(cx, Some(&bias))?
        }
        _ => layer.inputs(cx)?,
    };
    let recurrence = matrices(cx, 2)?;
    let recurrence = cx.emit_many("Split", &[&recurrence, &two_and_one], &last, 2);
    run(cx, &layer, &inputs, 1, |cx, gates, state| {
        let parts = cx.emit_many("Split", &[&gates, &two_and_one], &last, 2);
        let mut zr = parts[0].clone();
        if let Some(h) = &state[0] {
            let recurrent = cx.emit("MatMul", &[h, &recurrence[0]], &[]);
            zr = cx.emit("Add", &[&zr, &recurrent], &[]);
        }
        let zr = layer.activation(cx, 0, &zr)?;
        let zr = cx.emit_many("Split", &[&zr, &halves], &last, 2);
        let recurrent = match (&state[0], &reset_bias) {
            (Some(h), _) if !linear_before_reset => {
                let kept = cx.emit("Mul", &[&zr[1], h], &[]);
                Some(cx.emit("MatMul", &[&kept, &recurrence[1]], &[]))
            }
            (None, reset_bias) => reset_bias.clone(),
            (Some(h), reset_bias) => {
                let product = cx.emit("MatMul", &[h, &recurrence[1]], &[]);
                Some(match reset_bias {
                    Some(bias) => cx.emit("Add", &[&product, bias], &[]),
                    None => product,
                })
            }
        };
        let mut candidate = parts[1].clone();
        if let Some(mut recurrent) = recurrent {
            if linear_before_reset {
                recurrent = cx.emit("Mul", &[&zr[1], &recurrent], &[]);
            }
            candidate = cx.emit("Add", &[&candidate, &recurrent], &[]);
        }
        let candidate = layer.activation(cx, 1, &candidate)?;
        // n + z (h - n)
        let update = match &state[0] {
            Some(h) => cx.emit("Sub", &[h, &candidate], &[]),
            None => cx.emit("Neg", &[&candidate], &[]),
        };
        let update = cx.emit("Mul", &[&zr[0], &update], &[]);
        Ok(vec![cx.emit("Add", &[&candidate, &update], &[])])
    })
}
