//! A finished run: its picture, settings and results.

use super::panel::{overlaid, scrolled};
use super::{Frame, slots};
use crate::runs::judging::MAX_SHOWN_VERDICTS;
use crate::runs::{Record, description, format};
use crate::text::duration;
use crate::tui::app::App;
use crate::tui::picture_cache::Size;
use crate::tui::text::wrapped;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use std::sync::Arc;

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, id: &str, record: Option<&Record>, scroll: usize) {
    let body = app.layout().body;
    let title = app
        .history
        .find(id)
        .map_or_else(|| id.to_string(), |entry| entry.target.clone());
    let area = overlaid(app, frame, body.width.min(120), body.height.min(40), &title);
    let picture_width = area.width.saturating_sub(46).max(area.width / 3);
    if let Some(picture) = app.pictures.get(id, Size::Full) {
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
    let lines = record.map_or_else(
        || vec![Line::from("…")],
        |record| lines(app, record, text.width.into()),
    );
    scrolled(app, frame, text, lines, scroll);
}

/// Columns of the labels.
const LABEL: usize = 17;

fn lines(app: &App, record: &Record, width: usize) -> Vec<Line<'static>> {
    let spec = &record.spec;
    let dim = app.theme.style(Role::Dim);
    let text = app.theme.style(Role::Text);
    let row = |(label, value): (&str, String)| {
        let parts = wrapped(&crate::text::safe(&value), width.saturating_sub(LABEL));
        let line = |(index, part): (usize, String)| {
            let label = if index == 0 { label } else { "" };
            Line::from(vec![
                Span::styled(format!("{label:<LABEL$}"), dim),
                Span::styled(part, text),
            ])
        };
        let lines = parts.into_iter().enumerate().map(line);
        lines.collect::<Vec<Line>>()
    };
    let probability = record
        .probability
        .map_or_else(|| "—".into(), format::percent);
    let name = description::score_name(spec);
    let name = name.map_or_else(String::new, |name| format!(" ({})", name.long));
    let mut facts = vec![
        ("model", spec.model.clone()),
        ("target", spec.target.clone()),
        ("score", format::score(record.score) + &name),
        ("probability", probability),
    ];
    let verdicts = record.verdicts.iter().take(MAX_SHOWN_VERDICTS);
    facts.extend(verdicts.map(|verdict| ("judge", description::judged(spec, verdict))));
    facts.extend([
        ("seed", spec.seed.to_string()),
        (
            "time",
            format!(
                "{} for {}",
                duration(record.seconds),
                together(record.batch)
            ),
        ),
        ("provider", record.provider.clone()),
        ("id", record.id.clone()),
    ]);
    let with = record.together.map(description::together);
    facts.extend(with.map(|text| ("together", text)));
    let mut lines: Vec<Line> = facts.into_iter().flat_map(row).collect();
    lines.push(Line::default());
    for setting in description::settings(spec) {
        let role = match setting.default_if_changed() {
            Some(_) => Role::Accent,
            None => Role::Text,
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{:<LABEL$}", setting.key), dim),
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
