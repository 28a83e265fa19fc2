//! The browser: tabs, the current list, and a line about the selection.

use super::panel::{bordered, list, noted, two};
use super::{Frame, grid};
use crate::ascent::settings::PRESETS;
use crate::autodiff::differentiability::Differentiability;
use crate::model::Layer;
use crate::runs::format;
use crate::runs::history::{HistoryEntry, SortKey};
use crate::runs::target::{LayerPart, Target};
use crate::runs::worker::ModelInfo;
use crate::text::{age, duration};
use crate::tui::app::{App, Panel};
use crate::tui::browser::Tab;
use crate::tui::command::Command;
use crate::tui::layer_tree::Row;
use crate::tui::layout::ScreenLayout;
use crate::tui::opening::Model;
use crate::tui::text::{count, fit, fit_path, fitted, p};
use crate::tui::theme::Role;
use crate::tui::update::seconds_left;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use unicode_width::UnicodeWidthStr;

/// Draws the browser.
pub fn draw(app: &App, frame: &mut Frame, layout: &ScreenLayout) {
    let focused = app.focus == Panel::Browser && app.popups.is_empty();
    bordered(app, frame, layout.browser, "", focused);
    tabs(app, frame, layout);
    grid_title(app, frame, layout);
    let area = layout.list;
    if area.is_empty() {
        return;
    }
    let browser = &app.browser;
    match (browser.tab, &app.model) {
        (Tab::Layers | Tab::Classes, Model::Opening { .. }) => {
            note(app, frame, area, "The model is being opened.");
        }
        (Tab::Layers | Tab::Classes, Model::Failed { .. }) => {
            let key = app.key(Command::OpenModel);
            let text = format!("No model is open. Press {key} to open one.");
            note(app, frame, area, &text);
        }
        (Tab::Layers, Model::Open(_)) if browser.channels.is_some() => {
            grid::draw(app, frame, area, focused);
        }
        (Tab::Layers, Model::Open(opened)) => {
            list(app, frame, area, &browser.layers, focused, |item, width| {
                layer_row(app, opened, browser.tree.row(item), width)
            });
        }
        _ if app.is_grid() => grid::draw(app, frame, area, focused),
        (Tab::Classes, Model::Open(opened)) => {
            list(
                app,
                frame,
                area,
                &browser.classes,
                focused,
                |class, width| class_row(app, opened, class, width),
            );
        }
        (Tab::History | Tab::Favourites, _) => {
            let now = format::unix_now();
            list(app, frame, area, browser.list(), focused, |index, width| {
                let neighbours = neighbours(app, index);
                entry_row(app, app.history.get(index), &neighbours, now, width)
            });
        }
    }
    if browser.list().is_empty() && app.model.opened().is_some() {
        note(app, frame, area, &nothing(app));
    }
    footer(app, frame, layout);
}

fn nothing(app: &App) -> String {
    match (app.browser.search(), app.browser.tab) {
        ("", Tab::History) if !app.history.complete => "reading …".into(),
        ("", Tab::History) => "No finished runs yet.".into(),
        ("", Tab::Favourites) => format!(
            "No favourites yet. Press {} to make the shown run one.",
            app.key(Command::Favourite)
        ),
        ("", _) => "nothing".into(),
        (search, _) => format!("nothing matches “{}”", fit(search, 40)),
    }
}

fn note(app: &App, frame: &mut Frame, area: Rect, text: &str) {
    let inner = Rect::new(
        area.x + 1,
        area.y,
        area.width.saturating_sub(2),
        area.height,
    );
    Paragraph::new(text.to_string())
        .style(app.theme.style(Role::Dim))
        .wrap(Wrap { trim: true })
        .render(inner, frame.buffer);
}

fn tabs(app: &App, frame: &mut Frame, layout: &ScreenLayout) {
    for (tab, place) in layout.tabs() {
        let role = if tab == app.browser.tab {
            Role::TabSelected
        } else {
            Role::Tab
        };
        let room = layout.browser.width.saturating_sub(2);
        let text = format!(" {} ", tab.title_within(room));
        frame.buffer.set_stringn(
            place.x,
            place.y,
            text,
            usize::from(place.width),
            app.theme.style(role),
        );
    }
}

/// Minimum number of columns for a title beside the tabs.
const MIN_TITLE: u16 = 12;

