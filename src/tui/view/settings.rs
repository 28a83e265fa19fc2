//! The settings of the next runs: every knob with its value, range and meaning.

use super::Frame;
use super::panel::{bar, list, overlaid};
use crate::ascent::settings::{Domain, KNOBS, Knob};
use crate::runs::words;
use crate::tui::app::App;
use crate::tui::listing::Listing;
use crate::tui::text::fit_end;
use crate::tui::theme::Role;
use crate::value::Value;
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
    list(app, frame, rows, &listing, true, |index, width| {
        row(app, &KNOBS[index], width)
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

fn row(app: &App, knob: &Knob, width: usize) -> Line<'static> {
    let value = app.plan.settings.get(knob.key);
    let value = value.unwrap_or_else(|| knob.default());
    let changed = value != knob.default();
    let role = if changed { Role::Accent } else { Role::Text };
    let key = Span::styled(format!("{:<17}", knob.key), app.theme.style(role));
    let text = words::value(&value);
    let (Domain::Number { unit, range, .. }, Value::Number(number)) = (knob.domain, value) else {
        let room = width.saturating_sub(17 + 3);
        let text = format!("   {}", fit_end(&text, room));
        return Line::from(vec![key, Span::styled(text, app.theme.style(role))]);
    };
    let (least, most) = range;
    // Ranges reach from a hundredth to a hundred thousand: a square root keeps what is used in view.
    let share = ((number - least) / (most - least)).clamp(0.0, 1.0).sqrt();
    let bar_width = width.saturating_sub(44).min(24);
    Line::from(vec![
        key,
        Span::styled(format!("{text:>10}"), app.theme.style(role)),
        Span::styled(format!(" {unit:<6}"), app.theme.style(Role::Dim)),
        Span::styled(bar(share, bar_width), app.theme.style(Role::Progress)),
    ])
}

fn help(app: &App, frame: &mut Frame, knob: &Knob, area: Rect) {
    let allowed = format!(
        "{}; default {}",
        knob.allowed(),
        words::value(&knob.default())
    );
    let lines = vec![
        Line::styled(
            "─".repeat(usize::from(area.width)),
            app.theme.style(Role::Border),
        ),
        Line::styled(knob.help.trim().to_string(), app.theme.style(Role::Text)),
        Line::styled(allowed, app.theme.style(Role::Dim)),
    ];
    Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .render(area, frame.buffer);
}
