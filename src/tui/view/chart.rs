//! A run's numbers: the curve of its score, and the top classes.

use super::Frame;
use super::panel::two;
use crate::runs::{Spec, format};
use crate::tui::app::App;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::Span;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

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
