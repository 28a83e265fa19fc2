//! The list of photos: predictions on the left, the selected photo on the right.

use super::Frame;
use super::panel::{list, overlaid, two};
use super::photo::{Below, pictured};
use crate::runs::format;
use crate::text::{clean, counted};
use crate::tui::album::{Member, PhotoPrediction};
use crate::tui::app::App;
use crate::tui::layout::photo::halves;
use crate::tui::text::{fit, fit_end, wrapped};
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

/// Columns of a probability, with the gap before it.
const VALUE: usize = 9;

/// Draws the list.
pub fn draw(app: &App, frame: &mut Frame) {
    let body = app.layout().body;
    let inner = overlaid(app, frame, body.width, body.height, &title(app));
    let (left, right) = halves(inner, inner.width * 3 / 5);
    let rows = Rect {
        height: left.height.saturating_sub(1),
        ..left
    };
    let album = &app.photos;
    if album.list.is_empty() {
        let text = format!("nothing matches “{}”", fit(album.search(), 40));
        Line::styled(text, app.theme.style(Role::Dim)).render(rows, frame.buffer);
    }
    list(app, frame, rows, &album.list, true, |index, width| {
        album
            .get(index)
            .map_or_else(Line::default, |photo| row(app, photo, width))
    });
    let foot = Rect::new(left.x, rows.bottom(), left.width, left.height.min(1));
    footer(app, left.width).render(foot, frame.buffer);
    if let Some(selected) = album.selected() {
        preview(app, frame, right, selected);
    }
}

fn title(app: &App) -> String {
    let album = &app.photos;
    let (examined, all) = (album.examined(), album.len());
    let examined = if examined == all {
        String::new()
    } else {
        format!(" · {examined} examined")
    };
    let photos = counted(all, "photo");
    format!("{photos}{examined} · sorted {}", album.order().title())
}

/// The search line and its cursor.
fn footer(app: &App, width: u16) -> Line<'static> {
    let album = &app.photos;
    let (at, all) = (album.list.cursor() + 1, album.list.len());
    let place = if all == 0 {
        String::new()
    } else {
        format!("{at}/{all}")
    };
    let search = match album.search() {
        "" => String::new(),
        search => format!("/{search}"),
    };
    let search = Span::styled(search, app.theme.style(Role::Match));
    two(
        search,
        Span::styled(place, app.theme.style(Role::Dim)),
        width.into(),
    )
}

/// A photo's name, its class, and the class's probability.
fn row(app: &App, photo: &Member, width: usize) -> Line<'static> {
    let style = |role| app.theme.style(role);
    let room = width.saturating_sub(VALUE + 1);
    let of_class = room / 2;
    let of_name = room - of_class;
    let is_asked = app
        .photos
        .asked
        .as_ref()
        .is_some_and(|asked| asked.photo == photo.path);
    let (class, value, role) = match &photo.seen {
        None if is_asked => ("examining …".into(), String::new(), Role::Dim),
        None => ("·".into(), String::new(), Role::Dim),
        Some(Err(_)) => ("cannot be read".into(), String::new(), Role::Bad),
        Some(Ok(PhotoPrediction { top: None, .. })) => {
            ("no class scores".into(), String::new(), Role::Dim)
        }
        Some(Ok(
            seen @ PhotoPrediction {
                top: Some((class, value)),
                ..
            },
        )) => {
            let value = if seen.has_probabilities {
                format::percent(*value)
            } else {
                format::score(*value)
            };
            (class.clone(), value, Role::Text)
        }
    };
    let name = padded(&fit_end(&photo.name(), of_name), of_name + 1);
    let class = padded(&fit(&class, of_class), of_class);
    Line::from(vec![
        Span::styled(name, style(Role::Text)),
        Span::styled(class, style(role)),
        Span::styled(format!("{value:>VALUE$}"), style(Role::Dim)),
    ])
}

/// A text padded with spaces to a width.
fn padded(text: &str, width: usize) -> String {
    let gap = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(gap))
}

/// Draws the selected photo and its classes, or the reason for their absence.
fn preview(app: &App, frame: &mut Frame, area: Rect, photo: &Member) {
    if let Some(Err(why)) = &photo.seen {
        let style = app.theme.style(Role::Bad);
        let text = clean(why);
        let lines = wrapped(&text, usize::from(area.width));
        for (y, line) in (area.y..area.bottom()).zip(lines) {
            Line::styled(line, style).render(Rect::new(area.x, y, area.width, 1), frame.buffer);
        }
        return;
    }
    let Some(opened) = app.model.opened() else {
        return;
    };
    match app.photos.recent(&photo.path) {
        Some(found) => {
            let below = Below {
                found,
                opened,
                mapped: None,
                is_awaited: false,
            };
            pictured(
                app,
                frame,
                area,
                &found.picture,
                below.lines(app, area.width),
            );
        }
        None => super::photo::dim(app, frame, area, "examining …"),
    }
}
