//! How the dimensions of a network's value read as channels and places of the picture. Convolutions have (N, channels,
//! rows, columns); transformers keep channels last, or a row of tokens: the places of the picture one after the other,
//! behind tokens that stand for no place (class, distillation, registers). Where no operator tells which it is (see
//! [`orders`](super::orders)), numbers do.
//!
//! For whoever lists layers, points at a channel or neuron of one, or takes a class activation map there.

use super::orders::{Order, orders};
use crate::onnx::{Builder, Error, Graph, Shapes, ValueType};
use std::collections::HashMap;

/// Most tokens in front of those of the picture.
const MOST_EXTRA: usize = 8;

/// Which axis of a value holds what. The batch is always first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// (N, channels).
    Vector,
    /// (N, channels, rows, columns).
    Planes,
    /// (N, rows, columns, channels).
    ChannelsLast,
    /// (N, extra + rows · columns, channels).
    Tokens {
        /// How many tokens stand for no place; they come first.
        extra: usize,
    },
    /// (N, channels, rows · columns).
    FlatPlanes,
}

/// A value's channels and places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub axes: Axes,
    pub channels: usize,
    /// 1 for a vector.
    pub rows: usize,
    /// 1 for a vector.
    pub columns: usize,
}

impl Layout {
    /// The layout of (N, channels) or (N, channels, rows, columns); `None` for other ranks.
    pub fn channels_first(dims: &[usize]) -> Option<Self> {
        let (axes, channels, rows, columns) = match *dims {
            [_, channels] => (Axes::Vector, channels, 1, 1),
            [_, channels, rows, columns] => (Axes::Planes, channels, rows, columns),
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
        (self.axes != Axes::Vector).then_some((self.rows, self.columns))
    }

    /// Whether it is one of (N, channels) or (N, channels, rows, columns) as it stands.
    pub fn is_channels_first(&self) -> bool {
        matches!(self.axes, Axes::Vector | Axes::Planes)
    }

    /// Emits `value`, for `runs` pictures, as (N, channels, rows, columns), and returns its name then; a vector stays one.
    /// `shapes` learns the types of what is emitted.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the type of `value` is not known.
    pub fn planes(
        &self,
        builder: &mut Builder,
        shapes: &mut Shapes,
        value: &str,
    ) -> Result<String, Error> {
        if self.is_channels_first() {
            return Ok(value.to_string());
        }
        let ValueType { elem, dims } = shapes.get(value)?.clone();
        let runs = dims[0];
        let mut learn = |name: &str, dims: &[usize]| {
            let dims = dims.to_vec();
            shapes.insert(name, ValueType { elem, dims });
        };
        let places = self.rows * self.columns;
        let mut value = value.to_string();
        if let Axes::Tokens { extra } = self.axes {
            if extra > 0 {
                let [start, end, axis] =
                    [extra as i64, i64::MAX, 1].map(|number| builder.ints(&[number]));
                value = builder.emit("Slice", &[&value, &start, &end, &axis], &[]);
                learn(&value, &[runs, places, self.channels]);
            }
            let order = [("perm", vec![0i64, 2, 1].into())];
            value = builder.emit("Transpose", &[&value], &order);
            learn(&value, &[runs, self.channels, places]);
        }
        let planes = [runs, self.channels, self.rows, self.columns];
        value = match self.axes {
            Axes::ChannelsLast => {
                let order = [("perm", vec![0i64, 3, 1, 2].into())];
                builder.emit("Transpose", &[&value], &order)
            }
            _ => {
                let planes = builder.ints(&planes.map(|extent| extent as i64));
                builder.emit("Reshape", &[&value, &planes], &[])
            }
        };
        learn(&value, &planes);
        Ok(value)
    }
}

/// What tells a network's values apart that look alike: the picture's shape, and the planes that it comes to have.
#[derive(Debug, Clone, Default)]
pub struct Grids {
    picture: (usize, usize),
    /// Rows and columns of the picture's planes, each once.
    grids: Vec<(usize, usize)>,
    /// The order of axes, for values of which it is known.
    orders: HashMap<String, Order>,
}

impl Grids {
    /// Finds the planes of a network whose input `input` is given pictures of (height, width).
    pub fn of(graph: &Graph, shapes: &Shapes, input: &str, picture: (usize, usize)) -> Self {
        let mut found = Self {
            picture,
            grids: Vec::new(),
            orders: orders(graph, shapes, input),
        };
        for name in graph.nodes().iter().flat_map(|node| &node.output) {
            let dims = shapes.find(name).map(|value| value.dims.as_slice());
            if let Some(dims @ &[_, _, _, _]) = dims
                && let Some(Layout { rows, columns, .. }) = found.layout(name, dims)
                && found.is_map((rows, columns))
                && !found.grids.contains(&(rows, columns))
            {
                found.grids.push((rows, columns));
            }
        }
        found
    }

