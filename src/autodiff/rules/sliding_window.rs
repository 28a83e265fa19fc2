//! The geometry of sliding windows, shared by convolution and pooling.

use super::{Context, Error};

/// The largest kernel, stride, dilation and padding along an axis: beyond any real network, and small enough for every
/// sum and product of a few of them, and for constants of a kernel's size.
const MAX_POSITIONS: i64 = 4096;

/// Kernel, strides, dilations and padding of a sliding window. All lists have one entry per spatial axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    pub kernel: Vec<i64>,
    pub strides: Vec<i64>,
    pub dilations: Vec<i64>,
    pub pads_begin: Vec<i64>,
    pub pads_end: Vec<i64>,
}

impl Window {
    /// Reads the attributes of a node. `input` and `output` are the spatial dimensions; `kernel` is the
    /// spatial size of the weights, for operators with weights; `kernel_shape`, if present, must equal it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if an attribute is missing, of the wrong length, out of range, or contradicts the
    /// weights.
    pub fn new(
        cx: &Context,
        kernel: &[usize],
        input: &[usize],
        output: &[usize],
    ) -> Result<Self, Error> {
        let rank = input.len();
        let list = |name: &str, default: Vec<i64>, length: usize, least: i64| {
            let values = cx.node.ints(name).map_or(default, <[i64]>::to_vec);
            let range = least..=MAX_POSITIONS;
            if values.len() == length && values.iter().all(|v| range.contains(v)) {
                Ok(values)
            } else {
                Err(cx.unsupported(&format!(
                    "its {name} is {values:?} over {rank} spatial axes"
                )))
            }
        };
        let filters: Vec<i64> = kernel.iter().map(|&size| size as i64).collect();
        let kernel = list("kernel_shape", filters.clone(), rank, 1)?;
        if !filters.is_empty() && kernel != filters {
            let why = format!("its kernel_shape is {kernel:?}, and its filters are {filters:?}");
            return Err(cx.unsupported(&why));
        }
        let strides = list("strides", vec![1; rank], rank, 1)?;
        let dilations = list("dilations", vec![1; rank], rank, 1)?;
        let pads = list("pads", vec![0; 2 * rank], 2 * rank, 0)?;
        let mut window = Self {
            kernel,
            strides,
            dilations,
            pads_begin: pads[..rank].to_vec(),
            pads_end: pads[rank..].to_vec(),
        };
        match cx.node.string("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => {}
            "VALID" => {
                window.pads_begin = vec![0; rank];
                window.pads_end = vec![0; rank];
            }
            side @ ("SAME_UPPER" | "SAME_LOWER") => {
                for axis in 0..rank {
                    let covered =
                        (output[axis] as i64 - 1) * window.strides[axis] + window.extent(axis);
                    let total = (covered - input[axis] as i64).max(0);
                    let small = total / 2;
                    let (begin, end) = match side {
                        "SAME_UPPER" => (small, total - small),
                        _ => (total - small, small),
                    };
                    window.pads_begin[axis] = begin;
                    window.pads_end[axis] = end;
                }
            }
            other => return Err(cx.unsupported(&format!("auto_pad = {other:?}"))),
        }
        Ok(window)
    }

    /// How many positions a dilated kernel spans.
    pub fn extent(&self, axis: usize) -> i64 {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// How many positions all windows together span, from the first one's start.
    pub fn reach(&self, axis: usize, output: usize) -> i64 {
        (output as i64 - 1) * self.strides[axis] + self.extent(axis)
    }

    /// Whether the windows cover the input without gap, overlap or padding.
    pub fn tiles(&self, input: &[usize], output: &[usize]) -> bool {
        let fills = |axis: usize| output[axis] as i64 * self.kernel[axis] == input[axis] as i64;
        let is_disjoint =
            self.kernel == self.strides && self.dilations.iter().all(|&step| step == 1);
        is_disjoint && self.pads().iter().all(|&pad| pad == 0) && (0..input.len()).all(fills)
    }

    /// Both paddings as ONNX lists them.
    pub fn pads(&self) -> Vec<i64> {
        [self.pads_begin.as_slice(), &self.pads_end].concat()
    }
}
