//! What runs now: how far it is, how its score climbs, what the network sees in the picture at this moment.

use super::Frame;
use super::panel::{TITLE_MARGIN, bordered, two};
use super::subject;
use crate::runs::{Spec, format};
use crate::text::span;
use crate::tui::app::{App, Live, Shown};
use crate::tui::pace;
use crate::tui::text::{fit, fitted, p};
use crate::tui::theme::Role;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::Span;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};
use unicode_width::UnicodeWidthStr;

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    // The panel is about the picture that is shown.
    let live = match app.shown {
        Shown::Finished(_) => None,
        _ => app.watched().or(app.running.first()),
    };
    let room = usize::from(area.width).saturating_sub(TITLE_MARGIN);
    let title = live.and_then(|live| app.queue.get(live.job)).map(|job| {
        let together = match app.running.len() {
            0 | 1 => String::new(),
            runs => format!("batch of {runs}"),
        };
        let model = match app.is_of_other_model(&job.spec.model_hash) {
            true => format::model(&job.spec.model).to_string(),
            false => String::new(),
        };
        let target = fit(&job.spec.target, 40);
        fitted(&[(2, target), (1, model), (0, together)], room)
    });
    let title = title.unwrap_or_else(|| subject::title(app));
    let inner = bordered(app, frame, area, &title, false);
    match live {
        Some(live) => under_way(app, frame, inner, live),
        None => subject::draw(app, frame, inner),
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
    curve(app, frame, chart, &live.curve, &live.octaves);
    let spec = app.queue.get(live.job).map(|job| &job.spec);
    if let Some(spec) = spec {
        top_classes(app, frame, top, spec, &live.top);
    }
}

fn progress(app: &App, frame: &mut Frame, area: Rect, live: &Live) {
    let width = usize::from(area.width);
    let share = pace::share(live);
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
        .map(|probability| format!(" · {}", p(probability)))
        .unwrap_or_default();
    let score = format::score(score as f32);
    let steps = format!("{}/{}", live.step, live.steps);
    // Beside how long it takes, where there is room for that; the word gives way first.
    let least = pace(app, live, 0).width() + 2;
    let texts = ["score ", ""].map(|word| format!("{steps} · {word}{score}{probability}"));
    let [full, short] = texts;
    let text = match full.width() + least <= width {
        true => full,
        false => short,
    };
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
    let Some(seconds) = pace::seconds_left(live) else {
        return String::new();
    };
    let left = format!("{} left", span(seconds));
    let pace = live.steps_per_second;
    let ways = [" steps/s", "/s"].map(|unit| format!("{pace:.1}{unit} · {left}"));
    let fitting = ways.into_iter().find(|way| way.chars().count() <= room);
    fitting.unwrap_or(left)
}

/// The score's curve, with a line where each octave begins.
pub fn curve(app: &App, frame: &mut Frame, area: Rect, curve: &[(f64, f64)], octaves: &[usize]) {
    if curve.len() < 2 || area.height < 2 || area.width < 10 {
        return;
    }
    // No more points than the chart has dots.
    let dots = usize::from(area.width) * 2;
    let every = curve.len().div_ceil(dots).max(1);
    let last = curve.len() - 1;
    let points: Vec<(f64, f64)> = curve
        .iter()
        .enumerate()
        .filter(|(index, _)| index % every == 0 || *index == last)
        .map(|(_, point)| *point)
        .collect();
    let scores = points.iter().map(|(_, score)| *score);
    let finite = scores.filter(|score| score.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| {
        (low.min(score), high.max(score))
    });
    if low > high {
        return;
    }
    let high = if high - low < 1e-9 { low + 1.0 } else { high };
    let steps = octaves.iter().sum::<usize>().max(1) as f64;
    let steps = steps.max(points.last().map_or(0.0, |(step, _)| *step));
    let dim = app.theme.style(Role::ChartGrid);
    let marker = match app.environment.terminal.colours {
        crate::terminal::ColourDepth::None => Marker::Dot,
        _ => Marker::Braille,
    };
    let begins: Vec<[(f64, f64); 2]> = begins(octaves)
        .map(|step| [(step, low), (step, high)])
        .collect();
    let line = |points| {
        Dataset::default()
            .marker(marker)
            .graph_type(GraphType::Line)
            .data(points)
    };
    let mut lines: Vec<Dataset> = begins.iter().map(|begin| line(begin).style(dim)).collect();
    lines.push(line(&points).style(app.theme.style(Role::Chart)));
    let labels = [low, high].map(|bound| format::score(bound as f32));
    Chart::new(lines)
        .style(app.theme.style(Role::Text))
        .x_axis(Axis::default().style(dim).bounds([0.0, steps]))
        .y_axis(
            Axis::default()
                .style(dim)
                .labels(labels)
                .bounds([low, high]),
        )
        .render(area, frame.buffer);
}

/// The steps at which octaves begin, without the first.
fn begins(octaves: &[usize]) -> impl Iterator<Item = f64> {
    let finest = octaves.len().saturating_sub(1);
    octaves[..finest].iter().scan(0, |sum, steps| {
        *sum += steps;
        Some(*sum as f64)
    })
}

/// The classes that the network sees most: by name if it is or was open.
pub fn top_classes(app: &App, frame: &mut Frame, area: Rect, spec: &Spec, top: &[(usize, f32)]) {
    let Spec {
        model_hash,
        objective,
        unit,
        target,
        ..
    } = spec;
    let wanted = (objective.kind.is_of_class()).then_some(unit.index);
    let width = usize::from(area.width.saturating_sub(1));
    for (y, (class, probability)) in (area.y..area.bottom()).zip(top) {
        let role = match Some(*class) == wanted {
            true => Role::Good,
            false => Role::Dim,
        };
        // The model may not be open; the run still names its own class.
        let own = (objective.kind == crate::ascent::Kind::Class && Some(*class) == wanted)
            .then_some(target.as_str());
        let name = app.class_name(model_hash, *class).or(own);
        let name = name.map_or_else(|| format!("class {class}"), str::to_string);
        let line = two(
            Span::styled(name, app.theme.style(role)),
            Span::styled(format::percent(*probability), app.theme.style(role)),
            width,
        );
        line.render(
            Rect::new(area.x + 1, y, area.width.saturating_sub(1), 1),
            frame.buffer,
        );
    }
}
