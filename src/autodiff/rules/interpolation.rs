//! Interpolation at computed positions, shared by GridSample, RoiAlign and DeformConv.
//!
//! A sample is a weighted sum of the elements around its position, its taps. Along an axis, the taps of the coordinate
//! `x` are at `floor(x) + offset`, and their weights are polynomials of `t = x - floor(x)`. Over several axes the
//! weights are multiplied. The gradient of the input is `g` times the weight, scatter-added at each tap. The gradient
//! of a coordinate is the sum of `g` times the element at each tap, with the derivative of the polynomial along its
//! axis.

use super::{Context, Error};
use crate::onnx::ElementType;

/// Offsets of the taps along an axis, and the coefficients of their weights from the constant one on.
pub type Kernel = &'static [(f64, &'static [f64])];

pub const NEAREST: Kernel = &[(0.0, &[1.0])];
pub const LINEAR: Kernel = &[(0.0, &[1.0, -1.0]), (1.0, &[0.0, 1.0])];
/// Cubic convolution with the coefficient -3/4.
pub const CUBIC: Kernel = &[
    (-1.0, &[0.0, -0.75, 1.5, -0.75]),
    (0.0, &[1.0, 0.0, -2.25, 1.25]),
    (1.0, &[0.0, 0.75, 1.5, -1.25]),
    (2.0, &[0.0, 0.0, -0.75, 0.75]),
];

/// Maximum number of elements of all taps together.
const MAX_TAPS: usize = 1 << 28;

/// Padding mode: the values outside of the input.
#[derive(Clone, Copy, PartialEq)]
pub enum Padding {
    Zeros,
    /// The nearest border element.
    Border,
    /// The input mirrored at the centres of its border elements (if `true`) or at their outer edges.
    Reflection(bool),
}

/// One element near each position, along one axis or all of them.
#[derive(Clone)]
pub struct Tap {
    /// Its index, an int64.
    index: String,
    pub weight: String,
    /// The derivative of the weight by the coordinate of each axis.
    slopes: Vec<String>,
}

/// The taps of a coordinate, of dimensions `dims`, along an axis of `size` elements.
pub fn taps(
    cx: &mut Context,
    (coordinate, dims): (&str, &[usize]),
    size: usize,
    (kernel, padding): (Kernel, Padding),
    elem: ElementType,
) -> Result<Vec<Tap>, Error> {
    let floor = match kernel.len() {
        1 => cx.op("Round", &[coordinate]),
        _ => cx.op("Floor", &[coordinate]),
    };
    let t = cx.op("Sub", &[coordinate, &floor]);
    let t = (t.as_str(), dims);
    let mut taps = Vec::with_capacity(kernel.len());
    for &(offset, coefficients) in kernel {
        let offset = cx.scalar(elem, offset)?;
        let place = cx.add(&floor, &offset);
        let index = padded(cx, &place, size, padding, elem)?;
        let powers = coefficients.iter().enumerate().skip(1);
        let derivative: Vec<f64> = powers.map(|(power, c)| power as f64 * c).collect();
        let mut weight = polynomial(cx, t, coefficients, elem)?;
        let mut slope = polynomial(cx, t, &derivative, elem)?;
        if padding == Padding::Zeros {
            let inside = cx.op("Equal", &[&place, &index]);
            let inside = cx.cast(&inside, elem);
            weight = cx.mul(&weight, &inside);
            slope = cx.mul(&slope, &inside);
        }
        // Summed as integers: floats cannot represent products of large sizes exactly.
        let index = cx.cast(&index, ElementType::I64);
        taps.push(Tap {
            index,
            weight,
            slopes: vec![slope],
        });
    }
    Ok(taps)
}

