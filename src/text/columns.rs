//! Text from files, of any length and content, in the columns of a terminal.

use super::clean;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Maximum bytes that are examined: no screen shows more.
const MAX_LENGTH: usize = 2000;

/// `text` in at most `width` columns; an ellipsis marks a cut end. Control characters are replaced.
pub fn fit(text: &str, width: usize) -> String {
    let text = visible_part(text, false);
    if text.width() <= width {
        return text;
    }
    let mut fitted = String::new();
    let mut used = 0;
    for part in text.graphemes(true) {
        let more = part.width();
        if used + more + 1 > width {
            break;
        }
        used += more;
        fitted.push_str(part);
    }
    if width > 0 {
        fitted.push('…');
    }
    fitted
}

/// As [`fit`], but keeps the end, which matters more in a path.
pub fn fit_end(text: &str, width: usize) -> String {
    let text = visible_part(text, true);
    if text.width() <= width {
        return text;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut used = 0;
    for part in text.graphemes(true).rev() {
        let more = part.width();
        if used + more + 1 > width {
            break;
        }
        used += more;
        kept.push(part);
    }
    kept.extend((width > 0).then_some("…"));
    kept.into_iter().rev().collect()
}

/// A path in at most `width` columns: leading folders are omitted first; of a long name, the end is kept.
pub fn fit_path(text: &str, width: usize) -> String {
    let text = visible_part(text, true);
    if text.width() <= width {
        return text;
    }
    let ends = text.match_indices('/').map(|(at, _)| &text[at..]);
    let is_name = |end: &&str| end.len() > 1;
    let mut fitting = ends.filter(is_name).filter(|end| end.width() < width);
    match fitting.next() {
        Some(end) => format!("…{end}"),
        None => fit_end(&text, width),
    }
}

/// The start or the end of a text, as much as any screen shows, without unsafe characters.
pub(crate) fn visible_part(text: &str, end: bool) -> String {
    let mut range = match (text.len() > MAX_LENGTH, end) {
        (false, _) => 0..text.len(),
        (true, false) => 0..MAX_LENGTH,
        (true, true) => text.len() - MAX_LENGTH..text.len(),
    };
    while !text.is_char_boundary(range.end) {
        range.end -= 1;
    }
    while !text.is_char_boundary(range.start) {
        range.start += 1;
    }
    clean(&text[range])
}
