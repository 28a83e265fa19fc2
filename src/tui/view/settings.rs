//! The settings of the next runs: every knob with its value, range and meaning.

use super::Frame;
use super::panel::{bar, list, overlaid};
use crate::ascent::Settings;
use crate::ascent::settings::{KNOBS, Knob};
use crate::tui::app::App;
use crate::tui::listing::Listing;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

/// Rows below the list: what the selected knob does.
const HELP: u16 = 4;

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, cursor: usize) {
    let title = format!("settings · {} · seed {}", app.plan.title(), app.plan.seed);
    let height = KNOBS.len() as u16 + HELP + 2;
    let area = overlaid(app, frame, 74, height, &title);
    if area.height <= HELP {
        return;
    }
    let rows = Rect {
        height: area.height - HELP,
        ..area
    };
    let mut listing = Listing::of(KNOBS.len());
    listing.go_to_row(cursor);
    listing.fit(usize::from(rows.height), 1);
    let defaults = Settings::default();
    list(app, frame, rows, &listing, true, |index, width| {
        row(app, &KNOBS[index], &defaults, width)
    });
    if let Some(knob) = KNOBS.get(cursor) {
        help(
            app,
            frame,
            knob,
            Rect::new(area.x, rows.bottom(), area.width, HELP),
        );
    }
}

fn row(app: &App, knob: &Knob, defaults: &Settings, width: usize) -> Line<'static> {
    let value = app.plan.settings.get(knob.key).unwrap_or_default();
    let changed = defaults.get(knob.key) != Some(value);
    let role = if changed { Role::Accent } else { Role::Text };
    let (least, most) = knob.range;
    // Ranges reach from a hundredth to a hundred thousand: a square root keeps what is used in view.
    let share = ((value - least) / (most - least)).clamp(0.0, 1.0).sqrt();
    let bar_width = width.saturating_sub(44).min(24);
    Line::from(vec![
        Span::styled(format!("{:<17}", knob.key), app.theme.style(role)),
        Span::styled(format!("{:>10}", value.to_string()), app.theme.style(role)),
        Span::styled(format!(" {:<6}", knob.unit), app.theme.style(Role::Dim)),
        Span::styled(bar(share, bar_width), app.theme.style(Role::Progress)),
    ])
}

fn help(app: &App, frame: &mut Frame, knob: &Knob, area: Rect) {
    let (least, most) = knob.range;
    let whole = if knob.whole { ", whole numbers" } else { "" };
    let lines = vec![
        Line::styled(
            "─".repeat(usize::from(area.width)),
            app.theme.style(Role::Border),
        ),
        Line::styled(knob.help.trim().to_string(), app.theme.style(Role::Text)),
        Line::styled(
            format!(
                "{least} to {most} {}{whole}; default {}",
                knob.unit, knob.default
            ),
            app.theme.style(Role::Dim),
        ),
    ];
    Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .render(area, frame.buffer);
}