/// The layer of a grid of channels and its number of channels, at the right end of the upper border where the tabs
/// leave space.
fn grid_title(app: &App, frame: &mut Frame, layout: &ScreenLayout) {
    let (Some(opened), Some(channels)) = (app.model.opened(), &app.browser.channels) else {
        return;
    };
    if app.browser.tab != Tab::Layers {
        return;
    }
    let tabs = layout.tabs().map(|(_, place)| place.right());
    let first = tabs.into_iter().max().unwrap_or(0) + 1;
    let room = layout.browser.right().saturating_sub(first + 2);
    if room < MIN_TITLE {
        return;
    }
    let layer = &opened.layers[channels.layer];
    let room = usize::from(room) - 2;
    let name = fit_path(&layer.name, room);
    let count = format!("{} channels", layer.channels());
    let text = format!(" {} ", fitted(&[(1, name), (0, count)], room));
    let x = layout.browser.right() - 2 - text.width() as u16;
    let style = app.theme.style(Role::Title);
    frame.buffer.set_string(x, layout.browser.y, text, style);
}

/// The line below the list: the search, or a description of the selection.
fn footer(app: &App, frame: &mut Frame, layout: &ScreenLayout) {
    let area = Rect::new(layout.list.x, layout.list.bottom(), layout.list.width, 1);
    let width = usize::from(area.width);
    let browser = &app.browser;
    let listing = browser.list();
    let under_way = match (app.is_grid(), app.running.len(), app.queue.waiting()) {
        (false, ..) | (_, 0, 0) => String::new(),
        (true, running, waiting) => {
            let left = if app.paused {
                "paused · ".into()
            } else {
                seconds_left(app).map_or_else(String::new, |left| {
                    format!("about {} left · ", duration(left))
                })
            };
            format!("{running} running, {waiting} waiting · {left}")
        }
    };
    let place = match (listing.mark_count(), listing.len()) {
        (_, 0) => String::new(),
        (0, all) => format!("{under_way}{}/{all}", listing.cursor() + 1),
        (marked, all) => format!(
            "{under_way}{marked} marked · {}/{all}",
            listing.cursor() + 1
        ),
    };
    let search = browser.search();
    let left = if search.is_empty() || browser.is_grid() {
        Span::styled(about(app).unwrap_or_default(), app.theme.style(Role::Dim))
    } else {
        Span::styled(format!("/{search}"), app.theme.style(Role::Match))
    };
    two(left, Span::styled(place, app.theme.style(Role::Dim)), width).render(area, frame.buffer);
}

/// A short description of the selection.
fn about(app: &App) -> Option<String> {
    let opened = app.model.opened()?;
    let item = app.browser.list().selected()?;
    match (app.browser.tab, &app.browser.channels) {
        (Tab::Layers, Some(channels)) => {
            Some(fit_path(&opened.layers[channels.layer].name, 60) + &format!(":{item}"))
        }
        (Tab::Layers, None) => match app.browser.tree.row(item) {
            Row::Scope(scope) => Some(format!("{} layers", app.browser.tree.scope(scope).layers)),
            Row::Layer(layer) => {
                let layer = &opened.layers[layer];
                match &layer.differentiability {
                    Differentiability::Differentiable if layer.parameters > 0 => {
                        Some(format!("{} parameters", count(layer.parameters)))
                    }
                    Differentiability::Differentiable => Some(layer.op.clone()),
                    why => Some(why.to_string()),
                }
            }
        },
        (Tab::Classes, _) => Some(format!("class {item}")),
        (Tab::History | Tab::Favourites, _) => {
            let scope = if app.history.this_model {
                "this model"
            } else {
                "all models"
            };
            Some(format!("{scope} · {}", app.history.get(item).model))
        }
    }
}

fn layer_row(app: &App, opened: &ModelInfo, row: Row, width: usize) -> Line<'static> {
    let tree = &app.browser.tree;
    let searching = app.browser.is_searching_layers();
    let indent = if searching { 0 } else { tree.depth(row) * 2 };
    let dim = app.theme.style(Role::Dim);
    match row {
        Row::Scope(scope) => {
            let open = app.browser.open.contains(&scope);
            let arrow = if open { "▾" } else { "▸" };
            let info = tree.scope(scope);
            let left = format!("{}{arrow} {}", " ".repeat(indent), info.label);
            let last = &opened.layers[info.last];
            two(
                Span::styled(left, app.theme.style(Role::Text)),
                Span::styled(shape(last), dim),
                width,
            )
        }
        Row::Layer(index) => {
            let layer = &opened.layers[index];
            let name = if searching {
                layer.name.as_str()
            } else {
                tree.label(index)
            };
            let role = match layer.differentiability {
                Differentiability::Differentiable => Role::Text,
                _ => Role::Bad,
            };
            let seen = Target::of_layer(layer, LayerPart::Whole)
                .ok()
                .and_then(|target| app.history.of_target(&opened.hash, &target))
                .is_some();
            let has_map = app.next_run.settings.mask_layer == layer.name;
            let marks = format!(
                "{}{}{}",
                shape(layer),
                if has_map { " map" } else { "" },
                if seen { " ◆" } else { "" }
            );
            let right = if layer.op.len() + marks.width() + 13 > width {
                marks
            } else {
                format!("{} {marks}", layer.op)
            };
            let room = width.saturating_sub(right.width() + 1 + indent);
            let name = fit_path(name, room);
            two(
                Span::styled(
                    format!("{}{name}", " ".repeat(indent)),
                    app.theme.style(role),
                ),
                Span::styled(right, dim),
                width,
            )
        }
    }
}

