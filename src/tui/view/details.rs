//! A finished run: its picture and everything that made it.

use super::panel::{overlaid, scrolled};
use super::{Frame, slots};
use crate::runs::{Record, description, words};
use crate::tui::app::App;
use crate::tui::gallery::Size;
use crate::tui::text::{clean, span};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use std::sync::Arc;

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, id: &str, record: Option<&Record>, scroll: usize) {
    let body = app.layout().body;
    let title = app
        .library
        .find(id)
        .map_or_else(|| id.to_string(), |entry| entry.target.clone());
    let area = overlaid(app, frame, body.width.min(120), body.height.min(40), &title);
    let picture_width = area.width.saturating_sub(46).max(area.width / 3);
    if let Some(picture) = app.gallery.get(id, Size::Full) {
        let place = Rect {
            width: picture_width.saturating_sub(2),
            ..area
        };
        frame.place(slots::DETAILS, &Arc::clone(picture), place, false);
    }
    let text = Rect {
        x: area.x + picture_width,
        width: area.width - picture_width,
        ..area
    };
    let lines = record.map_or_else(|| vec![Line::from("…")], |record| lines(app, record));
    scrolled(app, frame, text, lines, scroll);
}

fn lines(app: &App, record: &Record) -> Vec<Line<'static>> {
    let spec = &record.spec;
    let dim = app.theme.style(Role::Dim);
    let text = app.theme.style(Role::Text);
    let row = |label: &str, value: String| {
        Line::from(vec![
            Span::styled(format!("{label:<17}"), dim),
            Span::styled(clean(&value), text),
        ])
    };
    let probability = record
        .probability
        .map_or_else(|| "—".into(), |p| format!("{:.1} %", 100.0 * p));
    let mut lines = vec![
        row("model", spec.model.clone()),
        row("target", spec.target.clone()),
        row("score", words::score(record.score)),
        row("probability", probability),
        row("seed", spec.seed.to_string()),
        row(
            "time",
            format!("{} for {}", span(record.seconds), together(record.batch)),
        ),
        row("provider", record.provider.clone()),
        row("id", record.id.clone()),
    ];
    lines.extend(
        record
            .together
            .map(|runs| row("together", description::together(runs))),
    );
    lines.push(Line::default());
    for setting in description::settings(spec) {
        let role = match setting.default_if_changed() {
            Some(_) => Role::Accent,
            None => Role::Text,
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{:<17}", setting.key), dim),
            Span::styled(setting.text(), app.theme.style(role)),
        ]));
    }
    lines
}

fn together(batch: usize) -> String {
    match batch {
        1 => "one run".into(),
        runs => format!("{runs} runs together"),
    }
}
