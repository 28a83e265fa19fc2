//! The layout of values: which dimensions are channels, and which are positions in the image. Convolutions have (N,
//! channels, rows, columns); transformers have channels last, or tokens: the positions in row-major order, among tokens
//! without a position (class, distillation, registers). The layout follows from the graph (see `propagation`).
//!
//! Used to list layers, to address a channel or neuron, and for class activation maps.

use super::propagation::{self, Axis, DigitKind};
use crate::onnx::{Builder, Error, Graph, Types, ValueType};
use std::collections::HashMap;

/// The axes of a value. The batch axis is the first one unless documented otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// (N, channels).
    Vector,
    /// (N, channels, rows, columns).
    ChannelsFirst,
    /// (N, rows, columns, channels).
    ChannelsLast,
    /// N, channels and tokens, in any order. The tokens of the image, in row-major order, are a range of all tokens.
    Tokens {
        /// The axes of N, channels and tokens.
        order: [usize; 3],
        /// Number of tokens before those of the image.
        before: usize,
    },
    /// N, channels, and axes that are not positions, or of unknown meaning. Only the mean of a channel is defined.
    NonSpatial {
        /// The axis of N.
        runs: usize,
        /// The axis of channels.
        channels: usize,
        /// Number of axes.
        rank: usize,
    },
}

/// The channels and positions of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub axes: Axes,
    pub channels: usize,
    /// 1 without positions.
    pub rows: usize,
    /// 1 without positions.
    pub columns: usize,
}

impl Layout {
    /// The layout of (N, channels) or (N, channels, rows, columns); `None` for other ranks.
    pub fn channels_first(dims: &[usize]) -> Option<Self> {
        let (axes, channels, rows, columns) = match *dims {
            [_, channels] => (Axes::Vector, channels, 1, 1),
            [_, channels, rows, columns] => (Axes::ChannelsFirst, channels, rows, columns),
            _ => return None,
        };
        Some(Self {
            axes,
            channels,
            rows,
            columns,
        })
    }

    /// Rows and columns of a channel; `None` without positions.
    pub fn plane(&self) -> Option<(usize, usize)> {
        let has_none = matches!(self.axes, Axes::Vector | Axes::NonSpatial { .. });
        (!has_none).then_some((self.rows, self.columns))
    }

    /// Whether channels have several elements without positions.
    pub fn is_non_spatial(&self) -> bool {
        matches!(self.axes, Axes::NonSpatial { .. })
    }

    /// Whether it is (N, channels) or (N, channels, rows, columns).
    pub fn is_channels_first(&self) -> bool {
        matches!(self.axes, Axes::Vector | Axes::ChannelsFirst)
    }

    /// The axis of N.
    pub fn runs(&self) -> usize {
        match self.axes {
            Axes::Tokens { order, .. } => order[0],
            Axes::NonSpatial { runs, .. } => runs,
            Axes::Vector | Axes::ChannelsFirst | Axes::ChannelsLast => 0,
        }
    }

    /// The permutation to N, channels, and the other axes in order.
    fn order(&self) -> Vec<i64> {
        let (runs, channels, rank) = match self.axes {
            Axes::Vector => (0, 1, 2),
            Axes::ChannelsFirst => (0, 1, 4),
            Axes::ChannelsLast => (0, 3, 4),
            Axes::Tokens { order, .. } => (order[0], order[1], 3),
            Axes::NonSpatial {
                runs,
                channels,
                rank,
            } => (runs, channels, rank),
        };
        let others = (0..rank).filter(|&axis| axis != runs && axis != channels);
        let order = [runs, channels].into_iter().chain(others);
        order.map(|axis| axis as i64).collect()
    }

    /// Emits `value`, of any batch size, as (N, channels, rows, columns), or (N, channels) without positions, and
    /// returns the name of the result. Adds the types of emitted values to `shapes`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the type of `value` is not known.
    pub fn planes(
        &self,
        builder: &mut Builder,
        shapes: &mut Types,
        value: &str,
    ) -> Result<String, Error> {
        if self.is_channels_first() {
            return Ok(value.to_string());
        }
        let mut value = transposed(builder, shapes, value, &self.order())?;
        let ValueType { elem, dims } = shapes.get(&value)?.clone();
        let (runs, places) = (dims[0], self.rows * self.columns);
        let mut learn = |name: &str, dims: &[usize]| {
            let dims = dims.to_vec();
            shapes.insert(name, ValueType { elem, dims });
        };
        if let Axes::NonSpatial { rank, .. } = self.axes {
            let axes: Vec<i64> = (2..rank as i64).collect();
            let axes = builder.ints(&axes);
            let flat = [("keepdims", 0i64.into())];
            value = builder.emit("ReduceMean", &[&value, &axes], &flat);
            learn(&value, &[runs, self.channels]);
        }
        if let Axes::Tokens { before, .. } = self.axes {
            if dims[2] > places {
                let bounds = [before, before + places, 2];
                let [start, end, axis] = bounds.map(|number| builder.ints(&[number as i64]));
                value = builder.emit("Slice", &[&value, &start, &end, &axis], &[]);
                learn(&value, &[runs, self.channels, places]);
            }
            let planes = [runs, self.channels, self.rows, self.columns];
            let new = builder.ints(&planes.map(|extent| extent as i64));
            value = builder.emit("Reshape", &[&value, &new], &[]);
            learn(&value, &planes);
        }
        Ok(value)
    }

