//! Products with banded matrices: each row has a few neighbouring weights, and zeros elsewhere.

use wide::f32x4;

/// Output rows that [`Bands::product`] computes at once: those of one SIMD register, or several.
pub const LANES: usize = 8;

/// Elements of a row that are searched for weights at once.
const CHUNK: usize = 16;

/// A matrix of which only the weights between the first and the last of each row are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Bands {
    /// The column of the first weight of each row.
    starts: Vec<usize>,
    /// Where the weights of each row begin in `weights`, and the end of the last ones.
    offsets: Vec<usize>,
    weights: Vec<f32>,
}

impl Bands {
    /// The bands of a matrix of these numbers of rows and columns, row by row in `matrix`.
    pub fn from_rows(matrix: &[f32], (rows, columns): (usize, usize)) -> Self {
        let mut bands = Self::empty();
        for row in (0..rows).map(|row| &matrix[row * columns..][..columns]) {
            let (start, end) = extent(row);
            bands.push(start, &row[start..end]);
        }
        bands
    }

    /// The bands of the transpose of such a matrix.
    pub fn from_columns(matrix: &[f32], (rows, columns): (usize, usize)) -> Self {
        let rows = (0..rows).map(|row| &matrix[row * columns..][..columns]);
        let rows: Vec<&[f32]> = rows.collect();
        let mut extents = vec![(usize::MAX, 0); columns];
        for (index, row) in rows.iter().enumerate() {
            let (start, end) = extent(row);
            for (column, weight) in (start..end).zip(&row[start..end]) {
                if *weight != 0.0 {
                    let (first, last) = extents[column];
                    extents[column] = (first.min(index), last.max(index + 1));
                }
            }
        }
        let mut bands = Self::empty();
        let mut weights = Vec::new();
        for (column, (start, end)) in extents.into_iter().enumerate() {
            let start = start.min(end);
            weights.clear();
            weights.extend(rows[start..end].iter().map(|row| row[column]));
            bands.push(start, &weights);
        }
        bands
    }

    fn empty() -> Self {
        Self {
            starts: Vec::new(),
            offsets: vec![0],
            weights: Vec::new(),
        }
    }

    fn push(&mut self, start: usize, weights: &[f32]) {
        self.starts.push(start);
        self.weights.extend_from_slice(weights);
        self.offsets.push(self.weights.len());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Column of the first weight of a row, and its weights.
    fn row(&self, index: usize) -> (usize, &[f32]) {
        let weights = &self.weights[self.offsets[index]..self.offsets[index + 1]];
        (self.starts[index], weights)
    }

    /// Rows `from..` of `rows · plane · columnsᵀ`, as many as fill `result` and at most [`LANES`]. `plane` has `width`
    /// columns. Where a matrix has no weight, an element that is not finite has no effect.
    pub fn product(
        rows: &Self,
        plane: &[f32],
        width: usize,
        columns: &Self,
        from: usize,
        result: &mut [f32],
    ) {
        let mut narrow = vec![0.0; LANES * padded(width)];
        let count = result.len() / columns.len();
        for (lane, sums) in narrow
            .chunks_exact_mut(padded(width))
            .enumerate()
            .take(count)
        {
            let (start, weights) = rows.row(from + lane);
            let sources = plane[start * width..].chunks_exact(width);
            for (weight, source) in weights.iter().zip(sources) {
                for (sum, value) in sums.iter_mut().zip(source) {
                    *sum += weight * value;
                }
            }
        }
        let narrow = interleaved(&narrow, width);
        for start in (0..columns.len()).step_by(4) {
            let count = (columns.len() - start).min(4);
            let mut tile = [[f32x4::ZERO; 2]; 4];
            for (index, sums) in (start..).zip(&mut tile[..count]) {
                *sums = columns.row_product(index, &narrow);
            }
            separate(&tile, count, &mut result[start..], columns.len());
        }
    }

    /// The product of a row with the columns of [`LANES`] lines.
    fn row_product(&self, index: usize, values: &[[f32x4; 2]]) -> [f32x4; 2] {
        let (start, weights) = self.row(index);
        let [mut low, mut high] = [f32x4::ZERO; 2];
        for (weight, [low_value, high_value]) in weights.iter().zip(&values[start..]) {
            let weight = f32x4::splat(*weight);
            low += weight * *low_value;
            high += weight * *high_value;
        }
        [low, high]
    }
}

/// The elements of a row that is a whole number of registers long.
fn padded(width: usize) -> usize {
    width.next_multiple_of(4)
}

/// The columns of [`LANES`] rows; each row is [`padded`].
fn interleaved(rows: &[f32], width: usize) -> Vec<[f32x4; 2]> {
    let mut columns = Vec::with_capacity(padded(width));
    let (rows, _) = rows.as_chunks::<4>();
    let per_row = padded(width) / 4;
    for tile in 0..per_row {
        let half = |from: usize| {
            f32x4::transpose(std::array::from_fn(|lane| {
                f32x4::new(rows[(from + lane) * per_row + tile])
            }))
        };
        let [low, high] = [half(0), half(4)];
        columns.extend(std::iter::zip(low, high).map(|(low, high)| [low, high]));
    }
    columns
}

/// Writes the first `count` of four columns to rows, which begin every `width` elements of `result`.
fn separate(columns: &[[f32x4; 2]; 4], count: usize, result: &mut [f32], width: usize) {
    let halves = [0, 1].map(|half| f32x4::transpose(columns.map(|column| column[half])));
    let rows = halves.as_flattened().iter().zip(result.chunks_mut(width));
    for (row, result) in rows {
        match result.first_chunk_mut() {
            // A copy of a fixed size is one store.
            Some(result) if count == 4 => *result = *row.as_array(),
            _ => result[..count].copy_from_slice(&row.as_array()[..count]),
        }
    }
}

/// Where the elements of a row that are not 0 begin and end; an empty range if all are 0.
fn extent(row: &[f32]) -> (usize, usize) {
    let zeros = zeros_of(row.chunks(CHUNK));
    let Some(start) = row.iter().skip(zeros).position(|weight| *weight != 0.0) else {
        return (0, 0);
    };
    let start = zeros + start;
    let rest = &row[..row.len() - zeros_of(row.rchunks(CHUNK))];
    let last = rest.iter().rposition(|weight| *weight != 0.0);
    (start, last.map_or(start, |last| last + 1))
}

/// Number of elements of the first chunks that are all zeros, if each chunk is full.
fn zeros_of<'a>(chunks: impl Iterator<Item = &'a [f32]>) -> usize {
    // Without the sign, the bits of a float are 0 for 0 alone.
    let bits = |chunk: &[f32]| {
        chunk
            .iter()
            .fold(0, |bits, weight| bits | weight.to_bits() << 1)
    };
    CHUNK * chunks.take_while(|chunk| bits(chunk) == 0).count()
}