    /// How the value `name` of these dimensions, for one picture, reads; `None` if it has no channels.
    pub fn layout(&self, name: &str, dims: &[usize]) -> Option<Layout> {
        if dims.first() != Some(&1) || dims.contains(&0) {
            return None;
        }
        let (axes, channels, rows, columns) = match *dims {
            [_, rows, columns, channels] if self.has_channels_last(name, dims) => {
                (Axes::ChannelsLast, channels, rows, columns)
            }
            // Tokens by tokens: how much attention each pays to each.
            [_, first, second] if first == second && self.tokens(first).is_some() => return None,
            [_, first, second] => match (self.tokens(first), self.tokens(second)) {
                (Some((extra, (rows, columns))), _) => {
                    (Axes::Tokens { extra }, second, rows, columns)
                }
                (None, Some((0, (rows, columns)))) => (Axes::FlatPlanes, first, rows, columns),
                _ => return None,
            },
            _ => return Layout::channels_first(dims),
        };
        Some(Layout {
            axes,
            channels,
            rows,
            columns,
        })
    }

    /// Whether a value of four axes has its channels on the last one.
    fn has_channels_last(&self, name: &str, dims: &[usize]) -> bool {
        match self.orders.get(name) {
            Some(order) => *order == Order::ChannelsLast,
            None => !self.resembles((dims[2], dims[3])) && self.resembles((dims[1], dims[2])),
        }
    }

    /// For a number of tokens, how many come before those of the picture, and the grid that these are.
    pub fn tokens(&self, count: usize) -> Option<(usize, (usize, usize))> {
        let fitting = self.grids.iter().filter_map(|&(rows, columns)| {
            let extra = count.checked_sub(rows * columns)?;
            (extra <= MOST_EXTRA).then_some((extra, (rows, columns)))
        });
        fitting.min()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn grids() -> Grids {
        Grids {
            picture: (224, 224),
            grids: vec![(14, 14), (7, 7)],
            orders: HashMap::from([("last".to_owned(), Order::ChannelsLast)]),
        }
    }

    #[test]
    fn dimensions_read_as_people_mean_them() {
        let tokens = |extra| Axes::Tokens { extra };
        for (dims, expected) in [
            (&[1, 1000][..], Some((Axes::Vector, 1000, 1, 1))),
            (&[1, 64, 56, 56], Some((Axes::Planes, 64, 56, 56))),
            (&[1, 64, 224, 224], Some((Axes::Planes, 64, 224, 224))),
            (&[1, 1280, 1, 1], Some((Axes::Planes, 1280, 1, 1))),
            (&[1, 7, 7, 768], Some((Axes::ChannelsLast, 768, 7, 7))),
            (&[1, 56, 56, 56], Some((Axes::Planes, 56, 56, 56))),
            (&[1, 197, 768], Some((tokens(1), 768, 14, 14))),
            (&[1, 196, 768], Some((tokens(0), 768, 14, 14))),
            (&[1, 201, 768], Some((tokens(5), 768, 14, 14))),
            (&[1, 50, 768], Some((tokens(1), 768, 7, 7))),
            (&[1, 768, 196], Some((Axes::FlatPlanes, 768, 14, 14))),
            // Windows, sequences first, tokens of no grid, attention.
            (&[64, 49, 96], None),
            (&[197, 1, 768], None),
            (&[1, 1, 768], None),
            (&[1, 300, 256], None),
            (&[1, 197, 197], None),
            (&[1], None),
        ] {
            let found = grids().layout("some", dims);
            let found = found.map(|it| (it.axes, it.channels, it.rows, it.columns));
            assert_eq!(found, expected, "{dims:?}");
        }
    }

    #[test]
    fn what_operators_tell_comes_before_numbers() {
        let dims = [1, 31, 31, 32];
        let axes = |name| grids().layout(name, &dims).map(|layout| layout.axes);
        assert_eq!(axes("last"), Some(Axes::ChannelsLast));
        assert_eq!(axes("some"), Some(Axes::Planes));
    }

    #[test]
    fn a_map_has_the_pictures_shape() {
        for (plane, picture, expected) in [
            ((7, 7), (224, 224), true),
            ((13, 13), (224, 224), true),
            ((5, 7), (160, 224), true),
            ((112, 112), (223, 223), true),
            ((1, 1), (224, 224), false),
            // Tokens by tokens, and a plane whose channels come last.
            ((197, 197), (224, 224), false),
            ((7, 768), (224, 224), false),
            ((1, 49), (224, 224), false),
        ] {
            let grids = Grids {
                picture,
                ..Grids::default()
            };
            assert_eq!(grids.is_map(plane), expected, "{plane:?} of {picture:?}");
        }
    }
}
