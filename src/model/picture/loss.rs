//! What is lacking in the file of a picture. Decoders fill in grey for what a JPEG file lacks, and of other formats give up
//! without a word on how far they came.
//!
//! - JPEG: a file that ends without an end marker, or whose last rows look like what a decoder makes of nothing, is decoded
//!   again with noise put in where its data ends. Rows that come out the same were there.
//! - PNG: row after row is read until there is no other.
//! - WebP: its chunks say how long they are.

use image::{DynamicImage, ImageFormat};
use std::io::Cursor;

/// What decoders fill in for what they lack.
const GREY: u8 = 128;

/// How much noise is put in, and of how much it takes the place.
const NOISE: usize = 4096;
const REPLACED: usize = 64;

/// Most rows of a JPEG file's blocks.
const LARGEST_BLOCK: usize = 16;

const BEFORE: &str = "the file ends early, before its picture";

/// What a damaged file is decoded with.
type Decode<'a> = &'a dyn Fn(&[u8]) -> Option<DynamicImage>;

/// What could be read of a file, if that is less than all of its picture: the end of a sentence. `decoded` is what a decoder
/// made of it, which may be more than was there; `None` if it gave up.
pub fn of(
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
    /// Where the picture's data ends: at the end marker, or where the file has no more.
    end: usize,
    is_complete: bool,
    is_progressive: bool,
    /// How many scans begin.
    scans: usize,
    /// Whether a header ends early.
    is_in_header: bool,
}

impl Markers {
    fn of(bytes: &[u8]) -> Self {
        // A file that was made as long as it should become before its data came.
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
    let markers = Markers::of(bytes);
    if markers.is_complete && !decoded.is_some_and(looks_made_up) {
        return None;
    }
    let data = &bytes[..markers.end];
    let Some(first) = decode(&[data, b"\xff\xd9"].concat()) else {
        return (!markers.is_complete).then(|| BEFORE.into());
    };
    let noisy = decode(&[data, &noise(NOISE), b"\xff\xd9"].concat());
    let read = noisy.map_or(0, |noisy| equal_rows(&first, &noisy));
    // Of a progressive file nobody knows whether another pass was to come.
    let is_cut = !markers.is_complete && (markers.is_in_header || markers.is_progressive);
    if read < first.height() || is_cut {
        return Some(match markers.is_progressive || is_cut {
            true => format!(
                "the file ends early: {} of its passes could be read, each of which makes the picture finer",
                markers.scans.saturating_sub(1)
            ),
            false => format!("the file ends early: {}", rows(read, first.height())),
        });
    }
    // Noise behind what is read changes nothing. If other data changes nothing either, the decoder gave up before.
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

/// Bytes that no decoder takes for the rest of a picture, without markers.
fn noise(count: usize) -> Vec<u8> {
    let byte = |place: u32| (place.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x7f;
    (1..=count as u32).map(byte).collect()
}

/// Bytes in a row of a picture.
fn stride(picture: &DynamicImage) -> usize {
    (picture.width() as usize * usize::from(picture.color().bytes_per_pixel())).max(1)
}

/// How many rows of two pictures are the same, from the top.
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

/// Whether the last rows are grey, or repeat those before: for bits that are lacking decoders take zeros.
fn looks_made_up(picture: &DynamicImage) -> bool {
    let mut rows = picture.as_bytes().chunks(stride(picture)).rev();
    let last = rows.next();
    let repeats = rows
        .nth(LARGEST_BLOCK - 1)
        .is_none_or(|row| Some(row) == last);
    repeats || ends_grey(picture)
}

fn ends_grey(picture: &DynamicImage) -> bool {
    read_before_grey(picture) < picture.height()
}

/// How many rows there are before those that are nothing but the decoder's grey.
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
    let what = match is_end(&problem) {
        true => "the file ends early",
        false => "the picture is damaged",
    };
    match is_interlaced {
        true => Some(format!("{what}: of its seven passes not all could be read")),
        false => Some(format!("{what}: {}", rows(read, height))),
    }
}

/// Length of what stands before a WebP file's chunks, and before each chunk's data.
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
    // Its header says how much follows.
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
