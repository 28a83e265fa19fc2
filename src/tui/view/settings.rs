//! The settings of the next runs: the presets, and every knob with its value, range and meaning.

use super::Frame;
use super::panel::{list, overlaid};
use crate::ascent::settings::{Domain, GROUPS, Knob, knob};
use crate::runs::words;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::listing::Listing;
use crate::tui::text::fit_end;
use crate::tui::theme::Role;
use crate::tui::update::outlook;
use crate::value::Value;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use unicode_width::UnicodeWidthStr;

/// Rows below the list: what the selected knob does.
const HELP: u16 = 4;

/// Rows below that while a run is paused: what a branch would change.
const OUTLOOK: u16 = 2;

/// Rows above it: the presets.
const HEAD: u16 = 1;

/// A line of the list.
enum Row {
    Heading(&'static str),
    /// A knob, and its place among all.
    Knob(&'static Knob, usize),
}

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, cursor: usize) {
    let all = rows();
    let title = format!("settings · {} · seed {}", app.plan.title(), app.plan.seed);
    let outlook = outlook(app);
    let foot = HELP + outlook.as_ref().map_or(0, |_| OUTLOOK);
    let height = all.len() as u16 + HEAD + foot + 2;
    let area = overlaid(app, frame, 76, height, &title);
    if area.height <= HEAD + foot + 1 {
        return;
    }
    presets(
        app,
        frame,
        Rect {
            height: HEAD,
            ..area
        },
    );
    let rows = Rect {
        y: area.y + HEAD,
        height: area.height - HEAD - foot,
        ..area
    };
    let at = |row: &Row| matches!(row, Row::Knob(_, place) if *place == cursor);
    let at = all.iter().position(at).unwrap_or(0);
    let mut listing = Listing::of(all.len());
    // The heading of the first knob of a group is seen with it.
    listing.go_to_row(at.saturating_sub(1));
    listing.fit(usize::from(rows.height), 1);
    listing.go_to_row(at);
    listing.fit(usize::from(rows.height), 1);
    list(
        app,
        frame,
        rows,
        &listing,
        true,
        |index, width| match &all[index] {
            Row::Heading(title) => heading(app, title, width),
            Row::Knob(knob, _) => row(app, knob, width),
        },
    );
    if let Row::Knob(knob, _) = all[at] {
        let place = Rect::new(area.x, rows.bottom(), area.width, HELP);
        help(app, frame, knob, place);
    }
    if let Some(text) = outlook {
        let place = Rect {
            y: area.bottom() - OUTLOOK,
            height: OUTLOOK,
            ..area
        };
        Paragraph::new(Line::styled(text, app.theme.style(Role::Accent)))
            .wrap(Wrap { trim: false })
            .render(place, frame.buffer);
    }
}

/// All groups with their knobs.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut place = 0;
    for group in GROUPS {
        rows.push(Row::Heading(group.title));
        for knob in group.keys.iter().filter_map(|key| knob(key)) {
            rows.push(Row::Knob(knob, place));
            place += 1;
        }
    }
    rows
}

fn heading(app: &App, title: &str, width: usize) -> Line<'static> {
    let rule = "─".repeat(width.saturating_sub(title.len() + 1));
    Line::from(vec![
        Span::styled(format!("{title} "), app.theme.style(Role::Title)),
        Span::styled(rule, app.theme.style(Role::Border)),
    ])
}

/// The names of the presets, the present one marked, and the keys that take another.
fn presets(app: &App, frame: &mut Frame, area: Rect) {
    let dim = app.theme.style(Role::Dim);
    let mut spans = vec![Span::styled("preset ", dim)];
    for name in app.plan.presets() {
        let (text, role) = match name == app.plan.preset() {
            true => (format!(" {} ", app.plan.title()), Role::TabSelected),
            false => (format!(" {name} "), Role::Tab),
        };
        spans.push(Span::styled(text, app.theme.style(role)));
    }
    let keys = [
        (Command::NextPreset, "next"),
        (Command::ChoosePreset, "choose"),
    ];
    let keys = keys.map(|(command, what)| format!("{} {what}", app.key(command)));
    let keys = keys.join(" · ");
    let used: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(used + 1);
    if keys.width() <= room {
        spans.push(Span::styled(
            format!("{keys:>width$}", width = room + 1),
            dim,
        ));
    }
    Line::from(spans).render(area, frame.buffer);
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
        let scale = Scale::of(range);
        let at = |number| (scale.place(number, range) * (track - 1) as f64).round() as usize;
        spans.extend(slider(app, at(number), at(default), track));
    }
    Line::from(spans)
}

/// How a range is laid out on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    /// For ranges from 0 that reach far.
    SquareRoot,
    /// For ranges from more than 0 that reach far.
    Logarithmic,
}

/// Ranges of whose ends one is so many times the other, or that reach from 0 so far, are not linear.
const FAR_APART: f64 = 50.0;
const FAR: f64 = 500.0;

impl Scale {
    fn of((least, most): (f64, f64)) -> Self {
        match least > 0.0 {
            true if most / least >= FAR_APART => Self::Logarithmic,
            false if most >= FAR => Self::SquareRoot,
            _ => Self::Linear,
        }
    }

    /// Where a number lies on its track, 0 to 1.
    fn place(self, number: f64, (least, most): (f64, f64)) -> f64 {
        let way = |shape: fn(f64) -> f64| {
            let [number, least, most] = [number, least, most].map(shape);
            (number - least) / (most - least)
        };
        let place = match self {
            Self::Linear => way(|number| number),
            Self::SquareRoot => way(|number| number.max(0.0).sqrt()),
            Self::Logarithmic => way(|number| number.max(f64::MIN_POSITIVE).ln()),
        };
        place.clamp(0.0, 1.0)
    }

    /// What is said of it; nothing of a linear one.
    fn remark(self) -> &'static str {
        match self {
            Self::Linear => "",
            Self::SquareRoot => "; square-root scale",
            Self::Logarithmic => "; logarithmic scale",
        }
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
    let remark = match knob.domain {
        Domain::Number { range, .. } => Scale::of(range).remark(),
        Domain::Choice(_) | Domain::Layer => "",
    };
    let default = words::value(&knob.default());
    let allowed = format!("{}; default {default} ┼{remark}", knob.allowed());
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
    use crate::ascent::settings::in_groups;

    #[test]
    fn a_track_is_linear_unless_its_range_reaches_far() {
        for (range, scale) in [
            ((0.0, 1.0), Scale::Linear),
            ((1.05, 4.0), Scale::Linear),
            ((0.1, 10.0), Scale::Logarithmic),
            ((1.0, 100_000.0), Scale::Logarithmic),
            ((0.0, 1000.0), Scale::SquareRoot),
        ] {
            let found = Scale::of(range);
            assert_eq!(found, scale, "{range:?}");
            assert_eq!(found.place(range.0, range), 0.0);
            assert_eq!(found.place(range.1, range), 1.0);
            assert_eq!(found.place(-5.0, range), 0.0);
        }
        assert_eq!(Scale::Linear.place(0.25, (0.0, 1.0)), 0.25);
        assert_eq!(Scale::SquareRoot.place(250.0, (0.0, 1000.0)), 0.5);
        assert!((Scale::Logarithmic.place(1.0, (0.1, 10.0)) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn every_default_has_a_place_on_its_track() {
        for knob in in_groups() {
            if let Domain::Number { default, range, .. } = knob.domain {
                let place = Scale::of(range).place(default, range);
                assert!((0.0..=1.0).contains(&place), "{}", knob.key);
            }
        }
    }
}
