//! How the dimensions of a network's value read as channels and places of the picture. Convolutions have (N, channels,
//! rows, columns); transformers keep channels last, or a row of tokens: the places of the picture one after the other,
//! among tokens that stand for no place (class, distillation, registers). Which it is follows from the graph (see
//! `places`).
//!
//! Used to list layers, to address a channel or neuron, and for class activation maps.

use super::propagation::{self, Axis, Of};
use crate::onnx::{Builder, Error, Graph, Types, ValueType};
use std::collections::HashMap;

/// Which axis of a value holds what. The batch is first where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// (N, channels).
    Vector,
    /// (N, channels, rows, columns).
    ChannelsFirst,
    /// (N, rows, columns, channels).
    ChannelsLast,
    /// N, channels, and a row of tokens, in any order; those of the picture, row by row, lie among others.
    Tokens {
        /// The axes of N, channels and tokens.
        order: [usize; 3],
        /// How many tokens come before those of the picture.
        before: usize,
    },
    /// N, channels, and what stands for no places, or for such as cannot be told: of a channel only its mean is known.
    NonSpatial {
        /// The axis of N.
        runs: usize,
        /// The axis of channels.
        channels: usize,
        /// How many axes there are.
        rank: usize,
    },
}

/// A value's channels and places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub axes: Axes,
    pub channels: usize,
    /// 1 without places.
    pub rows: usize,
    /// 1 without places.
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

    /// Rows and columns of a channel, if it has any.
    pub fn plane(&self) -> Option<(usize, usize)> {
        let has_none = matches!(self.axes, Axes::Vector | Axes::NonSpatial { .. });
        (!has_none).then_some((self.rows, self.columns))
    }

    /// Whether it has several numbers for each channel of a picture, and no places for them.
    pub fn is_unplaced(&self) -> bool {
        matches!(self.axes, Axes::NonSpatial { .. })
    }

    /// Whether it is one of (N, channels) or (N, channels, rows, columns) as it stands.
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

    /// The order of axes that brings N to the front, then channels, then the others as they come.
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

    /// Emits `value`, for any number of pictures, as (N, channels, rows, columns), or (N, channels) without places, and returns its
    /// name then. `shapes` learns the types of what is emitted.
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

    /// Emits `value`, for any number of pictures, as (N, channels, numbers), and returns its name then: the numbers of a
    /// channel are its places row by row, or all that it has where these are no places; one number of a vector. `shapes`
    /// learns the types of what is emitted.
    ///
    /// # Errors
    /// As [`Layout::planes`].
    pub fn by_channel(
        &self,
        builder: &mut Builder,
        shapes: &mut Types,
        value: &str,
    ) -> Result<String, Error> {
        let value = match self.is_unplaced() {
            true => transposed(builder, shapes, value, &self.order())?,
            false => self.planes(builder, shapes, value)?,
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

    /// Emits `value` with N as its first axis, and returns its name then; `shapes` learns its type.
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

/// Emits `value` with its axes in another order, unless that is the same, and returns its name then.
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
    let turned = builder.emit("Transpose", &[value], &[("perm", order.into())]);
    let dims = order.iter().map(|&axis| dims[axis as usize]).collect();
    shapes.insert(&*turned, ValueType { elem, dims });
    Ok(turned)
}

/// What is known of the places of a network's values.
#[derive(Debug, Clone, Default)]
pub struct LayoutMap {
    picture: (usize, usize),
    /// How each value reads that depends on the picture.
    known: HashMap<String, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    layout: Option<Layout>,
    /// Whether some of its axes tell where in the picture something is.
    has_places: bool,
}

impl LayoutMap {
    /// Follows the places of pictures of (height, width), which the input `input` is given, through a network.
    pub fn of(graph: &Graph, shapes: &Types, input: &str, picture: (usize, usize)) -> Self {
        let mut found = Self {
            picture,
            known: HashMap::new(),
        };
        let followed = propagation::propagate_axes(graph, shapes, input).into_iter();
        let known = followed.map(|(name, axes)| {
            let layout = found.read(&axes);
            let has_places = axes.iter().any(Axis::has_places);
            (name, Known { layout, has_places })
        });
        found.known = known.collect();
        found
    }

    /// How the value `name` reads; `None` if it has no channels.
    pub fn layout(&self, name: &str) -> Option<Layout> {
        self.known.get(name)?.layout
    }

    /// Whether any axis of the value `name` tells where in the picture something is.
    pub fn has_places(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|known| known.has_places)
    }

    /// How a value with these axes reads, for one picture.
    fn read(&self, axes: &[Axis]) -> Option<Layout> {
        let dims: Vec<usize> = axes.iter().map(Axis::extent).collect();
        match axes.len() {
            2 if dims[0] == 1 => Layout::channels_first(&dims),
            3 => tokens(axes).or_else(|| unplaced(axes)),
            4 if dims[0] == 1 => self.planes(axes, &dims).or_else(|| unplaced(axes)),
            _ => None,
        }
    }

    /// How four axes read that are planes.
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
                Some(Of::Rows(_)) => rows,
                Some(Of::Columns(_)) => !rows,
                _ => axis.extent() == 1,
            };
            axes[0].is_runs()
                && !is_coarse(&axes[channels])
                && is_line(&axes[rows], true)
                && is_line(&axes[columns], false)
        };
        let is_single = |layout: Layout| layout.rows * layout.columns == 1;
        if is_placed || is_single(first) || is_single(last) {
            let first = fits(1, 2, 3).then_some(first);
            return first.or_else(|| fits(3, 1, 2).then_some(last));
        }
        // An operator that is not known made it: planes have the picture's shape.
        let mut readings = [first, last].into_iter();
        readings.find(|reading| self.resembles((reading.rows, reading.columns)))
    }

    /// Whether a plane has the picture's shape, up to one place.
    pub fn resembles(&self, (rows, columns): (usize, usize)) -> bool {
        let (height, width) = self.picture;
        let (one, other) = (rows.saturating_mul(width), columns.saturating_mul(height));
        one.abs_diff(other) <= height.max(width)
    }

    /// Whether a plane has the picture's shape, more than one place, and at most half of the picture's rows: only then
    /// can it be a picture's activations, seen from far enough to be a map.
    pub fn is_map(&self, (rows, columns): (usize, usize)) -> bool {
        rows.saturating_mul(columns) > 1
            && 2 * rows <= self.picture.0 + 1
            && self.resembles((rows, columns))
    }
}

