//! The settings panel: presets, and every setting with value, range and meaning.

use super::Frame;
use super::panel::{list, overlaid_at};
use crate::ascent::settings::{Domain, GROUPS, Knob, in_groups};
use crate::runs::format;
use crate::setting_value::SettingValue;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::SETTINGS_WIDTH;
use crate::tui::list_state::ListState;
use crate::tui::popup::Knobs;
use crate::tui::text::{fit_end, fitted, wrapped};
use crate::tui::theme::Role;
use crate::tui::update::outlook;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use unicode_width::UnicodeWidthStr;

/// Columns of a knob's key, value and unit.
const KNOB: usize = 34;

/// Rows reserved for the list where the help below it is long.
const MIN_ROWS: u16 = 4;

/// Maximum width of the panel.
const WIDE: u16 = 76;

/// Rows below the list while a run is paused: what a branch would change.
const OUTLOOK: u16 = 2;

/// Rows above the list: the presets.
const HEAD: u16 = 1;

/// A line of the list.
enum Row {
    Heading(&'static str),
    /// A knob, and its index among all.
    Knob(&'static Knob, usize),
}

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, knobs: &Knobs) {
    let all = rows(knobs);
    let place = place(app);
    let room = usize::from(place.width.saturating_sub(4));
    let help = help_rows(room);
    let outlook = outlook(app);
    let foot = outlook.as_ref().map_or(0, |_| OUTLOOK);
    let height = all.len() as u16 + HEAD + help + foot + 2;
    let title = match knobs.filter.as_str() {
        "" => {
            let key = app.key(Command::Search);
            let plan = app.next_run.title();
            let parts = [
                (3, "settings".to_string()),
                (2, plan.clone()),
                (1, format!("seed {}", app.next_run.seed)),
                (0, format!("{key} filters")),
            ];
            fitted(&parts, room)
        }
        filter => format!("settings · {filter}"),
    };
    let place = Rect {
        height: height.min(place.height),
        ..place
    };
    let area = overlaid_at(app, frame, place, &title);
    legend(app, frame, place);
    let help = help.min(area.height.saturating_sub(HEAD + foot + MIN_ROWS));
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
        height: area.height - HEAD - help - foot,
        ..area
    };
    if all.is_empty() {
        let text = Line::styled("no setting matches", app.theme.style(Role::Dim));
        return text.render(Rect { height: 1, ..rows }, frame.buffer);
    }
    let at = |row: &Row| matches!(row, Row::Knob(_, place) if *place == knobs.cursor);
    let at = all.iter().position(at).unwrap_or(0);
    let mut listing = ListState::new(all.len());
    // The heading of a group's first knob is visible with it.
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
        let place = Rect::new(area.x, rows.bottom(), area.width, help);
        self::help(app, frame, knob, place);
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

/// The left side of the body, where the lists are, so that the picture beside them stays visible; the middle where
/// there are no lists.
fn place(app: &App) -> Rect {
    let layout = app.layout();
    if layout.browser.is_empty() || layout.picture.is_empty() {
        return layout.popup(WIDE, layout.body.height);
    }
    let width = layout.browser.width.clamp(SETTINGS_WIDTH, WIDE);
    Rect {
        width: width.min(layout.body.width),
        ..layout.body
    }
}

/// Rows below the list for the longest help: a title, what the knob does, and its allowed values.
fn help_rows(width: usize) -> u16 {
    let lines = |knob: &&'static Knob| {
        let [help, allowed] = [knob.help.trim().to_string(), allowed(knob)];
        1 + wrapped(&help, width).len() + wrapped(&allowed, width).len()
    };
    in_groups().iter().map(lines).max().unwrap_or(0) as u16
}

/// The legend of the tracks, in the lower border.
fn legend(app: &App, frame: &mut Frame, area: Rect) {
    let text = " ● value  ┼ default ";
    // A message lies over the border.
    let is_free = app.messages.current(app.now).is_none();
    if is_free && area.height > 1 && usize::from(area.width) > text.width() + 4 {
        let (x, y) = (area.x + 2, area.bottom() - 1);
        let style = app.theme.style(Role::Dim);
        frame.buffer.set_string(x, y, text, style);
    }
}

/// The knobs that are listed, under the titles of their groups.
fn rows(knobs: &Knobs) -> Vec<Row> {
    let (listed, all) = (knobs.listed(), in_groups());
    let mut rows = Vec::new();
    for group in GROUPS {
        let own = listed
            .iter()
            .filter(|place| group.keys.contains(&all[**place].key));
        let own: Vec<Row> = own.map(|place| Row::Knob(all[*place], *place)).collect();
        if !own.is_empty() {
            rows.push(Row::Heading(group.title));
            rows.extend(own);
        }
    }
    rows
}

/// A value as displayed.
fn shown(knob: &Knob, value: &SettingValue) -> String {
    knob.shown(value)
        .map_or_else(|| format::value(value), String::from)
}