/// The index of the element at `place`, which may lie outside of the axis.
fn padded(
    cx: &mut Context,
    place: &str,
    size: usize,
    padding: Padding,
    elem: ElementType,
) -> Result<String, Error> {
    let last = size as f64 - 1.0;
    let mirrored = match padding {
        Padding::Zeros | Padding::Border => place.to_owned(),
        Padding::Reflection(at_elements) => {
            // A triangle wave: distances from the first mirror, folded at the second.
            let (mirror, period) = if at_elements {
                (0.0, 2.0 * last)
            } else {
                (-0.5, 2.0 * last + 2.0)
            };
            let (mirror, period) = (cx.scalar(elem, mirror)?, cx.scalar(elem, period.max(1.0))?);
            let distance = cx.op("Sub", &[place, &mirror]);
            let periods = cx.op("Div", &[&distance, &period]);
            let periods = cx.op("Floor", &[&periods]);
            let start = cx.mul(&periods, &period);
            let there = cx.op("Sub", &[&distance, &start]);
            let back = cx.op("Sub", &[&period, &there]);
            let folded = cx.op("Min", &[&there, &back]);
            cx.add(&folded, &mirror)
        }
    };
    let (first, last) = (cx.scalar(elem, 0.0)?, cx.scalar(elem, last)?);
    Ok(cx.op("Clip", &[&mirrored, &first, &last]))
}

/// `Σ c_n tⁿ`, for `t` of the dimensions `dims`.
fn polynomial(
    cx: &mut Context,
    (t, dims): (&str, &[usize]),
    coefficients: &[f64],
    elem: ElementType,
) -> Result<String, Error> {
    let mut descending = coefficients.iter().rev();
    let mut sum = cx.scalar(elem, descending.next().copied().unwrap_or(0.0))?;
    if coefficients.len() < 2 {
        return Ok(cx.expand(&sum, dims));
    }
    for &coefficient in descending {
        sum = cx.mul(&sum, t);
        if coefficient != 0.0 {
            let coefficient = cx.scalar(elem, coefficient)?;
            sum = cx.add(&sum, &coefficient);
        }
    }
    Ok(sum)
}

/// The outer product of the taps so far with those of the next axis, which has `size` elements.
fn times(cx: &mut Context, joined: &[Tap], next: &[Tap], size: usize) -> Vec<Tap> {
    let size = cx.int(size as i64);
    let mut product = Vec::with_capacity(joined.len() * next.len());
    for outer in joined {
        let start = cx.mul(&outer.index, &size);
        for inner in next {
            let index = cx.add(&start, &inner.index);
            let weight = cx.mul(&outer.weight, &inner.weight);
            let mut slopes: Vec<String> = outer
                .slopes
                .iter()
                .map(|slope| cx.mul(slope, &inner.weight))
                .collect();
            slopes.push(cx.mul(&outer.weight, &inner.slopes[0]));
            product.push(Tap {
                index,
                weight,
                slopes,
            });
        }
    }
    product
}

/// Dimensions of the input and number of samples.
pub struct Sampler {
    /// Dimensions of the input: batch, channels, spatial axes.
    pub dims: Vec<usize>,
    elem: ElementType,
    /// Groups of samples; each group reads one batch entry.
    groups: usize,
    /// Samples per group.
    places: usize,
}

/// All taps of all samples, as (1, groups · taps · places) or (groups, 1, taps, places).
pub struct Taps {
    indices: String,
    weights: String,
    slopes: Vec<String>,
}

impl Sampler {
    /// # Errors
    /// [`Error::Unsupported`] if all taps together have more elements than [`MAX_TAPS`].
    pub fn new(
        cx: &Context,
        dims: Vec<usize>,
        elem: ElementType,
        (groups, places): (usize, usize),
        taps: usize,
    ) -> Result<Self, Error> {
        let numbers = [groups, dims[1], places, taps].map(|number| number.max(1));
        if numbers.into_iter().fold(1, usize::saturating_mul) > MAX_TAPS {
            let why = format!("it reads {groups} times {places} places of {dims:?}");
            return Err(cx.unsupported(&why));
        }
        Ok(Self {
            dims,
            elem,
            groups,
            places,
        })
    }

    fn area(&self) -> usize {
        self.dims[2..].iter().product()
    }

