//! An algebra of axes. The index along an axis is a mixed-radix number, like 12:34 in hours and minutes: the index of a
//! patch has a digit for its row and one for its column, the index of a window has the high digits of both. A reshape
//! splits or joins digits; slices and concatenations divide an axis into pieces, such as a class token and the patches
//! after it.

use std::collections::HashMap;
use std::rc::Rc;

/// Maximum number of pieces of an axis. A permutation has one per element.
const MAX_PIECES: usize = 32;

/// The meaning of a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigitKind {
    /// The batch, of size 1.
    Batch,
    Channels,
    /// The rows of a grid, with their number.
    Rows(usize),
    /// The columns of a grid, with their number.
    Columns(usize),
    /// The positions of an axis of several pieces, by its number in `Axes`.
    Pieces(usize),
    /// Anything else.
    Other,
}

impl DigitKind {
    /// Whether it is a position in the image.
    fn is_place(self) -> bool {
        matches!(self, Self::Rows(_) | Self::Columns(_) | Self::Pieces(_))
    }
}

/// A digit of an index: `(count / stride) % extent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit {
    pub kind: DigitKind,
    pub stride: usize,
    pub extent: usize,
}

impl Digit {
    /// The only digit of an axis of `extent`.
    fn only(kind: DigitKind, extent: usize) -> Self {
        Self {
            kind,
            stride: 1,
            extent,
        }
    }

    /// The rows or columns of the grid, if this is their most significant digit, which is the index in a coarser grid.
    pub fn coarse(self) -> Option<DigitKind> {
        match self.kind {
            DigitKind::Rows(all) if self.stride * self.extent == all => {
                Some(DigitKind::Rows(self.extent))
            }
            DigitKind::Columns(all) if self.stride * self.extent == all => {
                Some(DigitKind::Columns(self.extent))
            }
            _ => None,
        }
    }
}

/// A range of an axis: `length` indices from `start` on, of all numbers of the digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Most significant first; empty for an axis of extent 1.
    pub digits: Vec<Digit>,
    pub start: usize,
    pub length: usize,
}

impl Piece {
    fn all(digits: Vec<Digit>) -> Self {
        let length = digits.iter().map(|digit| digit.extent).product();
        Self {
            digits,
            start: 0,
            length,
        }
    }

    /// Whether it includes all numbers of its digits.
    pub fn is_full(&self) -> bool {
        let all: usize = self.digits.iter().map(|digit| digit.extent).product();
        self.start == 0 && self.length == all
    }

    pub fn has_places(&self) -> bool {
        self.digits.iter().any(|digit| digit.kind.is_place())
    }

    fn has_batch(&self) -> bool {
        self.digits
            .iter()
            .any(|digit| digit.kind == DigitKind::Batch)
    }
}

/// An axis as a sequence of pieces. Most operators preserve most axes, so values share them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Axis(Rc<Vec<Piece>>);

impl Axis {
    /// The axis of a single digit.
    pub fn new(kind: DigitKind, extent: usize) -> Self {
        Self::written(vec![Digit::only(kind, extent)])
    }

    /// The axis of these digits.
    fn written(digits: Vec<Digit>) -> Self {
        Self(Rc::new(vec![Piece::all(merged(digits))]))
    }

