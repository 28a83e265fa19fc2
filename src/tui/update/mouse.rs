//! Mouse clicks and the wheel, as optional shortcuts.

use super::{browser, give, hints, submission};
use crate::tui::action::Effect;
use crate::tui::app::{App, Panel};
use crate::tui::list_state::{ListState, Motion};
use ratatui::layout::{Margin, Position};

/// A click on a cell: a key of the last row is given, a tab is shown, a row is selected; a second click on it runs or
/// opens it.
pub fn click(app: &mut App, column: u16, row: u16, effects: &mut Vec<Effect>) {
    let status = app.layout().status;
    if status.contains(Position::new(column, row)) {
        let is_seen = hints::are_shown(app);
        let hint = hints::at(app, status.width.into(), column).filter(|_| is_seen);
        if let Some(command) = hint {
            give(app, command, effects);
        }
        return;
    }
    if !app.popups.is_empty() || app.prompt.is_some() {
        return;
    }
    let layout = app.layout();
    let at = Position::new(column, row);
    if let Some(tab) = layout.tab_at(at) {
        return browser::show_tab(app, tab);
    }
    if layout.list.contains(at) {
        app.focus = Panel::Browser;
        let line = usize::from(row - layout.list.y);
        let (width, height) = match app.browser.is_grid() || app.is_grid() {
            true => layout.cell(),
            false => (layout.list.width, 1),
        };
        let list = app.browser.list_mut();
        let cell = usize::from((column - layout.list.x) / width).min(list.columns() - 1);
        let target = list.offset() + line / usize::from(height) * list.columns() + cell;
        let again = list.cursor() == target;
        if target < list.len() {
            list.go_to_row(target);
            if again && !app.in_history() {
                submission::run_or_open(app, effects);
            }
        }
    } else if let Some(queue) = layout.queue.filter(|queue| queue.contains(at)) {
        app.focus = Panel::Queue;
        let inner = queue.inner(Margin::new(1, 1));
        let rows = ListState::around(
            app.queue.jobs().len(),
            app.queue_cursor,
            inner.height.into(),
        );
        if inner.contains(at) {
            let target = rows.offset() + usize::from(row - inner.y);
            app.queue_cursor = target.min(rows.len().saturating_sub(1));
        }
    }
}

/// The wheel turned over a cell.
pub fn wheel(app: &mut App, column: u16, row: u16, up: bool) {
    let motion = if up { Motion::Up } else { Motion::Down };
    let at = Position::new(column, row);
    let layout = app.layout();
    if app.popups.is_empty() {
        app.focus = match layout.queue.is_some_and(|queue| queue.contains(at)) {
            true => Panel::Queue,
            false => Panel::Browser,
        };
    }
    for _ in 0..3 {
        browser::move_cursor(app, motion);
    }
}
