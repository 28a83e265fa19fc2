//! Random convolutional networks.

use super::{Growing, Step};

/// A step of a convolutional network in float32: values are (1, channels, height, width).
pub fn grow_convolutional(g: &mut Growing, (op, of, a, b): Step) {
    // The last values are the likeliest, so that networks become deep.
    let back = (of as usize % 3).min(g.values.len() - 1);
    let (x, dims) = g.values[g.values.len() - 1 - back].clone();
    let (channels, size) = (dims[1], [dims[2], dims[3]]);
    let pooled = |kernel: usize, stride: usize, pad: usize| {
        size.map(|size| (size + 2 * pad).saturating_sub(kernel) / stride + 1)
    };
    let with = |channels: usize, size: [usize; 2]| [1, channels, size[0], size[1]];
    match op % 13 {
        kind @ 0..=4 => {
            let kernel = [1, 2, 3][a as usize % 3];
            let stride = 1 + usize::from(a) / 3 % 2;
            let pad = if size.iter().min() < Some(&kernel) {
                kernel - 1
            } else {
                kernel / 2
            };
            let (outputs, group) = match kind {
                0..=2 => ([3, 8][b as usize % 2], 1),
                _ => (channels, channels),
            };
            let inputs = channels / group;
            let weight = g.constant(
                &[outputs, inputs, kernel, kernel],
                1.7 / ((inputs * kernel * kernel) as f64).sqrt(),
            );
            let bias = g.constant(&[outputs], 0.3);
            let attributes = [
                ("strides", vec![stride as i64; 2].into()),
                ("pads", vec![pad as i64; 4].into()),
                ("group", (group as i64).into()),
            ];
            let y = g.builder.emit("Conv", &[&x, &weight, &bias], &attributes);
            g.add(y, &with(outputs, pooled(kernel, stride, pad)));
        }
        5 => {
            g.kink(&x, &[0.0]);
            let y = match a % 3 {
                0 => g.plain("Relu", &[&x]),
                1 => g
                    .builder
                    .emit("LeakyRelu", &[&x], &[("alpha", 0.2f32.into())]),
                _ => g.builder.emit("Elu", &[&x], &[]),
            };
            g.add(y, &dims);
        }
        6 => {
            let [low, high] = [0.0, 0.75].map(|bound| g.builder.scalar(g.elem, bound).unwrap());
            g.kink(&x, &[0.0, 0.75]);
            let y = g.plain("Clip", &[&x, &low, &high]);
            g.add(y, &dims);
        }
        7 => {
            g.kink(&x, &[-3.0, 3.0]);
            let y = g.plain(["HardSwish", "Sigmoid", "Softplus"][a as usize % 3], &[&x]);
            g.add(y, &dims);
        }
        8 | 9 => {
            let (kernel, stride, pad) = [(2, 2, 0), (3, 2, 1), (3, 1, 1)][a as usize % 3];
            if size.iter().min() < Some(&kernel) {
                return;
            }
            let attributes = [
                ("kernel_shape", vec![kernel as i64; 2].into()),
                ("strides", vec![stride as i64; 2].into()),
                ("pads", vec![pad as i64; 4].into()),
            ];
            let y = if b % 2 == 0 {
                let choice = g
                    .builder
                    .emit_many("MaxPool", &[&x], &attributes, 2)
                    .remove(1);
                g.kink(&choice, &[]);
                g.builder.emit("MaxPool", &[&x], &attributes)
            } else {
                g.builder.emit("AveragePool", &[&x], &attributes)
            };
            g.add(y, &with(channels, pooled(kernel, stride, pad)));
        }
        10 => {
            let [scale, shift, mean] = [1.0, 0.3, 0.3].map(|scale| g.constant(&[channels], scale));
            let variance = g.plain("Exp", &[&mean]);
            let y = g.plain(
                "BatchNormalization",
                &[&x, &scale, &shift, &mean, &variance],
            );
            g.add(y, &dims);
        }
        11 => {
            let other = g.partner(&x, &dims, b);
            let y = match a % 2 {
                0 => g.plain("Add", &[&x, &other]),
                _ => g
                    .builder
                    .emit("Concat", &[&x, &other], &[("axis", 1i64.into())]),
            };
            g.add(
                y,
                &with(if a % 2 == 0 { channels } else { 2 * channels }, size),
            );
        }
        _ => {
            // A gate for each channel.
            let mean = g.plain("GlobalAveragePool", &[&x]);
            let weight = g.constant(&[channels, channels, 1, 1], 1.0);
            let mixed = g.plain("Conv", &[&mean, &weight]);
            let gate = g.plain("Sigmoid", &[&mixed]);
            let y = g.plain("Mul", &[&x, &gate]);
            g.add(y, &dims);
        }
    }
}
