use super::*;
use crate::model::picture::read;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::{Rgb, RgbImage};
use proptest::prelude::*;

/// A progressive JPEG file of ten passes, 24 × 24 pixels.
const PROGRESSIVE: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4\
    x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wgARCAAY\
    ABgDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAEC/8QAFgEBAQEAAAAAAAAAAAAAAAAAAgED/9oADAMBAAIQAxAAAAHKjYpG0WwXT/\
    /EABoQAAIDAQEAAAAAAAAAAAAAAAECAxETABL/2gAIAQEAAQUC9uW0csJH5ZjWxCGYhTKtGVb1Uv8A/8QAGxEAAwACAwAAAAAAAAAAAAAAAAEC\
    AyESMWH/2gAIAQMBAT8B33x9G7nSkeGSMUn/xAAcEQACAQUBAAAAAAAAAAAAAAAAAQIREhMhMkH/2gAIAQIBAT8BUNcllfBQRjTP/8QAGRAAAw\
    EBAQAAAAAAAAAAAAAAAAERMRIy/9oACAEBAAY/AsMG4N8maTkSglDyf//EABkQAQEBAQEBAAAAAAAAAAAAAAEAMRFBYf/aAAgBAQABPyHmmCFX\
    JdsxVDDQHRhXv8u+YL//2gAMAwEAAgADAAAAEEgAPP/EABwRAQACAgMBAAAAAAAAAAAAAAEAETGBQVFhcf/aAAgBAwEBPxCk2HOhiAAO36yyno\
    alRUys/8QAFhEBAQEAAAAAAAAAAAAAAAAAAQAR/9oACAECAQE/EDAAsLc2Mm3/xAAaEAADAQEBAQAAAAAAAAAAAAAAASExEVGR/9oACAEBAAE/\
    EH1vxsMmmdQ0/CyDwU8g4Nt4fMxF1W7Bala1Bqlh8P/Z";

/// A lossy WebP file of 24 × 24 pixels.
const LOSSY: &str = "UklGRrQBAABXRUJQVlA4IKgBAAAwCgCdASoYABgAPrVMnksnJCKhqA1Q4BaJbACdMoR/doM58aA/SD3AZxf9jf2O9mboAOsA/Wb2E/2A6zj9rv\
    SqKe0CvdrgFSO74CZk6wU2ZnjMpSkqdCazSiAA/fB6Z8GjxuCUNHWeS/mJB8jM81B3WaO70GuzIGuj9TyQsREdMOaB6uRd4UTKJsNVJw+Gf9s7\
    2+e8pdkOwx7BTP1mV0mJj4xxjSneTYqcDxthHDi4vGHVC9jXrAaGp07O1vHxcGUyEeYsh5CW5fmtynFhZ3T1xsGIjT5EuN/WIsxsRrvIm0886Q\
    6Kr7VAoq8m+BSJPnoFkY9lFMl4gDA+a5c8VXx4INHRC6iuql/MAOQiX8wLT3RO+CJTXvAwHysuz0mNEGBv69iqzHPOSuLyMjY6V0a/BrV4mQvB\
    uWFzk6c3F2xPw5uKkoHb06CSiKfB0vf8aShDjqe6+H55RWZukcN6ixsHSr3o/H/Fp1VzOEgtdMadwJDxznwWKM+30r/9C96UucdNZBjQeFe7NT\
    8v6ljk1fNczBPHCZUfy+TGx+O8m9YMPg1/LSfkwAAA";

fn bytes(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap()
}

/// What is wrong with a file.
fn complaint(bytes: &[u8]) -> String {
    read_bytes(bytes).err().unwrap_or_else(|| "nothing".into())
}

fn read_bytes(bytes: &[u8]) -> Result<RgbImage, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read(file.path()).map_err(|error| error.to_string())
}

