//! State of a list: the rows that match the search, cursor, scroll offset and marks. Every list of the explorer
//! uses it; only the owner knows the items.

use std::collections::BTreeSet;

/// The state of a list. Items are numbers of the owner, usually indices; rows are the listed items in order.
#[derive(Debug, Clone, PartialEq)]
pub struct ListState {
    rows: Vec<usize>,
    cursor: usize,
    /// The first visible row.
    offset: usize,
    marks: BTreeSet<usize>,
    /// The item where a range of marks starts.
    anchor: Option<usize>,
    /// Items per line: 1 for a list, more for a grid.
    columns: usize,
}

/// A movement of the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

impl Default for ListState {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            cursor: 0,
            offset: 0,
            marks: BTreeSet::new(),
            anchor: None,
            columns: 1,
        }
    }
}

impl ListState {
    /// Lists the first `count` items.
    pub fn new(count: usize) -> Self {
        Self {
            rows: (0..count).collect(),
            ..Self::default()
        }
    }

    /// The first `count` items in a view of `lines` lines, with the cursor on the item `cursor`.
    pub fn around(count: usize, cursor: usize, lines: usize) -> Self {
        let mut list = Self::new(count);
        list.go_to_row(cursor);
        list.fit(lines, 1);
        list
    }

    /// Lists other items. The cursor stays on its item if that is still listed, otherwise close to its
    /// position.
    pub fn set_rows(&mut self, rows: Vec<usize>) {
        let selected = self.selected();
        let found = selected.and_then(|item| rows.iter().position(|&row| row == item));
        self.cursor = found.unwrap_or(self.cursor.min(rows.len().saturating_sub(1)));
        self.rows = rows;
    }

    /// The items listed, in order.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The item under the cursor.
    pub fn selected(&self) -> Option<usize> {
        self.rows.get(self.cursor).copied()
    }

    /// Moves the cursor to a row, or to the last one.
    pub fn go_to_row(&mut self, row: usize) {
        self.cursor = row.min(self.rows.len().saturating_sub(1));
    }

    /// Moves the cursor to an item; returns whether it is listed.
    pub fn go_to(&mut self, item: usize) -> bool {
        let found = self.rows.iter().position(|&row| row == item);
        self.cursor = found.unwrap_or(self.cursor);
        found.is_some()
    }

    /// Moves the cursor; `page` is the number of visible lines.
    pub fn move_cursor(&mut self, motion: Motion, page: usize) {
        let last = self.rows.len().saturating_sub(1);
        let line = self.columns;
        let page = page.saturating_sub(1).max(1) * line;
        let cursor = self.cursor;
        self.cursor = match motion {
            // The short last line of a grid is also reached from above.
            Motion::Down if cursor + line > last && cursor / line < last / line => last,
            Motion::Down if cursor + line > last => cursor,
            Motion::Down => cursor + line,
            Motion::Up => cursor.checked_sub(line).unwrap_or(cursor),
            Motion::Left => cursor.saturating_sub(1),
            Motion::Right => cursor + 1,
            Motion::PageUp => cursor.saturating_sub(page),
            Motion::PageDown => cursor + page,
            Motion::Top => 0,
            Motion::Bottom => last,
        }
        .min(last);
    }

    /// Items per line.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Adapts to a view of `lines` lines with `columns` items and scrolls as little as needed to keep the
    /// cursor visible.
    pub fn fit(&mut self, lines: usize, columns: usize) {
        self.columns = columns.max(1);
        let (columns, lines) = (self.columns, lines.max(1));
        let line = self.cursor / columns;
        let total = self.rows.len().div_ceil(columns);
        let first = (self.offset / columns)
            .max((line + 1).saturating_sub(lines))
            .min(line)
            .min(total.saturating_sub(lines));
        self.offset = first * columns;
    }

    /// The first visible row.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Whether an item is marked.
    pub fn is_marked(&self, item: usize) -> bool {
        self.marks.contains(&item)
    }

    /// Number of marked items.
    pub fn mark_count(&self) -> usize {
        self.marks.len()
    }

    /// Toggles the mark of the item under the cursor and moves to the next.
    pub fn toggle_mark(&mut self) {
        if let Some(item) = self.selected() {
            if !self.marks.remove(&item) {
                self.marks.insert(item);
            }
            self.anchor = Some(item);
            self.cursor = (self.cursor + 1).min(self.rows.len() - 1);
        }
    }