    /// Concatenates pieces and joins adjacent ones that continue each other.
    fn joined(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces.into_iter().filter(|piece| piece.length > 0) {
            let last = joined.last_mut();
            let Some(last) = last.filter(|last| continues(last, &piece)) else {
                joined.push(piece);
                continue;
            };
            last.length += piece.length;
            if !last.has_places() {
                let both = last.digits.iter().chain(&piece.digits);
                last.digits = vec![Digit::only(kind(both), last.length)];
            }
        }
        // A range without positions is equivalent to a complete axis.
        let nothing = |piece: &&mut Piece| !piece.has_places() && !piece.has_batch();
        for piece in joined.iter_mut().filter(nothing) {
            let digit = Digit::only(kind(piece.digits.iter()), piece.length);
            *piece = Piece::all(merged(vec![digit]));
        }
        let length: usize = joined.iter().map(|piece| piece.length).sum();
        match joined.len() {
            1..=MAX_PIECES => Self(Rc::new(joined)),
            _ => Self::new(DigitKind::Other, length),
        }
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    pub fn extent(&self) -> usize {
        self.0.iter().map(|piece| piece.length).sum()
    }

    /// The digits, if it is a single complete piece.
    pub fn digits(&self) -> Option<&[Digit]> {
        match self.0.as_slice() {
            [piece] if piece.is_full() => Some(&piece.digits),
            _ => None,
        }
    }

    /// Whether it is the batch axis.
    pub fn is_batch(&self) -> bool {
        matches!(
            self.digits(),
            Some([Digit {
                kind: DigitKind::Batch,
                ..
            }])
        )
    }

    /// Whether any digit is a position in the image.
    pub fn has_places(&self) -> bool {
        self.0.iter().any(Piece::has_places)
    }

    /// Whether it only has channels.
    pub fn is_channels(&self) -> bool {
        let pieces = self.0.iter();
        let mut digits = pieces.flat_map(|piece| &piece.digits).peekable();
        digits.peek().is_some() && digits.all(|digit| digit.kind == DigitKind::Channels)
    }

    /// The grid dimension, if it only has rows or only columns, possibly padded or cropped.
    pub fn line(&self) -> Option<DigitKind> {
        let mut placed = self.0.iter().filter(|piece| piece.has_places());
        match (placed.next()?.digits.as_slice(), placed.next()) {
            ([digit], None) => digit.coarse(),
            _ => None,
        }
    }

    /// The indices from `start` to `end`.
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let mut before = 0;
        let mut cut = Vec::new();
        for piece in self.0.iter() {
            let from = start.clamp(before, before + piece.length) - before;
            let to = end.clamp(before, before + piece.length) - before;
            if from < to {
                cut.push(Piece {
                    start: piece.start + from,
                    length: to - from,
                    ..piece.clone()
                });
            }
            before += piece.length;
        }
        Self::joined(cut)
    }

    /// Concatenates several axes.
    pub fn concat(axes: &[Self]) -> Self {
        Self::joined(axes.iter().flat_map(|axis| axis.0.iter().cloned()))
    }

    /// Selects the indices `places`.
    pub fn pick(&self, places: &[usize]) -> Self {
        let picked: Vec<Self> = places.iter().map(|&at| self.slice(at, at + 1)).collect();
        Self::concat(&picked)
    }
}

/// Whether a piece continues another one.
fn continues(last: &Piece, next: &Piece) -> bool {
    let nothing = |piece: &Piece| !piece.has_places() && !piece.has_batch();
    let goes_on = last.digits == next.digits && last.start + last.length == next.start;
    (nothing(last) && nothing(next)) || (goes_on && last.has_places())
}

/// The meaning of digits without positions: channels if any of them is.
fn kind<'a>(mut digits: impl Iterator<Item = &'a Digit>) -> DigitKind {
    if digits.any(|digit| digit.kind == DigitKind::Channels) {
        DigitKind::Channels
    } else {
        DigitKind::Other
    }
}

/// The minimal equivalent digits.
fn merged(digits: Vec<Digit>) -> Vec<Digit> {
    let mut few: Vec<Digit> = Vec::with_capacity(digits.len());
    for digit in digits {
        if digit.extent == 1 && digit.kind != DigitKind::Batch {
            continue;
        }
        match few.last_mut().filter(|last| last.kind == digit.kind) {
            Some(last) if !digit.kind.is_place() => last.extent *= digit.extent,
            Some(last) if last.stride == digit.stride * digit.extent => {
                last.stride = digit.stride;
                last.extent *= digit.extent;
            }
            _ => few.push(digit),
        }
    }
    few
}

/// Axes of several pieces that became digits, by number.
#[derive(Debug, Default)]
pub struct Pieces {
    axes: Vec<Axis>,
    numbers: HashMap<Axis, usize>,
}

