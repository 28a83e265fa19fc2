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
        let mut dims = vec![1; rank];
        for shape in shapes {
            for (dim, size) in dims.iter_mut().rev().zip(shape.iter().rev()) {
                match (*dim, *size) {
                    (1, _) => *dim = *size,
                    (dim, size) if size == 1 || size == dim => (),
                    _ => return None,
                }
            }
        }
        let sizes = dims.iter().map(|dim| usize::try_from(*dim).ok());
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
        while copy.len() < length {
            let count = (width - column).min(length - copy.len());
            let first = self.offset(strides, row);
            match stride {
                0 => copy.extend(std::iter::repeat_n(value[first], count)),
                _ => copy.extend_from_slice(&value[first + column..][..count]),
            }
            (row, column) = (row + 1, 0);
        }
        Source::Elements(copy)
    }

    /// The row along the last axis, and the place in it, of an element of the result.
    fn position(&self, element: usize) -> (usize, usize) {
        let width = self.sizes.last().copied().unwrap_or(1);
        (element / width, element % width)
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
    fn shapes_that_differ_do_not_broadcast() {
        assert!(Broadcast::new(&[&[2, 3], &[3, 2]]).is_none());
        assert!(Broadcast::new(&[&[0], &[2]]).is_none());
        assert_eq!(Broadcast::new(&[&[0], &[1]]).unwrap().dims(), [0]);
    }
}
