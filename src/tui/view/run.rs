//! The active run: progress, score curve, and top classes of the current picture.

use super::Frame;
use super::chart::{curve, top_classes};
use super::panel::{TITLE_MARGIN, bordered, two};
use super::subject;
use crate::runs::format;
use crate::text::duration;
use crate::tui::active_run;
use crate::tui::active_run::ActiveRun;
use crate::tui::app::App;
use crate::tui::showing::Showing;
use crate::tui::text::{fit, fitted, p};
use crate::tui::theme::Role;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Span;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    // The panel describes the shown picture.
    let live = match app.shown {
        Showing::Finished(_) => None,
        _ => app.watched().or(app.running.first()),
    };
    let room = usize::from(area.width).saturating_sub(TITLE_MARGIN);
    let shown = live.and_then(|live| Some((live, app.queue.get(live.job)?)));
    let title = shown.map(|(live, job)| {
        let batch = app.running.iter();
        let together = match batch.filter(|other| other.batch == live.batch).count() {
            0 | 1 => String::new(),
            runs => format!("batch of {runs}"),
        };
        let model = if app.is_of_other_model(&job.spec.model_hash) {
            format::model(&job.spec.model).to_string()
        } else {
            String::new()
        };
        let target = fit(&job.spec.target, 40);
        fitted(&[(2, target), (1, model), (0, together)], room)
    });
    let title = title.unwrap_or_else(|| subject::title(app));
    let inner = bordered(app, frame, area, &title, false);
    match live {
        Some(live) => active_run(app, frame, inner, live),
        None => subject::draw(app, frame, inner),
    }
}

fn active_run(app: &App, frame: &mut Frame, area: Rect, live: &ActiveRun) {
    let [progress, rest] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(area);
    self::progress(app, frame, progress, live);
    let wide = rest.width >= 56;
    let top_width = match (live.top.is_empty(), wide) {
        (true, _) => 0,
        (false, true) => 26,
        (false, false) => rest.width * 2 / 5,
    };
    let (chart, top) = if rest.height >= 14 && !wide && !live.top.is_empty() {
        let [chart, top] =
            Layout::vertical([Constraint::Min(6), Constraint::Length(6)]).areas(rest);
        (chart, top)
    } else {
        let [chart, top] =
            Layout::horizontal([Constraint::Min(0), Constraint::Length(top_width)]).areas(rest);
        (chart, top)
    };
    curve(app, frame, chart, &live.curve, &live.octaves);
    let spec = app.queue.get(live.job).map(|job| &job.spec);
    if let Some(spec) = spec {
        top_classes(app, frame, top, spec, &live.top);
    }
}

fn progress(app: &App, frame: &mut Frame, area: Rect, live: &ActiveRun) {
    let width = usize::from(area.width);
    let share = active_run::share(live);
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
    // Beside the duration if there is space; the word is cut first.
    let least = pace(app, live, 0).width() + 2;
    let texts = ["score ", ""].map(|word| format!("{steps} · {word}{score}{probability}"));
    let [full, short] = texts;
    let text = if full.width() + least <= width {
        full
    } else {
        short
    };
    let text = Span::styled(text, app.theme.style(Role::Text));
    let pace = pace(app, live, width.saturating_sub(text.width() + 2));
    let line = two(text, Span::styled(pace, app.theme.style(Role::Dim)), width);
    line.render(Rect::new(area.x, area.y + 1, area.width, 1), frame.buffer);
}

/// Speed and remaining time, as far as there is space.
fn pace(app: &App, live: &ActiveRun, room: usize) -> String {
    if app.paused {
        return "paused".into();
    }
    let Some(seconds) = active_run::seconds_left(live) else {
        return String::new();
    };
    let left = format!("{} left", duration(seconds));
    let pace = live.steps_per_second;
    let ways = [" steps/s", "/s"].map(|unit| format!("{pace:.1}{unit} · {left}"));
    let fitting = ways.into_iter().find(|way| way.chars().count() <= room);
    fitting.unwrap_or(left)
}