impl Pieces {
    /// The axes of a value that is reshaped to `dims`.
    pub fn reshape(&mut self, axes: &[Axis], dims: &[usize]) -> Vec<Axis> {
        let mut digits: Vec<Digit> = axes.iter().flat_map(|axis| self.digits(axis)).collect();
        digits = merged(digits);
        digits.reverse();
        let mut is_lost = false;
        let mut reshaped = Vec::with_capacity(dims.len());
        for (at, &extent) in dims.iter().enumerate() {
            let next_is_one = dims.get(at + 1) == Some(&1);
            let taken = if is_lost {
                None
            } else {
                take(&mut digits, extent, next_is_one)
            };
            is_lost = taken.is_none();
            reshaped.push(match taken {
                Some(taken) => self.written(taken),
                None => Axis::new(DigitKind::Other, extent),
            });
        }
        reshaped
    }

    /// The digits of the indices of an axis.
    fn digits(&mut self, axis: &Axis) -> Vec<Digit> {
        if let Some(digits) = axis.digits() {
            return digits.to_vec();
        }
        let number = match self.numbers.get(axis) {
            Some(number) => *number,
            None => {
                self.axes.push(axis.clone());
                self.numbers.insert(axis.clone(), self.axes.len() - 1);
                self.axes.len() - 1
            }
        };
        vec![Digit::only(DigitKind::Pieces(number), axis.extent())]
    }

    /// The axis of these digits; restores an axis of several pieces once all of its digits are rejoined.
    fn written(&self, digits: Vec<Digit>) -> Axis {
        let axis = Axis::written(digits);
        let digits = axis.digits().unwrap_or_default();
        if let [digit] = digits
            && let DigitKind::Pieces(number) = digit.kind
            && digit.extent == self.axes[number].extent()
        {
            return self.axes[number].clone();
        }
        axis
    }
}

/// Takes the digits of an axis of this extent from the end of `digits`; `None` if they do not match. The batch digit
/// belongs to the first possible axis, preferably one of extent 1.
fn take(digits: &mut Vec<Digit>, extent: usize, next_is_one: bool) -> Option<Vec<Digit>> {
    let mut taken = Vec::new();
    let mut rest = extent;
    loop {
        let is_batch = digits
            .last()
            .is_some_and(|digit| digit.kind == DigitKind::Batch);
        if is_batch && (rest > 1 || taken.is_empty() || !next_is_one) {
            taken.extend(digits.pop());
        } else if rest == 1 {
            return Some(taken);
        } else {
            let digit = digits.last_mut()?;
            if rest.is_multiple_of(digit.extent) {
                rest /= digit.extent;
                taken.extend(digits.pop());
            } else if digit.extent.is_multiple_of(rest) {
                digit.extent /= rest;
                taken.push(Digit {
                    kind: digit.kind,
                    stride: digit.stride * digit.extent,
                    extent: rest,
                });
                rest = 1;
            } else {
                return None;
            }
        }
    }
}

/// Renames to coarser grids: if only the most significant digit of a grid's rows is left, the lower digits have been
/// mixed, and a block of rows is a row of a coarser grid.
pub fn coarsen(axes: &mut [Axis]) {
    let pieces = axes.iter().flat_map(|axis| axis.pieces());
    let digits: Vec<Digit> = pieces.flat_map(|piece| &piece.digits).copied().collect();
    let is_known = |digit: &Digit| !matches!(digit.kind, DigitKind::Pieces(_));
    if !digits.iter().all(is_known) {
        return;
    }
    let coarse = |digit: &Digit| {
        let mut same = digits.iter().filter(|other| other.kind == digit.kind);
        let kind = digit.coarse().filter(|_| digit.stride > 1)?;
        same.all(|other| other == digit)
            .then(|| Digit::only(kind, digit.extent))
    };
    if digits.iter().all(|digit| coarse(digit).is_none()) {
        return;
    }
    let pieces = axes.iter_mut().flat_map(|axis| Rc::make_mut(&mut axis.0));
    for digit in pieces.flat_map(|piece| &mut piece.digits) {
        *digit = coarse(digit).unwrap_or(*digit);
    }
}