/// Whether the index along an axis tells which part of the picture something belongs to, not only where within a part.
fn is_coarse(axis: &Axis) -> bool {
    let mut digits = axis.pieces().iter().flat_map(|piece| &piece.digits);
    digits.any(|digit| digit.coarse().is_some() || matches!(digit.of, Of::Pieces(_)))
}

/// How three axes read of which one is a row of tokens.
fn tokens(axes: &[Axis]) -> Option<Layout> {
    let runs = axes.iter().position(Axis::is_runs)?;
    let mut others = (0..3).filter(|&axis| axis != runs);
    let (one, other) = (others.next()?, others.next()?);
    let (channels, row) = match (grid(&axes[one]), grid(&axes[other])) {
        (Some(grid), None) if !is_coarse(&axes[other]) => (other, (one, grid)),
        (None, Some(grid)) if !is_coarse(&axes[one]) => (one, (other, grid)),
        // None, or tokens by tokens: how much attention each pays to each.
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

/// The grid whose places, row by row, are one piece of an axis: how many indices come before it, and its rows and columns.
fn grid(axis: &Axis) -> Option<(usize, usize, usize)> {
    let mut placed = axis.pieces().iter().enumerate();
    let mut placed = placed.by_ref().filter(|(_, piece)| piece.has_places());
    let (at, piece) = placed.next()?;
    let is_only = placed.next().is_none() && piece.is_full();
    let coarse: Option<Vec<Of>> = piece.digits.iter().map(|digit| digit.coarse()).collect();
    let (rows, columns) = match coarse?.as_slice() {
        [Of::Rows(rows), Of::Columns(columns)] => (*rows, *columns),
        [Of::Rows(rows)] => (*rows, 1),
        [Of::Columns(columns)] => (1, *columns),
        _ => return None,
    };
    let before = axis.pieces()[..at].iter().map(|piece| piece.length).sum();
    is_only.then_some((before, rows, columns))
}

/// How axes read of which none can be read as places: those of which it can be told which are channels.
fn unplaced(axes: &[Axis]) -> Option<Layout> {
    let runs = axes.iter().position(Axis::is_runs)?;
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
