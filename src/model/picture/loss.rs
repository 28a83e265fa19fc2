//! Detects how much of a truncated or damaged picture file is readable. Decoders fill missing parts of JPEG files with
//! grey, and for other formats fail without telling the readable part.
//!
//! - JPEG: a file without an end marker, or whose last rows look like the fill of a decoder, is decoded again with
//!   noise
//!   inserted at the end of its data. Rows that do not change were present.
//! - PNG: rows are read until one is missing.
//! - WebP: chunks declare their length.

use image::{DynamicImage, ImageFormat};
use std::io::Cursor;

/// The fill colour of decoders for missing data.
const GREY: u8 = 128;

/// Length of the inserted noise, and of the data that it replaces.
const NOISE: usize = 4096;
const REPLACED: usize = 64;

/// Maximum height of a JPEG block row.
const MAX_BLOCK: usize = 16;

const BEFORE: &str = "the file ends early, before its picture";

/// The decoder for a damaged file.
type Decode<'a> = &'a dyn Fn(&[u8]) -> Option<DynamicImage>;

/// The readable part of an incomplete file, as the end of a sentence; `None` if it is complete. `decoded` is the result
/// of the decoder, which may include filled parts; `None` if it failed.
pub fn describe(
    bytes: &[u8],
    format: ImageFormat,
    decoded: Option<&DynamicImage>,
    decode: Decode<'_>,
) -> Option<String> {
    match format {
        ImageFormat::Jpeg => jpeg(bytes, decoded, decode),
        ImageFormat::Png if decoded.is_none() => png(bytes),
        ImageFormat::WebP => webp(bytes, decoded.is_none()),
        _ => None,
    }
}

fn rows(read: u32, height: u32) -> String {
    format!("{read} of {height} rows could be read")
}

/// The markers of a JPEG file.
#[derive(Debug, Default, PartialEq)]
struct Markers {
    /// The end of the picture data: the end marker, or the end of the file.
    end: usize,
    is_complete: bool,
    is_progressive: bool,
    /// Number of scans.
    scans: usize,
    /// Whether a header is truncated.
    is_in_header: bool,
}

impl Markers {
    fn new(bytes: &[u8]) -> Self {
        // A file that was preallocated before its data arrived.
        let last = bytes.iter().rposition(|&byte| !matches!(byte, 0 | 0xff));
        let filled = last.map_or(0, |last| last + 1);
        let mut found = Self {
            end: filled,
            ..Self::default()
        };
        let mut at = 2;
        while let Some(next) = bytes[..filled]
            .get(at..)
            .and_then(|rest| rest.windows(2).position(is_marker))
        {
            at += next;
            match bytes[at + 1] {
                0xd9 => {
                    return Self {
                        end: at,
                        is_complete: true,
                        ..found
                    };
                }
                0xd0..=0xd7 | 0x01 => at += 2,
                code => {
                    found.is_progressive |= code == 0xc2;
                    found.scans += usize::from(code == 0xda);
                    let length = bytes[at..].get(2..4).map_or(0, |length| {
                        usize::from(u16::from_be_bytes([length[0], length[1]]))
                    });
                    at += 2 + length;
                }
            }
        }
        found.is_in_header = at > filled;
        found
    }
}

fn is_marker(pair: &[u8]) -> bool {
    pair[0] == 0xff && !matches!(pair[1], 0 | 0xff)
}

fn jpeg(bytes: &[u8], decoded: Option<&DynamicImage>, decode: Decode<'_>) -> Option<String> {
    let markers = Markers::new(bytes);
    if markers.is_complete && !decoded.is_some_and(looks_made_up) {
        return None;
    }
    let data = &bytes[..markers.end];
    let Some(first) = decode(&[data, b"\xff\xd9"].concat()) else {
        return (!markers.is_complete).then(|| BEFORE.into());
    };
    let noisy = decode(&[data, &noise(NOISE), b"\xff\xd9"].concat());
    let read = noisy.map_or(0, |noisy| equal_rows(&first, &noisy));
    // The number of passes of a progressive file is unknown.
    let is_cut = !markers.is_complete && (markers.is_in_header || markers.is_progressive);
    if read < first.height() || is_cut {
        return Some(if markers.is_progressive || is_cut {
            format!(
                "the file ends early: {} of its passes could be read, each of which makes the picture finer",
                markers.scans.saturating_sub(1)
            )
        } else {
            format!("the file ends early: {}", rows(read, first.height()))
        });
    }
    // Noise after the readable data has no effect. If other data have no effect either, the decoder stopped before.
    let kept = data.len().saturating_sub(REPLACED);
    let other = decode(&[&data[..kept], &noise(REPLACED), b"\xff\xd9"].concat())?;
    let gave_up = ends_grey(&first) && equal_rows(&first, &other) == first.height();
    gave_up.then(|| {
        format!(
            "the picture is damaged: {}",
            rows(read_before_grey(&first), first.height())
        )
    })
}

