//! `InterleavePhases(first, second?, third?, fourth?)`: the phases of a picture as one picture, in blocked channels
//! (NCHWc). A phase is every second row and every second column. The gradient of a convolution of stride 2 is computed
//! in phases, each of which is a convolution of stride 1.
//!
//! - inputs: float32 (N, C, H, W), whose memory is (N, C/B, H, W, B): the phases of even rows and even columns, of
//!   even rows and odd columns, of odd rows and even columns, and of odd rows and odd columns. A missing one is 0
//! - attributes: `block`, B, which is 8 or 16; `missing`: how many odd rows, and odd columns, there are fewer than even
//!   ones, each 0 or 1
//! - result: float32 `(N, C, 2H - missing[0], 2W - missing[1])`, blocked

use super::context::{for_each, input, output, sizes, small_integers};
use super::vectorized::{Loop, vectorized};
use crate::onnx::own_operators::{BLOCK, INTERLEAVE_PHASES, MISSING};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
};
use ort::value::{Shape, TensorElementType};

/// Pixels of a block that one thread writes at a time.
const PIXELS: usize = 1 << 11;

/// The operator.
pub(super) struct InterleavePhases;

impl Operator for InterleavePhases {
    type Kernel<'attr> = PhasesKernel;

    fn name(&self) -> &str {
        INTERLEAVE_PHASES
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let elem = TensorElementType::Float32;
        let others = [(); 3].map(|()| OperatorInput::optional(elem));
        [OperatorInput::required(elem)].into_iter().chain(others)
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(
        &self,
        context: &KernelContext<'attr>,
    ) -> ort::Result<Self::Kernel<'attr>> {
        let missing = small_integers(context, MISSING);
        let missing = missing.filter(|missing| missing.iter().all(|count| *count < 2));
        Ok(PhasesKernel {
            block: context.get(BLOCK).unwrap_or(0),
            missing: missing.ok_or_else(|| invalid("two numbers of missing lines, each 0 or 1"))?,
            inputs: context.inputs()?.len(),
        })
    }
}

fn invalid(what: &str) -> ort::Error {
    ort::Error::new(format!("{INTERLEAVE_PHASES} needs {what}"))
}

/// The operator of one node.
pub(super) struct PhasesKernel {
    block: i64,
    /// Rows, and columns.
    missing: [usize; 2],
    inputs: usize,
}

impl Kernel for PhasesKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        match self.block {
            8 => self.compute_blocks::<8>(context),
            16 => self.compute_blocks::<16>(context),
            _ => Err(invalid("blocks of 8 or 16 channels")),
        }
    }
}

impl PhasesKernel {
    fn compute_blocks<const B: usize>(&self, context: &ComputeContext) -> ort::Result<()> {
        let values = (0..4).map(|index| match index {
            0 => input(context, INTERLEAVE_PHASES, index).map(Some),
            _ if index < self.inputs => context.input(index),
            _ => Ok(None),
        });
        let values: Vec<_> = values.collect::<ort::Result<_>>()?;
        let values = values.iter().map(|value| {
            value
                .as_ref()
                .map(|value| value.try_extract_tensor::<f32>())
                .transpose()
        });
        let values: Vec<_> = values.collect::<ort::Result<_>>()?;
        let first = values[0].as_ref().and_then(|(shape, _)| sizes(shape));
        let Some(first @ [samples, channels, height, width]) = first else {
            return Err(invalid("phases with four axes"));
        };
        let [odd_height, odd_width] =
            [0, 1].map(|axis| first[axis + 2].saturating_sub(self.missing[axis]));
        let fits = |(phase, value): (usize, &Option<(&Shape, &[f32])>)| {
            let rows = if phase < 2 { height } else { odd_height };
            let columns = if phase % 2 == 0 { width } else { odd_width };
            let expected = [samples, channels, rows, columns].map(|size| size as i64);
            value.as_ref().is_none_or(|(shape, _)| ***shape == expected)
        };
        if !channels.is_multiple_of(B)
            || height == 0
            || width == 0
            || !values.iter().enumerate().all(fits)
        {
            return Err(invalid("phases of full blocks and of sizes that fit"));
        }
        let (rows, columns) = (height + odd_height, width + odd_width);
        let dims = [samples, channels, rows, columns].map(|size| size as i64);
        let mut output = output(context, INTERLEAVE_PHASES, dims.to_vec())?;
        let (_, output) = output.try_extract_tensor_mut::<f32>()?;
        let phases = values
            .iter()
            .map(|value| value.as_ref().map(|(_, value)| value.as_chunks::<B>().0));
        let phases: Vec<Option<&[[f32; B]]>> = phases.collect();
        let phases = &phases;
        let rows_per_task = (PIXELS / columns).max(1);
        let is_large = output.len() > B * PIXELS;
        let blocks = output
            .as_chunks_mut::<B>()
            .0
            .chunks_mut(rows * columns)
            .enumerate();
        let tasks = blocks.flat_map(|(block, output)| {
            let parts = output.chunks_mut(rows_per_task * columns).enumerate();
            parts.map(move |(part, output)| Rows {
                phases,
                block,
                from: part * rows_per_task,
                heights: [height, odd_height],
                widths: [width, odd_width],
                output,
            })
        });
        for_each(context, tasks, is_large, |rows| vectorized(rows))
    }
}

/// Rows of the result in a block of channels.
struct Rows<'a, const B: usize> {
    phases: &'a [Option<&'a [[f32; B]]>],
    block: usize,
    /// The first row.
    from: usize,
    /// Of even and odd rows.
    heights: [usize; 2],
    /// Of even and odd columns.
    widths: [usize; 2],
    output: &'a mut [[f32; B]],
}

/// Writes the rows.
impl<const B: usize> Loop for &mut Rows<'_, B> {
    #[inline(always)]
    fn perform(self, _: bool) {
        let width = self.widths[0] + self.widths[1];
        for (row, line) in (self.from..).zip(self.output.chunks_mut(width)) {
            let parity = row % 2;
            for (odd, width) in self.widths.into_iter().enumerate() {
                let start = (self.block * self.heights[parity] + row / 2) * width;
                let phase = self.phases[2 * parity + odd].map(|phase| &phase[start..start + width]);
                let places = line.iter_mut().skip(odd).step_by(2);
                match phase {
                    Some(phase) => places.zip(phase).for_each(|(place, value)| *place = *value),
                    None => places.for_each(|place| *place = [0.0; B]),
                }
            }
        }
    }
}
