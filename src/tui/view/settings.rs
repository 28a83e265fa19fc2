//! The settings of the next runs: every knob with its value, range and meaning.

use super::Frame;
use super::panel::{list, overlaid};
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
    let (
        Domain::Number {
            unit,
            default,
            range,
            ..
        },
        Value::Number(number),
    ) = (knob.domain, value)
    else {
        let room = width.saturating_sub(17 + 3);
        let text = format!("   {}", fit_end(&text, room));
        return Line::from(vec![key, Span::styled(text, app.theme.style(role))]);
    };
    let mut spans = vec![
        key,
        Span::styled(format!("{text:>10}"), app.theme.style(role)),
        Span::styled(format!(" {unit:<6}"), app.theme.style(Role::Dim)),
    ];
    let track = width.saturating_sub(44).min(25);
    if track >= 3 {
        let at = |number| (place(number, default, range) * (track - 1) as f64).round() as usize;
        spans.extend(slider(app, at(number), at(default), track));
    }
    Line::from(spans)
}

/// Where a value lies on its track, 0 to 1: the default in the middle, or at the end where it is the smallest or largest. A
/// range may reach from a hundredth to a hundred thousand, so the way from the default is a square root.
fn place(number: f64, default: f64, (least, most): (f64, f64)) -> f64 {
    let middle = match (default <= least, default >= most) {
        (true, _) => 0.0,
        (_, true) => 1.0,
        _ => 0.5,
    };
    let way = |from: f64, to: f64| ((number - from) / (to - from)).clamp(0.0, 1.0).sqrt();
    match number < default {
        true => middle * (1.0 - way(default, least)),
        false if default >= most => middle,
        false => middle + (1.0 - middle) * way(default, most),
    }
}

/// A track with a mark at the default, and the way from there to the value.
fn slider(app: &App, at: usize, default: usize, width: usize) -> Vec<Span<'static>> {
    let (first, last) = (at.min(default), at.max(default));
    let sign = |column: usize| match column {
        _ if column == at => ("●", Role::Progress),
        _ if column == default => ("┼", Role::ProgressRest),
        _ if (first..last).contains(&column) => ("━", Role::Progress),
        _ => ("─", Role::ProgressRest),
    };
    (0..width)
        .map(sign)
        .map(|(sign, role)| Span::styled(sign, app.theme.style(role)))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_the_middle_of_its_track() {
        let range = (1.0, 100_000.0);
        for (number, expected) in [(1.0, 0.0), (176.0, 0.5), (100_000.0, 1.0), (-5.0, 0.0)] {
            assert_eq!(place(number, 176.0, range), expected, "{number}");
        }
        assert!(place(80.0, 176.0, range) < 0.5 && place(400.0, 176.0, range) > 0.5);
        assert_eq!(place(0.0, 0.0, (0.0, 1.0)), 0.0);
        assert_eq!(place(0.25, 0.0, (0.0, 1.0)), 0.5);
        assert_eq!(place(1.0, 1.0, (0.0, 1.0)), 1.0);
        assert!(place(0.5, 1.0, (0.0, 1.0)) < 1.0);
    }
}
