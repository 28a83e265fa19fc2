//! What runs now: how far it is, how its score climbs, what the network sees in the picture at this moment.

use super::Frame;
use super::panel::{bordered, two};

use crate::runs::{Spec, words};
use crate::tui::app::{App, Live};
use crate::tui::text::{fit, span};
use crate::tui::theme::Role;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let live = app.watched().or(app.running.first());
    let title = live.and_then(|live| app.queue.get(live.job)).map(|job| {
        let together = match app.running.len() {
            0 | 1 => String::new(),
            runs => format!(" · {runs} together"),
        };
        format!("{}{together}", fit(&job.spec.target, 40))
    });
    let title = title.unwrap_or_else(|| "run".into());
    let inner = bordered(app, frame, area, &title, false);
    match live {
        Some(live) => under_way(app, frame, inner, live),
        None => idle(app, frame, inner),
    }
}

/// Nothing runs: what the next run would be.
fn idle(app: &App, frame: &mut Frame, area: Rect) {
    let dim = app.theme.style(Role::Dim);
    let text = app.theme.style(Role::Text);
    let settings = &app.plan.settings;
    let waiting = app.queue.jobs().len();
    let lines = [
        ("next run", app.plan.title()),
        ("seed", app.plan.seed.to_string()),
        (
            "steps",
            format!("{} in {} octaves", settings.steps, settings.octaves),
        ),
        (
            "queue",
            match waiting {
                0 => "empty".into(),
                runs => format!("{runs} waiting"),
            },
        ),
        (
            "history",
            match app.library.len() {
                1 => "1 run".into(),
                runs => format!("{runs} runs"),
            },
        ),
    ];
    for (y, (label, value)) in (area.y..area.bottom()).zip(lines) {
        let line = Line::from(vec![
            Span::styled(format!(" {label:<9}"), dim),
            Span::styled(value, text),
        ]);
        line.render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
}

fn under_way(app: &App, frame: &mut Frame, area: Rect, live: &Live) {
    let [progress, rest] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(area);
    self::progress(app, frame, progress, live);
    let wide = rest.width >= 56;
    let top_width = match (live.top.is_empty(), wide) {
        (true, _) => 0,
        (false, true) => 26,
        (false, false) => rest.width * 2 / 5,
    };
    let (chart, top) = match rest.height >= 14 && !wide && !live.top.is_empty() {
        true => {
            let [chart, top] =
                Layout::vertical([Constraint::Min(6), Constraint::Length(6)]).areas(rest);
            (chart, top)
        }
        false => {
            let [chart, top] =
                Layout::horizontal([Constraint::Min(0), Constraint::Length(top_width)]).areas(rest);
            (chart, top)
        }
    };
    curve(app, frame, chart, live);
    top_classes(app, frame, top, live);
}

fn progress(app: &App, frame: &mut Frame, area: Rect, live: &Live) {
    let width = usize::from(area.width);
    let share = live.step as f64 / live.steps.max(1) as f64;
    let done = "━".repeat((share.clamp(0.0, 1.0) * width as f64).round() as usize);
    let style = app.theme.style(Role::ProgressRest);
    frame
        .buffer
        .set_stringn(area.x, area.y, "─".repeat(width), width, style);
    let style = app.theme.style(Role::Progress);
    frame.buffer.set_stringn(area.x, area.y, done, width, style);
    let score = live.curve.last().map_or(0.0, |(_, score)| *score);
    let probability = live
        .probability
        .map(|p| format!(" · {:.0} %", 100.0 * p))
        .unwrap_or_default();
    let score = words::score(score as f32);
    let text = format!("{}/{} · score {score}{probability}", live.step, live.steps);
    let text = Span::styled(text, app.theme.style(Role::Text));
    let pace = pace(app, live, width.saturating_sub(text.width() + 2));
    let line = two(text, Span::styled(pace, app.theme.style(Role::Dim)), width);
    line.render(Rect::new(area.x, area.y + 1, area.width, 1), frame.buffer);
}

/// How fast it goes and how long it will take, as far as there is room.
fn pace(app: &App, live: &Live, room: usize) -> String {
    if app.paused {
        return "paused".into();
    }
    if live.steps_per_second <= 0.0 {
        return String::new();
    }
    let steps = live.steps.saturating_sub(live.step) as f64;
    let left = format!("{} left", span(steps / live.steps_per_second));
    let pace = live.steps_per_second;
    let ways = [" steps/s", "/s"].map(|unit| format!("{pace:.1}{unit} · {left}"));
    let fitting = ways.into_iter().find(|way| way.chars().count() <= room);
    fitting.unwrap_or(left)
}

/// The score's curve.
fn curve(app: &App, frame: &mut Frame, area: Rect, live: &Live) {
    if live.curve.len() < 2 || area.height < 2 || area.width < 10 {
        return;
    }
    // No more points than the chart has dots.
    let dots = usize::from(area.width) * 2;
    let every = live.curve.len().div_ceil(dots).max(1);
    let last = live.curve.len() - 1;
    let points: Vec<(f64, f64)> = live
        .curve
        .iter()
        .enumerate()
        .filter(|(index, _)| index % every == 0 || *index == last)
        .map(|(_, point)| *point)
        .collect();
    let finite = || {
        points
            .iter()
            .map(|(_, score)| *score)
            .filter(|score| score.is_finite())
    };
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return;
    }
    let high = if high - low < 1e-9 { low + 1.0 } else { high };
    let dim = app.theme.style(Role::ChartGrid);
    let marker = match app.environment.terminal.colours {
        crate::terminal::ColourDepth::None => Marker::Dot,
        _ => Marker::Braille,
    };
    let dataset = Dataset::default()
        .marker(marker)
        .graph_type(GraphType::Line)
        .style(app.theme.style(Role::Chart))
        .data(&points);
    let labels = [low, high].map(|bound| words::score(bound as f32));
    Chart::new(vec![dataset])
        .style(app.theme.style(Role::Text))
        .x_axis(Axis::default().style(dim).bounds([0.0, live.steps as f64]))
        .y_axis(
            Axis::default()
                .style(dim)
                .labels(labels)
                .bounds([low, high]),
        )
        .render(area, frame.buffer);
}

/// The classes that the network sees most: by name if it is the one that is open, which knows no others' names.
fn top_classes(app: &App, frame: &mut Frame, area: Rect, live: &Live) {
    let Some(Spec {
        model_hash,
        objective,
        unit,
        ..
    }) = app.queue.get(live.job).map(|job| &job.spec)
    else {
        return;
    };
    let opened = app.model.opened();
    let opened = opened.filter(|opened| opened.hash == *model_hash);
    let wanted = (objective.kind.is_of_class()).then_some(unit.index);
    let width = usize::from(area.width.saturating_sub(1));
    for (y, (class, probability)) in (area.y..area.bottom()).zip(&live.top) {
        let role = match Some(*class) == wanted {
            true => Role::Good,
            false => Role::Dim,
        };
        let name = opened.and_then(|opened| opened.classes.name(*class));
        let name = name.map_or_else(|| format!("class {class}"), str::to_string);
        let line = two(
            Span::styled(name, app.theme.style(role)),
            Span::styled(
                format!("{:>3.0} %", 100.0 * probability),
                app.theme.style(role),
            ),
            width,
        );
        line.render(
            Rect::new(area.x + 1, y, area.width.saturating_sub(1), 1),
            frame.buffer,
        );
    }
}
