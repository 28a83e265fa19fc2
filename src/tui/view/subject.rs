//! The selection, while nothing runs: a finished run with its curve and settings, or a target that has not run
//! yet.

use super::Frame;
use super::chart::{curve, top_classes};
use crate::model::ReceptiveField;
use crate::runs::history::HistoryEntry;
use crate::runs::judging::Verdict;
use crate::runs::worker::ModelInfo;
use crate::runs::{Record, description, format};
use crate::text::{age, clean, counted, duration};
use crate::tui::app::App;
use crate::tui::browser::Tab;
use crate::tui::showing::Showing;
use crate::tui::text::{count, fit, fit_path, wrapped};
use crate::tui::theme::Role;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

/// Columns of the labels.
const LABEL: usize = 12;

/// Minimum number of columns for the curve beside the text.
const WIDE: u16 = 64;

/// Minimum number of lines of a curve.
const CHART: u16 = 4;

/// Lines of the top classes.
const TOP: u16 = 6;

/// The label of a run's folder: its path is not broken.
const FILES: &str = "files";

/// A label and its value.
type Fact = (&'static str, String);

/// The title of the panel.
pub fn title(app: &App) -> String {
    match (run(app), app.browser.selected_layer()) {
        (Some(entry), _) => fit(&entry.target, 60),
        (None, Some(index)) => app
            .model
            .opened()
            .map_or_else(String::new, |opened| fit(&opened.layers[index].name, 60)),
        (None, None) => "selection".into(),
    }
}

/// Draws the selection.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let entry = run(app);
    let record = entry.and_then(|entry| app.record_of(&entry.id));
    let facts = match entry {
        Some(entry) => of_run(app, entry, record),
        None => of_target(app),
    };
    let Some(record) = record else {
        return list(app, frame, area, facts);
    };
    let (text, chart, top) = divided(area, facts.len() as u16, record.top.is_empty());
    list(app, frame, text, facts);
    // The scores before each step, and that of the finished picture.
    let scores = record.scores.iter().chain([&record.score]);
    let points: Vec<(f64, f64)> = (0..)
        .zip(scores)
        .map(|(step, score)| (f64::from(step), f64::from(*score)))
        .collect();
    curve(app, frame, chart, &points, &record.octaves);
    top_classes(app, frame, top, &record.spec, &record.top);
}

/// Areas for the text, the curve and the top classes; empty where there is no space.
fn divided(area: Rect, lines: u16, has_no_top: bool) -> (Rect, Rect, Rect) {
    let top = if has_no_top { 0 } else { TOP };
    if area.width >= WIDE {
        let [text, rest] =
            Layout::horizontal([Constraint::Percentage(45), Constraint::Min(0)]).areas(area);
        let [top, chart] =
            Layout::vertical([Constraint::Length(top), Constraint::Min(0)]).areas(rest);
        let text = Rect {
            width: text.width.saturating_sub(2),
            ..text
        };
        return (text, chart, top);
    }
    if area.height < lines + 1 + top + CHART {
        return (area, Rect::ZERO, Rect::ZERO);
    }
    let [text, chart, top] = Layout::vertical([
        Constraint::Length(lines + 1),
        Constraint::Max(12),
        Constraint::Length(top),
    ])
    .areas(area);
    (text, chart, top)
}

fn list(app: &App, frame: &mut Frame, area: Rect, facts: Vec<Fact>) {
    let dim = app.theme.style(Role::Dim);
    let text = app.theme.style(Role::Text);
    let room = usize::from(area.width).saturating_sub(LABEL + 1);
    let mut rows = Vec::new();
    for (label, value) in facts {
        let mut label = label;
        let parts = match label {
            FILES => vec![fit_path(&value, room)],
            _ => wrapped(&clean(&value), room),
        };
        for part in parts {
            rows.push(Line::from(vec![
                Span::styled(format!(" {:<LABEL$}", std::mem::take(&mut label)), dim),
                Span::styled(part, text),
            ]));
        }
    }
    for (y, row) in (area.y..area.bottom()).zip(rows) {
        row.render(Rect::new(area.x, y, area.width, 1), frame.buffer);
    }
}

