//! The windows of a pool with two spatial axes.

/// Maximum size along an axis, and of each attribute: small enough for products of two of them.
const MAX_SIZE: usize = 1 << 30;

/// The windows of a pool.
#[derive(Debug, Clone)]
pub struct Pool([Axis; 2]);

/// The windows along an axis.
#[derive(Debug, Clone)]
struct Axis {
    /// Elements of a window.
    taps: usize,
    stride: usize,
    dilation: usize,
    /// Padding before and after the picture.
    pads: [usize; 2],
}

impl Pool {
    /// The pool of these attributes of ONNX; `None` if it has not two spatial axes, or they are invalid.
    pub fn new(kernel: &[i64], strides: &[i64], pads: &[i64], dilations: &[i64]) -> Option<Self> {
        let (kernel, strides): ([usize; 2], [usize; 2]) =
            (bounded(kernel, 1)?, bounded(strides, 1)?);
        let (dilations, pads): ([usize; 2], [usize; 4]) =
            (bounded(dilations, 1)?, bounded(pads, 0)?);
        let axis = |axis: usize| Axis {
            taps: kernel[axis],
            stride: strides[axis],
            dilation: dilations[axis],
            pads: [pads[axis], pads[axis + 2]],
        };
        Some(Self([0, 1].map(axis)))
    }

    /// Whether a picture of `size` has as many windows, rounded down or up (`ceil_mode`), and not too many pixels.
    pub fn fits(&self, size: [usize; 2], windows: [usize; 2]) -> bool {
        let pixels = size[0].checked_mul(size[1]);
        pixels.is_some_and(|pixels| u32::try_from(pixels).is_ok())
            && (0..2).all(|axis| self.0[axis].fits(size[axis], windows[axis]))
    }

    /// The elements of each row of windows (axis 0), or of each column (axis 1), for a size that [fits](Pool::fits).
    pub fn spans(&self, axis: usize, size: usize, windows: usize) -> Vec<Span> {
        let span = |window| self.0[axis].span(window, size);
        (0..windows).map(span).collect()
    }

    /// Rows of the picture from the first one of a window to its last one.
    pub fn height(&self) -> usize {
        self.0[0].reach()
    }
}

/// Numbers from `least` to [`MAX_SIZE`].
fn bounded<const N: usize>(numbers: &[i64], least: usize) -> Option<[usize; N]> {
    let numbers = numbers.iter().map(|number| usize::try_from(*number).ok());
    let numbers: Vec<usize> = numbers.collect::<Option<_>>()?;
    let numbers = <[usize; N]>::try_from(numbers).ok()?;
    let mut each = numbers.iter();
    each.all(|number| (least..MAX_SIZE).contains(number))
        .then_some(numbers)
}

impl Axis {
    fn reach(&self) -> usize {
        (self.taps - 1) * self.dilation + 1
    }

    fn fits(&self, size: usize, windows: usize) -> bool {
        let padded = size.min(MAX_SIZE) + self.pads[0] + self.pads[1];
        padded.checked_sub(self.reach()).is_some_and(|steps| {
            let last = windows.wrapping_sub(1);
            // Rounded up, the last window has to begin before the end of the picture.
            let is_rounded_up =
                last == steps.div_ceil(self.stride) && last * self.stride < size + self.pads[0];
            size < MAX_SIZE && (last == steps / self.stride || is_rounded_up)
        })
    }

    /// The elements of a window that are in the picture.
    fn span(&self, window: usize, size: usize) -> Span {
        let start = window * self.stride;
        // Elements before the picture.
        let before = self.pads[0].saturating_sub(start).div_ceil(self.dilation);
        let first = (start + before * self.dilation) - self.pads[0];
        let inside = size.saturating_sub(first).div_ceil(self.dilation);
        Span {
            first,
            count: self.taps.saturating_sub(before).min(inside),
            step: self.dilation,
        }
    }
}

/// The elements of a window along an axis that are in the picture.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The first place.
    pub first: usize,
    count: usize,
    step: usize,
}

impl Span {
    /// The number of places.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The number of places, if they are adjacent.
    #[inline(always)]
    pub fn adjacent(&self) -> Option<usize> {
        (self.step == 1).then_some(self.count)
    }

    /// The same, for `N` adjacent places: loops over them have a known length.
    #[inline(always)]
    pub fn of<const N: usize>(&self) -> Self {
        Self {
            first: self.first,
            count: N,
            step: 1,
        }
    }

    /// Places from the first one to the last one, both included.
    #[inline(always)]
    pub fn reach(&self) -> usize {
        (self.count * self.step + 1).saturating_sub(self.step)
    }

    /// How far each place is behind the first one.
    #[inline(always)]
    pub fn offsets(&self) -> impl Iterator<Item = usize> {
        let step = self.step;
        (0..self.count).map(move |index| index * step)
    }

    /// The places, in ascending order.
    #[inline(always)]
    pub fn places(&self) -> impl Iterator<Item = usize> {
        let first = self.first;
        self.offsets().map(move |offset| first + offset)
    }

    /// The places from `from` on that are before `to`.
    pub fn within(&self, from: usize, to: usize) -> Self {
        let before = from.saturating_sub(self.first).div_ceil(self.step);
        let first = self.first + before * self.step;
        let inside = to.saturating_sub(first).div_ceil(self.step);
        Self {
            first,
            count: self.count.saturating_sub(before).min(inside),
            ..*self
        }
    }
}
