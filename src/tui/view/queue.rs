//! The queue: active, waiting and failed runs.

use super::Frame;
use super::panel::{bordered, list, noted};
use crate::runs::format;
use crate::runs::queue::{Job, JobState};
use crate::text::without_subject;
use crate::tui::active_run;
use crate::tui::app::{App, Panel};
use crate::tui::list_state::ListState;
use crate::tui::text::{fit, fit_path};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Draws the panel.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let focused = app.focus == Panel::Queue && app.popups.is_empty();
    let jobs = app.queue.jobs();
    let title = match jobs.len() {
        0 => "queue".to_string(),
        runs => format!("queue · {runs}"),
    };
    let inner = bordered(app, frame, area, &title, focused);
    let listing = ListState::around(
        app.queue.jobs().len(),
        app.queue_cursor,
        inner.height.into(),
    );
    list(app, frame, inner, &listing, focused, |index, width| {
        row(app, &jobs[index], width)
    });
}

fn row(app: &App, job: &Job, width: usize) -> Line<'static> {
    let (role, state) = match &job.state {
        JobState::Running => {
            let live = app.running.iter().find(|live| live.job == job.id);
            let share = live.map_or(0.0, active_run::share);
            (Role::Good, format!("{:.0} % done", 100.0 * share))
        }
        JobState::Waiting => (Role::Dim, format!("seed {}", job.spec.seed)),
        JobState::Paused(step) => (Role::Warning, format!("paused at {step}")),
        JobState::Failed(why) => (
            Role::Bad,
            fit(without_subject(&job.spec.target, why), width / 2),
        ),
    };
    let room = width.saturating_sub(state.len() + 1);
    let name = match job.spec.objective.kind {
        crate::ascent::Kind::Class | crate::ascent::Kind::NotClass => fit(&job.spec.target, room),
        _ => fit_path(&job.spec.target, room),
    };
    let is_other = app.is_of_other_model(&job.spec.model_hash);
    let model = is_other.then(|| format!("{} ", format::model(&job.spec.model)));
    let from = job.spec.branched_from();
    let from = from.map_or_else(String::new, |from| format!("{from} "));
    let model = model.unwrap_or_default();
    let note = format!("{model}{from}{}", job.spec.changes());
    let right = Span::styled(state, app.theme.style(role));
    noted(app, (&name, note.trim_end()), right, width)
}
