//! Broadcasting: which element of an input belongs to an element of the result.

use super::evaluator::Source;

/// How inputs broadcast to the result.
pub struct Broadcast {
    dims: Vec<i64>,
    /// The sizes of the result's axes. Neighbouring axes along which each input is contiguous, or repeated, are one.
    sizes: Vec<usize>,
    /// For each input the distance between elements along each of these axes; 0 where it is repeated.
    strides: Vec<Vec<usize>>,
}

impl Broadcast {
    /// Of inputs of these shapes; `None` if they do not broadcast to each other.
    pub fn new(shapes: &[&[i64]]) -> Option<Self> {
        let rank = shapes.iter().map(|shape| shape.len()).max()?;
        let dims = broadcast_dims(shapes, rank)?;
        Self::with_dims(dims.clone(), &dims, shapes)
    }

    /// Of inputs in blocked channels of these shapes (N, C, H, W), or values per channel or per sample, with at most
    /// four axes. The memory of an input is (N, C/B, H, W, B) for blocks of B channels.
    pub fn blocked(shapes: &[&[i64]], block: i64) -> Option<Self> {
        let dims = broadcast_dims(shapes, 4)?;
        let channels = dims[1];
        if block < 1 || channels % block != 0 {
            return None;
        }
        let in_memory = |shape: &[i64]| match *shape {
            [samples, 1, height, width] => vec![samples, 1, height, width, 1],
            [samples, _, height, width] => vec![samples, channels / block, height, width, block],
            _ => Vec::new(),
        };
        let shapes = shapes.iter().map(|shape| {
            let missing = vec![1; 4 - shape.len()];
            in_memory(&[&missing, *shape].concat())
        });
        let shapes: Vec<Vec<i64>> = shapes.collect();
        let shapes: Vec<&[i64]> = shapes.iter().map(Vec::as_slice).collect();
        Self::with_dims(dims.clone(), &in_memory(&dims), &shapes)
    }

    /// `in_memory` are the sizes of the result's axes in memory, and `shapes` those of the inputs.
    fn with_dims(dims: Vec<i64>, in_memory: &[i64], shapes: &[&[i64]]) -> Option<Self> {
        let rank = in_memory.len();
        let sizes = in_memory.iter().map(|dim| usize::try_from(*dim).ok());
        let sizes: Vec<usize> = sizes.collect::<Option<_>>()?;
        let strides = shapes.iter().map(|shape| strides(shape, rank)).collect();
        let mut result = Self {
            dims,
            sizes,
            strides,
        };
        for axis in (1..rank).rev() {
            result.merge(axis);
        }
        Some(result)
    }

    /// Merges an axis with the one before it, if each input allows it.
    fn merge(&mut self, axis: usize) {
        let size = self.sizes[axis];
        let can_be = |strides: &Vec<usize>| strides[axis - 1] == strides[axis] * size;
        let removed = if size == 1 {
            axis
        } else if self.sizes[axis - 1] == 1 || self.strides.iter().all(can_be) {
            axis - 1
        } else {
            return;
        };
        self.sizes[axis - 1] *= size;
        self.sizes.remove(axis);
        for strides in &mut self.strides {
            strides.remove(removed);
        }
    }

    /// Dimensions of the result.
    pub fn dims(&self) -> &[i64] {
        &self.dims
    }

    /// The elements of an input, whose data is `value`, for `length` elements of the result from `start` on. Those that
    /// are not contiguous are copied to `copy`.
    pub fn tile<'a>(
        &self,
        input: usize,
        value: &'a [f32],
        start: usize,
        length: usize,
        copy: &'a mut Vec<f32>,
    ) -> Source<'a> {
        if let [number] = value {
            return Source::Number(*number);
        }
        let strides = &self.strides[input];
        if value.len() == self.sizes.iter().product::<usize>() {
            return Source::Elements(&value[start..start + length]);
        }
        let (mut row, mut column) = self.position(start);
        let ([.., width], [.., stride]) = (&self.sizes[..], &strides[..]) else {
            return Source::Elements(copy);
        };
        if *stride == 0 && column + length <= *width {
            return Source::Number(value[self.offset(strides, row)]);
        }
        copy.clear();
        copy.reserve(length);
        while copy.len() < length {
            let count = (width - column).min(length - copy.len());
            let first = self.offset(strides, row);
            match stride {
                0 => copy.extend(std::iter::repeat_n(value[first], count)),
                _ => copy.extend_from_slice(&value[first + column..][..count]),
            }
            let repeats = if column == 0 {
                self.repeats(strides, row)
            } else {
                1
            };
            let end = (copy.len() + (repeats - 1) * count).min(length);
            extend_by_repeating(copy, count, end);
            (row, column) = (row + repeats, 0);
        }
        Source::Elements(copy)
    }

    /// The row along the last axis, and the place in it, of an element of the result.
    fn position(&self, element: usize) -> (usize, usize) {
        let width = self.sizes.last().copied().unwrap_or(1);
        (element / width, element % width)
    }

    /// How many rows along the last axis are the same as `row` in an input, from that one on.
    fn repeats(&self, strides: &[usize], row: usize) -> usize {
        match (&self.sizes[..], strides) {
            ([.., rows, _], [.., 0, _]) => rows - row % rows,
            _ => 1,
        }
    }

    /// Where a row along the last axis begins in an input.
    fn offset(&self, strides: &[usize], mut row: usize) -> usize {
        let axes = self.sizes.iter().zip(strides).rev().skip(1);
        axes.map(|(size, stride)| {
            let index = row % size;
            row /= size;
            index * stride
        })
        .sum()
    }
}

