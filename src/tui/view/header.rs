//! The first line: which network, where it runs, with which settings the next run is made.

use super::Frame;
use super::panel::two;
use crate::tui::app::{App, Model};
use crate::tui::text::fit;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

/// Draws the header.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    frame
        .buffer
        .set_style(area, app.theme.style(Role::HeaderText));
    let (name, about) = match &app.model {
        Model::Opening { name, .. } => (name.clone(), "opening …".to_string()),
        Model::Failed { name, .. } => (name.clone(), "not open".to_string()),
        Model::Open(opened) => {
            let (channels, height, width) = opened.input;
            let classes = opened.classes.len();
            let layers = opened.layers.len();
            (
                opened.name.clone(),
                format!(
                    "{channels}×{height}×{width} · {layers} layers · {classes} classes · {}",
                    opened.provider
                ),
            )
        }
    };
    let width = usize::from(area.width);
    let plan = format!("{} · seed {} ", app.plan.title(), app.plan.seed);
    let dim = app.theme.style(Role::HeaderText);
    let name = fit(&name, width / 2);
    let room = width.saturating_sub(name.len() + 15);
    let right = match room > about.len() + plan.len() {
        true => Span::styled(plan, dim),
        false => Span::raw(""),
    };
    let left_room = room.saturating_sub(right.width());
    let about = fit(&about, left_room);
    let state = match (app.paused, app.held) {
        (true, _) => " PAUSED ",
        (false, true) => " WAITING ",
        (false, false) => "",
    };
    let title = app.theme.style(Role::Header);
    let line = two(Span::raw(""), right, width);
    line.render(area, frame.buffer);
    Line::from(vec![
        Span::styled(" ziggurat ", title),
        Span::styled(state, app.theme.style(Role::TabSelected)),
        Span::styled(format!("  {name}  "), dim.add_modifier(Modifier::BOLD)),
        Span::styled(about, dim),
    ])
    .render(area, frame.buffer);
}
