//! Which parts of a picture are printed as sixels where something that lay over it goes.
//!
//! Sixels come in bands of six pixels, and cells are seldom a multiple of that high: a part of a picture ends up to five
//! pixels above its last cell's end, where the cells' ground is seen. Beside what lies over the picture that cannot be
//! helped. When it goes, the rows above it are printed again with what it hid, from a row where a band begins.

use crate::terminal::placement::Area;

/// The areas to print so that no ground is seen in `missing`, nor where parts ended before. Nothing lies over `parts` of
/// `area` any more, and bands begin at every row that is a multiple of `step`, counted from the area's first row.
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
            // The row above may end in ground.
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

/// The rows of a column where it is seen, each run as long as it can be. Every part takes the width of the column, or none.
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