/// The dimensions, as many as `rank`, to which shapes broadcast; `None` if they do not, or one has more.
fn broadcast_dims(shapes: &[&[i64]], rank: usize) -> Option<Vec<i64>> {
    let mut dims = vec![1; rank];
    for shape in shapes {
        if shape.len() > rank {
            return None;
        }
        for (dim, size) in dims.iter_mut().rev().zip(shape.iter().rev()) {
            match (*dim, *size) {
                (1, _) => *dim = *size,
                (dim, size) if size == 1 || size == dim => (),
                _ => return None,
            }
        }
    }
    Some(dims)
}

/// Repeats the last `count` elements until there are `end`.
fn extend_by_repeating(elements: &mut Vec<f32>, count: usize, end: usize) {
    let start = elements.len() - count;
    while elements.len() < end {
        // Twice as many each time.
        let more = (elements.len() - start).min(end - elements.len());
        elements.extend_from_within(start..start + more);
    }
}

/// The distance between elements of a shape along each of `rank` axes; 0 where it has one.
fn strides(shape: &[i64], rank: usize) -> Vec<usize> {
    let mut strides = vec![0; rank];
    let mut step = 1;
    for (stride, dim) in strides.iter_mut().rev().zip(shape.iter().rev()) {
        if *dim != 1 {
            *stride = step;
        }
        step *= usize::try_from(*dim).unwrap_or(0);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of an input of a shape, which are 0, 1, 2, …, for each element of the result.
    fn elements(shapes: &[&[i64]], input: usize, tile: usize) -> Vec<f32> {
        let broadcast = Broadcast::new(shapes).unwrap();
        let count: i64 = shapes[input].iter().product();
        let value: Vec<f32> = (0..count).map(|index| index as f32).collect();
        let total = broadcast.dims().iter().product::<i64>() as usize;
        let mut result = Vec::new();
        for start in (0..total).step_by(tile) {
            let length = tile.min(total - start);
            match broadcast.tile(input, &value, start, length, &mut Vec::new()) {
                Source::Elements(elements) => result.extend_from_slice(elements),
                Source::Number(number) => result.extend(vec![number; length]),
            }
        }
        result
    }

    #[test]
    fn each_element_of_the_result_has_its_element_of_each_input() {
        let shapes: [&[i64]; 9] = [
            &[2, 3, 4, 5],
            &[2, 1, 1, 1],
            &[1, 3, 1, 1],
            &[2, 3, 1, 1],
            &[2, 1, 4, 5],
            &[4, 1],
            &[5],
            &[],
            &[1, 1, 4, 5],
        ];
        for (input, shape) in shapes.iter().enumerate() {
            let full: Vec<i64> = [1, 1, 1, 1][shape.len()..]
                .iter()
                .chain(*shape)
                .copied()
                .collect();
            for tile in [1, 7, 120] {
                let found = elements(&shapes, input, tile);
                assert_eq!(found.len(), 120);
                for (place, found) in found.into_iter().enumerate() {
                    let index = [place / 60, place / 20 % 3, place / 5 % 4, place % 5];
                    let expected = index.iter().zip(&full).fold(0, |sum, (index, size)| {
                        sum * size + (*index as i64).min(size - 1)
                    });
                    assert_eq!(
                        found, expected as f32,
                        "{shape:?}, tiles of {tile}: {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn values_per_channel_are_repeated_over_the_positions_of_their_block() {
        let shapes: [&[i64]; 5] = [&[2, 8, 3, 1], &[2, 8, 1, 1], &[2, 1, 1, 1], &[8, 1, 1], &[]];
        let broadcast = Broadcast::blocked(&shapes, 4).unwrap();
        assert_eq!(broadcast.dims(), [2, 8, 3, 1]);
        for (input, shape) in shapes.iter().enumerate() {
            let count: i64 = shape.iter().product();
            let value: Vec<f32> = (0..count).map(|index| index as f32).collect();
            for tile in [1, 5, 48] {
                let mut result = Vec::new();
                for start in (0..48).step_by(tile) {
                    let length = tile.min(48 - start);
                    match broadcast.tile(input, &value, start, length, &mut Vec::new()) {
                        Source::Elements(elements) => result.extend_from_slice(elements),
                        Source::Number(number) => result.extend(vec![number; length]),
                    }
                }
                // The memory is (2, 2, 3, 1, 4).
                for (place, result) in result.into_iter().enumerate() {
                    let (sample, channel) = (place / 24, place / 12 % 2 * 4 + place % 4);
                    let expected = [place, 8 * sample + channel, sample, channel, 0][input];
                    assert_eq!(
                        result, expected as f32,
                        "{shape:?}, tiles of {tile}: {place}"
                    );
                }
            }
        }
        assert!(Broadcast::blocked(&[&[1, 6, 2, 2]], 4).is_none());
        assert!(Broadcast::blocked(&[&[1, 8, 2, 2]], 0).is_none());
        assert!(Broadcast::blocked(&[&[1, 1, 8, 2, 2]], 4).is_none());
    }

    #[test]
    fn shapes_that_differ_do_not_broadcast() {
        assert!(Broadcast::new(&[&[2, 3], &[3, 2]]).is_none());
        assert!(Broadcast::new(&[&[0], &[2]]).is_none());
        assert_eq!(Broadcast::new(&[&[0], &[1]]).unwrap().dims(), [0]);
    }
}
