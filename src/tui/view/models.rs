//! The model picker: cards, folders and ONNX files.

use super::Frame;
use super::panel::{TITLE_MARGIN, list, overlaid, two};
use crate::text::counted;
use crate::tui::app::App;
use crate::tui::opening::Model;
use crate::tui::popup::{Choice, Picker, Purpose};
use crate::tui::text::{fit_end, fit_path};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use std::path::Path;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Rows that the picker has at least.
const MIN_ROWS: usize = 6;

/// Draws the picker; if a model could not be opened, the reason above it.
pub fn draw(app: &App, frame: &mut Frame, picker: &Picker) {
    let body = app.layout().body;
    let why = match &app.model {
        Model::Failed { why, .. } => Some(why.as_str()),
        _ => None,
    };
    let purpose = match &picker.purpose {
        Purpose::Open => "open a model".to_string(),
        Purpose::Run(runs) => format!("run {} in other models", counted(runs.len(), "target")),
    };
    let width = body.width.min(84);
    let taken = purpose.width() + " · ".width() + TITLE_MARGIN;
    let folder = picker.folder.display().to_string();
    let folder = fit_path(&folder, usize::from(width).saturating_sub(taken));
    let title = format!("{purpose} · {folder}");
    let reason = picker.problem.as_deref().or(why);
    let reason_lines = if reason.is_some() { 3 } else { 0 };
    // No higher than what there is to choose from, so that a picture below is seen.
    let rows = picker.choices.len().max(MIN_ROWS) as u16;
    let height = (rows + reason_lines + 2).min(30).min(body.height);
    let area = overlaid(app, frame, width, height, &title);
    let reason_lines = reason_lines.min(area.height);
    if let Some(reason) = reason {
        let place = Rect {
            height: reason_lines,
            ..area
        };
        Paragraph::new(crate::tui::text::fit(reason, 400))
            .style(app.theme.style(Role::Bad))
            .wrap(Wrap { trim: true })
            .render(place, frame.buffer);
    }
    let rows = Rect {
        y: area.y + reason_lines,
        height: area.height - reason_lines,
        ..area
    };
    if picker.list.is_empty() && !picker.choices.is_empty() {
        Paragraph::new("nothing here matches; a path with a / opens any file")
            .style(app.theme.style(Role::Dim))
            .render(rows, frame.buffer);
    }
    let mut listing = picker.list.clone();
    listing.fit(usize::from(rows.height), 1);
    list(app, frame, rows, &listing, true, |index, width| {
        row(app, &picker.choices[index], &picker.folder, width)
    });
}

fn row(app: &App, choice: &Choice, folder: &Path, width: usize) -> Line<'static> {
    let (role, what) = match choice {
        Choice::Card { here: true, .. } => (Role::Accent, "built-in"),
        Choice::Card { here: false, .. } => (Role::Accent, "built-in · downloaded when opened"),
        Choice::Folder(_) => (Role::Dim, "folder"),
        Choice::File(_) => (Role::Text, "onnx"),
    };
    let is_open = choice.is(app.model.opened().map(Arc::as_ref));
    let right = match is_open {
        true => format!("open · {what}"),
        false => what.to_string(),
    };
    let label = choice.label(folder);
    let left = fit_end(&label, width.saturating_sub(right.width() + 1));
    two(
        Span::styled(left, app.theme.style(role)),
        Span::styled(right, app.theme.style(Role::Dim)),
        width,
    )
}