/// Allowed values and default of a knob, and the scale of its track.
fn allowed(knob: &Knob) -> String {
    let remark = match knob.domain {
        Domain::Number { range, .. } => Scale::new(range).remark(),
        Domain::Choice(_) | Domain::Layer => "",
    };
    let default = shown(knob, &knob.default());
    format!("{}; default {default}{remark}", knob.allowed())
}

fn heading(app: &App, title: &str, width: usize) -> Line<'static> {
    let rule = "─".repeat(width.saturating_sub(title.len() + 1));
    Line::from(vec![
        Span::styled(format!("{title} "), app.theme.style(Role::Title)),
        Span::styled(rule, app.theme.style(Role::Border)),
    ])
}

/// The names of the presets, the current one highlighted, and the keys that switch.
fn presets(app: &App, frame: &mut Frame, area: Rect) {
    let dim = app.theme.style(Role::Dim);
    let mut spans = Vec::new();
    for name in app.next_run.presets() {
        let (text, role) = if name == app.next_run.preset() {
            (format!(" {} ", app.next_run.title()), Role::TabSelected)
        } else {
            (format!(" {name} "), Role::Tab)
        };
        spans.push(Span::styled(text, app.theme.style(role)));
    }
    let keys = [
        (Command::NextPreset, "next"),
        (Command::ChoosePreset, "choose"),
    ];
    let keys = keys.map(|(command, what)| format!("{} {what}", app.key(command)));
    let keys = keys.join(" · ");
    let label = Span::styled("preset ", dim);
    let mut used: usize = spans.iter().map(Span::width).sum();
    if used + label.width() + keys.width() < usize::from(area.width) {
        used += label.width();
        spans.insert(0, label);
    }
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
    let value = app.next_run.settings.get(knob.key);
    let value = value.unwrap_or_else(|| knob.default());
    let changed = value != knob.default();
    let role = if changed { Role::Accent } else { Role::Text };
    let key = Span::styled(format!("{:<17}", knob.key), app.theme.style(role));
    let text = shown(knob, &value);
    let unit_of = |unit| {
        if knob.shown(&value).is_some() {
            ""
        } else {
            unit
        }
    };
    let (
        Domain::Number {
            unit,
            default,
            range,
            ..
        },
        &SettingValue::Number(number),
    ) = (knob.domain, &value)
    else {
        let room = width.saturating_sub(17 + 3);
        let text = format!("   {}", fit_end(&text, room));
        return Line::from(vec![key, Span::styled(text, app.theme.style(role))]);
    };
    let mut spans = vec![
        key,
        Span::styled(format!("{text:>10}"), app.theme.style(role)),
        Span::styled(format!(" {:<6}", unit_of(unit)), app.theme.style(Role::Dim)),
    ];
    let track = width.saturating_sub(KNOB + 2).min(25);
    if track >= 3 {
        let scale = Scale::new(range);
        let at = |number| (scale.place(number, range) * (track - 1) as f64).round() as usize;
        spans.extend(slider(app, at(number), at(default), track));
    }
    Line::from(spans)
}

/// The scale of a range on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    /// For wide ranges from 0.
    SquareRoot,
    /// For wide ranges from more than 0.
    Logarithmic,
}

/// Ranges wider than this ratio are not linear.
const FAR_APART: f64 = 50.0;
const FAR: f64 = 500.0;

impl Scale {
    fn new((least, most): (f64, f64)) -> Self {
        match least > 0.0 {
            true if most / least >= FAR_APART => Self::Logarithmic,
            false if most >= FAR => Self::SquareRoot,
            _ => Self::Linear,
        }
    }

    /// Position of a number on its track, 0 to 1.
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

    /// The name of the scale; empty for a linear one.
    fn remark(self) -> &'static str {
        match self {
            Self::Linear => "",
            Self::SquareRoot => "; square-root scale",
            Self::Logarithmic => "; logarithmic scale",
        }
    }
}

/// A track with a mark at the default, filled from there to the value.
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
    let width = usize::from(area.width);
    let line = |text: String, role: Role| Line::styled(text, app.theme.style(role));
    let mut lines = vec![line("─".repeat(width), Role::Border)];
    let help = wrapped(knob.help.trim(), width).into_iter();
    lines.extend(help.map(|text| line(text, Role::Text)));
    let allowed = wrapped(&allowed(knob), width).into_iter();
    lines.extend(allowed.map(|text| line(text, Role::Dim)));
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        line.render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_linear_unless_its_range_reaches_far() {
        for (range, scale) in [
            ((0.0, 1.0), Scale::Linear),
            ((1.05, 4.0), Scale::Linear),
            ((0.1, 10.0), Scale::Logarithmic),
            ((1.0, 100_000.0), Scale::Logarithmic),
            ((0.0, 1000.0), Scale::SquareRoot),
        ] {
            let found = Scale::new(range);
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
                let place = Scale::new(range).place(default, range);
                assert!((0.0..=1.0).contains(&place), "{}", knob.key);
            }
        }
    }
}
