//! The first line: network, device, and the settings of the next run.

use super::Frame;
use super::panel::two;
use crate::tui::app::App;
use crate::tui::opening::Model;
use crate::tui::text::{DOT, fit, fitted};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

/// The program's name.
const NAME: &str = " ziggurat ";

/// Columns before and after the network's name.
const GAP: usize = 2;

/// Columns reserved for the description of the network.
const MIN_ABOUT: usize = 8;

/// The device, or how many there are and the first one.
fn device(app: &App, provider: &str) -> String {
    match app.workers {
        0 | 1 => provider.to_string(),
        workers => format!("{workers} devices{DOT}{provider}"),
    }
}

/// Draws the header.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    frame
        .buffer
        .set_style(area, app.theme.style(Role::HeaderText));
    let (name, about) = match &app.model {
        Model::Opening { name, .. } => (name.clone(), vec![(0, "opening …".to_string())]),
        Model::Failed { name, .. } => (name.clone(), vec![(0, "not open".to_string())]),
        Model::Open(opened) => {
            let (channels, height, width) = opened.input;
            let about = vec![
                (1, format!("{channels}×{height}×{width}")),
                (0, format!("{} layers", opened.layers.len())),
                (2, format!("{} classes", opened.classes.len())),
                (3, device(app, &opened.provider)),
            ];
            (opened.name.clone(), about)
        }
    };
    let state = match (app.paused, app.awaiting_confirmation) {
        (true, _) => " Paused ",
        (false, true) => " Waiting ",
        (false, false) => "",
    };
    let width = usize::from(area.width);
    let name = fit(&name, width / 3);
    let room = width.saturating_sub(NAME.width() + state.width() + name.width() + 2 * GAP);
    let plan = format!("{} · seed {} ", app.next_run.title(), app.next_run.seed);
    let dim = app.theme.style(Role::HeaderText);
    // The settings of the next run have priority over the description of the network.
    let right = if plan.width() + MIN_ABOUT <= room {
        Span::styled(plan, dim)
    } else {
        Span::raw("")
    };
    let about = fitted(&about, room.saturating_sub(right.width() + GAP));
    let title = app.theme.style(Role::Header);
    let line = two(Span::raw(""), right, width);
    line.render(area, frame.buffer);
    Line::from(vec![
        Span::styled(NAME, title),
        Span::styled(state, app.theme.style(Role::TabSelected)),
        Span::styled(format!("  {name}  "), dim.add_modifier(Modifier::BOLD)),
        Span::styled(about, dim),
    ])
    .render(area, frame.buffer);
}
