//! Which parts of a picture are printed again as sixels when something that covered it disappears.
//!
//! Sixels come in bands of six pixels, and cells are seldom a multiple of that high: a part of a picture ends up
//! to five pixels above its last cell's end, where the background shows. Beside a covered area that cannot be
//! avoided. When the cover disappears, the rows above are printed again with the hidden part, from a row where a
//! band begins.

use crate::terminal::placement::Area;

/// The areas to print so that no background shows in `missing`, nor where parts ended before. `parts` of `area`
/// are uncovered; bands begin at every multiple of `step` rows from the top of the area.
pub fn strips(missing: &[Area], parts: &[Area], area: Area, step: u16) -> Vec<Area> {
    let sides = missing.iter().chain(parts);
    let mut columns: Vec<u16> = sides
        .flat_map(|side| [side.x, side.x + side.width])
        .collect();
    columns.sort_unstable();
    columns.dedup();
    let mut strips: Vec<Area> = Vec::new();
    for pair in columns.windows(2) {
        let column = Area {
            x: pair[0],
            width: pair[1] - pair[0],
            ..area
        };
        for run in runs(column, parts) {
            let bare = missing.iter().map(|missing| missing.shared(run));
            let bare = bare.filter(|bare| !bare.is_empty());
            let Some(first) = bare.map(|bare| bare.y).min() else {
                continue;
            };
            // The row above may end in background.
            let above = first.saturating_sub(1).max(run.y);
            let band = above - (above - area.y) % step.max(1);
            let y = band.max(run.y);
            let height = run.y + run.height - y;
            let beside = strips
                .iter_mut()
                .find(|strip| (strip.x + strip.width, strip.y, strip.height) == (run.x, y, height));
            match beside {
                Some(strip) => strip.width += run.width,
                None => strips.push(Area { y, height, ..run }),
            }
        }
    }
    strips
}

/// The visible rows of a column, merged into runs. Every part spans the column's width or does not touch it.
fn runs(column: Area, parts: &[Area]) -> Vec<Area> {
    let seen = parts.iter().map(|part| part.shared(column));
    let mut seen: Vec<Area> = seen.filter(|part| !part.is_empty()).collect();
    seen.sort_unstable_by_key(|part| part.y);
    let mut runs: Vec<Area> = Vec::new();
    for part in seen {
        match runs.last_mut() {
            Some(run) if run.y + run.height == part.y => run.height += part.height,
            _ => runs.push(part),
        }
    }
    runs
}