    /// Emits `value`, of any batch size, as (N, channels, elements), and returns the name of the result. The elements
    /// of a channel are its positions in row-major order, or all of its elements without positions. Adds the types of
    /// emitted values to `shapes`.
    ///
    /// # Errors
    /// As [`Layout::planes`].
    pub fn by_channel(
        &self,
        builder: &mut Builder,
        shapes: &mut Types,
        value: &str,
    ) -> Result<String, Error> {
        let value = if self.is_non_spatial() {
            transposed(builder, shapes, value, &self.order())?
        } else {
            self.planes(builder, shapes, value)?
        };
        let ValueType { elem, dims } = shapes.get(&value)?.clone();
        let numbers = dims.iter().skip(2).product();
        let dims = vec![dims[0], self.channels, numbers];
        let new: Vec<i64> = dims.iter().map(|&extent| extent as i64).collect();
        let new = builder.ints(&new);
        let flat = builder.emit("Reshape", &[&value, &new], &[]);
        shapes.insert(&*flat, ValueType { elem, dims });
        Ok(flat)
    }

    /// Emits `value` with N as its first axis, and returns the name of the result. Adds its type to `shapes`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the type of `value` is not known.
    pub fn runs_first(
        &self,
        builder: &mut Builder,
        shapes: &mut Types,
        value: &str,
    ) -> Result<String, Error> {
        match self.runs() {
            0 => Ok(value.to_string()),
            _ => transposed(builder, shapes, value, &self.order()),
        }
    }
}

/// Emits `value` with permuted axes, unless the permutation is the identity, and returns the name of the result.
fn transposed(
    builder: &mut Builder,
    shapes: &mut Types,
    value: &str,
    order: &[i64],
) -> Result<String, Error> {
    if order.is_sorted() {
        return Ok(value.to_string());
    }
    let ValueType { elem, dims } = shapes.get(value)?.clone();
    let transposed = builder.emit("Transpose", &[value], &[("perm", order.into())]);
    let dims = order.iter().map(|&axis| dims[axis as usize]).collect();
    shapes.insert(&*transposed, ValueType { elem, dims });
    Ok(transposed)
}

/// The layouts of a network's values.
#[derive(Debug, Clone, Default)]
pub struct LayoutMap {
    picture: (usize, usize),
    /// By name, the values that depend on the image.
    known: HashMap<String, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    layout: Option<Layout>,
    /// Whether any of its axes has positions.
    has_places: bool,
}

impl LayoutMap {
    /// Propagates the positions of images of (height, width) from the input `input` through a network.
    pub fn new(graph: &Graph, shapes: &Types, input: &str, picture: (usize, usize)) -> Self {
        let mut result = Self {
            picture,
            known: HashMap::new(),
        };
        let propagated = propagation::propagate_axes(graph, shapes, input).into_iter();
        let known = propagated.map(|(name, axes)| {
            let layout = result.read(&axes);
            let has_places = axes.iter().any(Axis::has_places);
            (name, Known { layout, has_places })
        });
        result.known = known.collect();
        result
    }

    /// The layout of the value `name`; `None` if it has no channels or is unknown.
    pub fn layout(&self, name: &str) -> Option<Layout> {
        self.known.get(name)?.layout
    }

