//! The positions of all panels, from 40×12 upwards. The state uses them too: for the size of a page, and for clicks.

pub mod photo;

use super::browser::Tab;
use ratatui::layout::{Position, Rect, Size};
use unicode_width::UnicodeWidthStr;

/// The size of a grid's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellSize {
    #[default]
    Small,
    Medium,
    Large,
    Huge,
}

impl CellSize {
    const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Huge];

    /// Approximate width and height in characters: a line for the name, the picture, and a gap, which the larger sizes
    /// use for the score. A picture is square if a character is twice as high as wide.
    fn cells(self) -> (u16, u16) {
        match self {
            Self::Small => (12, 6),
            Self::Medium => (20, 11),
            Self::Large => (32, 17),
            Self::Huge => (48, 25),
        }
    }

    /// The next larger size, if there is one.
    pub fn larger(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    /// The next smaller size, if there is one.
    pub fn smaller(self) -> Option<Self> {
        Self::ALL.get((self as usize).checked_sub(1)?).copied()
    }
}

/// Minimum width of the settings panel: the presets with their keys, and a line of help.
pub const SETTINGS_WIDTH: u16 = 57;

/// The minimum size of the screen.
pub const SMALLEST: Size = Size::new(40, 12);

/// The areas of the panels, each including its border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenLayout {
    pub header: Rect,
    pub browser: Rect,
    /// The list inside the browser.
    pub list: Rect,
    pub picture: Rect,
    /// The active run; `None` with a full-screen picture, or where the queue takes its place.
    pub run: Option<Rect>,
    pub queue: Option<Rect>,
    pub status: Rect,
    /// Everything between header and status row.
    pub body: Rect,
    /// The approximate cell size of the browser's grid.
    cells: CellSize,
}

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// All panels share the screen.
    Panels,
    /// The picture.
    Picture,
    /// The browser, with cells of this size.
    Grid(CellSize),
}

/// The queue's part in the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePanel {
    /// It has no jobs, and no panel.
    Empty,
    /// It is visible if there is space.
    Beside,
    /// It has the focus.
    Focused,
}

/// Divides the screen. `least_left` is the minimum width of the browser, for a panel that lies over it; it is ignored
/// on screens where the picture would get too narrow.
pub fn layout(size: Size, room: Room, queue: QueuePanel, least_left: u16) -> ScreenLayout {
    let is_empty = queue == QueuePanel::Empty;
    let queue_has_focus = queue == QueuePanel::Focused;
    let (width, height) = (size.width, size.height);
    let header = Rect::new(0, 0, width, height.min(1));
    let status = Rect::new(0, height.saturating_sub(1), width, height.min(1));
    let body = Rect::new(0, 1, width, height.saturating_sub(2));
    let empty = Rect::new(0, 1, 0, 0);
    let base = ScreenLayout {
        header,
        browser: empty,
        list: empty,
        picture: body,
        run: None,
        queue: None,
        status,
        body,
        cells: CellSize::Small,
    };
    match room {
        Room::Picture => return base,
        Room::Grid(cell) => {
            let base = ScreenLayout {
                cells: cell,
                ..base
            };
            return with_panels(base, body, empty, None, None);
        }
        Room::Panels => {}
    }
    let left = match width {
        0..60 => width * 2 / 5,
        60..100 => 32,
        100..160 => 40,
        _ => (width / 4).min(60),
    };
    let left = match width {
        110.. => left.max(least_left),
        _ => left,
    };
    let browser = Rect::new(0, body.y, left, body.height);
    let rest = Rect::new(left, body.y, width - left, body.height);
    let (picture, run, queue) = match (width, body.height) {
        // Three columns: the picture between the browser and the run.
        (160.., _) => {
            let side = (width / 4).clamp(40, 56);
            let (picture, column) = split_columns(rest, rest.width - side);
            if is_empty {
                return with_panels(base, browser, picture, Some(column), None);
            }
            let run = (column.height * 3 / 5).max(12);
            let (run, queue) = split_rows(column, run);
            (picture, Some(run), Some(queue))
        }
        // Both below the picture.
        (100.., 28..) => {
            let (picture, below) = split_rows(rest, rest.height - 13);
            if is_empty {
                return with_panels(base, browser, picture, Some(below), None);
            }
            let (run, queue) = split_columns(below, below.width * 3 / 5);
            (picture, Some(run), Some(queue))
        }
        // One of them below the picture.
        (_, 18..) => {
            let (picture, below) = split_rows(rest, rest.height - 9);
            if queue_has_focus {
                (picture, None, Some(below))
            } else {
                (picture, Some(below), None)
            }
        }
        _ => {
            if queue_has_focus {
                (empty, None, Some(rest))
            } else {
                (rest, None, None)
            }
        }
    };
    with_panels(base, browser, picture, run, queue)
}