    /// Marks all rows from the start of the range (the last mark) to the cursor. Without a start, one is set
    /// at the cursor; returns whether that happened.
    pub fn mark_range(&mut self) -> bool {
        let listed = |item| self.rows.iter().position(|&row| row == item);
        let begin = self.anchor.and_then(listed);
        self.anchor = match begin {
            Some(_) => None,
            None => self.selected(),
        };
        let from = begin.unwrap_or(self.cursor);
        let (first, last) = (from.min(self.cursor), from.max(self.cursor));
        if let Some(range) = self.rows.get(first..=last) {
            self.marks.extend(range);
        }
        begin.is_none()
    }

    /// Marks all listed items; if all are marked, unmarks them.
    pub fn mark_all(&mut self) {
        if self.rows.iter().all(|row| self.marks.contains(row)) {
            self.marks.clear();
        } else {
            self.marks.extend(&self.rows);
        }
    }

    /// Unmarks items that no longer exist.
    pub fn unmark(&mut self, items: &[usize]) {
        for item in items {
            self.marks.remove(item);
        }
    }

    /// Clears all marks; returns whether there were any.
    pub fn clear_marks(&mut self) -> bool {
        self.anchor = None;
        let any = !self.marks.is_empty();
        self.marks.clear();
        any
    }

    /// The marked items in their order, otherwise the one under the cursor.
    pub fn chosen(&self) -> Vec<usize> {
        if self.marks.is_empty() {
            self.selected().into_iter().collect()
        } else {
            self.marks.iter().copied().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cursor_keeps_its_item_when_the_rows_change() {
        let mut list = ListState::new(10);
        list.go_to(6);
        list.set_rows(vec![2, 4, 6, 8]);
        assert_eq!((list.selected(), list.cursor()), (Some(6), 2));
        list.set_rows(vec![1, 3]);
        assert_eq!(list.selected(), Some(3));
        list.set_rows(Vec::new());
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn a_range_is_marked_from_the_last_mark_and_chosen_in_order() {
        let mut list = ListState::new(10);
        list.go_to(7);
        list.toggle_mark();
        list.go_to(4);
        list.mark_range();
        assert_eq!(list.chosen(), [4, 5, 6, 7]);
        assert!(list.clear_marks());
        assert_eq!(list.chosen(), [4]);
    }

    #[test]
    fn a_range_begins_where_nothing_was_marked() {
        let mut list = ListState::new(10);
        list.go_to(2);
        assert!(list.mark_range());
        list.go_to(5);
        assert!(!list.mark_range());
        assert_eq!(list.chosen(), [2, 3, 4, 5]);
        list.go_to(8);
        assert!(list.mark_range());
        assert_eq!(list.chosen(), [2, 3, 4, 5, 8]);
    }

    #[test]
    fn a_grid_moves_by_lines_and_reaches_its_short_last_line() {
        let mut list = ListState::new(8);
        list.fit(3, 3);
        list.move_cursor(Motion::Down, 3);
        assert_eq!(list.selected(), Some(3));
        list.go_to(5);
        list.move_cursor(Motion::Down, 3);
        assert_eq!(list.selected(), Some(7));
        list.move_cursor(Motion::Down, 3);
        assert_eq!(list.selected(), Some(7));
        list.move_cursor(Motion::Up, 3);
        assert_eq!(list.selected(), Some(4));
    }

    proptest! {
        #[test]
        fn whatever_is_done_the_cursor_is_on_a_row_and_in_view(
            count in 0usize..50,
            moves in proptest::collection::vec((0usize..8, 1usize..20, 1usize..5), 0..40),
        ) {
            const MOTIONS: [Motion; 8] = [Motion::Up, Motion::Down, Motion::Left, Motion::Right,
                Motion::PageUp, Motion::PageDown, Motion::Top, Motion::Bottom];
            let mut list = ListState::new(count);
            for (motion, lines, columns) in moves {
                list.move_cursor(MOTIONS[motion], lines);
                list.fit(lines, columns);
                prop_assert!(count == 0 || list.selected().is_some());
                let shown = list.offset()..list.offset() + lines * columns;
                prop_assert!(shown.contains(&list.cursor()), "{shown:?} {}", list.cursor());
            }
        }
    }
}