/// The shown finished run, if it is the selected one or belongs to the selection.
fn run(app: &App) -> Option<&HistoryEntry> {
    let Showing::Finished(id) = &app.shown else {
        return None;
    };
    let entry = app.history.find(id)?;
    let is_selected = match app.selected_target() {
        Some(target) => {
            let both_of_class = entry.kind().is_of_class() && target.objective.kind.is_of_class();
            let is_same = both_of_class || entry.objective == target.objective;
            is_same && entry.unit == target.unit
        }
        None => app.in_history(),
    };
    is_selected.then_some(entry)
}

fn of_run(app: &App, entry: &HistoryEntry, record: Option<&Record>) -> Vec<Fact> {
    let name = record.and_then(|record| description::score_name(&record.spec));
    let name = name.map_or_else(String::new, |name| format!(" ({})", name.short));
    let mut facts = vec![("score", format::score(entry.score) + &name)];
    let probability = entry.probability.map(format::percent);
    facts.extend(probability.map(|text| ("probability", text)));
    let says = |verdict: &Verdict| {
        let says = verdict.text(entry.kind(), &entry.target);
        ("judge", format!("{}: {says}", verdict.judge()))
    };
    facts.extend(entry.verdicts.iter().map(says));
    let took = duration(entry.seconds);
    let run = format!(
        "seed {} · {} steps in {took} · {}",
        entry.seed, entry.steps, entry.provider
    );
    facts.push(("run", run));
    let from = entry.branched_from.as_ref();
    facts.extend(from.map(|from| ("branched", from.to_string())));
    let settings = record.map(|record| match record.spec.is_current() {
        true if entry.changes.is_empty() => "default".into(),
        true => entry.changes.to_string(),
        false => format!("of an earlier version {}", entry.changes),
    });
    facts.extend(settings.map(|text| ("settings", text)));
    facts.extend([
        ("made", age(entry.time, format::unix_now())),
        ("id", entry.id.clone()),
        ("next run", next(app)),
    ]);
    let path = app.environment.history.join(&entry.id);
    facts.push((FILES, path.display().to_string()));
    facts
}

/// A target that has not run: a class, a layer, a channel, or another selection.
fn of_target(app: &App) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let (Tab::Classes, Some(opened), Some(class)) = (
        app.browser.tab,
        app.model.opened(),
        app.browser.list().selected(),
    ) {
        let name = opened.classes.name(class).unwrap_or_default();
        facts.extend([("class", name.to_string()), ("index", class.to_string())]);
    }
    if let (Some(opened), Some(index)) = (app.model.opened(), app.browser.selected_layer()) {
        let layer = &opened.layers[index];
        let dims: Vec<String> = layer.dims.iter().map(ToString::to_string).collect();
        facts.extend([
            ("operator", layer.op.clone()),
            ("shape", dims.join(" × ")),
            ("channels", layer.channels().to_string()),
        ]);
        if layer.parameters > 0 {
            facts.push(("parameters", count(layer.parameters)));
        }
        facts.extend(field(opened, &layer.name).map(|text| ("rec. field", text)));
        let ran = app.history.channels_of(&opened.hash, &layer.name);
        if ran > 0 {
            facts.push(("runs", format!("{} of its channels", counted(ran, "run"))));
        }
    }
    if !facts.is_empty() {
        facts.push(("run", "never".into()));
    }
    let kept = match app.history.len() {
        0 => "no runs yet".into(),
        runs => format!("{} (all models)", counted(runs, "run")),
    };
    facts.extend([("next run", next(app)), ("in history", kept)]);
    facts
}

/// The receptive field of a layer: the part of the picture that one of its positions depends on.
fn field(opened: &ModelInfo, layer: &str) -> Option<String> {
    let (_, height, width) = opened.input;
    let text = match *opened.fields.get(layer)? {
        ReceptiveField::Whole => "the whole image".into(),
        ReceptiveField::Pixels { rows, columns } => {
            let more = if rows >= height && columns >= width {
                ", the whole image"
            } else {
                ""
            };
            format!("{rows} × {columns} px{more}")
        }
    };
    Some(text)
}

/// The settings of the next run.
fn next(app: &App) -> String {
    let (preset, seed) = (app.next_run.title(), app.next_run.seed);
    let waiting = match app.queue.waiting() {
        0 => String::new(),
        jobs => format!(" · {jobs} waiting"),
    };
    format!("{preset} · seed {seed}{waiting}")
}
