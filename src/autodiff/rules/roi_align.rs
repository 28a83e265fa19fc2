//! RoiAlign.

use super::interpolation::{LINEAR, Padding, Sampler, Tap, taps};
use super::{Context, Error, Gradients};
use crate::onnx::ElementType;
use crate::onnx::proto::TensorProto;

/// Maximum number of samples along an axis of a bin.
const MAX_SAMPLES: usize = 64;

/// Regions divided into bins. A bin is the mean of its samples, or (mode max) the largest weighted element among the
/// taps of its samples.
pub fn roi_align(cx: &mut Context) -> Result<Gradients, Error> {
    cx.first_input_only()?;
    let (gradient, input, regions) = (cx.grad_output()?, cx.input(0)?, cx.input(1)?);
    let (dims, elem, out) = (cx.dims(&input)?, cx.elem(&input)?, cx.dims(&cx.output())?);
    let largest = match cx.node.string("mode").unwrap_or("avg") {
        "avg" => false,
        "max" => true,
        other => return Err(cx.unsupported(&format!("mode = {other:?}"))),
    };
    let (&[_, channels, height, width], &[groups, _, rows, columns]) =
        (dims.as_slice(), out.as_slice())
    else {
        return Err(cx.unsupported(&format!("input {dims:?} and output {out:?}")));
    };
    // Regions are (left, top, right, bottom).
    let of_axes = [(1, height, rows), (0, width, columns)];
    let [down, across] = of_axes.map(|(first, _, bins)| Bins::new(cx, first, bins, groups));
    let (down, across) = (down?, across?);
    let places = rows * down.most() * columns * across.most();
    let reading = Sampler::new(cx, dims, elem, (groups, places), 4)?;
    let scale = f64::from(cx.node.float("spatial_scale").unwrap_or(1.0));
    let scaled = cx.scale(&regions, elem, scale)?;
    let mut axes = Vec::with_capacity(2);
    for ((first, size, _), bins) in of_axes.into_iter().zip([&down, &across]) {
        let [start, end] = [first, first + 2].map(|column| {
            let column = cx.int(column as i64);
            let column = cx.emit("Gather", &[&scaled, &column], &[("axis", 1i64.into())]);
            cx.reshape(&column, &[groups, 1])
        });
        let mut extent = cx.op("Sub", &[&end, &start]);
        let mut from = start;
        if is_half_pixel(cx) {
            let half = cx.scalar(elem, 0.5)?;
            from = cx.op("Sub", &[&from, &half]);
        } else {
            let one = cx.scalar(elem, 1.0)?;
            extent = cx.op("Max", &[&extent, &one]);
        }
        let parts = bins.parts(cx, elem)?;
        let offsets = cx.mul(&extent, &parts);
        let coordinate = cx.add(&from, &offsets);
        let count = bins.count * bins.most();
        let along = match first {
            1 => [groups, count, 1],
            _ => [groups, 1, count],
        };
        let coordinate = cx.reshape(&coordinate, &along);
        axes.push(region_taps(cx, (&coordinate, &along), size, elem)?);
    }
    let batch = cx.input(2)?;
    let taps = reading.join(cx, axes, &batch);
    let spread = cx.reshape(&gradient, &[groups, channels, 1, rows, 1, columns, 1]);
    let bins = [rows, down.most(), columns, across.most()];
    let spread = if largest {
        let weighed = reading.weighed(cx, &taps, &input);
        let weighed = cx.reshape(&weighed, &[&[groups, channels, 4], &bins[..]].concat());
        let shares = shares_of_largest(cx, &weighed, &[2, 4, 6], elem);
        let spread = cx.mul(&spread, &shares);
        cx.reshape(&spread, &[groups, channels, 4, places])
    } else {
        let shares = [down.shares(cx, elem, 4)?, across.shares(cx, elem, 6)?];
        let share = cx.mul(&shares[0], &shares[1]);
        let spread = cx.mul(&spread, &share);
        cx.reshape(&spread, &[groups, channels, 1, places])
    };
    Ok(vec![Some(reading.of_input(cx, &taps, &spread)?)])
}

fn is_half_pixel(cx: &Context) -> bool {
    let mode = cx.node.string("coordinate_transformation_mode");
    mode.unwrap_or("half_pixel") == "half_pixel"
}

/// The bins along an axis, and the number of samples in each.
struct Bins {
    count: usize,
    /// One for all regions, or one per region.
    places: Vec<usize>,
}