fn with_panels(
    base: ScreenLayout,
    browser: Rect,
    picture: Rect,
    run: Option<Rect>,
    queue: Option<Rect>,
) -> ScreenLayout {
    ScreenLayout {
        browser,
        list: Rect::new(
            browser.x + 1,
            browser.y + 1,
            browser.width.saturating_sub(2),
            browser.height.saturating_sub(3),
        ),
        picture,
        run,
        queue,
        ..base
    }
}

fn split_rows(area: Rect, top: u16) -> (Rect, Rect) {
    let top = top.min(area.height);
    (
        Rect::new(area.x, area.y, area.width, top),
        Rect::new(area.x, area.y + top, area.width, area.height - top),
    )
}

fn split_columns(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    (
        Rect::new(area.x, area.y, left, area.height),
        Rect::new(area.x + left, area.y, area.width - left, area.height),
    )
}

impl ScreenLayout {
    /// Rows of the browser's list.
    pub fn browser_lines(&self) -> usize {
        usize::from(self.list.height)
    }

    /// Columns and lines of the browser's grid: as many cells as fit at about the requested size.
    pub fn grid(&self) -> (usize, usize) {
        let (width, height) = self.cells.cells();
        let about = |room: u16, side: u16| usize::from(((room + side / 2) / side).max(1));
        (
            about(self.list.width, width),
            about(self.list.height, height),
        )
    }

    /// Width and height of a cell of that grid, including the gap: together the cells fill the list.
    pub fn cell(&self) -> (u16, u16) {
        let (columns, lines) = self.grid();
        (
            (self.list.width / columns as u16).max(1),
            (self.list.height / lines as u16).max(1),
        )
    }

    /// An area in the middle of the body for a popup, including its border.
    pub fn popup(&self, width: u16, height: u16) -> Rect {
        let width = width.min(self.body.width);
        let height = height.min(self.body.height);
        Rect::new(
            self.body.x + (self.body.width - width) / 2,
            self.body.y + (self.body.height - height) / 2,
            width,
            height,
        )
    }

    /// The row for messages, over the lower borders of the panels.
    pub fn message(&self) -> Rect {
        let row = self.body.bottom().saturating_sub(1);
        Rect::new(self.body.x, row, self.body.width, self.body.height.min(1))
    }

    /// Number of rows of a list that lies over the body.
    pub fn popup_lines(&self) -> usize {
        usize::from(self.body.height.saturating_sub(6)).max(1)
    }

    /// The positions of the tabs in the browser's upper border.
    pub fn tabs(&self) -> [(Tab, Rect); 4] {
        let mut x = self.browser.x + 1;
        let right = self.browser.right().saturating_sub(1);
        let room = self.browser.width.saturating_sub(2);
        Tab::ALL.map(|tab| {
            let title = tab.title_within(room).width() as u16;
            let width = (title + 2).min(right.saturating_sub(x));
            let place = Rect::new(x, self.browser.y, width, 1);
            x += width;
            (tab, place)
        })
    }

    /// The tab at a position of the screen.
    pub fn tab_at(&self, at: Position) -> Option<Tab> {
        let mut tabs = self.tabs().into_iter();
        tabs.find(|(_, place)| place.contains(at))
            .map(|(tab, _)| tab)
    }
}

/// Number of visible photos in the list.
pub fn album_lines(body: Rect) -> usize {
    // The border takes two rows, the footer one.
    usize::from(body.height.saturating_sub(3)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn panels_lie_on_the_screen_and_not_on_each_other(
            width in 0u16..400, height in 0u16..150, room in 0usize..3, queue in 0usize..3,
        ) {
            let screen = Rect::new(0, 0, width, height);
            let queue = [QueuePanel::Empty, QueuePanel::Beside, QueuePanel::Focused][queue];
            let room = [Room::Panels, Room::Picture, Room::Grid(CellSize::Large)][room];
            let layout = layout(Size::new(width, height), room, queue, 0);
            let panels: Vec<Rect> = [Some(layout.browser), Some(layout.picture), layout.run, layout.queue]
                .into_iter()
                .flatten()
                .filter(|panel| !panel.is_empty())
                .collect();
            for (index, panel) in panels.iter().enumerate() {
                prop_assert_eq!(panel.intersection(layout.body), *panel);
                prop_assert_eq!(panel.intersection(screen), *panel);
                for other in &panels[index + 1..] {
                    prop_assert!(!panel.intersects(*other), "{panel:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn eighty_by_twenty_four_has_room_for_all_that_matters() {
        let layout = layout(Size::new(80, 24), Room::Panels, QueuePanel::Beside, 0);
        assert!(layout.picture.width >= 40 && layout.picture.height >= 13);
        assert!(layout.run.is_some() && layout.browser_lines() >= 18);
        assert_eq!(layout.tab_at(Position::new(2, 1)), Some(Tab::Layers));
    }
}