    /// Whether any axis of the value `name` has positions.
    pub fn has_places(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|known| known.has_places)
    }

    /// The layout of a value with these axes, for one picture.
    fn read(&self, axes: &[Axis]) -> Option<Layout> {
        let dims: Vec<usize> = axes.iter().map(Axis::extent).collect();
        match axes.len() {
            2 if dims[0] == 1 => Layout::channels_first(&dims),
            3 => tokens(axes).or_else(|| non_spatial(axes)),
            4 if dims[0] == 1 => self.planes(axes, &dims).or_else(|| non_spatial(axes)),
            _ => None,
        }
    }

    /// The layout of four axes that have rows and columns.
    fn planes(&self, axes: &[Axis], dims: &[usize]) -> Option<Layout> {
        let first = Layout::channels_first(dims)?;
        let last = Layout {
            axes: Axes::ChannelsLast,
            channels: dims[3],
            rows: dims[1],
            columns: dims[2],
        };
        let is_placed = axes.iter().any(Axis::has_places);
        let fits = |channels: usize, rows: usize, columns: usize| {
            let is_line = |axis: &Axis, rows: bool| match axis.line() {
                Some(DigitKind::Rows(_)) => rows,
                Some(DigitKind::Columns(_)) => !rows,
                _ => axis.extent() == 1,
            };
            axes[0].is_batch()
                && !is_coarse(&axes[channels])
                && is_line(&axes[rows], true)
                && is_line(&axes[columns], false)
        };
        let is_single = |layout: Layout| layout.rows * layout.columns == 1;
        if is_placed || is_single(first) || is_single(last) {
            let first = fits(1, 2, 3).then_some(first);
            return first.or_else(|| fits(3, 1, 2).then_some(last));
        }
        // Output of an unknown operator: a feature map has the aspect ratio of the image.
        let mut readings = [first, last].into_iter();
        readings.find(|reading| self.resembles((reading.rows, reading.columns)))
    }

    /// Whether a feature map has the aspect ratio of the image, up to one position.
    pub fn resembles(&self, (rows, columns): (usize, usize)) -> bool {
        let (height, width) = self.picture;
        let (one, other) = (rows.saturating_mul(width), columns.saturating_mul(height));
        one.abs_diff(other) <= height.max(width)
    }

    /// Whether a feature map has the aspect ratio of the image, more than one position, and at most half of the image's
    /// rows: a suitable resolution for a class activation map.
    pub fn is_map(&self, (rows, columns): (usize, usize)) -> bool {
        rows.saturating_mul(columns) > 1
            && 2 * rows <= self.picture.0 + 1
            && self.resembles((rows, columns))
    }
}

/// Whether the index along an axis includes the coarse position in the image, not only the position within a patch or
/// window.
fn is_coarse(axis: &Axis) -> bool {
    let mut digits = axis.pieces().iter().flat_map(|piece| &piece.digits);
    digits.any(|digit| digit.coarse().is_some() || matches!(digit.kind, DigitKind::Pieces(_)))
}

/// The layout of three axes with tokens.
fn tokens(axes: &[Axis]) -> Option<Layout> {
    let runs = axes.iter().position(Axis::is_batch)?;
    let mut others = (0..3).filter(|&axis| axis != runs);
    let (one, other) = (others.next()?, others.next()?);
    let (channels, row) = match (grid(&axes[one]), grid(&axes[other])) {
        (Some(grid), None) if !is_coarse(&axes[other]) => (other, (one, grid)),
        (None, Some(grid)) if !is_coarse(&axes[one]) => (one, (other, grid)),
        // Neither, or (tokens, tokens): attention weights.
        _ => return None,
    };
    let (tokens, (before, rows, columns)) = row;
    Some(Layout {
        axes: Axes::Tokens {
            order: [runs, channels, tokens],
            before,
        },
        channels: axes[channels].extent(),
        rows,
        columns,
    })
}

/// The grid whose positions in row-major order are one piece of an axis: the number of indices before it, its rows and
/// columns.
fn grid(axis: &Axis) -> Option<(usize, usize, usize)> {
    let mut placed = axis.pieces().iter().enumerate();
    let mut placed = placed.by_ref().filter(|(_, piece)| piece.has_places());
    let (at, piece) = placed.next()?;
    let is_only = placed.next().is_none() && piece.is_full();
    let coarse: Option<Vec<DigitKind>> = piece.digits.iter().map(|digit| digit.coarse()).collect();
    let (rows, columns) = match coarse?.as_slice() {
        [DigitKind::Rows(rows), DigitKind::Columns(columns)] => (*rows, *columns),
        [DigitKind::Rows(rows)] => (*rows, 1),
        [DigitKind::Columns(columns)] => (1, *columns),
        _ => return None,
    };
    let before = axis.pieces()[..at].iter().map(|piece| piece.length).sum();
    is_only.then_some((before, rows, columns))
}

/// The layout of axes without positions, if their channels are known.
fn non_spatial(axes: &[Axis]) -> Option<Layout> {
    let runs = axes.iter().position(Axis::is_batch)?;
    let others = || (0..axes.len()).filter(|&axis| axis != runs);
    // Heads, of (N, heads, tokens, channels).
    let is_head = |axis: &usize| axes.len() == 4 && *axis == 1 && !axes[1].has_places();
    let mut learned = others().filter(|&axis| axes[axis].is_channels());
    let channels = match (learned.next(), learned.next()) {
        (Some(only), None) => only,
        _ => others().find(is_head)?,
    };
    let several = others().any(|axis| axis != channels && axes[axis].extent() > 1);
    several.then(|| Layout {
        axes: Axes::NonSpatial {
            runs,
            channels,
            rank: axes.len(),
        },
        channels: axes[channels].extent(),
        rows: 1,
        columns: 1,
    })
}

#[cfg(test)]
mod tests;