/// Noise without markers, which no decoder mistakes for picture data.
fn noise(count: usize) -> Vec<u8> {
    let byte = |place: u32| (place.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x7f;
    (1..=count as u32).map(byte).collect()
}

/// Bytes in a row of a picture.
fn stride(picture: &DynamicImage) -> usize {
    (picture.width() as usize * usize::from(picture.color().bytes_per_pixel())).max(1)
}

/// Number of equal rows of two pictures, from the top.
fn equal_rows(one: &DynamicImage, other: &DynamicImage) -> u32 {
    let (these, those) = (
        one.as_bytes().chunks(stride(one)),
        other.as_bytes().chunks(stride(other)),
    );
    these
        .zip(those)
        .take_while(|(this, that)| this == that)
        .count() as u32
}

/// Whether the last rows are grey or repeat the rows before them, as decoders replace missing bits by zeros.
fn looks_made_up(picture: &DynamicImage) -> bool {
    let mut rows = picture.as_bytes().chunks(stride(picture)).rev();
    let last = rows.next();
    let repeats = rows.nth(MAX_BLOCK - 1).is_none_or(|row| Some(row) == last);
    repeats || ends_grey(picture)
}

fn ends_grey(picture: &DynamicImage) -> bool {
    read_before_grey(picture) < picture.height()
}

/// Number of rows before those that only have the fill colour.
fn read_before_grey(picture: &DynamicImage) -> u32 {
    let rows = picture.as_bytes().chunks(stride(picture));
    let grey = rows
        .rev()
        .take_while(|row| row.iter().all(|&byte| byte == GREY));
    picture.height().saturating_sub(grey.count() as u32)
}

fn png(bytes: &[u8]) -> Option<String> {
    let limits = png::Limits {
        bytes: super::MAX_ALLOC as usize,
    };
    let is_end = |problem: &png::DecodingError| matches!(problem, png::DecodingError::IoError(_));
    let reader = png::Decoder::new_with_limits(Cursor::new(bytes), limits).read_info();
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(problem) => return is_end(&problem).then(|| BEFORE.into()),
    };
    let height = reader.info().height;
    let is_interlaced = reader.info().interlaced;
    let mut read = 0;
    let problem = loop {
        match reader.next_row() {
            Ok(Some(_)) => read += 1,
            Ok(None) => return None,
            Err(problem) => break problem,
        }
    };
    let what = if is_end(&problem) {
        "the file ends early"
    } else {
        "the picture is damaged"
    };
    if is_interlaced {
        Some(format!("{what}: of its seven passes not all could be read"))
    } else {
        Some(format!("{what}: {}", rows(read, height)))
    }
}

/// Length of the header of a WebP file, and of each chunk.
const RIFF: usize = 12;
const CHUNK: usize = 8;

fn webp(bytes: &[u8], failed: bool) -> Option<String> {
    let length = |at: usize| {
        let length = bytes.get(at + 4..at + 8)?.try_into().ok()?;
        Some(u32::from_le_bytes(length) as usize)
    };
    let mut at = RIFF;
    let is_here = loop {
        let (Some(name), Some(length)) = (bytes.get(at..at + 4), length(at)) else {
            break false;
        };
        let end = at + CHUNK + length;
        if matches!(name, b"VP8 " | b"VP8L" | b"ANMF") {
            break end <= bytes.len();
        }
        at = end + length % 2;
    };
    // Its header declares the length.
    let all = length(0).map_or(0, |length| length + CHUNK);
    let is_early = bytes.len() < all && (failed || !is_here);
    is_early.then(|| {
        format!(
            "the file ends early: {} of {all} bytes are there",
            bytes.len()
        )
    })
}

#[cfg(test)]
mod tests;