    /// Combines the taps of all spatial axes; `batch` is the batch index of each group, (groups).
    pub fn join(&self, cx: &mut Context, axes: Vec<Vec<Tap>>, batch: &str) -> Taps {
        let count: usize = axes.iter().map(Vec::len).product();
        let mut joined: Vec<Tap> = Vec::new();
        for (axis, (taps, &size)) in axes.into_iter().zip(&self.dims[2..]).enumerate() {
            joined = match axis {
                0 => taps,
                _ => times(cx, &joined, &taps, size),
            };
        }
        let stacked = |cx: &mut Context, part: &dyn Fn(&Tap) -> &String| {
            let parts: Vec<String> = joined.iter().map(|tap| self.row(cx, part(tap))).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            cx.emit("Concat", &parts, &[("axis", 2i64.into())])
        };
        let weights = stacked(cx, &|tap| &tap.weight);
        let axes = self.dims.len() - 2;
        let slopes = (0..axes)
            .map(|axis| stacked(cx, &|tap| &tap.slopes[axis]))
            .collect();
        let indices = stacked(cx, &|tap| &tap.index);
        let area = cx.ints(&[self.area() as i64]);
        let batch = cx.mul(batch, &area);
        let batch = cx.reshape(&batch, &[self.groups, 1, 1, 1]);
        let indices = cx.add(&indices, &batch);
        let indices = cx.reshape(&indices, &[1, self.groups * count * self.places]);
        Taps {
            indices,
            weights,
            slopes,
        }
    }

    /// One number per sample, as (groups, 1, 1, places).
    fn row(&self, cx: &mut Context, value: &str) -> String {
        let dims = [self.groups, 1, 1, self.places];
        cx.reshape(value, &dims)
    }

    /// Rows of one number per tap and channel, from (groups, channels, taps, places).
    fn by_channel(&self, cx: &mut Context, value: &str) -> String {
        let channel_first = cx.transpose(value, &[1, 0, 2, 3]);
        let dims = cx.ints(&[self.dims[1] as i64, -1]);
        cx.op("Reshape", &[&channel_first, &dims])
    }

    /// The indices, repeated for each channel.
    fn for_channels(&self, cx: &mut Context, indices: &str) -> String {
        cx.expand(indices, &[self.dims[1], 1])
    }

    /// The gradient of the input, given that of the samples, (groups, channels, 1, places), or of each tap, (groups,
    /// channels, taps, places).
    pub fn of_input(&self, cx: &mut Context, taps: &Taps, gradient: &str) -> Result<String, Error> {
        let (batch, channels) = (self.dims[0], self.dims[1]);
        let updates = cx.mul(gradient, &taps.weights);
        let updates = self.by_channel(cx, &updates);
        let indices = self.for_channels(cx, &taps.indices);
        let zeros = cx.zeros(self.elem, &[channels, batch * self.area()])?;
        let attributes = [("axis", 1i64.into()), ("reduction", "add".into())];
        let sums = cx.emit(
            "ScatterElements",
            &[&zeros, &indices, &updates],
            &attributes,
        );
        let channel_first = cx.reshape(&sums, &[channels, batch, self.area()]);
        let batch_first = cx.transpose(&channel_first, &[1, 0, 2]);
        Ok(cx.reshape(&batch_first, &self.dims))
    }

    /// The elements at the taps, (groups, channels, taps, places).
    fn elements(&self, cx: &mut Context, taps: &Taps, input: &str) -> String {
        let (batch, channels) = (self.dims[0], self.dims[1]);
        let batch_first = cx.reshape(input, &[batch, channels, self.area()]);
        let channel_first = cx.transpose(&batch_first, &[1, 0, 2]);
        let flat = cx.reshape(&channel_first, &[channels, batch * self.area()]);
        let indices = self.for_channels(cx, &taps.indices);
        let read = cx.emit(
            "GatherElements",
            &[&flat, &indices],
            &[("axis", 1i64.into())],
        );
        let dims = cx.ints(&[channels as i64, self.groups as i64, -1, self.places as i64]);
        let read = cx.op("Reshape", &[&read, &dims]);
        cx.transpose(&read, &[1, 0, 2, 3])
    }

    /// The elements at the taps times their weights, (groups, channels, taps, places).
    pub fn weighed(&self, cx: &mut Context, taps: &Taps, input: &str) -> String {
        let read = self.elements(cx, taps, input);
        cx.mul(&read, &taps.weights)
    }

    /// For each axis, the gradient of the coordinates, (groups, 1, 1, places).
    pub fn of_coordinates(
        &self,
        cx: &mut Context,
        taps: &Taps,
        gradient: &str,
        input: &str,
    ) -> Vec<String> {
        let read = self.elements(cx, taps, input);
        let product = cx.mul(&read, gradient);
        let product = cx.sum_over(&product, &[1]);
        let along = |slope: &String| {
            let change = cx.mul(&product, slope);
            cx.sum_over(&change, &[2])
        };
        taps.slopes.iter().map(along).collect()
    }
}