impl Bins {
    /// For the axis whose coordinates are in the columns `first` and `first + 2` of the regions. With sampling_ratio 0
    /// there is one sample per element that a bin spans.
    fn new(cx: &Context, first: usize, count: usize, groups: usize) -> Result<Self, Error> {
        let ratio = cx.node.int("sampling_ratio").unwrap_or(0);
        let (Ok(ratio @ ..=MAX_SAMPLES), true) = (usize::try_from(ratio), count > 0) else {
            return Err(cx.unsupported(&format!("sampling_ratio = {ratio} for {count} bins")));
        };
        if ratio > 0 {
            let places = vec![ratio];
            return Ok(Self { count, places });
        }
        let Some(regions) = cx.constant(1) else {
            return Err(cx.unsupported("sampling_ratio = 0, and its regions are not constant"));
        };
        let (elem, regions) = (regions.elem()?, regions.to_f64()?);
        // Rounded as in ONNX Runtime: one sample more or less would be another function.
        let rounded = |value: f64| match elem {
            ElementType::F32 => f64::from(value as f32),
            _ => value,
        };
        let scale = f64::from(cx.node.float("spatial_scale").unwrap_or(1.0));
        let half = if is_half_pixel(cx) { 0.5 } else { 0.0 };
        let span = |region: &[f64]| {
            let end = |at: usize| rounded(rounded(region[at] * scale) - half);
            let extent = rounded(end(first + 2) - end(first));
            let extent = if half > 0.0 { extent } else { extent.max(1.0) };
            rounded(extent / count as f64).ceil()
        };
        let spans: Vec<f64> = regions.chunks_exact(4).map(span).collect();
        let bad = spans
            .iter()
            .find(|&&span| !(1.0..=MAX_SAMPLES as f64).contains(&span));
        match bad {
            Some(span) => Err(cx.unsupported(&format!("its bins span {span} elements"))),
            None if spans.len() != groups => {
                Err(cx.unsupported("its regions are not four numbers each"))
            }
            None => {
                let places = spans.iter().map(|&span| span as usize).collect();
                Ok(Self { count, places })
            }
        }
    }

    fn most(&self) -> usize {
        self.places.iter().copied().max().unwrap_or(1)
    }

    /// Sample positions within a region, from 0 to 1: one row per region, or one for all. Regions with fewer samples
    /// than others repeat the last sample of a bin.
    fn parts(&self, cx: &mut Context, elem: ElementType) -> Result<String, Error> {
        let most = self.most();
        let mut parts = Vec::with_capacity(self.places.len() * self.count * most);
        for &places in &self.places {
            for place in 0..self.count * most {
                let (bin, within) = (place / most, (place % most).min(places - 1));
                let part = bin as f64 + (within as f64 + 0.5) / places as f64;
                parts.push(part / self.count as f64);
            }
        }
        let dims = [self.places.len() as i64, (self.count * most) as i64];
        let parts = TensorProto::from_floats("", &dims, elem, &parts)?;
        Ok(cx.builder.constant(parts))
    }

    /// The weight of each sample in the mean of its bin, along axis `axis` of 7.
    fn shares(&self, cx: &mut Context, elem: ElementType, axis: usize) -> Result<String, Error> {
        let most = self.most();
        let of_region = |&places: &usize| {
            let share = 1.0 / places as f64;
            (0..most).map(move |place| if place < places { share } else { 0.0 })
        };
        let shares: Vec<f64> = self.places.iter().flat_map(of_region).collect();
        let mut dims = [1i64; 7];
        (dims[0], dims[axis]) = (self.places.len() as i64, most as i64);
        let shares = TensorProto::from_floats("", &dims, elem, &shares)?;
        Ok(cx.builder.constant(shares))
    }
}

/// 1 where `value` is the maximum over `axes`, divided equally among ties, and 0 elsewhere.
fn shares_of_largest(cx: &mut Context, value: &str, axes: &[usize], elem: ElementType) -> String {
    let axes_constant: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let axes_constant = cx.ints(&axes_constant);
    let largest = cx.op("ReduceMax", &[value, &axes_constant]);
    let winners = cx.op("Equal", &[value, &largest]);
    let winners = cx.cast(&winners, elem);
    let count = cx.sum_over(&winners, axes);
    cx.op("Div", &[&winners, &count])
}

/// The taps of a coordinate: clamped to the border up to one element outside, and zero beyond.
fn region_taps(
    cx: &mut Context,
    (coordinate, dims): (&str, &[usize]),
    size: usize,
    elem: ElementType,
) -> Result<Vec<Tap>, Error> {
    let (first, last) = (cx.scalar(elem, 0.0)?, cx.scalar(elem, size as f64 - 1.0)?);
    let clipped = cx.op("Clip", &[coordinate, &first, &last]);
    let middle = cx.scalar(elem, (size as f64 - 1.0) / 2.0)?;
    let distance = cx.op("Sub", &[coordinate, &middle]);
    let distance = cx.op("Abs", &[&distance]);
    let reach = cx.scalar(elem, (size as f64 + 1.0) / 2.0)?;
    let inside = cx.op("LessOrEqual", &[&distance, &reach]);
    let inside = cx.cast(&inside, elem);
    let mut taps = taps(cx, (&clipped, dims), size, (LINEAR, Padding::Border), elem)?;
    for tap in &mut taps {
        tap.weight = cx.mul(&tap.weight, &inside);
    }
    Ok(taps)
}