/// Waves of all colours, which no decoder would make up.
fn waves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f32, b: f32| (127.0 + 120.0 * (x as f32 * a + y as f32 * b).sin()) as u8;
        Rgb([wave(0.31, 0.2), wave(-0.2, 0.4), wave(0.05, 0.33)])
    })
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The number of rows in `… ends early: 17 of 80 rows could be read; …`.
fn rows_read(complaint: &str) -> u32 {
    let (_, rest) = complaint
        .split_once("early: ")
        .unwrap_or_else(|| panic!("{complaint}"));
    assert!(
        rest.ends_with(" of 80 rows could be read; copy or download it again"),
        "{complaint}"
    );
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_cut_jpeg_says_how_many_rows_could_be_read() {
    let jpeg = encoded(&waves(64, 80), ImageFormat::Jpeg);
    let head = jpeg
        .windows(2)
        .position(|pair| pair == b"\xff\xda")
        .unwrap()
        + 14;
    let mut before = 0;
    for part in 1..20 {
        let cut = head + (jpeg.len() - head) * part / 20;
        let rows = rows_read(&complaint(&jpeg[..cut]));
        assert!(rows >= before && rows < 80, "{rows} after {before}");
        let share = (cut - head) as f32 / (jpeg.len() - head) as f32;
        assert!(
            (rows as f32 / 80.0 - share).abs() < 0.3,
            "{rows} rows of {share}"
        );
        // The same if someone put an end marker behind it, or zeros until it is as long as it was.
        let ended = [&jpeg[..cut], b"\xff\xd9"].concat();
        // Unless so little is lacking that it does not show.
        if rows <= 48 {
            assert_eq!(rows_read(&complaint(&ended)), rows);
        }
        let filled = [&jpeg[..cut], &vec![0; jpeg.len() - cut]].concat();
        assert!(rows_read(&complaint(&filled)).abs_diff(rows) <= 8);
        before = rows;
    }
    assert!(before > 60);
    let message = complaint(&jpeg[..head / 2]);
    assert!(
        message.contains("the file ends early, before its picture"),
        "{message}"
    );
}

#[test]
fn a_complete_jpeg_is_read_whatever_its_end() {
    let picture = waves(64, 80);
    let jpeg = encoded(&picture, ImageFormat::Jpeg);
    let complete = read_bytes(&jpeg).unwrap();
    let without_marker = &jpeg[..jpeg.len() - 2];
    for other in [
        without_marker.to_vec(),
        [without_marker, &[0; 100]].concat(),
        [&jpeg[..], &[0; 100]].concat(),
        [&jpeg[..], &jpeg[..200]].concat(),
    ] {
        assert_eq!(read_bytes(&other).as_ref(), Ok(&complete));
    }
}

#[test]
fn a_grey_picture_is_no_damage() {
    let grey = RgbImage::from_pixel(40, 48, Rgb([128; 3]));
    assert!(read_bytes(&encoded(&grey, ImageFormat::Jpeg)).is_ok());
    let mut half = waves(40, 48);
    half.enumerate_pixels_mut()
        .filter(|(_, y, _)| *y >= 24)
        .for_each(|(.., pixel)| *pixel = Rgb([128; 3]));
    let jpeg = encoded(&half, ImageFormat::Jpeg);
    assert!(read_bytes(&jpeg).unwrap().get_pixel(3, 47).0 == [128; 3]);
    assert!(read_bytes(&jpeg[..jpeg.len() / 2]).is_err());
}

#[test]
fn data_that_no_decoder_takes_is_damage() {
    let mut jpeg = encoded(&waves(64, 80), ImageFormat::Jpeg);
    let middle = jpeg.len() * 2 / 3;
    for pair in jpeg[middle..middle + 20].chunks_mut(2) {
        pair.copy_from_slice(b"\xff\0");
    }
    let message = complaint(&jpeg);
    assert!(
        message.contains("the picture is damaged: ") && message.contains(" of 80 rows"),
        "{message}"
    );
}

#[test]
fn a_cut_progressive_jpeg_says_that_it_would_be_finer() {
    let jpeg = bytes(PROGRESSIVE);
    assert_eq!(read_bytes(&jpeg).unwrap().dimensions(), (24, 24));
    let markers = Markers::new(&jpeg);
    assert!(markers.is_complete && markers.is_progressive && markers.scans > 4);
    for part in 8..20 {
        let message = complaint(&jpeg[..jpeg.len() * part / 20]);
        assert!(message.contains("the file ends early"), "{part}: {message}");
    }
}

#[test]
fn a_cut_png_says_how_many_rows_could_be_read() {
    let png = encoded(&waves(64, 80), ImageFormat::Png);
    let mut before = 0;
    for part in 2..20 {
        let rows = rows_read(&complaint(&png[..png.len() * part / 20]));
        assert!(rows >= before && rows < 80);
        before = rows;
    }
    assert!(before > 40);
    let mut damaged = png.clone();
    damaged[png.len() / 2] ^= 0x55;
    let message = complaint(&damaged);
    assert!(
        message.contains("the picture is damaged: ") && message.contains(" of 80 rows"),
        "{message}"
    );
}

#[test]
fn a_cut_webp_says_how_much_is_there() {
    for webp in [encoded(&waves(64, 80), ImageFormat::WebP), bytes(LOSSY)] {
        assert!(read_bytes(&webp).is_ok());
        for part in 1..20 {
            let cut = (webp.len() * part / 20).max(20);
            let message = complaint(&webp[..cut]);
            let expected = format!(
                "the file ends early: {cut} of {} bytes are there",
                webp.len()
            );
            assert!(message.contains(&expected), "{message}");
        }
    }
}

proptest! {
    #[test]
    fn damage_anywhere_never_panics(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(), which in 0..4) {
        let mut file = match which {
            0 => bytes(PROGRESSIVE),
            1 => bytes(LOSSY),
            2 => encoded(&waves(20, 20), ImageFormat::Jpeg),
            _ => encoded(&waves(20, 20), ImageFormat::Png),
        };
        let at = at.index(file.len());
        file[at] = byte;
        file.truncate(cut.index(file.len()) + 1);
        let _ = read_bytes(&file);
    }
}