/// Channels of a layer, and their rows and columns.
fn shape(layer: &Layer) -> String {
    let channels = layer.channels();
    match layer.plane() {
        Some((rows, columns)) => format!("{channels}×{rows}×{columns}"),
        None => channels.to_string(),
    }
}

fn class_row(app: &App, opened: &ModelInfo, class: usize, width: usize) -> Line<'static> {
    let name = opened.classes.name(class).unwrap_or_default();
    let target = opened.scope().class(class).ok();
    let entry = target.and_then(|target| app.history.of_target(&opened.hash, &target));
    let right = match entry {
        Some(HistoryEntry {
            probability: Some(probability),
            ..
        }) => format!("{} ◆", p(*probability)),
        Some(_) => "◆".into(),
        None => class.to_string(),
    };
    let role = if entry.is_some() {
        Role::Good
    } else {
        Role::Dim
    };
    two(
        Span::styled(name.to_string(), app.theme.style(Role::Text)),
        Span::styled(right, app.theme.style(role)),
        width,
    )
}

/// The runs of the same target in the rows above and below.
fn neighbours(app: &App, index: usize) -> Vec<&HistoryEntry> {
    let list = app.browser.list();
    // Only visible rows are drawn: the row is near.
    let rows = &list.rows()[list.offset().saturating_sub(1)..];
    let Some(at) = rows.iter().position(|row| *row == index) else {
        return Vec::new();
    };
    let target = &app.history.get(index).target;
    [at.checked_sub(1), Some(at + 1)]
        .into_iter()
        .filter_map(|row| rows.get(row?))
        .map(|row| app.history.get(*row))
        .filter(|entry| entry.target == *target)
        .collect()
}

fn entry_row(
    app: &App,
    entry: &HistoryEntry,
    neighbours: &[&HistoryEntry],
    now: u64,
    width: usize,
) -> Line<'static> {
    let star = if entry.favourite { "★ " } else { "" };
    let score = match (app.history.order.key, entry.probability) {
        (SortKey::Judge, _) => match entry.judged() {
            Some(judged) => format!("judge {}", format::percent(judged)),
            None => "not judged".into(),
        },
        (_, Some(probability)) => p(probability),
        (_, None) => format::score(entry.score),
    };
    let right = if width > 44 {
        format!("{score:>8}  {:>10}", age(entry.time, now))
    } else {
        score
    };
    let star_width = if entry.favourite { 2 } else { 0 };
    // The preset stays even if the name is cut for it.
    let (preset, beyond) = entry.changes.based();
    let preset = if preset == PRESETS[0].name {
        String::new()
    } else {
        format!("{preset} ")
    };
    let mark = if preset.is_empty() {
        0
    } else {
        preset.width() + 1
    };
    let room = width.saturating_sub(right.width() + 1 + star_width + mark);
    let name = match entry.kind() {
        crate::ascent::Kind::Class | crate::ascent::Kind::NotClass => fit(&entry.target, room),
        _ => fit_path(&entry.target, room),
    };
    let differing = |test: &dyn Fn(&HistoryEntry) -> bool| {
        let others = neighbours.iter().filter(|other| test(other));
        others.count()
    };
    // Each part with the number of neighbours that differ in it.
    let mut parts: Vec<(usize, String)> = Vec::new();
    if entry.seed != 0 {
        let others = differing(&|other| other.seed != entry.seed);
        parts.push((others, format!("seed {}", entry.seed)));
    }
    let model = if app.is_of_other_model(&entry.model_hash) {
        format!("{} ", format::model(&entry.model))
    } else {
        String::new()
    };
    let from = entry.branched_from.as_ref();
    let from = from.map_or_else(String::new, |from| format!("{from} "));
    for (key, value) in beyond.iter() {
        let others = differing(&|other| other.changes.get(key) != Some(value));
        parts.push((others, format!("{key}={value}")));
    }
    // In a narrow list the end is cut: what distinguishes a run of a sweep from the rows beside it comes first.
    let length: usize = parts.iter().map(|(_, part)| part.width() + 1).sum();
    if !neighbours.is_empty() && name.width() + 1 + length > room {
        parts.sort_by_key(|(others, _)| std::cmp::Reverse(*others));
    }
    let parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
    let note = format!("{preset}{model}{from}{}", parts.join(" "));
    let right = Span::styled(right, app.theme.style(Role::Dim));
    let mut line = noted(
        app,
        (&name, note.trim_end()),
        right,
        width.saturating_sub(star_width),
    );
    line.spans
        .insert(0, Span::styled(star, app.theme.style(Role::Favourite)));
    line
}
