//! Reads text files beside models (cards, lists of class names, configurations) in any common encoding and with any
//! line endings.

use super::Error;
use encoding_rs::{Encoding, WINDOWS_1252};
use std::io::Read;
use std::path::Path;

/// Reads a text file of at most `most` bytes, regardless of the reported file size. `what` names its kind in errors.
///
/// # Errors
/// [`Error::File`] if it cannot be read, [`Error::TooLarge`].
pub(super) fn read(path: &Path, what: &'static str, most: u64) -> Result<String, Error> {
    let file = crate::files::open(path).map_err(Error::file(path))?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::file(path))?;
    if bytes.len() as u64 > most {
        let bytes = std::fs::metadata(path).map_or(most + 1, |data| data.len());
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            what,
            bytes,
            most,
        });
    }
    Ok(with_line_feeds(decode(bytes)))
}

/// Converts all line endings to line feeds, including those of classic Mac OS.
fn with_line_feeds(text: String) -> String {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    }
}

/// Decodes by byte order mark, otherwise as UTF-8, otherwise as Windows-1252, a superset of Latin-1.
fn decode(bytes: Vec<u8>) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        return encoding
            .decode_without_bom_handling(&bytes[mark..])
            .0
            .into();
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| WINDOWS_1252.decode(error.as_bytes()).0.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_end_as_in_any_editor() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["a\n\nb\n", "a\r\n\r\nb\r\n", "a\r\rb\r"] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(read(file.path(), "a test", 99).unwrap(), "a\n\nb\n");
        }
    }

    #[test]
    fn the_encoding_is_detected() {
        let text = "Kärpfen\nœuf";
        let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units.flat_map(order).collect()
        };
        let with_mark = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        for bytes in [
            text.into(),
            with_mark,
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
            b"K\xe4rpfen\n\x9cuf".to_vec(),
        ] {
            assert_eq!(decode(bytes), text);
        }
        assert_eq!(decode(Vec::new()), "");
        assert_eq!(decode(b"\xff\xfe\x00".to_vec()), "\u{fffd}");
    }
}
