//! iTerm2's inline files: a PNG or JPEG at the cursor, scaled by the terminal to an area of cells.

use crate::terminal::Area;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The sequence that shows a file.
pub fn show(file: &[u8], area: Area) -> Vec<u8> {
    let Area { width, height, .. } = area;
    let size = file.len();
    let keys = format!(
        "inline=1;size={size};width={width};height={height};preserveAspectRatio=0;doNotMoveCursor=1"
    );
    format!("\x1b]1337;File={keys}:{}\x07", BASE64_STANDARD.encode(file)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complete_file_is_sent_with_its_size_in_cells() {
        let area = Area {
            x: 0,
            y: 0,
            width: 12,
            height: 6,
        };
        let text = String::from_utf8(show(b"picture", area)).unwrap();
        let (keys, file) = text.split_once(':').unwrap();
        assert!(keys.contains("size=7;width=12;height=6;"), "{keys}");
        assert_eq!(
            BASE64_STANDARD
                .decode(file.trim_end_matches('\x07'))
                .unwrap(),
            b"picture"
        );
    }
}
